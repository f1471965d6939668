//! The TLS handshake in front of a connection.

use super::held::Held;
use super::last_words;
use super::metrics::Handshake;
use crate::server::Shared;
use crate::{Caller, Service};
use icapstan_icap_proto::{Answer, Parts, Status};
use icapstan_metrics::Gauge;
use icapstan_tls::{Acceptor, Names};
use rustls::ProtocolVersion;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::SystemTime;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

/// The first byte of a TLS record with a handshake message (RFC 8446 section 5.1).
pub(crate) const HANDSHAKE: u8 = 0x16;

/// Counts a handshake as under way as long as it lives.
struct UnderWay<'m>(&'m Gauge);

/// Reads the first message of a handshake, wholly: nothing is set up for less. `None`: the connection was
/// closed, and that was counted.
pub(super) async fn hello<S: Service>(
    shared: &Shared<S>,
    stream: TcpStream,
    peer: SocketAddr,
    deadline: Instant,
) -> Option<StartHandshake<Held>> {
    let metrics = &shared.metrics.entrance;
    let failed = |result, cause: &str| metrics.handshake_failed(result, peer, cause);
    let mut first = [0];
    match timeout_at(deadline, stream.peek(&mut first)).await {
        Err(_) => {
            failed(Handshake::Timeout, "nothing was sent");
            return None;
        }
        Ok(Err(_) | Ok(0)) => {
            failed(Handshake::Gone, "nothing was sent");
            return None;
        }
        Ok(Ok(_)) if first[0] != HANDSHAKE => {
            failed(Handshake::NotTls, "the first byte is none of TLS");
            refuse_plain(shared, stream, first[0]).await;
            return None;
        }
        Ok(Ok(_)) => {}
    }
    let mut reading = pin!(LazyConfigAcceptor::new(rustls::server::Acceptor::default(), Held::new(stream)));
    match timeout_at(deadline, reading.as_mut()).await {
        Ok(Ok(hello)) => Some(hello),
        Ok(Err(error)) => {
            let (result, cause) = explain(&error);
            failed(result, &cause);
            if let Some(held) = reading.take_io() {
                let (stream, alert) = held.into_parts();
                last_words(stream, &alert).await;
            }
            None
        }
        Err(_) => {
            failed(Handshake::Timeout, "the first message did not come");
            None
        }
    }
}

/// Secures a connection, and finds out whose it is. `None`: it was closed, and that was counted.
pub(super) async fn secure<S: Service>(
    shared: &Shared<S>,
    hello: StartHandshake<Held>,
    peer: SocketAddr,
    acceptor: &Acceptor,
    deadline: Instant,
) -> Option<(TlsStream<Held>, Caller)> {
    let metrics = &shared.metrics.entrance;
    let failed = |result, cause: &str| metrics.handshake_failed(result, peer, cause);
    let Ok(Ok(permit)) = timeout_at(deadline, shared.handshakes.acquire()).await else {
        failed(Handshake::Timeout, "there were too many handshakes at the same time");
        return None;
    };
    let under_way = UnderWay::new(&metrics.handshaking);
    let accept = hello.into_stream(acceptor.now().config()).into_fallible();
    let accepted = timeout_at(deadline, accept).await;
    drop((permit, under_way));
    let mut stream = match accepted {
        Ok(Ok(stream)) => stream,
        Ok(Err((error, stream))) => {
            let (result, cause) = explain(&error);
            failed(result, &cause);
            let (stream, alert) = stream.into_parts();
            last_words(stream, &alert).await;
            return None;
        }
        Err(_) => {
            failed(Handshake::Timeout, "it took too long");
            return None;
        }
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = match shown.map(|certificate| Names::read(certificate)) {
        None => None,
        // Where a session was resumed, the certificate was verified when that began.
        Some(Ok((names, validity))) if validity.holds_at(SystemTime::now()) => Some(names),
        Some(_) => {
            failed(Handshake::BadCertificate, "the certificate is over, or cannot be read");
            return None;
        }
    };
    stream.get_mut().0.keep_for_write();
    // Up to TLS 1.2 the client waits for the last message.
    if stream.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3)
        && !matches!(timeout_at(deadline, stream.get_mut().0.write(&[])).await, Ok(Ok(_)))
    {
        failed(Handshake::Gone, "the end of the handshake was not read");
        return None;
    }
    metrics.shook_hands();
    Some((stream, Caller { certificate, ..Caller::at(peer) }))
}

/// A client that speaks ICAP in clear understands an ICAP answer.
async fn refuse_plain<S: Service>(shared: &Shared<S>, stream: TcpStream, first: u8) {
    let mut words = Vec::new();
    if first.is_ascii_uppercase() {
        let istag = shared.service.istag(None);
        let parts = Parts::Nothing;
        let answer =
            Answer { status: Status::BAD_REQUEST, istag: istag.as_str(), fields: &[], parts, close: true };
        answer.write(&mut words);
    }
    last_words(stream, &words).await;
}

/// What went wrong, for the counter and for the log.
fn explain(error: &io::Error) -> (Handshake, String) {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return (Handshake::Gone, error.to_string());
    };
    let result = match tls {
        rustls::Error::NoCertificatesPresented => Handshake::NoCertificate,
        rustls::Error::InvalidCertificate(_) => Handshake::BadCertificate,
        rustls::Error::AlertReceived(_) => Handshake::Rejected,
        _ => Handshake::Protocol,
    };
    (result, tls.to_string())
}

// === impl UnderWay ===

impl<'m> UnderWay<'m> {
    fn new(gauge: &'m Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
