//! Events of what happens too often to be told one by one: refusals, broken transactions, dead workers.
//!
//! ```text
//!  metrics ──each second──▶ what was counted since the last event of its cause
//!                           └─▶ an event with the number: at once, and then no more than one a minute
//! ```
//!
//! The numbers are those of the metrics, so that counting costs nothing here and a flood makes no more
//! events than there are causes and minutes.

use crate::counts::Counts;
use crate::scanning::Scanning;
use icapstan_events::{Event, EventKind, Events, Text};
use parking_lot::Mutex;
use prometheus::Registry;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// How often the metrics are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// No cause has an event more often.
const PAUSE: Duration = Duration::from_mins(1);

/// Tells what the metrics have counted.
pub(crate) struct Tally {
    registry: Arc<Registry>,
    events: Events,
    scanning: Scanning,
    entries: Mutex<Vec<Entry>>,
}

/// One cause, and what was told of it.
struct Entry {
    cause: &'static Cause,
    told: u64,
    last: Option<Instant>,
}

/// What is counted, and how it is told.
struct Cause {
    kind: EventKind,
    word: &'static str,
    message: &'static str,
    /// A metric that it is counted by: not all processes have all.
    metric: &'static str,
    count: fn(&Counts) -> u64,
}

/// All that is told by its number.
const CAUSES: [Cause; 17] = [
    Cause {
        kind: EventKind::Refusal,
        word: "sessions",
        message: "Connections were closed, or requests refused, since limits.sessions are in use.",
        metric: "icapstan_icap_connections_refused_total",
        count: |counts| counts.sum("icapstan_icap_connections_refused_total", &[]),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "client",
        message: "Connections were closed, or requests refused, since limits.perClient were reached.",
        metric: "icapstan_icap_client_refusals_total",
        count: |counts| counts.sum("icapstan_icap_client_refusals_total", &[]),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "queue-full",
        message: "Requests were refused, since the queue for scans is full.",
        metric: "icapstan_gateway_refusals_total",
        count: |counts| refused(counts, "queue-full"),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "hopeless",
        message: "Requests were refused, since their scan would not be done before its deadline.",
        metric: "icapstan_gateway_refusals_total",
        count: |counts| refused(counts, "hopeless"),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "memory",
        message: "Requests were refused, since limits.memory or limits.spool is used up.",
        metric: "icapstan_gateway_refusals_total",
        count: |counts| refused(counts, "memory") + ended(counts, "memory"),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "fault",
        message: "Requests were answered 500 by a fault of the program.",
        metric: "icapstan_icap_faults_total",
        count: |counts| counts.sum("icapstan_icap_faults_total", &[]),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "malformed",
        message: "Requests were refused with 400, 414 or 505, since they are no ICAP.",
        metric: "icapstan_icap_malformed_requests_total",
        count: |counts| counts.sum("icapstan_icap_malformed_requests_total", &[]),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "no-such-service",
        message: "Requests were refused with 404, since no service has their path.",
        metric: "icapstan_icap_malformed_requests_total",
        count: |counts| answered(counts, "404"),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "method",
        message: "Requests were refused with 405 or 501, since the service has not their method.",
        metric: "icapstan_icap_malformed_requests_total",
        count: |counts| answered(counts, "405") + answered(counts, "501"),
    },
    Cause {
        kind: EventKind::Refusal,
        word: "too-large",
        message: "OPTIONS were refused with 413, since they brought a body that nobody reads.",
        metric: "icapstan_icap_malformed_requests_total",
        count: |counts| answered(counts, "413"),
    },
    Cause {
        kind: EventKind::Abort,
        word: "gone",
        message: "Clients left in the midst of a request.",
        metric: "icapstan_icap_sessions_ended_total",
        count: |counts| ended(counts, "gone"),
    },
    Cause {
        kind: EventKind::Abort,
        word: "read-timeout",
        message: "Clients did not go on sending their request, and were given up.",
        metric: "icapstan_icap_sessions_ended_total",
        count: |counts| ended(counts, "read-timeout"),
    },
    Cause {
        kind: EventKind::Abort,
        word: "write-timeout",
        message: "Clients did not go on reading their answer, and were given up.",
        metric: "icapstan_icap_sessions_ended_total",
        count: |counts| ended(counts, "write-timeout"),
    },
    Cause {
        kind: EventKind::Abort,
        word: "aborted",
        message: "Answers that had begun were cut.",
        metric: "icapstan_icap_sessions_ended_total",
        count: |counts| ended(counts, "aborted"),
    },
    Cause {
        kind: EventKind::Failure,
        word: "worker-death",
        message: "Worker processes crashed, or sent what is no reply.",
        metric: "icapstan_scanner_worker_deaths_total",
        count: |counts| dead(counts, "crash") + dead(counts, "protocol"),
    },
    Cause {
        kind: EventKind::Failure,
        word: "worker-proof",
        message: "Worker processes failed their self-test.",
        metric: "icapstan_scanner_worker_deaths_total",
        count: |counts| dead(counts, "proof"),
    },
    Cause {
        kind: EventKind::Failure,
        word: SIGNATURES,
        message: "Signatures cannot be loaded.",
        metric: "icapstan_scanner_reloads_total",
        count: |counts| counts.sum("icapstan_scanner_reloads_total", &[("result", "failed")]),
    },
];

