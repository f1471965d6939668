//! One request, and its answer.

use super::faults::{Fault, Faults};
use super::requests::Seen;
use crate::kube::kubeconfig;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Uri, request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::ConfigExt;
use serde_json::json;
use std::fmt::{Debug, Formatter};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{oneshot, watch};

/// The server itself.
pub(super) struct Upstream {
    url: Uri,
    /// For who says in the request who it is.
    plain: Sender,
    /// For who said so with a certificate, which does not pass.
    admin: Sender,
}

/// Any error of a body.
type Error = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
type Answer = UnsyncBoxBody<Bytes, Error>;
/// A client with connections of its own.
type Sender = Box<dyn Fn(Request<Full<Bytes>>) -> legacy::ResponseFuture + Send + Sync>;

/// An answer that is not given: the connection is closed in its place.
#[derive(Debug, thiserror::Error)]
#[error("no answer is given")]
pub(super) struct NoAnswer;

/// The events of a watch, until watches are cut.
struct Watched {
    events: Incoming,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Larger objects are none that a server takes.
const MAX_BODY: usize = 16 << 20;

// === impl Upstream ===

impl Upstream {
    pub(super) fn new(config: &Config) -> Self {
        let mut plain = config.clone();
        kubeconfig::without_certificate(&mut plain.auth_info);
        Self { url: config.cluster_url.clone(), plain: sender(&plain), admin: sender(config) }
    }

    fn send(&self, mut parts: request::Parts, body: Bytes) -> Option<legacy::ResponseFuture> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}{path}", self.url.to_string().trim_end_matches('/'));
        parts.uri = url.parse().ok()?;
        parts.headers.remove(HOST);
        let send = if parts.headers.contains_key(AUTHORIZATION) { &self.plain } else { &self.admin };
        Some(send(Request::from_parts(parts, Full::new(body))))
    }
}

impl Debug for Upstream {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Upstream").field(&self.url).finish()
    }
}

fn sender(config: &Config) -> Sender {
    let connector = config.rustls_https_connector().expect("the settings fit");
    let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
    Box::new(move |request| client.request(request))
}

/// What becomes of `request`. Without an answer its connection ends.
pub(super) async fn answer(
    request: Request<Incoming>,
    faults: Arc<Faults>,
    upstream: Arc<Upstream>,
) -> Result<Response<Answer>, NoAnswer> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let seen = Seen::new(&parts.method, &parts.uri);
    let is_watch = seen.is_watch();
    let (number, fault) = faults.note(seen);
    let line = faults.line();
    let watch_cuts = line.borrow().watch_cuts;

    let response = if let Some(Fault::Answer(status)) = fault {
        refusal(status, is_watch)
    } else {
        let (answered, answer) = oneshot::channel();
        // In a task of its own: what was sent arrives, also if who sent it is gone.
        tokio::spawn(async move {
            if let Some(Fault::Hold(hold)) = &fault
                && !hold.pass().await
            {
                return;
            }
            let Some(sent) = upstream.send(parts, body) else { return };
            if let (Ok(response), false) = (sent.await, matches!(fault, Some(Fault::DropAnswer))) {
                // Nobody may wait for it any more.
                let _ = answered.send(response);
            }
        });
        let response = answer.await.map_err(|_| NoAnswer)?;
        if is_watch {
            response.map(|events| Watched::new(events, line.clone(), watch_cuts).boxed_unsync())
        } else {
            response.map(|body| body.map_err(Error::from).boxed_unsync())
        }
    };
    let delay = line.borrow().delay;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    faults.answered(number, response.status());
    Ok(response)
}

/// As the server itself would say it. Of a watch that begins too far back it says so in an event.
fn refusal(status: StatusCode, is_watch: bool) -> Response<Answer> {
    let reason = match status {
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
        StatusCode::GONE => "Expired",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
        _ => "InternalError",
    };
    let as_event = is_watch && status == StatusCode::GONE;
    let mut text = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": reason, "message": "a fault that a test asked for", "code": status.as_u16(),
    });
    if as_event {
        text = json!({"type": "ERROR", "object": text});
    }
    let body = Full::from(text.to_string()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    if !as_event {
        *response.status_mut() = status;
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

// === impl Watched ===

impl Watched {
    fn new(events: Incoming, mut line: watch::Receiver<super::Line>, cuts: u64) -> Self {
        let cut = async move {
            // An error says that the proxy has ended, and the watch with it.
            let _ = line.wait_for(|line| line.watch_cuts != cuts).await;
        };
        Self { events, cut: Box::pin(cut) }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(NoAnswer.into())));
        }
        Pin::new(&mut self.events).poll_frame(context).map_err(Error::from)
    }

    fn is_end_stream(&self) -> bool {
        self.events.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.events.size_hint()
    }
}
