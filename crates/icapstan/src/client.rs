//! A blocking ICAP client for the command line.

use icapstan_icap_proto::{ChunkHead, LAST_CHUNK, ResponseDecoder, ResponseEvent, ResponseHead};
use icapstan_tls::{ClientFiles, TlsError, client_config};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Where an ICAP service is: `icap://host[:port]/path`, or `icaps://` over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceUri {
    text: String,
    authority: String,
    host: String,
    port: u16,
    is_secure: bool,
}

/// Whom to believe, and who to be, over TLS.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct TlsOptions {
    /// With icaps://: the certificates (PEM), one of which has to have signed the server's. Default: those
    /// that the system believes
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// With icaps://: a certificate (PEM) to show to the server
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
}

/// A text is no ICAP URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected icap[s]://HOST[:PORT]/SERVICE, for example icap://127.0.0.1:1344/avscan")]
pub(crate) struct UriError;

/// Why a server gave no usable answer.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// No connection.
    #[error("{0} cannot be reached")]
    Connect(String, #[source] io::Error),
    /// No files for a secured connection.
    #[error("no secured connection can be made")]
    Files(#[from] TlsError),
    /// No secured connection.
    #[error("{0} gives no secured connection")]
    Secure(String, #[source] io::Error),
    /// The object cannot be read.
    #[error("{0} cannot be read")]
    Object(String, #[source] io::Error),
    /// The connection broke, or the answer took too long.
    #[error("the server gave no answer")]
    Io(#[from] io::Error),
    /// The answer is no ICAP.
    #[error("the server gave no ICAP answer")]
    Answer(#[from] icapstan_icap_proto::ClientError),
}

/// One connection.
pub(crate) struct Client {
    stream: Stream,
    uri: ServiceUri,
}

/// What it runs on.
enum Stream {
    Plain(TcpStream),
    Secure(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// An answer's heads; its body is read and dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: ResponseHead,
    pub(crate) body_len: u64,
}

const DEFAULT_PORT: u16 = 1344;
const DEFAULT_TLS_PORT: u16 = 11344;
const CHUNK: usize = 64 * 1024;

// === impl ServiceUri ===

impl FromStr for ServiceUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
        let (rest, is_secure) = match () {
            () if begins("icap://") => (&text["icap://".len()..], false),
            () if begins("icaps://") => (&text["icaps://".len()..], true),
            () => return Err(UriError),
        };
        let default = if is_secure { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| UriError)?),
            _ => (authority, default),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UriError);
        }
        Ok(Self {
            text: text.to_owned(),
            authority: authority.to_owned(),
            host: bare.to_owned(),
            port,
            is_secure,
        })
    }
}

// === impl TlsOptions ===

impl TlsOptions {
    fn secure(&self, uri: &ServiceUri, mut stream: TcpStream) -> Result<Stream, ClientError> {
        let identity = self.certificate.as_deref().zip(self.key.as_deref());
        let config = client_config(ClientFiles { ca: self.ca.as_deref(), identity })?;
        let name = ServerName::try_from(uri.host.clone()).map_err(|_| TlsError::Name(uri.host.clone()))?;
        let fault = |error| ClientError::Secure(uri.authority.clone(), error);
        let mut tls =
            ClientConnection::new(Arc::new(config), name).map_err(|error| fault(io::Error::other(error)))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).map_err(fault)?;
        }
        Ok(Stream::Secure(Box::new(StreamOwned::new(tls, stream))))
    }
}

// === impl Stream ===

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Secure(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Secure(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Secure(stream) => stream.flush(),
        }
    }
}

// === impl Client ===

