//! A Kubernetes control plane for tests: a real API server, and what can go wrong before it.
//!
//! ```text
//!  test ──▶ Namespace::client ─────────────────────────┐
//!  child ─▶ Namespace::kubeconfig ─────────────────────┤
//!  child ─▶ Account::kubeconfig ──▶ FaultProxy ──TLS──▶ kube-apiserver ──▶ etcd
//!                                    EndpointKeeper ───┘  one of each for a test process
//! ```
//!
//! Where `KUBECONFIG` is set the tests use that cluster, and start none.
//!
//! 1. A control plane serves all tests of a process and ends with it, however it ends. Nothing of it listens elsewhere
//!    than on loopback, and its folder is removed.
//! 2. Tests share nothing but resource types: each has a namespace of a name that nobody else has.
//! 3. Nobody but a test is `system:masters`: what a process may do is said by a role ([`Namespace::identity`]).
//! 4. There are no controllers. Nothing is deleted with its owner, a namespace that is deleted stays, Services have no
//!    endpoints unless an [`EndpointKeeper`] makes them.
//!
//! Clients belong to the runtime in which they are made, so that each test takes its own; a cluster, a namespace and a
//! proxy belong to none, and tests that block may use them as well.

mod account;
mod cluster;
mod control_plane;
mod endpoints;
mod kubeconfig;
mod namespace;
mod programs;
mod proxy;
mod sweeper;

pub use account::Account;
pub use cluster::Cluster;
pub use endpoints::{EndpointKeeper, Pod};
pub use namespace::Namespace;
pub use programs::{kubectl, version};
pub use proxy::{FaultProxy, Held, Seen, Which};

use crate::wait::{LOOK_EVERY, PATIENCE};
use std::time::Instant;

/// As [`eventually`](crate::eventually), for conditions that have to be asked for.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        let left = PATIENCE.saturating_sub(begun.elapsed());
        // A question without an answer is no reason to wait longer.
        if let Ok(Some(found)) = tokio::time::timeout(left, condition()).await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
