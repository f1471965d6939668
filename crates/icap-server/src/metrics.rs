//! What operators see of connections and requests.

use icapstan_icap_proto::{DecodeError, Method, Status};
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::time::Duration;

/// Metrics of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerMetrics {
    pub(crate) connections: IntCounter,
    pub(crate) refused: IntCounter,
    pub(crate) sessions: IntGauge,
    pub(crate) received: IntCounter,
    pub(crate) sent: IntCounter,
    pub(crate) panics: IntCounter,
    requests: IntCounterVec,
    malformed: IntCounterVec,
    ended: IntCounterVec,
    seconds: HistogramVec,
}

/// From a tenth of a millisecond, what a request without a body takes, to the scan timeout and
/// beyond.
const BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0];

// === impl ServerMetrics ===

impl ServerMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(counters.clone()))?;
                Ok(counters)
            };
        let sessions = IntGauge::new("icapstan_icap_sessions", "ICAP connections open now.")?;
        registry.register(Box::new(sessions.clone()))?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "icapstan_icap_transaction_seconds",
                "From the end of a request's heads to the end of its answer.",
            )
            .buckets(BUCKETS.to_vec()),
            &["method"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self {
            connections: counter("icapstan_icap_connections_total", "ICAP connections accepted.")?,
            refused: counter(
                "icapstan_icap_connections_refused_total",
                "ICAP connections closed or answered 429 because of the session limit.",
            )?,
            sessions,
            received: counter("icapstan_icap_received_bytes_total", "Bytes received from ICAP clients.")?,
            sent: counter("icapstan_icap_sent_bytes_total", "Bytes sent to ICAP clients.")?,
            panics: counter(
                "icapstan_icap_session_panics_total",
                "Sessions ended by a fault of the program.",
            )?,
            requests: counters(
                "icapstan_icap_requests_total",
                "ICAP requests answered, by method and status.",
                &["method", "status"],
            )?,
            malformed: counters(
                "icapstan_icap_malformed_requests_total",
                "Requests that are no ICAP, by what is wrong.",
                &["error"],
            )?,
            ended: counters(
                "icapstan_icap_sessions_ended_total",
                "ICAP sessions that ended in the midst of a request, by cause.",
                &["cause"],
            )?,
            seconds,
        })
    }

    pub(crate) fn answered(&self, method: Method, status: Status) {
        let status = match status.0 {
            200 => "200",
            204 => "204",
            206 => "206",
            400 => "400",
            403 => "403",
            404 => "404",
            405 => "405",
            408 => "408",
            413 => "413",
            414 => "414",
            429 => "429",
            500 => "500",
            501 => "501",
            502 => "502",
            503 => "503",
            505 => "505",
            _ => "other",
        };
        self.requests.with_label_values(&[method.as_str(), status]).inc();
    }

    pub(crate) fn malformed(&self, error: DecodeError) {
        self.malformed.with_label_values(&[error.as_str()]).inc();
    }

    pub(crate) fn ended(&self, cause: &'static str) {
        self.ended.with_label_values(&[cause]).inc();
    }

    pub(crate) fn took(&self, method: Method, time: Duration) {
        self.seconds.with_label_values(&[method.as_str()]).observe(time.as_secs_f64());
    }
}
