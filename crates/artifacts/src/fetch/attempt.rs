//! One question to one place.

use super::base::Base;
use super::range::content_range;
use super::{AttemptError, Inner};
use crate::{PourError, StoreError, Writer, blocking, pour};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, HOST, RANGE, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use icapstan_api::fleet::Artifact;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The most bytes of the head of an answer, and of what is read ahead of its body.
const READ_AHEAD: usize = 256 << 10;
/// The most fields in it.
const MAX_FIELDS: usize = 64;
/// How long to wait for who gave up to have written what it had in hand, and how often to look. Without it, it is begun
/// anew.
const HANDOVER: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Inner {
    pub(super) async fn attempt(&self, artifact: &Artifact, base: &Base) -> Result<(), AttemptError> {
        self.wait_for_handover(artifact).await;
        let (store, wanted) = (self.store.clone(), *artifact);
        let writer = blocking(move || store.resume(&wanted)).await.ok_or(AttemptError::Stopped)?;
        let mut writer = writer.map_err(AttemptError::Store)?;
        // All of it may have come the last time; and there may be nothing that has to come.
        if writer.written() < artifact.size {
            let mut driver = JoinSet::new();
            let response = self.ask(artifact, base, writer.written(), &mut driver).await?;
            if starts_anew(&response, artifact, writer.written())? {
                writer.restart().map_err(AttemptError::Store)?;
            }
            writer = pour(response.into_body(), writer, self.pace).await.map_err(|error| match error {
                PourError::Store(error @ StoreError::TooLarge(_)) => AttemptError::WrongBytes(error),
                error => AttemptError::Body(error),
            })?;
        }
        finish(writer).await
    }

    /// There is one flight for each digest, so that whoever else writes is about to end.
    async fn wait_for_handover(&self, artifact: &Artifact) {
        let _ = timeout(HANDOVER, async {
            while self.store.is_being_written(&artifact.digest) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
        .await;
    }

    async fn ask(
        &self,
        artifact: &Artifact,
        base: &Base,
        offset: u64,
        driver: &mut JoinSet<()>,
    ) -> Result<Response<Incoming>, AttemptError> {
        let mut request = Request::get(base.target(&artifact.digest.hex()))
            .header(HOST, &base.authority)
            .header(USER_AGENT, concat!("icapstan/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity")
            .header(CONNECTION, "close");
        if offset > 0 {
            request = request.header(RANGE, format!("bytes={offset}-"));
        }
        let request =
            request.body(Empty::<Bytes>::new()).map_err(|_| AttemptError::Url(base.host.clone()))?;
        let connected = within(self.pace.connect, "connection", self.connect(base)).await?;
        let sent = async {
            match connected {
                Connected::Plain(stream) => exchange(stream, request, driver).await,
                Connected::Secure(stream) => exchange(*stream, request, driver).await,
            }
        };
        within(self.pace.head, "answer", sent).await
    }

    async fn connect(&self, base: &Base) -> Result<Connected, AttemptError> {
        let stream =
            TcpStream::connect((base.host.as_str(), base.port)).await.map_err(AttemptError::Connect)?;
        let Some(name) = &base.name else { return Ok(Connected::Plain(stream)) };
        let config = self.tls.load_full().ok_or(AttemptError::NoTls)?;
        let secured = TlsConnector::from(config).connect(name.clone(), stream).await;
        secured.map(|stream| Connected::Secure(Box::new(stream))).map_err(AttemptError::Secure)
    }
}

enum Connected {
    Plain(TcpStream),
    Secure(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn within<T>(
    after: Duration,
    what: &'static str,
    work: impl Future<Output = Result<T, AttemptError>>,
) -> Result<T, AttemptError> {
    timeout(after, work).await.unwrap_or(Err(AttemptError::Timeout { what, after }))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
    driver: &mut JoinSet<()>,
) -> Result<Response<Incoming>, AttemptError> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(READ_AHEAD).max_headers(MAX_FIELDS);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(AttemptError::Http)?;
    // Whoever reads learns how it ends.
    driver.spawn(async move { drop(connection.await) });
    sender.send_request(request).await.map_err(AttemptError::Http)
}

/// Whether the answer is the whole and not the rest. An error if it is neither.
fn starts_anew(
    response: &Response<Incoming>,
    artifact: &Artifact,
    offset: u64,
) -> Result<bool, AttemptError> {
    let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let is_whole = match response.status() {
        StatusCode::OK => true,
        StatusCode::PARTIAL_CONTENT => false,
        status => return Err(AttemptError::Status(status.as_u16())),
    };
    let length = field(CONTENT_LENGTH).and_then(|value| value.parse::<u64>().ok());
    if is_whole {
        // Who does not say how long it is may be right.
        let is_right = length.is_none_or(|length| length == artifact.size);
        return if is_right {
            Ok(true)
        } else {
            Err(AttemptError::Size { found: length, expected: artifact.size })
        };
    }
    let (first, last, total) = field(CONTENT_RANGE).and_then(content_range).ok_or(AttemptError::Range)?;
    if total != artifact.size {
        return Err(AttemptError::Size { found: Some(total), expected: artifact.size });
    }
    if (first, last) == (offset, artifact.size - 1) { Ok(false) } else { Err(AttemptError::Range) }
}

async fn finish(writer: Writer) -> Result<(), AttemptError> {
    let finished = blocking(move || writer.finish()).await.ok_or(AttemptError::Stopped)?;
    match finished {
        Ok(_) => Ok(()),
        Err(error @ StoreError::Short { .. }) => Err(AttemptError::Body(PourError::Cut(Box::new(
            io::Error::new(io::ErrorKind::UnexpectedEof, error),
        )))),
        Err(error @ StoreError::WrongBytes { .. }) => Err(AttemptError::WrongBytes(error)),
        Err(error) => Err(AttemptError::Store(error)),
    }
}
