//! One call.
//!
//! Made on HTTP/2 itself, in the task of who asks: no queue and no other task stands between, and the bytes of
//! an object in memory are handed over as they are.

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use icapstan_model::{Content, Object, Refusal, TraceContext};
use icapstan_proto::fleet::{State, WatchRequest};
use icapstan_proto::scan::{ScanHeader, ScanResponse};
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

use super::link::Link;
use crate::framing::{self, Malformed, Messages};
use crate::request::{self, MAX_DATA};
use crate::wire;

/// No answer is longer, in bytes.
const MAX_ANSWER: usize = 256 << 10;
/// What is read of a file at once, in bytes.
const READ: usize = 256 << 10;

/// Why a call has no answer.
#[derive(Debug, Error)]
pub(super) enum CallError {
    /// The scan was not begun.
    #[error(transparent)]
    Refused(Refusal),
    /// The scanner takes nothing now.
    #[error("it takes no scans: {0}")]
    Unavailable(String),
    /// It has not the signatures that were asked for.
    #[error("it has other signatures")]
    OtherSignatures,
    /// The connection was lost, or the call.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The scanner did not have the object in time.
    #[error("it had not all of the object in time")]
    Late,
    /// It said what is no answer.
    #[error("it gave no answer: {0}")]
    Malformed(String),
    /// It has not the memory for such an object.
    #[error("the object is too large for it")]
    TooLarge,
    /// The object cannot be read here.
    #[error("the object cannot be read")]
    Unread(#[source] io::Error),
}

/// States, one after the other.
pub(super) struct States {
    body: RecvStream,
    messages: Messages,
    // Without it the call would be ended.
    _request: SendStream<Bytes>,
}

/// Has an object scanned.
pub(super) async fn scan(
    link: &Link,
    header: &ScanHeader,
    object: &Object,
    left: Duration,
    trace: Option<TraceContext>,
) -> Result<ScanResponse, CallError> {
    let (response, mut stream) = open(link, wire::SCAN, Some(left), trace).await?;
    let mut response = std::pin::pin!(response);
    let early = {
        let upload = std::pin::pin!(upload(&mut stream, header, object));
        tokio::select! {
            biased;
            early = response.as_mut() => Some(early),
            sent = upload => {
                match sent {
                    Ok(()) | Err(Unsent::Stream) => None,
                    Err(Unsent::Unread(error)) => return Err(CallError::Unread(error)),
                }
            }
        }
    };
    let response = match early {
        Some(early) => early,
        None => response.await,
    };
    answer(response.map_err(|error| lost(&error))?).await
}

/// Has oneself told how the process there is.
pub(super) async fn watch(link: &Link, interval: Duration) -> Result<States, CallError> {
    let (response, mut stream) = open(link, wire::WATCH, None, None).await?;
    let interval_ms = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
    stream.send_data(framing::framed(&WatchRequest { interval_ms }), true).map_err(|error| lost(&error))?;
    let response = response.await.map_err(|error| lost(&error))?;
    check(response.headers(), response.status())?;
    Ok(States { body: response.into_body(), messages: Messages::new(MAX_ANSWER), _request: stream })
}

async fn open(
    link: &Link,
    path: &'static str,
    left: Option<Duration>,
    trace: Option<TraceContext>,
) -> Result<(ResponseFuture, SendStream<Bytes>), CallError> {
    let uri = Uri::builder()
        .scheme(link.scheme)
        .authority(&*link.authority)
        .path_and_query(path)
        .build()
        .map_err(|error| CallError::Malformed(error.to_string()))?;
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_2;
    let headers = request.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
    if let Some(left) = left
        && let Ok(value) = HeaderValue::try_from(wire::timeout_value(left))
    {
        headers.insert("grpc-timeout", value);
    }
    if let Some(trace) = trace
        && let Ok(value) = HeaderValue::try_from(trace.to_string())
    {
        headers.insert(wire::TRACE, value);
    }
    // Nothing of it was sent: another one can be asked at once.
    let not_begun = |error: h2::Error| CallError::Unavailable(error.to_string());
    let mut send = link.send.clone().ready().await.map_err(not_begun)?;
    send.send_request(request, false).map_err(not_begun)
}

/// Why not all was sent.
enum Unsent {
    /// The answer, or its absence, says why.
    Stream,
    Unread(io::Error),
}

impl From<h2::Error> for Unsent {
    fn from(_: h2::Error) -> Self {
        Self::Stream
    }
}

async fn upload(stream: &mut SendStream<Bytes>, header: &ScanHeader, object: &Object) -> Result<(), Unsent> {
    match &object.content {
        Content::Memory(bytes) => {
            let mut bytes = bytes.clone();
            let mut piece = bytes.split_to(bytes.len().min(MAX_DATA));
            let mut head = request::first(header, piece.len());
            loop {
                let is_last = bytes.is_empty();
                // Both are kept as they are until the other side has room.
                stream.send_data(head, is_last && piece.is_empty())?;
                if piece.is_empty() {
                    return Ok(());
                }
                send(stream, piece, is_last).await?;
                if is_last {
                    return Ok(());
                }
                piece = bytes.split_to(bytes.len().min(MAX_DATA));
                head = request::next(piece.len());
            }
        }
        Content::File(file) => {
            let mut at = 0;
            loop {
                let len = usize::try_from(object.len - at).unwrap_or(READ).min(READ);
                let piece = read(file, at, len).await.map_err(Unsent::Unread)?;
                let head = if at == 0 { request::first(header, len) } else { request::next(len) };
                at += len as u64;
                let is_last = at >= object.len;
                stream.send_data(head, is_last && piece.is_empty())?;
                if !piece.is_empty() {
                    send(stream, piece, is_last).await?;
                }
                if is_last {
                    return Ok(());
                }
            }
        }
    }
}

/// Sends as the other side has room, so that no more than its window lies here.
async fn send(stream: &mut SendStream<Bytes>, mut bytes: Bytes, is_last: bool) -> Result<(), Unsent> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await.ok_or(Unsent::Stream)??;
        let piece = bytes.split_to(room.min(bytes.len()));
        stream.send_data(piece, is_last && bytes.is_empty())?;
    }
    Ok(())
}

