//! Objects in a bucket of a store that speaks S3.
//!
//! ```text
//!  keeper ──Sealed──▶ digest ──▶ PUT, signed (SigV4) ──TLS──▶ store: all of it, or nothing
//!  command line ──▶ ListObjectsV2 page by page, GET, HEAD + DELETE
//! ```
//!
//! The digest of the body is part of what is signed, so that a store that takes an object has taken all of it.
//! One connection for each request: objects are rare, and a store that went away is noticed at once.

mod body;
mod credentials;
mod download;
mod error;
mod link;
mod listing;
mod sign;

use crate::id::Id;
use crate::keeper::Record;
use crate::store::{Failed, Store};
use body::{Pieces, Sealed};
use credentials::Credentials;
use download::Download;
use error::Answer;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::ext::on_informational;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use icapstan_api::{QuarantineS3, ReputationEndpoint};
use link::{Body, Dial};
use listing::Pages;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

pub use credentials::CredentialsError;
pub use error::S3Error;

/// The most bytes of an answer that is not an object. A page of a list has up to 1000 keys of 1 KiB.
const MAX_ANSWER: usize = 4 << 20;

/// Larger objects are sent once the store says that it will take them (RFC 9110 section 10.1.1), in bytes. What is said of
/// those that it does not take would be lost else, since it closes while more comes.
const AT_ONCE: u64 = 64 << 10;
/// How long that is waited for.
const ASKING: Duration = Duration::from_secs(1);

/// A bucket, or the part of it whose keys begin with a prefix.
#[derive(Clone, Debug)]
pub struct Bucket(Arc<Inner>);

struct Inner {
    dial: Dial,
    /// As `Host` has it.
    authority: String,
    /// Up to what is in the bucket.
    root: String,
    prefix: String,
    region: String,
    credentials_file: PathBuf,
    timeout: Duration,
    patience: Duration,
    /// Of the thread that asks.
    runtime: Runtime,
}

/// A request that is not signed yet.
struct Plain {
    method: Method,
    /// Encoded.
    path: String,
    /// Encoded, in the order of its names.
    query: String,
    body: Option<(Pieces, String)>,
}

/// An answer whose body is still to come, and the connection that it comes over.
struct Coming {
    response: Response<Incoming>,
    driver: JoinSet<()>,
}

// === impl Bucket ===

impl Bucket {
    /// Whether the files of these settings can be used.
    pub(crate) fn check(settings: &QuarantineS3) -> Result<(), S3Error> {
        Self::parts(settings).map(drop)
    }

    fn parts(settings: &QuarantineS3) -> Result<(ReputationEndpoint, Dial), S3Error> {
        let endpoint = settings.endpoint().ok_or(S3Error::Endpoint)?;
        Credentials::read(&settings.credentials_file)?;
        let dial = Dial::new(&endpoint, settings.ca_file.as_deref())?;
        Ok((endpoint, dial))
    }

    /// The bucket of these settings. Asks nobody yet. Waits where it is used, so that has to be no task of a runtime.
    pub(crate) fn open(settings: &QuarantineS3) -> Result<Self, S3Error> {
        let (endpoint, dial) = Self::parts(settings)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(S3Error::Setup)?;
        Ok(Self(Arc::new(Inner {
            dial,
            authority: endpoint.authority,
            root: if settings.path_style { format!("/{}", settings.bucket) } else { String::new() },
            prefix: settings.prefix.clone(),
            region: settings.region.clone(),
            credentials_file: settings.credentials_file.clone(),
            timeout: settings.timeout,
            patience: settings.retry_for,
            runtime,
        })))
    }

    /// All objects, in the order of the store, which is by time as a rule: that of their keys.
    pub(crate) fn list(&self) -> Pages {
        Pages::new(Arc::clone(&self.0))
    }

    /// The bytes of an object; `None`: there is none.
    pub(crate) fn read(&self, id: &Id) -> Result<Option<Download>, S3Error> {
        match self.0.run(self.0.coming(self.0.of(Method::GET, id))) {
            Ok(coming) => Ok(Some(Download::new(Arc::clone(&self.0), coming))),
            Err(error) => missing(error).map(|()| None),
        }
    }

    /// Removes an object; `false`: there is none.
    pub(crate) fn remove(&self, id: &Id) -> Result<bool, S3Error> {
        // Stores do not tell whether there was one.
        if let Err(error) = self.0.ask(self.0.of(Method::HEAD, id)) {
            return missing(error).map(|()| false);
        }
        self.0.ask(self.0.of(Method::DELETE, id)).map(|_| true)
    }
}

