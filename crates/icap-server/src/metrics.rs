//! What operators see of connections and requests.

use crate::entrance::EntranceMetrics;
use icapstan_icap_proto::{DecodeError, Method, Status};
use icapstan_metrics::{Counter, Counters, Families, Gauge, Gauges, Histograms, label};
use prometheus::Registry;
use std::time::Duration;

/// Metrics of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerMetrics {
    pub(crate) connections: Counter,
    pub(crate) refused: Counter,
    pub(crate) gave_way: Counter,
    pub(crate) faults: Counter,
    pub(crate) sessions: Gauge,
    pub(crate) sessions_limit: Gauge,
    pub(crate) states: Gauges<State>,
    pub(crate) received: Counter,
    pub(crate) sent: Counter,
    pub(crate) panics: Counter,
    pub(crate) entrance: EntranceMetrics,
    requests: Counters<(ByMethod, Code)>,
    malformed: Counters<ByError>,
    ended: Counters<Cause>,
    clients: Counters<ClientLimit>,
    seconds: Histograms<ByMethod>,
}

label! {
    /// Where a connection's conversation stands.
    pub(crate) enum State as "state" {
        /// No byte of a request is here.
        Idle = "idle",
        /// A part of a request's heads is here.
        Head = "head",
        /// From the end of the heads to the end of the answer.
        Request = "request",
    }
}

label! {
    /// Why a session ended in the midst of a request.
    pub(crate) enum Cause as "cause" {
        /// What came is no ICAP.
        Malformed = "malformed",
        /// The client did not go on sending.
        ReadTimeout = "read-timeout",
        /// The client did not go on reading.
        WriteTimeout = "write-timeout",
        /// The client left.
        Gone = "gone",
        /// There was no memory for the request.
        Memory = "memory",
        /// A begun answer could not be completed, or was cut.
        Aborted = "aborted",
    }
}

label! {
    /// A limit of a single client.
    pub(crate) enum ClientLimit as "limit" {
        /// The connection was closed: even those of it that wait for a session are too many.
        Connections = "connections",
        /// A request came on a connection beyond its sessions.
        Sessions = "sessions",
        /// A request came too soon.
        Rate = "rate",
    }
}

label! {
    /// By method.
    struct ByMethod(Method) as "method" { Reqmod, Respmod, Options, Other }
}

label! {
    /// By what is wrong.
    struct ByError(DecodeError) as "error" {
        NotIcap, EmptyLines, RequestLineTooLong, RequestLine, Version, IcapHeadTooLarge, Field, Contradiction,
        PreviewField, EncapsulatedMissing, Encapsulated, HttpHeadTooLarge, HttpHead, Chunk, ChunkLineTooLong,
        Ieof, PreviewTooLarge, Trailer, TrailerTooLarge
    }
}

label! {
    /// The status codes that can be answered.
    enum Code as "status" {
        Ok = "200",
        NoContent = "204",
        PartialContent = "206",
        BadRequest = "400",
        Forbidden = "403",
        NotFound = "404",
        MethodNotAllowed = "405",
        AuthenticationRequired = "407",
        RequestTimeout = "408",
        TooLarge = "413",
        UriTooLong = "414",
        TooManyRequests = "429",
        ServerError = "500",
        NotImplemented = "501",
        Unavailable = "503",
        Version = "505",
        Other = "other",
    }
}

/// From a tenth of a millisecond, what a request without a body takes, to the scan timeout and
/// beyond.
const BUCKETS: [Duration; 12] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

// === impl ServerMetrics ===

impl ServerMetrics {
    /// Requests that are under way.
    pub fn requests_under_way(&self) -> u32 {
        u32::try_from(self.states.get(State::Request)).unwrap_or(0)
    }

    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            connections: make.counter("icapstan_icap_connections_total", "ICAP connections accepted.")?,
            refused: make.counter(
                "icapstan_icap_connections_refused_total",
                "ICAP connections that were closed, and requests that were refused, because of the session limit.",
            )?,
            gave_way: make.counter(
                "icapstan_icap_connections_gave_way_total",
                "Idle ICAP connections that were closed to make room for others.",
            )?,
            faults: make.counter(
                "icapstan_icap_faults_total",
                "Requests answered 500 by a fault of the program.",
            )?,
            sessions: make.gauge("icapstan_icap_sessions", "ICAP connections open now.")?,
            sessions_limit: make.gauge(
                "icapstan_icap_sessions_limit",
                "ICAP connections that are served at once.",
            )?,
            states: make.gauges(
                "icapstan_icap_session_states",
                "ICAP sessions open now, by where their conversation stands.",
            )?,
            received: make
                .counter("icapstan_icap_received_bytes_total", "Bytes received from ICAP clients.")?,
            sent: make.counter("icapstan_icap_sent_bytes_total", "Bytes sent to ICAP clients.")?,
            panics: make
                .counter("icapstan_icap_session_panics_total", "Sessions ended by a fault of the program.")?,
            entrance: EntranceMetrics::register(registry)?,
            requests: make.sparse_counters(
                "icapstan_icap_requests_total",
                "ICAP requests answered, by method and status.",
            )?,
            malformed: make.counters(
                "icapstan_icap_malformed_requests_total",
                "Requests that are no ICAP, by what is wrong.",
            )?,
            ended: make.counters(
                "icapstan_icap_sessions_ended_total",
                "ICAP sessions that ended in the midst of a request, by cause.",
            )?,
            clients: make.counters(
                "icapstan_icap_client_refusals_total",
                "ICAP connections that were closed, and requests that were refused, because of a limit of one client.",
            )?,
            seconds: make.histograms(
                "icapstan_icap_transaction_seconds",
                "From the end of a request's heads to the end of its answer.",
                &BUCKETS,
            )?,
        })
    }

    pub(crate) fn answered(&self, method: Method, status: Status) {
        self.requests.inc((method, Code::of(status)));
    }

    pub(crate) fn malformed(&self, error: DecodeError) {
        self.malformed.inc(error);
    }

    pub(crate) fn ended(&self, cause: Cause) {
        self.ended.inc(cause);
    }

    pub(crate) fn client_refused(&self, limit: ClientLimit) {
        self.clients.inc(limit);
    }

    pub(crate) fn took(&self, method: Method, time: Duration) {
        self.seconds.observe(method, time);
    }
}

// === impl Code ===

impl Code {
    const fn of(status: Status) -> Self {
        match status {
            Status::OK => Self::Ok,
            Status::NO_CONTENT => Self::NoContent,
            Status::PARTIAL_CONTENT => Self::PartialContent,
            Status::BAD_REQUEST => Self::BadRequest,
            Status::FORBIDDEN => Self::Forbidden,
            Status::NOT_FOUND => Self::NotFound,
            Status::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            Status::AUTHENTICATION_REQUIRED => Self::AuthenticationRequired,
            Status::REQUEST_TIMEOUT => Self::RequestTimeout,
            Status::TOO_LARGE => Self::TooLarge,
            Status::URI_TOO_LONG => Self::UriTooLong,
            Status::TOO_MANY_REQUESTS => Self::TooManyRequests,
            Status::SERVER_ERROR => Self::ServerError,
            Status::NOT_IMPLEMENTED => Self::NotImplemented,
            Status::UNAVAILABLE => Self::Unavailable,
            Status::VERSION => Self::Version,
            _ => Self::Other,
        }
    }
}
