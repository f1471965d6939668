//! Keeps clients away for a while, without the end of the process.
//!
//! While the fence is up nobody is listened to, so that clients go to others; idle connections are closed; requests that
//! are under way are answered, with `Connection: close`; and a request that comes on a connection that was open is not
//! answered at all: its connection is closed, with not a byte of an answer, as one that was idle for too long, so that
//! its client can send it again elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between a server and its clients. Clones are of the same one.
#[derive(Clone, Debug)]
pub struct Fence(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// For a look at each request.
    is_up: AtomicBool,
    changes: watch::Sender<bool>,
}

/// What makes the answer to a request the last one of its connection, whenever that comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending<'s> {
    pub(crate) stop: &'s CancellationToken,
    pub(crate) fence: &'s Fence,
}

// === impl Ending ===

impl Ending<'_> {
    pub(crate) fn is_near(self) -> bool {
        self.stop.is_cancelled() || self.fence.is_up()
    }
}

// === impl Fence ===

impl Fence {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { is_up: AtomicBool::new(false), changes: watch::channel(false).0 }))
    }

    /// Keeps clients away from now on, or lets them come again.
    pub fn put(&self, is_up: bool) {
        self.0.is_up.store(is_up, Ordering::SeqCst);
        self.0.changes.send_replace(is_up);
    }

    /// Whether it keeps clients away.
    pub fn is_up(&self) -> bool {
        self.0.is_up.load(Ordering::SeqCst)
    }

    /// Waits until it does, or until it does not.
    pub(crate) async fn is(&self, up: bool) {
        // Its sender lives as long as this.
        let _ = self.0.changes.subscribe().wait_for(|now| *now == up).await;
    }
}