impl Store for Bucket {
    fn put(&mut self, id: &Id, record: &Record<'_>) -> Result<u64, Failed> {
        let sealed = Sealed::new(record).map_err(S3Error::Object)?;
        let digest = sign::hex(&sealed.digest().map_err(S3Error::Object)?);
        let body = Some((sealed.pieces().map_err(S3Error::Object)?, digest));
        self.0.ask(Plain { body, ..self.0.of(Method::PUT, id) })?;
        Ok(sealed.len())
    }

    fn patience(&self) -> Duration {
        self.0.patience
    }
}

/// Nothing, if that is what is wrong.
fn missing(error: S3Error) -> Result<(), S3Error> {
    match &error {
        S3Error::Answer(answer) if answer.is_missing_object() => Ok(()),
        _ => Err(error),
    }
}

// === impl Inner ===

impl Inner {
    /// About one object.
    fn of(&self, method: Method, id: &Id) -> Plain {
        let key = format!("{}{}", self.prefix, id.name());
        let path = format!("{}/{}", self.root, sign::encode(&key, b"/"));
        Plain { method, path, query: String::new(), body: None }
    }

    /// Sends a request and reads the answer, which is a small one.
    fn ask(&self, plain: Plain) -> Result<Bytes, S3Error> {
        self.run(async {
            let mut coming = self.coming(plain).await?;
            let whole = read(coming.response).await;
            // Nothing of the object is held any longer.
            coming.driver.shutdown().await;
            whole
        })
    }

    /// Within the time that a try has.
    fn run<T>(&self, asking: impl Future<Output = Result<T, S3Error>>) -> Result<T, S3Error> {
        let within = async {
            let result = timeout(self.timeout, asking).await;
            // A connection that was given up ends now, and lets go of what it was to send.
            yield_now().await;
            result
        };
        self.runtime.block_on(within).unwrap_or(Err(S3Error::Timeout(self.timeout)))
    }

    /// Sends a request; an answer that is no success is an error.
    async fn coming(&self, plain: Plain) -> Result<Coming, S3Error> {
        let mut driver = JoinSet::new();
        let request = self.sign(plain)?;
        let response = self.dial.send(request, &mut driver).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(Coming { response, driver });
        }
        // What it says may be cut off where it did not take all of the request.
        let body = read(response).await.unwrap_or_default();
        driver.shutdown().await;
        Err(S3Error::Answer(Answer::new(status, &body)))
    }

    fn sign(&self, plain: Plain) -> Result<Request<Body>, S3Error> {
        let Plain { method, path, query, body } = plain;
        let credentials = Credentials::read(&self.credentials_file)?;
        let time = sign::time(SystemTime::now());
        let (body, payload) = match body {
            Some((pieces, digest)) => (Some(pieces), digest),
            None => (None, sign::EMPTY.to_owned()),
        };
        let mut fields = vec![
            (HOST.as_str(), self.authority.as_str()),
            ("x-amz-content-sha256", &payload),
            ("x-amz-date", &time),
        ];
        fields.extend(credentials.token().map(|token| ("x-amz-security-token", token)));
        let to_sign = sign::ToSign {
            method: method.as_str(),
            path: &path,
            query: &query,
            fields: &fields,
            payload: &payload,
        };
        let authorization = to_sign.authorization(&credentials, &self.region, &time);
        let target = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(method.clone()).uri(target);
        for (name, value) in &fields {
            request = request.header(*name, *value);
        }
        request = request
            .header(AUTHORIZATION, authorization)
            .header(USER_AGENT, concat!("icapstan/", env!("CARGO_PKG_VERSION")))
            .header(CONNECTION, "close");
        let Some(mut pieces) = body else {
            return Ok(request.body(Empty::new().map_err(|never| match never {}).boxed())?);
        };
        let len = hyper::body::Body::size_hint(&pieces).exact().unwrap_or_default();
        request = request.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, len);
        if len <= AT_ONCE {
            return Ok(request.body(pieces.boxed())?);
        }
        let told = Arc::new(Notify::new());
        let until = Arc::clone(&told);
        pieces.wait_for(async move {
            // A store that says nothing gets it all the same.
            let _ = timeout(ASKING, until.notified()).await;
        });
        let mut request = request.header(EXPECT, "100-continue").body(pieces.boxed())?;
        on_informational(&mut request, move |_| told.notify_one());
        Ok(request)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("dial", &self.dial).field("root", &self.root).finish_non_exhaustive()
    }
}

async fn read(response: Response<Incoming>) -> Result<Bytes, S3Error> {
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
    let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
        Ok(error) => S3Error::Broken(*error),
        Err(_) => S3Error::Unusable("an answer that is too long"),
    })?;
    Ok(body.to_bytes())
}

// === impl Answer ===

impl Answer {
    /// 404 is said of buckets too. Where nothing is said, as to HEAD, it is the object.
    fn is_missing_object(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && !self.is_about_bucket()
    }
}