async fn read(file: &Arc<File>, at: u64, len: usize) -> io::Result<Bytes> {
    let file = Arc::clone(file);
    let read = move || {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, at).map(|()| Bytes::from(bytes))
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

async fn answer(response: Response<RecvStream>) -> Result<ScanResponse, CallError> {
    check(response.headers(), response.status())?;
    let mut body = response.into_body();
    let mut messages = Messages::new(MAX_ANSWER);
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| lost(&error))?;
        let _ = body.flow_control().release_capacity(data.len());
        messages.push(&data)?;
    }
    let trailers = body.trailers().await.map_err(|error| lost(&error))?;
    let trailers = trailers.ok_or_else(|| CallError::Malformed("no status".to_owned()))?;
    if trailers.get("grpc-status").is_none() {
        return Err(CallError::Malformed("no status".to_owned()));
    }
    check(&trailers, http::StatusCode::OK)?;
    messages.next()?.ok_or_else(|| CallError::Malformed("no message".to_owned()))
}

/// Whether all is well, as far as these headers say.
fn check(headers: &HeaderMap, status: http::StatusCode) -> Result<(), CallError> {
    if status != http::StatusCode::OK {
        return Err(CallError::Malformed(format!("HTTP status {}", status.as_u16())));
    }
    let Some(status) = tonic::Status::from_header_map(headers) else { return Ok(()) };
    let text = || crate::convert::inert(status.message());
    match status.code() {
        tonic::Code::Ok => Ok(()),
        tonic::Code::ResourceExhausted => {
            let word = headers.get(wire::REFUSAL).map(HeaderValue::as_bytes).unwrap_or_default();
            Err(CallError::Refused(wire::refusal_of(word)))
        }
        tonic::Code::Unavailable => Err(CallError::Unavailable(text())),
        tonic::Code::OutOfRange => Err(CallError::TooLarge),
        tonic::Code::FailedPrecondition => Err(CallError::OtherSignatures),
        tonic::Code::DeadlineExceeded => Err(CallError::Late),
        tonic::Code::Cancelled => Err(CallError::Lost(text())),
        code => Err(CallError::Malformed(format!("{code:?}: {}", text()))),
    }
}

/// What an error of HTTP/2 means for a call that was begun.
fn lost(error: &h2::Error) -> CallError {
    let is_unprocessed = error.reason() == Some(Reason::REFUSED_STREAM)
        || error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
    if is_unprocessed {
        CallError::Unavailable(error.to_string())
    } else {
        CallError::Lost(error.to_string())
    }
}

impl From<Malformed> for CallError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed.to_string())
    }
}

// === impl States ===

impl States {
    /// The next one. `None`: there will be no more.
    pub(super) async fn next(&mut self) -> Result<Option<State>, CallError> {
        loop {
            if let Some(state) = self.messages.next()? {
                return Ok(Some(state));
            }
            let Some(data) = self.body.data().await else { return Ok(None) };
            let data = data.map_err(|error| lost(&error))?;
            let _ = self.body.flow_control().release_capacity(data.len());
            self.messages.push(&data)?;
        }
    }
}
