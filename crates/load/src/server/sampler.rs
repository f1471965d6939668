//! Looks at the server once a second, on a thread of its own: reading the memory of a large process
//! takes long, and the load must not stand still meanwhile.

use super::ProcessTree;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(1);

/// The running thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Sampler {
    stop: SyncSender<()>,
    thread: JoinHandle<Peak>,
}

/// The most that was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peak {
    pub(crate) pss_bytes: u64,
    pub(crate) threads: u64,
}

// === impl Sampler ===

impl Sampler {
    pub(crate) fn start(tree: ProcessTree) -> Self {
        let (stop, stopped) = sync_channel::<()>(1);
        let thread = std::thread::spawn(move || {
            let mut peak = Peak::default();
            loop {
                let snapshot = tree.snapshot();
                peak.threads = peak.threads.max(snapshot.threads);
                peak.pss_bytes = peak.pss_bytes.max(snapshot.pss_bytes());
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return peak;
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends the thread.
    pub(crate) fn stop(self) -> Peak {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}
