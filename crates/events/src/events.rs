//! What the program sends its events to.

use crate::encode::{Encoder, Source};
use crate::event::Event;
use crate::kind::EventKind;
use crate::metrics::{Cause, EventMetrics, Place, Type};
use crate::queue::Queue;
use crate::sink::{self, SinkError};
use crate::text::Text;
use crate::writer::Writer;
use crate::{EventSettings, Target};
use icapstan_api::Problem;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// How long the end of the process waits for sinks.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// The most bytes of a line. The largest event fits many times.
const MAX_LINE: usize = 128 << 10;

/// Takes events and hands them to sinks. Clones send to the same ones. By default there are none, and
/// nothing is wanted.
#[derive(Clone, Default)]
pub struct Events {
    outlets: Arc<[Outlet]>,
}

/// To be kept until the process ends. When it is dropped, further events are refused, and those that came
/// before have two seconds to reach their sinks.
#[must_use = "events that are still waiting are lost unless this is dropped at the very end"]
pub struct EventsGuard {
    events: Events,
    is_stopped: bool,
}

/// A sink, as those who send see it.
struct Outlet {
    place: Place,
    kind: Type,
    wanted: [bool; EventKind::ALL.len()],
    queue: Arc<Queue>,
    metrics: EventMetrics,
}

/// Why there are no events.
#[derive(Debug, Error)]
pub enum EventsError {
    /// The settings do not fit; never empty.
    #[error("{}", Lines(.0))]
    Settings(Vec<Problem>),
    /// A file or a certificate cannot be used.
    #[error("events[{place}].sink cannot be used")]
    Sink {
        /// Which sink.
        place: usize,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// No thread could be had.
    #[error("cannot start the thread of events[{place}]")]
    Thread {
        /// Which sink.
        place: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Each on its own line.
struct Lines<'a>(&'a [Problem]);

// === impl Events ===

impl Events {
    /// Opens all sinks and starts a thread for each. What is wrong with settings, files and certificates is
    /// an error now; a server that does not answer is asked again and again.
    pub fn start(
        settings: &[EventSettings],
        source: &Source,
        metrics: &EventMetrics,
    ) -> Result<(Self, EventsGuard), EventsError> {
        EventSettings::check(settings).map_err(EventsError::Settings)?;
        let mut writers = Vec::new();
        for (index, (place, settings)) in Place::all().zip(settings).enumerate() {
            let fault = |source: SinkError| EventsError::Sink { place: index, source: source.into() };
            writers.push(writer(place, settings, source, metrics).map_err(fault)?);
        }
        let outlets = writers.iter().zip(settings).map(|(writer, settings)| Outlet {
            place: writer.place,
            kind: writer.kind,
            wanted: EventKind::ALL.map(|kind| settings.wants(kind)),
            queue: Arc::clone(&writer.queue),
            metrics: metrics.clone(),
        });
        let events = Self { outlets: outlets.collect() };
        for outlet in &*events.outlets {
            metrics.sinks.inc(outlet.kind);
        }
        // From here on a failure stops those that were started.
        let guard = EventsGuard { events: events.clone(), is_stopped: false };
        for (place, writer) in writers.into_iter().enumerate() {
            if let Err(source) = writer.start() {
                events.outlets[place..].iter().for_each(|outlet| outlet.queue.end());
                return Err(EventsError::Thread { place, source });
            }
        }
        Ok((events, guard))
    }

    /// Whether any sink wants events of `kind`. Without one, there is no need to make any.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.outlets.iter().any(|outlet| outlet.wanted[kind as usize])
    }

    /// Hands `event` to each sink that wants it, or drops and counts it there. Takes a lock for as long as
    /// it takes to move a pointer, and waits neither for the writers nor for what they write to.
    pub fn send(&self, event: Event) {
        if !self.wants(event.kind) {
            return;
        }
        let event = Arc::new(event);
        for outlet in self.outlets.iter().filter(|outlet| outlet.wanted[event.kind as usize]) {
            if let Err(cause) = outlet.queue.push(&event) {
                outlet.metrics.dropped.inc((outlet.place, cause));
            }
        }
    }

    /// Waits until each event that came before is taken by its sinks or lost. False if that takes longer
    /// than `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        let by = Instant::now() + timeout;
        let left = || by.saturating_duration_since(Instant::now());
        self.outlets.iter().all(|outlet| outlet.queue.flush(left()))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("sinks", &self.outlets.len()).finish_non_exhaustive()
    }
}

fn writer(
    place: Place,
    settings: &EventSettings,
    source: &Source,
    metrics: &EventMetrics,
) -> Result<Writer, SinkError> {
    let (Some(target), Some(kind)) = (settings.sink.target(), Type::of(&settings.sink)) else {
        return Err(SinkError::Address);
    };
    let (facility, most, host) = match target {
        Target::Syslog(server) => (Some(server.facility), server.most(), server.host.as_ref()),
        Target::File(_) | Target::Stdout => (None, MAX_LINE, None),
    };
    let host = host.map_or_else(|| source.host.clone(), Text::name);
    let source = Arc::new(Source { host, ..source.clone() });
    Ok(Writer {
        sink: sink::of(target)?,
        encoder: Encoder { source, format: settings.format, facility, most },
        queue: Arc::new(Queue::new(usize::try_from(settings.queue).unwrap_or(usize::MAX))),
        metrics: metrics.clone(),
        place,
        kind,
    })
}

// === impl EventsGuard ===

impl EventsGuard {
    /// Refuses further events, and gives those that came before `timeout` to reach their sinks. What does
    /// not is counted as dropped. False if anything was.
    pub fn stop(mut self, timeout: Duration) -> bool {
        self.stop_within(timeout)
    }

    fn stop_within(&mut self, timeout: Duration) -> bool {
        if std::mem::replace(&mut self.is_stopped, true) {
            return true;
        }
        let outlets = &self.events.outlets;
        let by = Instant::now() + timeout;
        outlets.iter().for_each(|outlet| outlet.queue.stop(by));
        let mut is_complete = true;
        for outlet in &**outlets {
            let metrics = &outlet.metrics;
            let left = outlet.queue.join(by);
            metrics.dropped.inc_by((outlet.place, Cause::Stopped), left as u64);
            metrics.sinks.dec(outlet.kind);
            is_complete &= left == 0;
        }
        is_complete
    }
}

impl Drop for EventsGuard {
    fn drop(&mut self) {
        self.stop_within(LAST_FLUSH);
    }
}

impl fmt::Debug for EventsGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventsGuard").finish_non_exhaustive()
    }
}

// === impl Lines ===

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}
