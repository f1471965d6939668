//! Ctrl-C and SIGTERM, as a flag that every wait looks at: the stack unwinds, and with it go the
//! servers that were started and the folder that was made.

use anyhow::Context;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tokio::signal::unix::{SignalKind, signal};

/// Whether the user wants this to end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// The user wanted this to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted;

/// Whether the error is that the user wanted to end.
pub(crate) fn is_interrupt(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>()
}

// === impl Interrupt ===

impl Interrupt {
    /// Takes SIGINT, SIGTERM and SIGHUP over for the rest of this process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let interrupt = Self::default();
        let flag = Arc::clone(&interrupt.0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("signals cannot be received")?;
        // Registered before anything is started that a signal would have to end.
        let guard = runtime.enter();
        let mut interrupt_signal = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        drop(guard);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt_signal.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                    flag.store(true, Ordering::Relaxed);
                }
            });
        })?;
        Ok(interrupt)
    }

    /// Fails once a signal came.
    pub(crate) fn check(&self) -> Result<(), Interrupted> {
        if self.0.load(Ordering::Relaxed) { Err(Interrupted) } else { Ok(()) }
    }
}

// === impl Interrupted ===

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
