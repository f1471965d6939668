//! Requests as bytes that are made once and sent many times.

use crate::body::{Body, SLOT, put_hex};
use crate::settings::{Kind, Settings, Shape};
use std::fmt::Write;
use std::io::IoSlice;
use std::ops::Range;

/// No chunk on the wire is longer.
const CHUNK: usize = 64 * 1024;

/// Pieces in one system call: ten chunks, which is more than a socket takes at once.
pub(crate) const PIECES: usize = 32;

/// The host of every URL...
const HOST: &str = "www.example.org";

/// ... or one with a number.
const NUMBERED_HOST: &str = "www.0000000000000000.example.org";

/// Where that has its number, of [`SLOT`] digits.
const HOST_SLOT: usize = 4;

/// One request: its bytes are framing and a body, and lie in the order of `pieces`.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    frame: Vec<u8>,
    body: Body,
    pieces: Vec<Piece>,
    /// Where the URL, and the host if each is another one, have their number; in `frame`.
    slots: Vec<usize>,
    /// What is sent before the server must answer: all, or the preview.
    pub(crate) first: usize,
    /// The length of all.
    pub(crate) whole: usize,
    /// What the answer must be.
    pub(crate) expect: Expect,
}

/// What the answer to a request must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// 200
    Options,
    /// The message back, or 204 where that is allowed.
    Unchanged {
        /// 204 is allowed, also after 100.
        allow_204: bool,
        /// Was there a preview, which may always be answered 204?
        preview: bool,
        /// Is the message a response?
        response: bool,
        /// Has it a body?
        body: bool,
    },
    /// 200 with an HTTP 403.
    Blocked,
}

/// A run of bytes.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Its place on the wire.
    at: usize,
    len: usize,
    /// Its place in the body, or else in the frame.
    start: usize,
    is_body: bool,
}

// === impl Request ===

impl Request {
    /// The request that `settings` describe; with the EICAR test file as its body if `infected`.
    pub(crate) fn new(settings: &Settings, infected: bool) -> Self {
        let body = match settings.body {
            Some(_) if infected => Some(Body::eicar()),
            Some(size) => Some(Body::new(settings.kind, size)),
            None => None,
        };
        let kind = if infected { Kind::Text } else { settings.kind };
        let content_type = match kind {
            Kind::Text => "text/plain",
            Kind::Html => "text/html; charset=utf-8",
            Kind::Random => "application/octet-stream",
        };
        // A server may remember which URLs were blocked: clean ones are never among them.
        let folder = if infected { "sample" } else { "notice" };
        let path = format!("/{folder}/{}", "0".repeat(SLOT));
        let size = body.as_ref().map(|body| body.bytes().len());
        let host = if settings.unique_hosts { NUMBERED_HOST } else { HOST };
        let heads = match settings.shape {
            Shape::Options => Heads::default(),
            Shape::Reqmod => Heads::reqmod(host, &path, content_type, size),
            Shape::Respmod => Heads::respmod(host, &path, content_type, size),
        };
        let has_body = body.is_some() && settings.shape != Shape::Options;
        let preview = settings.preview.filter(|_| has_body);
        let mut frame = settings.icap_head(&heads, has_body);
        let path = memchr::memmem::find(&frame, path.as_bytes()).map(|at| at + path.len() - SLOT);
        let hosts = memchr::memmem::find_iter(&frame, NUMBERED_HOST.as_bytes()).map(|at| at + HOST_SLOT);
        let slots = path.into_iter().chain(hosts).collect();
        let head_len = frame.len();
        let mut request = Self {
            body: body.unwrap_or_default(),
            pieces: vec![Piece { at: 0, len: head_len, start: 0, is_body: false }],
            slots,
            first: 0,
            whole: head_len,
            expect: match settings.shape {
                Shape::Options => Expect::Options,
                _ if infected => Expect::Blocked,
                shape => Expect::Unchanged {
                    allow_204: settings.allow_204 || !has_body,
                    preview: preview.is_some() || !has_body,
                    response: shape == Shape::Respmod,
                    body: has_body,
                },
            },
            frame: std::mem::take(&mut frame),
        };
        if has_body {
            request.add_body(preview);
        }
        if request.first == 0 {
            request.first = request.whole;
        }
        request
    }

    /// The body as it was stamped last.
    pub(crate) fn body(&self) -> &[u8] {
        self.body.bytes()
    }

    /// Whether each number makes another body, where there is one.
    pub(crate) fn can_differ(&self) -> bool {
        self.body.bytes().is_empty() || self.body.can_differ()
    }

    /// Makes a range of the body that of the request with this number.
    pub(crate) fn stamp_body(&mut self, number: u64, range: Range<usize>) {
        self.body.stamp(number, range.start, range.end);
    }

