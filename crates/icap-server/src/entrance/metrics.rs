//! What operators see of connections that come in, or do not.

use crate::rarely::Rarely;
use icapstan_metrics::{Counter, Counters, Families, Gauge, Label, label};
use prometheus::Registry;
use std::net::SocketAddr;
use std::sync::Arc;
use tracing::{info, warn};

/// Counts what happens before a session, and speaks of it now and then.
#[derive(Clone, Debug)]
pub(crate) struct EntranceMetrics {
    pub(crate) handshaking: Gauge,
    handshakes: Counters<Handshake>,
    headers: Counters<Header>,
    refusals: Counters<Refusal>,
    tls_on_plain: Counter,
    said: Arc<Said>,
}

/// When each kind of line was written last.
#[derive(Debug, Default)]
struct Said {
    handshakes: [Rarely; Handshake::VALUES.len()],
    headers: [Rarely; Header::VALUES.len()],
    refusals: [Rarely; Refusal::VALUES.len()],
    tls_on_plain: Rarely,
}

label! {
    /// How a TLS handshake ended.
    pub(crate) enum Handshake as "result" {
        /// The connection is secured.
        Ok = "ok",
        /// What came is no TLS.
        NotTls = "not-tls",
        /// The client showed no certificate.
        NoCertificate = "no-certificate",
        /// The client's certificate cannot be believed, or is over.
        BadCertificate = "bad-certificate",
        /// The client does not accept what it was shown.
        Rejected = "rejected",
        /// No version or cipher in common, or a message that makes no sense.
        Protocol = "protocol",
        /// It took too long.
        Timeout = "timeout",
        /// The client left.
        Gone = "gone",
    }
}

label! {
    /// What a PROXY header said.
    pub(crate) enum Header as "result" {
        /// A client's address.
        Client = "client",
        /// The load balancer connects for itself, or knows no address.
        Local = "local",
        /// It is none.
        Malformed = "malformed",
        /// Whoever connects is no load balancer that is trusted.
        Untrusted = "untrusted",
        /// It took too long.
        Timeout = "timeout",
        /// The load balancer left.
        Gone = "gone",
    }
}

label! {
    /// Why an ICAP client was not served.
    pub(crate) enum Refusal as "cause" {
        /// Its address is not allowed.
        Address = "address",
        /// It did not say who it is.
        NoCredentials = "no-credentials",
        /// Its name or its password is wrong.
        WrongCredentials = "wrong-credentials",
        /// It was wrong so often that it is not checked any more for a while.
        TooManyFailures = "too-many-failures",
        /// Too many passwords wait to be checked.
        Busy = "busy",
    }
}

// === impl EntranceMetrics ===

impl EntranceMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            handshaking: make.gauge("icapstan_tls_handshakes_in_progress", "TLS handshakes under way.")?,
            handshakes: make
                .counters("icapstan_tls_handshakes_total", "TLS handshakes of ICAP clients, by result.")?,
            headers: make.counters(
                "icapstan_proxy_protocol_headers_total",
                "Connections to listeners for the PROXY protocol, by what their header said.",
            )?,
            refusals: make.counters(
                "icapstan_icap_access_refusals_total",
                "Times that an ICAP client was not served for who it is, by cause.",
            )?,
            tls_on_plain: make.counter(
                "icapstan_icap_tls_on_plain_port_total",
                "Connections that began with TLS where ICAP without it is spoken.",
            )?,
            said: Arc::default(),
        })
    }

    pub(crate) fn shook_hands(&self) {
        self.handshakes.inc(Handshake::Ok);
    }

    pub(crate) fn handshake_failed(&self, result: Handshake, peer: SocketAddr, cause: &str) {
        self.handshakes.inc(result);
        if let Some(unsaid) = self.said.handshakes[result as usize].say() {
            let text = match result {
                Handshake::NotTls => {
                    "A client does not speak TLS on the port for it; is its URI icap:// with the port of icaps://?"
                }
                _ => "A TLS handshake failed.",
            };
            warn!(%peer, result = result.as_str(), cause = inert(cause), unsaid, "{text}");
        }
    }

    pub(crate) fn header(&self, result: Header) {
        self.headers.inc(result);
    }

    pub(crate) fn header_failed(&self, result: Header, peer: SocketAddr, cause: &str) {
        self.headers.inc(result);
        if let Some(unsaid) = self.said.headers[result as usize].say() {
            let result = result.as_str();
            warn!(%peer, result, cause, unsaid, "A connection for the PROXY protocol was closed.");
        }
    }

    pub(crate) fn refused(&self, cause: Refusal, peer: SocketAddr) {
        self.refusals.inc(cause);
        if let Some(unsaid) = self.said.refusals[cause as usize].say() {
            info!(%peer, cause = cause.as_str(), unsaid, "An ICAP client is not served.");
        }
    }

    pub(crate) fn tls_on_plain(&self, peer: SocketAddr) {
        self.tls_on_plain.inc();
        if let Some(unsaid) = self.said.tls_on_plain.say() {
            warn!(
                %peer,
                unsaid,
                "A client speaks TLS on a port without it; is its URI icaps:// with the port of icap://?"
            );
        }
    }
}

/// Errors may quote what a peer sent.
fn inert(text: &str) -> String {
    const MOST: usize = 200;
    text.chars().take(MOST).map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '_' }).collect()
}
