//! A blocking ICAP client for the command line.

use icapstan_icap_proto::{ChunkHead, LAST_CHUNK, ResponseDecoder, ResponseEvent, ResponseHead};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// Where an ICAP service is: `icap://host[:port]/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceUri {
    text: String,
    authority: String,
    host: String,
    port: u16,
}

/// A text is no ICAP URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected icap://HOST[:PORT]/SERVICE, for example icap://127.0.0.1:1344/avscan")]
pub(crate) struct UriError;

/// Why a server gave no usable answer.
#[derive(Debug, Error)]
pub(crate) enum ClientError {
    /// No connection.
    #[error("{0} cannot be reached")]
    Connect(String, #[source] io::Error),
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
    stream: TcpStream,
    uri: ServiceUri,
}

/// An answer's heads; its body is read and dropped.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: ResponseHead,
    pub(crate) body_len: u64,
}

const DEFAULT_PORT: u16 = 1344;
const CHUNK: usize = 64 * 1024;

// === impl ServiceUri ===

impl FromStr for ServiceUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let scheme = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("icap://")).ok_or(UriError)?;
        let rest = &text[scheme.len()..];
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| UriError)?),
            _ => (authority, DEFAULT_PORT),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UriError);
        }
        Ok(Self { text: text.to_owned(), authority: authority.to_owned(), host: bare.to_owned(), port })
    }
}

// === impl Client ===

impl Client {
    /// Connects; every later wait is at most `patience` long.
    pub(crate) fn connect(uri: &ServiceUri, patience: Duration) -> Result<Self, ClientError> {
        let error = |error| ClientError::Connect(uri.authority.clone(), error);
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (uri.host.as_str(), uri.port).to_socket_addrs().map_err(error)? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(patience))?;
                    stream.set_write_timeout(Some(patience))?;
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
            let written = self.stream.write_all(&wire);
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
        ] {
            let uri: ServiceUri = text.parse().unwrap();
            assert_eq!((uri.host.as_str(), uri.port), (host, port), "{text}");
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
