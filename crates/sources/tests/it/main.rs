//! Sources, from real servers, tools and registries, and from those that mean harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hostile;
mod http;
mod oci;
mod peer;
mod proxy;
mod signed;
mod support;
mod volume;
