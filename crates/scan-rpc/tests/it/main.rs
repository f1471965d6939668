//! Gateways and scanners of this crate against each other, over loopback.

mod calls;
mod deaths;
mod rig;
mod signatures;
