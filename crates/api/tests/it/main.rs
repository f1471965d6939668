//! What whoever writes a configuration can rely on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod docs;
#[cfg(feature = "kube")]
mod kube;
mod shape;
mod wrong;
