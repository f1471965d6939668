//! Asks a service over HTTP/1.1: a POST for each question, on connections that are kept.

mod link;

use crate::oracle::Asking;
use crate::{Answer, AskError, MAX_ANSWER, Oracle, Question};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri};
use icapstan_api::ReputationEndpoint;
use icapstan_telemetry::chain;
use icapstan_tls::TlsError;
use link::{Dial, Link};
use parking_lot::Mutex;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// No more connections are kept.
const MAX_IDLE: usize = 32;
/// And none for longer. More than the longest pause of the breaker, so that its probe finds one.
const IDLE: Duration = Duration::from_mins(1);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue = HeaderValue::from_static("icapstan");

/// A service on the network.
#[derive(Debug)]
pub struct HttpOracle {
    dial: Dial,
    host: HeaderValue,
    target: Uri,
    idle: Mutex<Vec<(Link, Instant)>>,
}

/// Why a service cannot be asked at all.
#[derive(Debug, Error)]
pub enum SetupError {
    /// Of the settings.
    #[error("the URL of the reputation service is none")]
    Url,
    /// Its certificate could not be told from others.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

// === impl HttpOracle ===

impl HttpOracle {
    /// Asks at `endpoint`, which the authorities in `ca_file` have to vouch for, or those of the system.
    pub fn new(endpoint: &ReputationEndpoint, ca_file: Option<&Path>) -> Result<Self, SetupError> {
        let target = PathAndQuery::try_from(endpoint.target.as_str()).map_err(|_| SetupError::Url)?;
        Ok(Self {
            dial: Dial::new(endpoint, ca_file)?,
            host: HeaderValue::try_from(endpoint.authority.as_str()).map_err(|_| SetupError::Url)?,
            target: Uri::from(target),
            idle: Mutex::default(),
        })
    }

    async fn answer(&self, question: &Question) -> Result<Answer, AskError> {
        let body = serde_json::to_vec(question).map_err(|error| unreachable(&error))?;
        let body = Bytes::from(body);
        // One that was kept may have been closed meanwhile; then the question did not arrive.
        while let Some(mut link) = self.kept() {
            if let Ok(response) = link.send(self.request(&body)).await {
                return self.read(link, response).await;
            }
        }
        let mut link = self.dial.connect().await.map_err(|error| unreachable(&error))?;
        let response = link.send(self.request(&body)).await.map_err(|error| unreachable(&error))?;
        self.read(link, response).await
    }

    fn request(&self, body: &Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, AGENT);
        headers.insert(ACCEPT, JSON);
        headers.insert(CONTENT_TYPE, JSON);
        request
    }

    /// Redirects are not followed: who is asked is for the settings to say.
    async fn read(&self, link: Link, response: Response<Incoming>) -> Result<Answer, AskError> {
        let status = response.status();
        if status != StatusCode::OK {
            return Err(AskError::Status(status.as_u16()));
        }
        let body =
            Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(|error| {
                match error.downcast_ref::<LengthLimitError>() {
                    Some(_) => AskError::Unusable(crate::Unreadable::TooLarge.to_string().into()),
                    None => unreachable(&*error),
                }
            })?;
        self.keep(link);
        Answer::parse(&body.to_bytes()).map_err(|error| AskError::Unusable(error.to_string().into()))
    }

    /// The connection that was used last.
    fn kept(&self) -> Option<Link> {
        let mut idle = self.idle.lock();
        idle.retain(|(link, since)| link.is_open() && since.elapsed() < IDLE);
        idle.pop().map(|(link, _)| link)
    }

    fn keep(&self, link: Link) {
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push((link, Instant::now()));
        }
    }
}

impl Oracle for HttpOracle {
    fn ask<'a>(&'a self, question: &'a Question) -> Asking<'a> {
        Box::pin(self.answer(question))
    }
}

/// What went wrong. The names in a certificate may be part of it, so that it is made inert.
fn unreachable(error: &(dyn Error + 'static)) -> AskError {
    const MOST: usize = 300;
    let inert = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '_' };
    let text: String = chain(error).chars().take(MOST).map(inert).collect();
    AskError::Unreachable(Arc::from(text))
}
