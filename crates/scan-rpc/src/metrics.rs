//! What operators see of scans over the network.

use icapstan_metrics::{Counter, Counters, Families, Gauge, Gauges, Histogram, label};
use prometheus::Registry;
use std::time::Duration;

/// Of a [`ScanServer`](crate::ScanServer).
#[derive(Clone, Debug)]
pub struct ServerMetrics {
    pub(crate) requests: Counters<Served>,
    pub(crate) jobs: Gauge,
    pub(crate) bytes: Gauge,
    pub(crate) backlog: prometheus::Gauge,
    pub(crate) doors: DoorMetrics,
}

/// Of a [`StatusServer`](crate::StatusServer).
#[derive(Clone, Debug)]
pub struct StatusMetrics {
    pub(crate) doors: DoorMetrics,
}

/// Of connections that are made here.
#[derive(Clone, Debug)]
pub(crate) struct DoorMetrics {
    pub(crate) connections: Gauge,
    pub(crate) turned_away: Counters<TurnedAway>,
}

/// Of [`RemoteScanners`](crate::RemoteScanners).
#[derive(Clone, Debug)]
pub struct ClientMetrics {
    pub(crate) calls: Counters<Ended>,
    pub(crate) retries: Counters<Again>,
    pub(crate) unsent: Counter,
    pub(crate) hop: Histogram,
    pub(crate) endpoints: Gauges<Standing>,
    pub(crate) ejections: Counter,
    pub(crate) silent: Counter,
}

label! {
    /// How a request ended.
    pub(crate) enum Served as "outcome" {
        /// With a report.
        Answered = "answered",
        /// The call was ended by who made it.
        Cancelled = "cancelled",
        /// This process ends, or has no signatures.
        Unavailable = "unavailable",
        /// It asked for signatures that are not here.
        OtherSignatures = "other-signatures",
        /// The queue was full, or memory was used up.
        QueueFull = "queue-full",
        /// It could not have been done in time.
        Hopeless = "hopeless",
        /// It was no request.
        Malformed = "malformed",
        /// Something broke.
        Failed = "failed",
    }
}

label! {
    /// Why a connection was not taken.
    pub(crate) enum TurnedAway as "reason" {
        /// There are as many as may be.
        Connections = "connections",
        /// It did not come to be secured.
        Tls = "tls",
        /// Its certificate has none of the names that may connect.
        Name = "name",
    }
}

label! {
    /// How a call ended.
    pub(crate) enum Ended as "outcome" {
        /// With a report.
        Answered = "answered",
        /// Nobody waits for it any more.
        Cancelled = "cancelled",
        /// The scanner has no room.
        Refused = "refused",
        /// The scanner ends, has no signatures, or not those that were asked for.
        Unavailable = "unavailable",
        /// The connection was lost.
        Lost = "lost",
        /// There was no answer in time.
        Late = "late",
        /// What came back is no answer.
        Malformed = "malformed",
    }
}

label! {
    /// Why a scan was handed to another scanner.
    pub(crate) enum Again as "reason" {
        /// The connection was lost.
        Lost = "lost",
        /// The scanner had no room.
        Refused = "refused",
        /// The scanner ends, has no signatures, or not those that were asked for.
        Unavailable = "unavailable",
        /// What came back was no answer.
        Malformed = "malformed",
    }
}

label! {
    /// How a scanner stands with this gateway.
    pub(crate) enum Standing as "state" {
        /// There is no connection, or nothing is heard over it.
        Connecting = "connecting",
        /// It gets scans.
        Ready = "ready",
        /// It gets none, since too many failed.
        Ejected = "ejected",
        /// It has the one that is to tell whether it still fails.
        Probing = "probing",
        /// It is about to end.
        Draining = "draining",
    }
}

// === impl ServerMetrics ===

impl ServerMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            requests: make.counters(
                "icapstan_scan_server_requests_total",
                "Requests of gateways for scans, by outcome.",
            )?,
            jobs: make
                .gauge("icapstan_scan_server_jobs", "Scans for gateways that wait or are under way.")?,
            bytes: make.gauge("icapstan_scan_server_job_bytes", "Bytes of the objects of these scans.")?,
            backlog: make.float_gauge(
                "icapstan_scan_server_backlog_seconds",
                "Seconds of one worker that all scans take that wait or are under way, as far as one can tell.",
            )?,
            doors: DoorMetrics {
                connections: make.gauge("icapstan_scan_server_connections", "Connections of gateways.")?,
                turned_away: make.counters(
                    "icapstan_scan_server_connections_refused_total",
                    "Connections of gateways that were not taken, by why.",
                )?,
            },
        })
    }
}

// === impl StatusMetrics ===

impl StatusMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        let doors = DoorMetrics {
            connections: make.gauge(
                "icapstan_plan_watcher_connections",
                "Connections of who watches how this gateway is.",
            )?,
            turned_away: make.counters(
                "icapstan_plan_watcher_connections_refused_total",
                "Connections of who would watch this gateway that were not taken, by why.",
            )?,
        };
        Ok(Self { doors })
    }
}

// === impl ClientMetrics ===

impl ClientMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        const BOUNDS: [Duration; 12] = [
            Duration::from_micros(50),
            Duration::from_micros(100),
            Duration::from_micros(200),
            Duration::from_micros(500),
            Duration::from_millis(1),
            Duration::from_millis(2),
            Duration::from_millis(5),
            Duration::from_millis(10),
            Duration::from_millis(50),
            Duration::from_millis(250),
            Duration::from_secs(1),
            Duration::from_secs(5),
        ];
        let make = Families::of(registry);
        Ok(Self {
            calls: make.counters("icapstan_scan_client_calls_total", "Calls of scanners, by outcome.")?,
            retries: make.counters(
                "icapstan_scan_client_retries_total",
                "Scans that were handed to another scanner, by why.",
            )?,
            unsent: make.counter(
                "icapstan_scan_client_no_scanner_total",
                "Scans that were not made, since there was no scanner to hand them to.",
            )?,
            hop: make.histogram(
                "icapstan_scan_client_hop_seconds",
                "How long calls took beyond what the scanner waited and scanned.",
                &BOUNDS,
            )?,
            endpoints: make.gauges("icapstan_scan_client_scanners", "Scanners that are known, by state.")?,
            ejections: make.counter(
                "icapstan_scan_client_ejections_total",
                "How often a scanner was left alone for a while, since too much failed there.",
            )?,
            silent: make.counter(
                "icapstan_scan_client_silent_total",
                "How often nothing was heard from a connected scanner, so that its scans went to others.",
            )?,
        })
    }
}
