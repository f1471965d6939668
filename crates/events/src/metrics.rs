//! What operators see of event sinks.

use crate::{SinkSettings, Target, Transport};
use icapstan_metrics::{Counters, Families, Gauges, label};
use prometheus::Registry;

/// Metrics of [`Events`](crate::Events).
#[derive(Clone, Debug)]
pub struct EventMetrics {
    pub(crate) sent: Counters<Place>,
    pub(crate) dropped: Counters<(Place, Cause)>,
    pub(crate) sinks: Gauges<Type>,
    pub(crate) connected: Gauges<Type>,
}

label! {
    /// The place of a sink in the settings, from 0.
    pub(crate) enum Place as "sink" {
        /// `events[0]`.
        First = "0",
        /// `events[1]`.
        Second = "1",
        /// `events[2]`.
        Third = "2",
        /// `events[3]`.
        Fourth = "3",
        /// `events[4]`.
        Fifth = "4",
        /// `events[5]`.
        Sixth = "5",
        /// `events[6]`.
        Seventh = "6",
        /// `events[7]`.
        Eighth = "7",
    }
}

label! {
    /// Why an event is lost to a sink.
    pub(crate) enum Cause as "cause" {
        /// The sink takes events, but more slowly than they come.
        QueueFull = "queue-full",
        /// The sink takes none, and no more can wait.
        Down = "down",
        /// The sink does not take a record of that size.
        TooLarge = "too-large",
        /// The program ended before the sink took it.
        Stopped = "stopped",
    }
}

label! {
    /// What a sink is.
    pub(crate) enum Type as "type" {
        /// A file.
        File = "file",
        /// Standard output.
        Stdout = "stdout",
        /// A syslog server over UDP.
        Udp = "udp",
        /// A syslog server over TCP.
        Tcp = "tcp",
        /// A syslog server over TLS.
        Tls = "tls",
    }
}

// === impl EventMetrics ===

impl EventMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let families = Families::of(registry);
        Ok(Self {
            sent: families.counters(
                "icapstan_events_sent_total",
                "Security events that a sink took, by the sink's place in the settings.",
            )?,
            dropped: families.counters(
                "icapstan_events_dropped_total",
                "Security events that are lost to a sink, by the sink's place in the settings and by cause.",
            )?,
            sinks: families.gauges("icapstan_events_sinks", "Sinks of security events, by type.")?,
            connected: families.gauges(
                "icapstan_events_sinks_connected",
                "Sinks of security events that are open, or that there is a connection to, by type.",
            )?,
        })
    }
}

// === impl Place ===

impl Place {
    const ALL: [Self; 8] = [
        Self::First,
        Self::Second,
        Self::Third,
        Self::Fourth,
        Self::Fifth,
        Self::Sixth,
        Self::Seventh,
        Self::Eighth,
    ];

    /// All places in their order: as many as there can be sinks.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }
}

const _: () = assert!(Place::ALL.len() == crate::EventSettings::MAX_SINKS);

// === impl Type ===

impl Type {
    pub(crate) fn of(settings: &SinkSettings) -> Option<Self> {
        settings.target().map(|target| match target {
            Target::File(_) => Self::File,
            Target::Stdout => Self::Stdout,
            Target::Syslog(server) => match server.transport {
                Transport::Udp => Self::Udp,
                Transport::Tcp => Self::Tcp,
                Transport::Tls => Self::Tls,
            },
        })
    }
}
