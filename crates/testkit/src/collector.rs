//! A collector of traces, which keeps what it is sent.

use crate::wait::eventually;
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use prost::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tokio::sync::watch;

/// Takes OTLP over gRPC. Ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A span as it came.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectedSpan {
    /// The trace, in hexadecimal digits.
    pub trace: String,
    /// Its own id.
    pub id: String,
    /// What it is a part of; empty for nothing.
    pub parent: String,
    /// What was done.
    pub name: String,
    /// When it began and ended, in nanoseconds.
    pub time: (u64, u64),
    /// Whether it failed.
    pub is_error: bool,
    /// What is said of it, as text.
    pub said: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Shared {
    spans: Mutex<Vec<CollectedSpan>>,
    /// The header fields of each call, and all bytes of it.
    calls: Mutex<Vec<(HeaderMap, Bytes)>>,
    /// Calls are taken and not answered.
    is_mute: AtomicBool,
}

// === impl Collector ===

impl Collector {
    /// Starts one on a free port.
    #[track_caller]
    pub fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts one there, such as where one was before.
    #[track_caller]
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = eventually("the collector's port is free", || TcpListener::bind(address).ok());
        listener.set_nonblocking(true).expect("sockets can be waited for");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("there is room for a runtime");
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            runtime.block_on(serve(listener, serving, stopped));
            runtime.shutdown_background();
        });
        Self { address, shared, stop, thread: Some(thread) }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on calls are taken and not answered, or answered again.
    pub fn be_mute(&self, is_mute: bool) {
        self.shared.is_mute.store(is_mute, Ordering::Relaxed);
    }

    /// What has come.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.shared.spans.lock().clone()
    }

    /// The spans of a trace, as soon as there is one without an end of its own missing: its root has this name.
    #[track_caller]
    pub fn trace(&self, root: &str, id: Option<&str>) -> Vec<CollectedSpan> {
        eventually("a whole trace has come", || {
            let spans = self.spans();
            let root = spans.iter().find(|span| span.name == root && id.is_none_or(|id| span.trace == id))?;
            Some(spans.iter().filter(|span| span.trace == root.trace).cloned().collect())
        })
    }

    /// How many calls have come, answered or not.
    pub fn calls(&self) -> usize {
        self.shared.calls.lock().len()
    }

    /// A header field of the first call.
    pub fn header(&self, name: &str) -> Option<String> {
        let calls = self.shared.calls.lock();
        Some(calls.first()?.0.get(name)?.to_str().ok()?.to_owned())
    }

    /// Whether these bytes are anywhere in what has come.
    pub fn knows(&self, text: &str) -> bool {
        let calls = self.shared.calls.lock();
        calls.iter().any(|(_, body)| body.windows(text.len()).any(|piece| piece == text.as_bytes()))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let stream = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        let shared = Arc::clone(&shared);
        let answer = service_fn(move |request| take(request, Arc::clone(&shared)));
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.serve_connection(TokioIo::new(stream), answer));
    }
}

async fn take(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    shared.calls.lock().push((head.headers, body.clone()));
    while shared.is_mute.load(Ordering::Relaxed) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // A flag, the length in four bytes, and the message (gRPC over HTTP/2).
    let message = body.get(5..).unwrap_or_default();
    let status = match ExportTraceServiceRequest::decode(message) {
        Ok(request) if path == "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => {
            let mut all = shared.spans.lock();
            let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
            all.extend(scopes.flat_map(|scope| scope.spans).map(CollectedSpan::from));
            "0"
        }
        Ok(_) => "12",
        Err(_) => "3",
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().expect("it is a number"));
    let mut empty = BytesMut::new();
    empty.put_u8(0);
    empty.put_u32(0);
    let body = Full::new(empty.freeze()).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, "application/grpc".parse().expect("it is plain"));
    Ok(response)
}

// === impl CollectedSpan ===

impl CollectedSpan {
    /// What is said of it under this key; empty for nothing.
    pub fn get(&self, key: &str) -> &str {
        self.said.get(key).map_or("", String::as_str)
    }
}

impl From<Span> for CollectedSpan {
    fn from(span: Span) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let said = span.attributes.into_iter().filter_map(|pair| {
            let text = match pair.value?.value? {
                Value::StringValue(text) => text,
                Value::IntValue(number) => number.to_string(),
                other => format!("{other:?}"),
            };
            Some((pair.key, text))
        });
        Self {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name,
            time: (span.start_time_unix_nano, span.end_time_unix_nano),
            is_error: span.status.is_some_and(|status| status.code == 2),
            said: said.collect(),
        }
    }
}