/// The word of the cause of which more is known than its number.
const SIGNATURES: &str = "signatures";

fn refused(counts: &Counts, cause: &str) -> u64 {
    counts.sum("icapstan_gateway_refusals_total", &[("cause", cause)])
}

fn ended(counts: &Counts, cause: &str) -> u64 {
    counts.sum("icapstan_icap_sessions_ended_total", &[("cause", cause)])
}

fn answered(counts: &Counts, status: &str) -> u64 {
    counts.sum("icapstan_icap_requests_total", &[("status", status)])
}

fn dead(counts: &Counts, cause: &str) -> u64 {
    counts.sum("icapstan_scanner_worker_deaths_total", &[("cause", cause)])
}

// === impl Tally ===

impl Tally {
    /// Tells `events` what `registry` counts from now on, where any sink wants to know.
    pub(crate) fn new(registry: &Arc<Registry>, events: &Events, scanning: &Scanning) -> Self {
        let counts = Counts::of(registry);
        let wanted = CAUSES.iter().filter(|cause| events.wants(cause.kind) && counts.has(cause.metric));
        Self {
            registry: Arc::clone(registry),
            events: events.clone(),
            scanning: scanning.clone(),
            entries: Mutex::new(wanted.map(|cause| Entry { cause, told: 0, last: None }).collect()),
        }
    }

    /// Goes on until it is dropped.
    pub(crate) async fn run<T>(&self) -> T {
        if self.entries.lock().is_empty() {
            return std::future::pending().await;
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.tell(PAUSE);
        }
    }

    /// Tells what was not told yet, to be called at the end.
    pub(crate) fn tell_rest(&self) {
        self.tell(Duration::ZERO);
    }

    fn tell(&self, pause: Duration) {
        let mut entries = self.entries.lock();
        if entries.is_empty() {
            return;
        }
        let counts = Counts::of(&self.registry);
        for entry in &mut *entries {
            if let Some(count) = entry.due((entry.cause.count)(&counts), pause) {
                self.events.send(self.event(entry.cause, count));
            }
        }
    }

    fn event(&self, cause: &Cause, count: u64) -> Event {
        let message = if cause.word == SIGNATURES {
            Text::message(format!("{} Last: {}", cause.message, self.scanning.missing()))
        } else {
            Text::message(cause.message)
        };
        let (word, count) = (Text::name(cause.word), Some(count));
        Event { cause: Some(word), count, ..Event::new(cause.kind, message) }
    }
}

// === impl Entry ===

impl Entry {
    /// How many more there are than were told, if any are and the last event is long enough ago.
    fn due(&mut self, now: u64, pause: Duration) -> Option<u64> {
        // A count that is made of others may go back for an instant.
        let more = now.checked_sub(self.told).filter(|more| *more > 0)?;
        if self.last.is_some_and(|last| last.elapsed() < pause) {
            return None;
        }
        self.told = now;
        self.last = Some(Instant::now());
        Some(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_gateway::GatewayMetrics;
    use icapstan_icap_server::ServerMetrics;
    use std::collections::HashSet;

    #[test]
    fn each_cause_is_counted_and_has_a_word_of_its_own() {
        let registry = Registry::new();
        ServerMetrics::register(&registry).unwrap();
        GatewayMetrics::register(&registry).unwrap();
        icapstan_scanner::Metrics::register(&registry).unwrap();
        let counts = Counts::of(&registry);
        // A metric that is not there would panic.
        assert!(CAUSES.iter().all(|cause| counts.has(cause.metric) && (cause.count)(&counts) == 0));
        let words: HashSet<_> = CAUSES.iter().map(|cause| cause.word).collect();
        assert_eq!(words.len(), CAUSES.len());
    }

    #[test]
    fn a_flood_is_told_at_once_and_then_once_in_each_pause() {
        let mut entry = Entry { cause: &CAUSES[0], told: 0, last: None };
        assert_eq!(entry.due(0, PAUSE), None);
        assert_eq!(entry.due(7, PAUSE), Some(7));
        assert_eq!((0..1000).find_map(|more| entry.due(7 + more, PAUSE)), None);
        assert_eq!(entry.due(1007, Duration::ZERO), Some(1000), "nothing is lost");
        assert_eq!(entry.due(1006, Duration::ZERO), None, "a count that went back is told once");
        assert_eq!(entry.due(1008, Duration::ZERO), Some(1));
    }
}
