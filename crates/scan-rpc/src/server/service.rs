//! One request of a gateway.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use icapstan_model::{Object, Readiness, Refusal, ScanPort, TraceContext};
use icapstan_proto::fleet::fleet_status_server::FleetStatusServer;
use std::convert::Infallible;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tonic::Code;
use tonic::body::Body;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service as _;

use super::ServerConfig;
use super::accept::Answers;
use super::answer;
use super::books::{Books, Busy, Entry, Epochs};
use super::object::{Receiver, Trouble};
use super::status::Scannerhood;
use super::teller::Teller;
use crate::convert::{self, Asked};
use crate::metrics::{Served, ServerMetrics};
use crate::request::{Item, RequestReader};
use crate::wire;

/// How often the health service looks.
const LOOK: Duration = Duration::from_millis(500);

/// Answers requests. Clones share all.
#[derive(Clone)]
pub(super) struct Service {
    inner: Arc<Inner>,
    fleet: FleetStatusServer<Teller<Scannerhood>>,
    reporter: HealthReporter,
    health: HealthServer<HealthService>,
}

struct Inner {
    port: Arc<dyn ScanPort>,
    epochs: Epochs,
    books: Arc<Books>,
    busy: Busy,
    temp_dir: PathBuf,
    draining: watch::Receiver<bool>,
    metrics: ServerMetrics,
}

/// How a request ends that comes to no report.
enum End {
    Malformed(String),
    Unavailable(&'static str),
    OtherSignatures,
    Refused(Refusal),
    Late,
    TooLarge,
    Broken(String),
    /// The other side is gone.
    Gone,
}

/// Counts how a request ended, also when it is dropped.
struct Count<'a>(&'a ServerMetrics, Served);

/// The bytes of a request, item by item.
struct Items {
    body: Incoming,
    reader: RequestReader,
    bytes: Bytes,
}

// === impl Service ===

impl Service {
    pub(super) fn new(
        config: &ServerConfig,
        port: Arc<dyn ScanPort>,
        epochs: Epochs,
        books: Arc<Books>,
        draining: watch::Receiver<bool>,
        metrics: ServerMetrics,
    ) -> Self {
        let busy = Busy::new(&books, &port);
        let status =
            Scannerhood::new(config, Arc::clone(&port), epochs.clone(), busy.clone(), draining.clone());
        let reporter = HealthReporter::new();
        let health = HealthServer::new(HealthService::from_health_reporter(reporter.clone()));
        let temp_dir = config.temp_dir.clone();
        Self {
            inner: Arc::new(Inner { port, epochs, books, busy, temp_dir, draining, metrics }),
            fleet: FleetStatusServer::new(Teller(status)),
            reporter,
            health,
        }
    }

    /// Keeps what the standard health service says.
    pub(super) fn follow_health(&self, tasks: &TaskTracker) {
        let (inner, reporter) = (Arc::clone(&self.inner), self.reporter.clone());
        tasks.spawn(async move {
            let mut draining = inner.draining.clone();
            loop {
                let is_ready = !*draining.borrow() && inner.port.readiness() == Readiness::Ready;
                let status = if is_ready {
                    tonic_health::ServingStatus::Serving
                } else {
                    tonic_health::ServingStatus::NotServing
                };
                for name in ["", "icapstan.scan.v1.ScanService"] {
                    reporter.set_service_status(name, status).await;
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    _ = draining.wait_for(|is_draining| *is_draining) => break,
                }
            }
        });
    }
}

impl Answers for Service {
    async fn answer(mut self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path();
        if path == wire::SCAN {
            return Ok(self.inner.scan(request).await);
        }
        if !answer::is_grpc(&request) {
            Ok(answer::no_grpc())
        } else if path.starts_with(wire::FLEET) {
            self.fleet.call(request).await
        } else if path.starts_with(wire::HEALTH) {
            self.health.call(request).await
        } else {
            Ok(answer::status(Code::Unimplemented, "there is no such method"))
        }
    }
}

// === impl Inner ===

impl Inner {
    async fn scan(&self, request: Request<Incoming>) -> Response<Body> {
        let mut count = Count(&self.metrics, Served::Cancelled);
        let (served, response) = match self.try_scan(request).await {
            Ok(response) => (Served::Answered, response),
            Err(end) => end.response(),
        };
        count.1 = served;
        response
    }

    async fn try_scan(&self, request: Request<Incoming>) -> Result<Response<Body>, End> {
        let (head, body) = request.into_parts();
        let deadline = Instant::now() + time_left(&head.headers)?;
        let mut items = Items { body, reader: RequestReader::default(), bytes: Bytes::new() };
        let received = tokio::time::timeout_at(deadline.into(), self.receive(&mut items, deadline));
        let (mut asked, object, _entry) = received.await.map_err(|_| End::Late)??;
        asked.context.trace =
            head.headers.get(wire::TRACE).and_then(|value| TraceContext::parse(value.as_bytes()).ok());
        let epoch =
            self.epochs.find(asked.generation).or_else(|| self.epochs.current().filter(|_| asked.any));
        let epoch = epoch.ok_or(End::OtherSignatures)?;
        let report = self.port.scan(object, asked.context, &epoch, deadline).await.map_err(End::Refused)?;
        let (load, _) = self.busy.message();
        let mut response = convert::response(&report, epoch.signatures.id, load);
        response.plan_generation = self.epochs.plan_generation();
        Ok(answer::report(&response))
    }

