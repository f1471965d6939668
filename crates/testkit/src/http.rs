//! A small HTTP/1.1 client and what it shares with the origin server: one request per connection.

use crate::icap::Head;
use crate::wait::PATIENCE;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

/// No head in these tests is longer.
const MAX_HEAD: usize = 256 * 1024;

/// What to ask for.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: String,
    fields: Vec<(String, String)>,
    body: Upload,
}

#[derive(Clone, Debug)]
enum Upload {
    None,
    KnownLength(Vec<u8>),
    Chunks(Vec<u8>, usize),
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The head.
    pub head: Head,
    /// The body without chunks, its content coding untouched.
    pub body: Vec<u8>,
}

// === impl Request ===

impl Request {
    /// `GET` of a URL `http://host:port/...`.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// Any method.
    pub fn new(method: &str, url: &str) -> Self {
        Self { method: method.to_owned(), url: url.to_owned(), fields: Vec::new(), body: Upload::None }
    }

    /// Adds a header field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends a body with `Content-Length`.
    #[must_use]
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = Upload::KnownLength(body.to_vec());
        self
    }

    /// Sends a body in chunks of `size`.
    #[must_use]
    pub fn chunked_body(mut self, body: &[u8], size: usize) -> Self {
        self.body = Upload::Chunks(body.to_vec(), size);
        self
    }

    /// Sends it through a proxy; panics when there is no answer.
    #[track_caller]
    pub fn through(&self, proxy: SocketAddr) -> Response {
        self.try_through(proxy).unwrap_or_else(|error| panic!("{} {}: {error}", self.method, self.url))
    }

    /// As [`Request::through`].
    pub fn try_through(&self, proxy: SocketAddr) -> Result<Response> {
        self.exchange(TcpStream::connect(proxy)?, &self.url)
    }

    /// Sends it to the server that the URL names, which must be a socket address.
    pub fn try_direct(&self) -> Result<Response> {
        let rest = self.url.strip_prefix("http://").ok_or_else(|| wrong("no http URL"))?;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        self.exchange(TcpStream::connect(authority)?, path)
    }

    /// Sends it over a connection that exists, such as a tunnel.
    pub fn exchange(&self, stream: TcpStream, target: &str) -> Result<Response> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut writer = stream.try_clone()?;
        let message = self.bytes(target);
        thread::scope(|scope| {
            // A server may answer before it has read everything, and close: then what it said counts.
            scope.spawn(move || {
                let _ = writer.write_all(&message);
            });
            read_response(&mut BufReader::new(stream), &self.method)
        })
    }

    fn bytes(&self, target: &str) -> Vec<u8> {
        let authority = self.url.strip_prefix("http://").unwrap_or(&self.url);
        let authority = authority.split('/').next().unwrap_or_default();
        let mut head =
            format!("{} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n", self.method);
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = match &self.body {
            Upload::None => Ok(()),
            Upload::KnownLength(body) => write!(head, "Content-Length: {}\r\n", body.len()),
            Upload::Chunks(..) => write!(head, "Transfer-Encoding: chunked\r\n"),
        };
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        match &self.body {
            Upload::None => {}
            Upload::KnownLength(body) => bytes.extend_from_slice(body),
            Upload::Chunks(body, size) => bytes.extend_from_slice(&crate::chunked_by(body, *size)),
        }
        bytes
    }
}

/// Opens a tunnel through a proxy; the status it answered, and the connection when that is 200.
#[track_caller]
pub fn tunnel(proxy: SocketAddr, authority: &str) -> (u16, TcpStream) {
    try_tunnel(proxy, authority).unwrap_or_else(|error| panic!("CONNECT {authority}: {error}"))
}

fn try_tunnel(proxy: SocketAddr, authority: &str) -> Result<(u16, TcpStream)> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n")?;
    // Unbuffered, so that nothing of what follows the head is taken.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok((status_of(&Head::of(&head))?, stream))
}

/// Reads a head, up to its empty line; nothing when the peer closed before it.
pub(crate) fn read_head(reader: &mut impl BufRead) -> Result<Option<Head>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let before = bytes.len();
        reader.by_ref().take(MAX_HEAD as u64).read_until(b'\n', &mut bytes)?;
        match (bytes.len() == before, before) {
            (true, 0) => return Ok(None),
            (true, _) => return Err(ErrorKind::UnexpectedEof.into()),
            (false, _) if bytes.len() > MAX_HEAD => return Err(wrong("the head is too long")),
            (false, _) => {}
        }
    }
    Ok(Some(Head::of(&bytes)))
}

/// Reads a body that is framed by `head`; `None` when nothing in `head` frames one.
pub(crate) fn read_framed(reader: &mut impl BufRead, head: &Head) -> Result<Option<Vec<u8>>> {
    if head.names("Transfer-Encoding", "chunked") {
        return read_chunks(reader).map(Some);
    }
    let Some(length) = head.get("Content-Length") else { return Ok(None) };
    let length: u64 = length.parse().map_err(|_| wrong("Content-Length is no number"))?;
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(Some(body)) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

fn read_chunks(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.by_ref().take(1024).read_line(&mut line)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size =
            u64::from_str_radix(size, 16).map_err(|_| Error::new(ErrorKind::UnexpectedEof, "no chunk"))?;
        if size == 0 {
            while line != "\r\n" {
                line.clear();
                if reader.by_ref().take(8192).read_line(&mut line)? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            }
            return Ok(body);
        }
        let before = body.len() as u64;
        reader.by_ref().take(size).read_to_end(&mut body)?;
        let mut end = [0; 2];
        reader.read_exact(&mut end)?;
        if body.len() as u64 - before != size || end != *b"\r\n" {
            return Err(wrong("a chunk does not end where it should"));
        }
    }
}

fn read_response(reader: &mut impl BufRead, method: &str) -> Result<Response> {
    loop {
        let head = read_head(reader)?.ok_or(ErrorKind::UnexpectedEof)?;
        let status = status_of(&head)?;
        if (100..200).contains(&status) {
            continue;
        }
        let bodiless = method == "HEAD" || matches!(status, 204 | 304);
        let body = if bodiless {
            Vec::new()
        } else if let Some(body) = read_framed(reader, &head)? {
            body
        } else {
            let mut body = Vec::new();
            reader.read_to_end(&mut body)?;
            body
        };
        return Ok(Response { status, head, body });
    }
}

fn status_of(head: &Head) -> Result<u16> {
    let code = head.first_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.ok_or_else(|| wrong(&format!("no status line: {:?}", head.first_line)))
}

pub(crate) fn wrong(rule: &str) -> Error {
    Error::new(ErrorKind::InvalidData, rule)
}
