//! Security events for a SIEM: what happened, how it is written down, and where it goes.
//!
//! ```text
//!  Event ──send──▶ bounded queue of each sink ──▶ its own thread: encode ──▶ file, standard output,
//!                  (full: dropped, counted)       as JSON, CEF or text       syslog by UDP, TCP, TLS
//! ```
//!
//! Refuses to do: deciding what is an event, and verdicts.
//!
//! Invariants
//! 1. Who sends never waits for a sink: a sink that is down, slow or dead costs events, which are counted,
//!    and nothing else.
//! 2. Whatever a peer sent is inert and bounded in every record: no line ends, no field begins, no terminal
//!    and no page acts on it. A record is one line, one frame or one datagram, and is whole.
//! 3. Memory is bounded: by event, by queue, by sink. So are all waits: to connect, to write, to end.
//! 4. A record that a connection did not take is sent again over the next one: at least once as long as the
//!    server reads what it took. Syslog has no acknowledgement, so what a server loses is not seen.
//!
//! ```
//! use icapstan_events::{Event, EventKind, EventMetrics, EventSettings, Events, SinkSettings, Source, Text};
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("events.json");
//! let metrics = EventMetrics::register(&prometheus::Registry::new())?;
//! let settings = [EventSettings::new(SinkSettings::file(&path))];
//! let (events, guard) = Events::start(&settings, &Source::this(), &metrics)?;
//! if events.wants(EventKind::Block) {
//!     let mut event = Event::new(EventKind::Block, Text::message("The URL is on a list."));
//!     event.url = Some(Text::url("http://bad.test/\r\nx"));
//!     events.send(event);
//! }
//! drop(guard);
//! assert!(std::fs::read_to_string(path)?.contains(r#""url":"http://bad.test/%0D%0Ax""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backoff;
mod encode;
mod event;
mod events;
mod kind;
mod metrics;
mod queue;
mod sink;
mod text;
mod time;
mod writer;

pub use icapstan_api::{
    EventFormat, EventSettings, SinkSettings, StdoutSettings, SyslogFacility as Facility,
    SyslogFraming as Framing, SyslogSettings, SyslogTls as TlsSettings, SyslogTransport as Transport,
};

pub use encode::{Source, json};
pub use event::{Event, EventAction, Few};
pub use events::{Events, EventsError, EventsGuard};
pub use kind::{EventKind, Severity};
pub use metrics::EventMetrics;
pub use text::Text;

use icapstan_api::{EventTarget as Target, SyslogPeer as Peer};
