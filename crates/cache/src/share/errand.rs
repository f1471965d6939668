//! A thread that does one thing until it is told to end.

use super::ShareError;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Ends its thread, and waits for that, when dropped.
#[derive(Debug)]
pub(crate) struct Errand {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

// === impl Errand ===

impl Errand {
    /// Does `work` in a thread of that name, with a runtime of its own.
    pub(crate) fn start(name: &str, work: impl AsyncFnOnce() + Send + 'static) -> Result<Self, ShareError> {
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("icapstan-redis-dns")
            .max_blocking_threads(2)
            .build()
            .map_err(ShareError::Thread)?;
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = work() => {}
                }
            });
            // A name that is still being looked up is nobody's business any more.
            runtime.shutdown_background();
        };
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(ShareError::Thread)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        // The thread may have ended by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