    /// Lets a request in, and takes its object.
    async fn receive(&self, items: &mut Items, deadline: Instant) -> Result<(Asked, Object, Entry), End> {
        let Some(Item::Header(header)) = items.next().await? else {
            return Err(End::Malformed("a request begins with its header".to_owned()));
        };
        let gateway = header.gateway.clone();
        let asked = convert::asked(*header).map_err(|invalid| End::Malformed(invalid.to_string()))?;
        if *self.draining.borrow() {
            return Err(End::Unavailable("this scanner is about to end"));
        }
        let epoch = match self.epochs.find(asked.generation) {
            Some(epoch) => epoch,
            None => match self.epochs.current() {
                None => return Err(End::Unavailable("no signatures are loaded")),
                Some(current) if asked.any => current,
                Some(_) => return Err(End::OtherSignatures),
            },
        };
        if self.books.is_too_large(asked.len) {
            return Err(End::TooLarge);
        }
        // Told now, the object need not come.
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(refusal) = self.port.refusal(&epoch, asked.len, left) {
            return Err(End::Refused(refusal));
        }
        if asked.is_background {
            let load = self.port.load();
            if load.busy >= load.workers {
                return Err(End::Refused(Refusal::QueueFull));
            }
        }
        let entry = self.books.enter(&gateway, asked.len).map_err(End::Refused)?;
        let mut receiver = Receiver::new(asked.len, &self.temp_dir).map_err(|error| broken(&error))?;
        while let Some(item) = items.next().await? {
            let Item::Data(bytes) = item else {
                return Err(End::Malformed("a request has one header".to_owned()));
            };
            receiver.push(bytes).await.map_err(|trouble| match trouble {
                Trouble::TooMany => End::Malformed("an object is longer than its header says".to_owned()),
                Trouble::Io(error) => broken(&error),
            })?;
        }
        if receiver.left() > 0 {
            return Err(End::Malformed("an object is shorter than its header says".to_owned()));
        }
        let object = receiver.finish().await.map_err(|error| broken(&error))?;
        Ok((asked, object, entry))
    }
}

fn broken(error: &std::io::Error) -> End {
    End::Broken(format!("an object cannot be kept: {error}"))
}

fn time_left(headers: &HeaderMap) -> Result<Duration, End> {
    let value =
        headers.get("grpc-timeout").ok_or_else(|| End::Malformed("grpc-timeout is missing".to_owned()))?;
    wire::timeout_of(value.as_bytes()).ok_or_else(|| End::Malformed("grpc-timeout is none".to_owned()))
}

// === impl Items ===

impl Items {
    async fn next(&mut self) -> Result<Option<Item>, End> {
        loop {
            match self.reader.next(&mut self.bytes) {
                Ok(Some(item)) => return Ok(Some(item)),
                Ok(None) => {}
                Err(malformed) => return Err(End::Malformed(malformed.to_string())),
            }
            match poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
                // Trailers say nothing here.
                Some(Ok(frame)) => self.bytes = frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Err(End::Gone),
                None if self.reader.is_at_end() => return Ok(None),
                None => return Err(End::Malformed("a message is cut off".to_owned())),
            }
        }
    }
}

// === impl End ===

impl End {
    fn response(self) -> (Served, Response<Body>) {
        match self {
            Self::Malformed(text) => (Served::Malformed, answer::status(Code::InvalidArgument, &text)),
            Self::Unavailable(text) => (Served::Unavailable, answer::status(Code::Unavailable, text)),
            Self::OtherSignatures => {
                let text = "these signatures are not loaded here";
                (Served::OtherSignatures, answer::status(Code::FailedPrecondition, text))
            }
            Self::Refused(refusal) => {
                let served = match refusal {
                    Refusal::QueueFull => Served::QueueFull,
                    Refusal::Hopeless => Served::Hopeless,
                };
                (served, answer::refused(refusal))
            }
            Self::Late => {
                let text = "the object did not come in time";
                (Served::Hopeless, answer::status(Code::DeadlineExceeded, text))
            }
            Self::TooLarge => {
                let text = "the object is larger than all memory for objects";
                (Served::QueueFull, answer::status(Code::OutOfRange, text))
            }
            Self::Broken(text) => (Served::Failed, answer::status(Code::Internal, &text)),
            Self::Gone => (Served::Cancelled, answer::status(Code::Cancelled, "the call was ended")),
        }
    }
}

// === impl Count ===

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.requests.inc(self.1);
    }
}
