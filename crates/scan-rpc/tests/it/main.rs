//! Gateways and scanners of this crate against each other, over loopback.

#![allow(clippy::unwrap_used, reason = "a test that cannot begin has failed")]

mod calls;
mod deaths;
mod planned;
mod rig;
mod signatures;
mod standing;
mod watched;
