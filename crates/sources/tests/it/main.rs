//! Sources, from real servers, tools and registries, and from those that mean harm.

mod hostile;
mod http;
mod oci;
mod peer;
mod proxy;
mod signed;
mod support;
mod volume;