    /// Makes what [`Self::gather`] will give for this range that of the request with this number.
    pub(crate) fn stamp(&mut self, number: u64, from: usize, to: usize) {
        if from < self.pieces[0].len {
            for &slot in &self.slots {
                put_hex(&mut self.frame[slot..slot + SLOT], number, usize::MAX);
            }
        }
        let first = self.piece_at(from);
        let pieces = self.pieces[first..].iter().take(PIECES).take_while(|piece| piece.at < to);
        let mut range: Option<Range<usize>> = None;
        for piece in pieces.filter(|piece| piece.is_body) {
            range = Some(range.map_or(piece.start, |range| range.start)..piece.start + piece.len);
        }
        if let Some(range) = range {
            self.body.stamp(number, range.start, range.end);
        }
    }

    /// The bytes from `from` to `to`, or as many of them as fit in `slices`; how many slices there are.
    pub(crate) fn gather<'a>(&'a self, from: usize, to: usize, slices: &mut [IoSlice<'a>; PIECES]) -> usize {
        let mut count = 0;
        for piece in &self.pieces[self.piece_at(from)..] {
            if piece.at >= to || count == PIECES {
                break;
            }
            let source = if piece.is_body { self.body.bytes() } else { &self.frame };
            let skip = from.saturating_sub(piece.at);
            let end = piece.len.min(to - piece.at);
            slices[count] = IoSlice::new(&source[piece.start + skip..piece.start + end]);
            count += 1;
        }
        count
    }

    fn piece_at(&self, at: usize) -> usize {
        self.pieces.partition_point(|piece| piece.at + piece.len <= at)
    }

    fn add_body(&mut self, preview: Option<usize>) {
        let len = self.body.bytes().len();
        match preview {
            None => self.add_chunks(0..len, b"0\r\n\r\n"),
            Some(size) if size >= len => self.add_chunks(0..len, b"0; ieof\r\n\r\n"),
            Some(size) => {
                self.add_chunks(0..size, b"0\r\n\r\n");
                self.first = self.whole;
                self.add_chunks(size..len, b"0\r\n\r\n");
            }
        }
    }

    fn add_chunks(&mut self, range: Range<usize>, last: &[u8]) {
        let mut start = range.start;
        let mut end_line: &[u8] = b"";
        while start < range.end {
            let len = CHUNK.min(range.end - start);
            self.add_frame(&[end_line, format!("{len:x}\r\n").as_bytes()].concat());
            self.pieces.push(Piece { at: self.whole, len, start, is_body: true });
            self.whole += len;
            start += len;
            end_line = b"\r\n";
        }
        self.add_frame(&[end_line, last].concat());
    }

    fn add_frame(&mut self, bytes: &[u8]) {
        self.pieces.push(Piece { at: self.whole, len: bytes.len(), start: self.frame.len(), is_body: false });
        self.frame.extend_from_slice(bytes);
        self.whole += bytes.len();
    }
}

/// The encapsulated heads.
#[derive(Debug, Default)]
struct Heads {
    request: String,
    response: String,
}

// === impl Heads ===

impl Heads {
    fn reqmod(host: &str, path: &str, content_type: &str, size: Option<usize>) -> Self {
        let (method, body) = match size {
            Some(size) => ("POST", format!("Content-Type: {content_type}\r\nContent-Length: {size}\r\n")),
            None => ("GET", String::new()),
        };
        Self { request: http_request(method, host, path, &body), response: String::new() }
    }

    fn respmod(host: &str, path: &str, content_type: &str, size: Option<usize>) -> Self {
        let size = size.unwrap_or_default();
        let response = format!(
            "HTTP/1.1 200 OK\r\nDate: Mon, 02 Nov 2026 10:00:00 GMT\r\nServer: origin\r\nContent-Type: {content_type}\r\nContent-Length: {size}\r\nCache-Control: max-age=60\r\n\r\n"
        );
        Self { request: http_request("GET", host, path, ""), response }
    }
}

fn http_request(method: &str, host: &str, path: &str, fields: &str) -> String {
    format!(
        "{method} http://{host}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: icapstan-load\r\nAccept: */*\r\n{fields}\r\n"
    )
}

// === impl Settings ===

impl Settings {
    /// The ICAP head and the encapsulated heads.
    fn icap_head(&self, heads: &Heads, has_body: bool) -> Vec<u8> {
        let method = match self.shape {
            Shape::Options => "OPTIONS",
            Shape::Reqmod => "REQMOD",
            Shape::Respmod => "RESPMOD",
        };
        let mut head = format!("{method} {} ICAP/1.0\r\nHost: {}\r\n", self.uri(), self.target);
        if self.shape != Shape::Options {
            if self.allow_204 || !has_body {
                head.push_str("Allow: 204\r\n");
            }
            if let Some(size) = if has_body { self.preview } else { Some(0) } {
                let _ = write!(head, "Preview: {size}\r\n");
            }
            let (request, both) = (heads.request.len(), heads.request.len() + heads.response.len());
            let part = if self.shape == Shape::Respmod { "res" } else { "req" };
            let response =
                if heads.response.is_empty() { String::new() } else { format!(", res-hdr={request}") };
            let body = if has_body { format!("{part}-body={both}") } else { format!("null-body={both}") };
            let _ = write!(head, "Encapsulated: req-hdr=0{response}, {body}\r\n");
        }
        head.push_str("\r\n");
        [head.as_bytes(), heads.request.as_bytes(), heads.response.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests;
