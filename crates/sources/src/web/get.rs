//! One question, wherever it leads.

use super::Web;
use super::dial::Dialled;
use super::proxy::{Proxy, host_of};
use crate::spec::check_url;
use crate::{Credential, Limits, SourceError};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, HOST, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION, USER_AGENT,
};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use url::{Position, Url};

/// The most bytes of the head of an answer, and of what is read ahead of its body.
const READ_AHEAD: usize = 256 << 10;
/// The most fields in it.
const MAX_FIELDS: usize = 100;

/// What is asked.
pub(crate) struct Ask<'a> {
    pub(crate) url: &'a Url,
    /// Nothing of it is secret: it goes wherever redirects lead.
    pub(crate) fields: Vec<(HeaderName, HeaderValue)>,
    pub(crate) credentials: &'a [Credential],
    pub(crate) tls: &'a Arc<ClientConfig>,
    pub(crate) limits: &'a Limits,
}

/// What comes back. The connection ends with it.
pub(crate) struct Answer {
    /// Who answers.
    pub(crate) host: String,
    pub(crate) response: Response<Incoming>,
    pub(crate) driver: JoinSet<()>,
}

impl Web {
    /// Asks, and follows redirects.
    pub(crate) async fn get(&self, ask: &Ask<'_>) -> Result<Answer, SourceError> {
        let mut url = ask.url.clone();
        let mut left = ask.limits.redirects;
        loop {
            let answer = self.once(ask, &url).await?;
            let is_redirect = matches!(answer.response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect {
                return Ok(answer);
            }
            let location = answer.response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let fault = |why| SourceError::Redirect { to: origin(&url), why };
            let next = location.ok_or_else(|| fault("it does not say where"))?;
            let next = url.join(next).map_err(|_| fault("where it leads is no URL"))?;
            let fault = |why| SourceError::Redirect { to: origin(&next), why };
            check_url(&next).map_err(fault)?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(fault("it leads away from https"));
            }
            if left == 0 {
                return Err(fault("there are too many"));
            }
            left -= 1;
            url = next;
        }
    }

    async fn once(&self, ask: &Ask<'_>, url: &Url) -> Result<Answer, SourceError> {
        let pace = ask.limits.pace;
        let (dialled, proxy) = self.dial(url, ask.tls, pace).await?;
        let request = request(ask, url, proxy)?;
        let host = host_of(url);
        let mut driver = JoinSet::new();
        let sent = async {
            match dialled {
                Dialled::Plain(stream) => exchange(stream, request, &mut driver).await,
                Dialled::Secure(stream) => exchange(*stream, request, &mut driver).await,
            }
        };
        let after = pace.head;
        let response = match timeout(after, sent).await {
            Err(_) => return Err(SourceError::Timeout { what: "answer", after }),
            Ok(Err(source)) => return Err(SourceError::Http { host, source }),
            Ok(Ok(response)) => response,
        };
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(SourceError::Proxy("407".to_owned()));
        }
        Ok(Answer { host, response, driver })
    }
}

fn request(ask: &Ask<'_>, url: &Url, proxy: Option<&Proxy>) -> Result<Request<Empty<Bytes>>, SourceError> {
    // A proxy is asked with the whole URL.
    let target = match proxy {
        Some(_) => &url[..Position::AfterQuery],
        None => &url[Position::BeforePath..Position::AfterQuery],
    };
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let mut request = Request::get(target)
        .header(HOST, authority)
        .header(USER_AGENT, concat!("icapstan/", env!("CARGO_PKG_VERSION")))
        // Bytes are kept as they are, and hashed so.
        .header(ACCEPT_ENCODING, "identity")
        .header(CONNECTION, "close");
    for (name, value) in &ask.fields {
        request = request.header(name, value);
    }
    for credential in ask.credentials.iter().filter(|credential| credential.is_for(url)) {
        let odd = || SourceError::Invalid("a credential cannot be put into a header field".to_owned());
        let (name, value) = credential.field().ok_or_else(odd)?;
        request = request.header(name, value);
    }
    if let Some(authorization) = proxy.and_then(|proxy| proxy.authorization.as_deref()) {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    request.body(Empty::new()).map_err(|_| SourceError::Invalid("the URL cannot be asked for".to_owned()))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
    driver: &mut JoinSet<()>,
) -> Result<Response<Incoming>, hyper::Error> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(READ_AHEAD).max_headers(MAX_FIELDS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    // Whoever reads learns how it ends.
    driver.spawn(async move { drop(connection.await) });
    sender.send_request(request).await
}

/// Scheme, host and port: what may be shown of a URL.
fn origin(url: &Url) -> String {
    url[..Position::AfterPort].to_owned()
}
