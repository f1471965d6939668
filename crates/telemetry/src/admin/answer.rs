//! What the endpoint answers.

use super::{Document, Readiness, Ready, Version};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use icapstan_model::is_deceptive;
use prometheus::{Registry, TextEncoder};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How many threads may ask the rest of the process at once.
pub(super) const MAX_ASKING: usize = 4;
/// How long the rest of the process may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

const PLAIN: &str = "text/plain; charset=utf-8";

type Reply = Response<Full<Bytes>>;

/// All that is needed to answer.
pub(super) struct Answers {
    registry: Arc<Registry>,
    readiness: Readiness,
    documents: Vec<Document>,
    /// One permit for each thread that may ask. Without it, questions to a process that is stuck
    /// would pile up behind those threads.
    asking: Arc<Semaphore>,
}

// === impl Answers ===

impl Answers {
    pub(super) fn new(registry: Arc<Registry>, readiness: Readiness, documents: Vec<Document>) -> Self {
        Self { registry, readiness, documents, asking: Arc::new(Semaphore::new(MAX_ASKING)) }
    }

    pub(super) async fn to(&self, request: &Request<Incoming>) -> Result<Reply, Infallible> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let uri = request.uri();
        let document = self.documents.iter().find(|(path, _)| *path == uri.path());
        Ok(match uri.path() {
            "/livez" | "/readyz" | "/metrics" if !is_read => not_allowed(),
            _ if document.is_some() && !is_read => not_allowed(),
            "/livez" => reply(StatusCode::OK, PLAIN, "ok\n".to_owned()),
            "/readyz" => {
                let verbose = uri.query().is_some_and(|query| query.split('&').any(|word| word == "verbose"));
                self.readyz(verbose).await
            }
            "/metrics" => self.metrics().await,
            _ if let Some(document) = document => self.document(document).await,
            _ => reply(StatusCode::NOT_FOUND, PLAIN, "not found\n".to_owned()),
        })
    }

    async fn readyz(&self, verbose: bool) -> Reply {
        let readiness = Arc::clone(&self.readiness);
        let ready = self
            .ask(move || readiness())
            .await
            .unwrap_or_else(|silence| Ready::new().check("readiness", Err(silence.to_owned())));
        let status = if ready.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut text = String::new();
        for check in &ready.checks {
            match &check.result {
                Ok(()) if verbose => text.push_str(&line(&format!("[+] {}: ok", check.name))),
                Ok(()) => {}
                Err(missing) => text.push_str(&line(&format!("[-] {}: {missing}", check.name))),
            }
        }
        for note in &ready.notes {
            text.push_str(&line(&format!("[!] {}: {}", note.name, note.text)));
        }
        if ready.is_ready() {
            text.push_str("ok\n");
        }
        reply(status, PLAIN, text)
    }

    async fn metrics(&self) -> Reply {
        let registry = Arc::clone(&self.registry);
        match self.ask(move || TextEncoder::new().encode_to_string(&registry.gather())).await {
            Ok(Ok(text)) => reply(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
            Ok(Err(error)) => fault(&format!("metrics: {error}")),
            Err(silence) => fault(&format!("metrics: {silence}")),
        }
    }

    async fn document(&self, (path, document): &Document) -> Reply {
        let document: Version = Arc::clone(document);
        match self.ask(move || document()).await {
            Ok(value) => reply(StatusCode::OK, "application/json", format!("{value}\n")),
            Err(silence) => fault(&format!("{}: {silence}", path.trim_start_matches('/'))),
        }
    }

    /// Asks the rest of the process, which may hold a lock for long or panic. Not on this thread, so
    /// that all other questions are answered meanwhile.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, &'static str> {
        let asking = Arc::clone(&self.asking);
        let answer = async {
            let permit = asking.acquire_owned().await.expect("the semaphore is never closed");
            let asked = spawn_blocking(move || {
                let answer = question();
                drop(permit);
                answer
            });
            asked.await.map_err(|_| "the question broke")
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or(Err("no answer within a second"))
    }
}

fn line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if is_deceptive(c) { ' ' } else { c }).collect();
    line.push('\n');
    line
}

fn not_allowed() -> Reply {
    let mut reply = reply(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "method not allowed\n".to_owned());
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    reply
}

fn fault(text: &str) -> Reply {
    reply(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, line(text))
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