impl Client {
    /// Connects; every later wait is at most `patience` long.
    pub(crate) fn connect(
        uri: &ServiceUri,
        tls: &TlsOptions,
        patience: Duration,
    ) -> Result<Self, ClientError> {
        let error = |error| ClientError::Connect(uri.authority.clone(), error);
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (uri.host.as_str(), uri.port).to_socket_addrs().map_err(error)? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(patience))?;
                    stream.set_write_timeout(Some(patience))?;
                    let stream = if uri.is_secure { tls.secure(uri, stream)? } else { Stream::Plain(stream) };
                    return Ok(Self { stream, uri: uri.clone() });
                }
                Err(error) => last = error,
            }
        }
        Err(error(last))
    }

    /// Asks a service about itself.
    pub(crate) fn options(&mut self) -> Result<Answer, ClientError> {
        let ServiceUri { text, authority, .. } = &self.uri;
        let request =
            format!("OPTIONS {text} ICAP/1.0\r\nHost: {authority}\r\nEncapsulated: null-body=0\r\n\r\n");
        self.stream.write_all(request.as_bytes())?;
        self.stream.flush()?;
        self.answer()
    }

    /// Has `object` scanned as if it had been downloaded. `name` ends up in the server's log.
    pub(crate) fn scan(&mut self, object: &mut dyn Read, name: &str) -> Result<Answer, ClientError> {
        let ServiceUri { text, authority, .. } = &self.uri;
        let path: String = name
            .bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'/' => {
                    char::from(b).to_string()
                }
                _ => format!("%{b:02X}"),
            })
            .collect();
        let get = format!("GET file:///{} HTTP/1.1\r\n\r\n", path.trim_start_matches('/'));
        // Without a response head: there is none, and a server has no reason to begin its answer
        // before the verdict.
        let head = format!(
            "RESPMOD {text} ICAP/1.0\r\nHost: {authority}\r\nAllow: 204\r\nConnection: close\r\n\
             Encapsulated: req-hdr=0, res-body={}\r\n\r\n{get}",
            get.len()
        );
        let mut block = vec![0; CHUNK];
        let mut wire = head.into_bytes();
        loop {
            let count = match object.read(&mut block) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(ClientError::Object(name.to_owned(), error)),
            };
            if count == 0 {
                wire.extend_from_slice(LAST_CHUNK);
            } else {
                wire.extend_from_slice(ChunkHead::new(count).as_bytes());
                wire.extend_from_slice(&block[..count]);
                wire.extend_from_slice(b"\r\n");
            }
            // A server may answer and close before it has read everything: the answer counts.
            let written = self.stream.write_all(&wire).and_then(|()| self.stream.flush());
            if count == 0 || written.is_err() {
                return self.answer();
            }
            wire.clear();
        }
    }

    fn answer(&mut self) -> Result<Answer, ClientError> {
        let mut decoder = ResponseDecoder::default();
        let (mut input, mut at) = (Vec::new(), 0);
        let mut answer: Option<Answer> = None;
        loop {
            let (used, event) = decoder.step(&input[at..])?;
            at += used;
            match (event, &mut answer) {
                (Some(ResponseEvent::Head(head)), _) if head.status() == 100 => {}
                (Some(ResponseEvent::Head(head)), _) => answer = Some(Answer { head, body_len: 0 }),
                (Some(ResponseEvent::Data(data)), Some(answer)) => answer.body_len += data.len() as u64,
                (Some(_), _) => {}
                (None, _) => {
                    input.drain(..at);
                    at = 0;
                    let len = input.len();
                    input.resize(len + CHUNK, 0);
                    let count = self.stream.read(&mut input[len..])?;
                    input.truncate(len + count);
                    if count == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                }
            }
            if let Some(answer) = answer.take_if(|_| !decoder.in_body()) {
                return Ok(answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_uris_are_read_and_others_are_refused() {
        for (text, host, port) in [
            ("icap://127.0.0.1:1344/avscan", "127.0.0.1", 1344),
            ("ICAP://scan.example/avscan?x", "scan.example", 1344),
            ("icap://[::1]:99/avscan", "::1", 99),
            ("icap://[::1]/avscan", "::1", 1344),
            ("icaps://scan.example/avscan", "scan.example", 11344),
            ("ICAPS://scan.example:1344/avscan", "scan.example", 1344),
        ] {
            let uri: ServiceUri = text.parse().unwrap();
            assert_eq!((uri.host.as_str(), uri.port), (host, port), "{text}");
            assert_eq!(uri.is_secure, text.to_lowercase().starts_with("icaps:"), "{text}");
        }
        for text in [
            "",
            "http://h/x",
            "icap://",
            "icap:///x",
            "icap://h:x/y",
            "icap://h/a b",
            "icap://h:99999/x",
            "ü",
        ] {
            assert_eq!(text.parse::<ServiceUri>(), Err(UriError), "{text}");
        }
    }
}
