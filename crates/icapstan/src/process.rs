//! What all processes that serve do alike.

use crate::exit::Exit;
use crate::memory;
use crate::settings::{self, Settings};
use crate::siem;
use anyhow::Context;
use icapstan_events::Events;
use icapstan_model::Epoch;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, warn};

/// The signals that a server obeys.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// Runs `serving` to its end, in a process that is made ready for as many `connections`.
pub(crate) fn run_to_end(
    settings: &Settings,
    events: &Events,
    connections: u32,
    serving: impl Future<Output = anyhow::Result<()>>,
) -> Exit {
    for advice in settings.advice() {
        warn!(setting = advice.path, "{}", advice.message);
    }
    leave_no_core();
    memory::bound_heaps(settings::threads());
    raise_descriptor_limit(connections);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings::threads())
        .thread_name("icapstan-io")
        .enable_all()
        .build();
    let result = runtime.context("the runtime cannot be started").and_then(|runtime| {
        let result = runtime.block_on(serving);
        // What still blocks has no one left to wait for it.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    });
    match result {
        Ok(()) => Exit::Success,
        Err(error) => {
            let cause = format!("{error:#}");
            error!(error = cause, "icapstan ends.");
            siem::tell_failure(events, &cause);
            Exit::Failure
        }
    }
}

/// What `/version` says of the signatures in use.
pub(crate) fn signatures_document(epoch: Option<&Arc<Epoch>>) -> Option<Value> {
    epoch.map(|epoch| {
        let signatures = &epoch.signatures;
        json!({
            "generation": signatures.id.to_string(),
            "count": signatures.count,
            "testOnly": signatures.test_only,
            "engine": signatures.engine,
            "released": signatures.released.map(icapstan_telemetry::timestamp),
        })
    })
}

/// A core dump would hold what users sent and fetched.
fn leave_no_core() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum }) {
        warn!(%error, "Core dumps cannot be turned off.");
    }
}

/// Raises the soft limit on open files to the hard one, which is the system's real limit: the soft
/// one of 1,024 is there for programs that use select(2).
fn raise_descriptor_limit(sessions: u32) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// For spool files, objects under way, workers and the log.
    const OTHERS: u64 = 2048;
    let now = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }) {
        warn!(%error, "The limit on open files cannot be raised.");
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Beyond the sessions there is a reserve of an eighth for OPTIONS.
    if limit < u64::from(sessions) * 9 / 8 + OTHERS {
        warn!(limit, sessions, "The system's limit on open files is lower than limits.sessions needs.");
    }
}

// === impl Signals ===

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the signal to end; calls `reload` whenever asked to meanwhile.
    pub(crate) async fn end(&mut self, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reload(),
            }
        }
    }
}
