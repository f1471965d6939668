//! An HTTP/1.1 origin server on loopback that says what it is told to.

use crate::http::{read_framed, read_head};
use crate::icap::Head;
use crate::relay::Meter;
use crate::samples::sha256_hex;
use crate::wait::PATIENCE;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufReader, Result, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A server; see [`Origin::put`]. `/echo` answers any upload with the SHA-256 of its body and its length.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What is served at a path.
#[derive(Clone, Debug)]
pub struct Reply {
    status: &'static str,
    fields: Vec<(String, String)>,
    body: Arc<Vec<u8>>,
    framing: Framing,
    pace: Option<Arc<Meter>>,
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By `Content-Length`.
    KnownLength,
    /// By chunks of this size.
    Chunked(usize),
    /// By closing the connection.
    UntilClose,
}

/// A request that reached the origin.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its head.
    pub head: Head,
    /// Its body, without framing.
    pub body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    seen: Mutex<Vec<Seen>>,
    stop: AtomicBool,
}

/// How far a paced reply runs ahead. Squid 5.7 of Debian 12 never reads on once the 64 KiB that it
/// keeps for an ICAP server were full (Squid bug 5352), unless that server answers before it has all.
pub const PACE: usize = 16 * 1024;

/// What is remembered of the requests that came.
const MAX_SEEN: usize = 10_000;

// === impl Origin ===

impl Origin {
    /// Starts one on a free port.
    #[track_caller]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let for_all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if for_all.stop.load(Ordering::Relaxed) {
                    break;
                }
                let shared = Arc::clone(&for_all);
                thread::spawn(move || {
                    // A peer that goes away is its own business.
                    let _ = serve(&stream, &shared);
                });
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves `reply` at `path` (`*`: at each that has none), and returns the URL. `HEAD`, `If-None-Match` and `Range` work on all.
    pub fn put(&self, path: &str, reply: Reply) -> String {
        self.shared.replies.lock().insert(path.to_owned(), reply);
        self.url(path)
    }

    /// The requests that came for `path`.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.shared.seen.lock();
        seen.iter().filter(|seen| target(&seen.head) == path).cloned().collect()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

// === impl Reply ===

impl Reply {
    /// 200 with a body of unspecified type and known length.
    pub fn bytes(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: "200 OK",
            fields: vec![("Content-Type".to_owned(), "application/octet-stream".to_owned())],
            body: Arc::new(body.into()),
            framing: Framing::KnownLength,
            pace: None,
        }
    }

    /// Another status, such as `404 Not Found`.
    #[must_use]
    pub fn status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    /// Sets a header field.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Keeps pace with what a relay behind the proxy sees pass: see [`PACE`].
    #[must_use]
    pub fn paced_by(mut self, meter: Arc<Meter>) -> Self {
        self.pace = Some(meter);
        self
    }

    /// Other framing.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }
}

fn target(head: &Head) -> &str {
    head.first_line.split(' ').nth(1).unwrap_or_default()
}

