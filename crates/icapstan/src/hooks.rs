//! What rules call.

use icapstan_api::HookSettings;
use icapstan_events::Source;
use icapstan_hooks::{HookMetrics, Hooks, HooksGuard};
use prometheus::Registry;
use std::io;
use std::thread::JoinHandle;
use std::time::Duration;
use tracing::warn;

/// How long the end waits for hooks, while it waits for the sinks of events.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// Looks at all that can be called.
pub(crate) fn start(settings: &HookSettings, registry: &Registry) -> anyhow::Result<(Hooks, HooksGuard)> {
    let metrics = HookMetrics::register(registry)?;
    Ok(Hooks::start(settings, &Source::this(), &metrics)?)
}

/// Lets the last calls be made, on a thread of its own.
pub(crate) fn stop(guard: HooksGuard) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("icapstan-end".to_owned()).spawn(move || {
        if !guard.stop(LAST_FLUSH) {
            warn!("Some hooks were not done in time.");
        }
    })
}
