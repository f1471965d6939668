//! What the program tells of itself: that it serves, that it ends, and that signatures were changed.

use icapstan_api::EventSettings;
use icapstan_events::{Event, EventKind, EventMetrics, Events, EventsGuard, Source, Text};
use icapstan_model::{Epoch, GenerationId};
use icapstan_scanner::Scanner;
use prometheus::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::warn;

/// How long the end waits for sinks. With what comes before it is shorter than the 30 s after which
/// Kubernetes kills.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// The signatures that are in use, as they come.
pub(crate) type Epochs = watch::Receiver<Option<Arc<Epoch>>>;

/// Opens the sinks.
pub(crate) fn start(
    settings: &[EventSettings],
    registry: &Registry,
) -> anyhow::Result<(Events, EventsGuard)> {
    let metrics = EventMetrics::register(registry)?;
    Ok(Events::start(settings, &Source::this(), &metrics)?)
}

/// Lets the last events out.
pub(crate) fn stop(guard: EventsGuard) {
    if !guard.stop(LAST_FLUSH) {
        warn!("Some security events did not reach their sinks in time.");
    }
}

/// Clients are served from now on.
pub(crate) fn tell_start(events: &Events, what: &str, epochs: &Epochs) {
    let version = env!("CARGO_PKG_VERSION");
    let message = Text::message(format!("icapstan {version} serves {what}."));
    events.send(Event { signatures: generation(epochs), ..Event::new(EventKind::Start, message) });
}

/// The same, where no signatures are used.
pub(crate) fn tell_start_without_signatures(events: &Events, what: &str) {
    let version = env!("CARGO_PKG_VERSION");
    let message = Text::message(format!("icapstan {version} serves {what}."));
    events.send(Event::new(EventKind::Start, message));
}

/// No client is served any more.
pub(crate) fn tell_stop(events: &Events) {
    events.send(Event::new(EventKind::Stop, Text::message("icapstan serves no longer.")));
}

/// The program cannot go on.
pub(crate) fn tell_failure(events: &Events, cause: &str) {
    events.send(Event::new(EventKind::Failure, Text::message(format!("icapstan ends: {cause}"))));
}

/// Tells of each change of the signatures, of which the first ones are none. Ends with the scanner.
pub(crate) async fn tell_changes(events: Events, mut epochs: Epochs) {
    let mut known = signatures(&epochs);
    while epochs.changed().await.is_ok() {
        let Some(epoch) = epochs.borrow_and_update().clone() else { continue };
        // Who watches hash lists tells of these.
        let id = Scanner::signatures_of(&epoch);
        if known.replace(id).is_some_and(|before| before != id) {
            let (generation, message) = changed(&epoch);
            let event = Event::new(EventKind::ListChange, Text::message(message));
            events.send(Event { signatures: Some(generation), ..event });
        }
    }
}

fn changed(epoch: &Epoch) -> (GenerationId, String) {
    let signatures = &epoch.signatures;
    let tests = if signatures.test_only { ", for tests only" } else { "" };
    let message =
        format!("Other signatures are in use: {}{tests}, by {}.", signatures.count, signatures.engine);
    (signatures.id, message)
}

/// What the engine has loaded.
fn signatures(epochs: &Epochs) -> Option<GenerationId> {
    epochs.borrow().as_deref().map(Scanner::signatures_of)
}

fn generation(epochs: &Epochs) -> Option<GenerationId> {
    epochs.borrow().as_ref().map(|epoch| epoch.signatures.id)
}