fn serve(stream: &TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    while let Some(head) = read_head(&mut reader)? {
        if head.get("Expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let body = read_framed(&mut reader, &head)?.unwrap_or_default();
        let path = target(&head).to_owned();
        let reply = if path == "/echo" {
            Some(
                Reply::bytes(format!("{} {}", sha256_hex(&body), body.len()))
                    .field("Content-Type", "text/plain"),
            )
        } else {
            let replies = shared.replies.lock();
            replies.get(&path).or_else(|| replies.get("*")).cloned()
        };
        let reply = reply.unwrap_or_else(|| Reply::bytes(*b"nothing here").status("404 Not Found"));
        let reply = reply.conditional(&head);
        let close = reply.framing == Framing::UntilClose || head.names("Connection", "close");
        let answer = reply.answer(head.first_line.starts_with("HEAD "), close);
        let mut seen = shared.seen.lock();
        if seen.len() < MAX_SEEN {
            seen.push(Seen { head, body });
        }
        drop(seen);
        match &reply.pace {
            None => (&*stream).write_all(&answer)?,
            Some(meter) => write_paced(stream, &answer, meter)?,
        }
        if close {
            break;
        }
    }
    Ok(())
}

/// Writes no more than [`PACE`] bytes ahead of what passes.
fn write_paced(mut stream: &TcpStream, answer: &[u8], meter: &Meter) -> Result<()> {
    let begun = meter.passed();
    for (at, piece) in answer.chunks(PACE / 2).enumerate() {
        let ahead = (at * (PACE / 2)).saturating_sub(PACE / 2) as u64;
        meter.wait_for(begun + ahead, PATIENCE);
        stream.write_all(piece)?;
    }
    Ok(())
}

impl Reply {
    /// Follows `If-None-Match` and a `Range` of the form `bytes=a-b`.
    fn conditional(mut self, head: &Head) -> Self {
        let tag = self.fields.iter().find(|(name, _)| name == "ETag").map(|(_, value)| value.clone());
        if tag.is_some() && head.get("If-None-Match") == tag.as_deref() {
            self.status = "304 Not Modified";
            return self;
        }
        let range = head
            .get("Range")
            .and_then(|value| value.strip_prefix("bytes="))
            .and_then(|value| value.split_once('-'));
        if let Some((from, to)) = range
            && let (Ok(from), Ok(to)) = (from.parse::<usize>(), to.parse::<usize>())
            && from <= to
            && to < self.body.len()
        {
            let total = self.body.len();
            self = self
                .status("206 Partial Content")
                .field("Content-Range", &format!("bytes {from}-{to}/{total}"));
            self.body = Arc::new(self.body[from..=to].to_vec());
        }
        self
    }

    fn answer(&self, head_only: bool, close: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match self.framing {
            Framing::KnownLength => {
                let _ = write!(head, "Content-Length: {}\r\n", self.body.len());
            }
            Framing::Chunked(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
            Framing::UntilClose => {}
        }
        if close {
            head.push_str("Connection: close\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if head_only || self.status.starts_with("304") {
            return bytes;
        }
        match self.framing {
            Framing::Chunked(size) => bytes.extend_from_slice(&crate::chunked_by(&self.body, size)),
            _ => bytes.extend_from_slice(&self.body),
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;

    #[test]
    fn each_framing_delivers_the_same_body() {
        let origin = Origin::start();
        let body = crate::clean_bytes(100_000, 1);
        for (path, framing) in
            [("/a", Framing::KnownLength), ("/b", Framing::Chunked(777)), ("/c", Framing::UntilClose)]
        {
            let url = origin.put(path, Reply::bytes(body.clone()).framing(framing).field("ETag", "\"x\""));
            assert_eq!(Request::get(&url).try_direct().unwrap().body, body);
            let head = Request::new("HEAD", &url).try_direct().unwrap();
            assert_eq!((head.status, head.body.len()), (200, 0));
            let same = Request::get(&url).field("If-None-Match", "\"x\"").try_direct().unwrap();
            assert_eq!(same.status, 304);
        }
        let part = Request::get(&origin.url("/a")).field("Range", "bytes=10-19").try_direct().unwrap();
        assert_eq!((part.status, part.body.as_slice()), (206, &body[10..20]));
        assert_eq!(origin.seen("/a").len(), 4);
    }

    #[test]
    fn uploads_are_answered_with_their_digest() {
        let origin = Origin::start();
        let body = crate::clean_bytes(70_000, 2);
        let wanted = format!("{} 70000", sha256_hex(&body));
        let request = Request::new("POST", &origin.url("/echo"));
        assert_eq!(request.clone().body(&body).try_direct().unwrap().body, wanted.as_bytes());
        assert_eq!(request.chunked_body(&body, 1000).try_direct().unwrap().body, wanted.as_bytes());
    }
}
