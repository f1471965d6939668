//! Where a request ends, and what it asks.

use std::ops::Range;

/// No head and no trailer is longer.
const MAX_HEAD: usize = 64 * 1024;

/// No body is longer.
const MAX_BODY: usize = 2 << 30;

/// How far the request at the front of a buffer has been read.
#[derive(Debug, Default)]
pub(super) struct Pending {
    head: Option<Head>,
    /// Where the next chunk line begins.
    at: usize,
    /// The preview is over and the rest was asked for.
    continued: bool,
}

/// What can be done with what is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Read.
    More,
    /// Ask for what follows the preview.
    Continue,
    /// The request is complete.
    Answer {
        asked: Asked,
        /// Its length.
        used: usize,
        /// The client wants no more than this.
        closes: bool,
    },
}

/// What a request asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Options,
    /// About a message without a body.
    Message,
    Body {
        part: &'static str,
        /// The encapsulated head that goes back.
        heads: Range<usize>,
        /// Where the last chunk begins.
        whole: usize,
    },
}

#[derive(Debug)]
struct Head {
    asked: Asked,
    preview: bool,
    closes: bool,
}

/// A chunk line.
struct Line {
    size: usize,
    ieof: bool,
    /// Where it ends.
    end: usize,
}

// === impl Pending ===

impl Pending {
    /// Reads on; `None` if this is no ICAP request. After a preview the buffer loses its last chunk.
    pub(super) fn step(&mut self, buffer: &mut Vec<u8>) -> Option<Next> {
        if self.head.is_none() {
            let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") else {
                return (buffer.len() <= MAX_HEAD).then_some(Next::More);
            };
            let (head, at) = Head::parse(&buffer[..end + 2], end + 4)?;
            self.head = Some(head);
            self.at = at;
        }
        let head = self.head.as_ref()?;
        if buffer.len() < self.at {
            return Some(Next::More);
        }
        if !matches!(head.asked, Asked::Body { .. }) {
            return Some(Next::Answer { asked: head.asked.clone(), used: self.at, closes: head.closes });
        }
        loop {
            let Some(line) = Line::parse(buffer, self.at)? else { return Some(Next::More) };
            if line.size > 0 {
                let end = line.end + line.size;
                match buffer.get(end..end + 2) {
                    Some(b"\r\n") => self.at = end + 2,
                    Some(_) => return None,
                    None => return Some(Next::More),
                }
                continue;
            }
            let Some(end) = trailer_end(buffer, line.end)? else { return Some(Next::More) };
            if head.preview && !self.continued && !line.ieof {
                self.continued = true;
                buffer.drain(self.at..end);
                return Some(Next::Continue);
            }
            let mut asked = head.asked.clone();
            if let Asked::Body { whole, .. } = &mut asked {
                *whole = self.at;
            }
            return Some(Next::Answer { asked, used: end, closes: head.closes });
        }
    }
}

// === impl Head ===

impl Head {
    /// The head, and where its body begins.
    fn parse(bytes: &[u8], end: usize) -> Option<(Self, usize)> {
        let mut encapsulated = None;
        let (mut preview, mut closes) = (false, false);
        let mut from = memchr::memchr(b'\n', bytes)? + 1;
        while let Some(len) = memchr::memchr(b'\n', &bytes[from..]) {
            let line = bytes[from..from + len].trim_ascii_end();
            from += len + 1;
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            match colon {
                12 if name.eq_ignore_ascii_case(b"Encapsulated") => encapsulated = Some(value),
                7 if name.eq_ignore_ascii_case(b"Preview") => preview = true,
                10 if name.eq_ignore_ascii_case(b"Connection") => {
                    closes = value.eq_ignore_ascii_case(b"close");
                }
                _ => {}
            }
        }
        let options = bytes.starts_with(b"OPTIONS ");
        if !options && !bytes.starts_with(b"REQMOD ") && !bytes.starts_with(b"RESPMOD ") {
            return None;
        }
        let (asked, at) = match encapsulated {
            None if options => (Asked::Options, end),
            None => return None,
            Some(value) => parts(value, options, end)?,
        };
        Some((Self { asked, preview, closes }, at))
    }
}

/// What is encapsulated, and where the body begins.
fn parts(value: &[u8], options: bool, end: usize) -> Option<(Asked, usize)> {
    let mut heads = None;
    for item in value.split(|&b| b == b',') {
        let item = item.trim_ascii();
        let equals = memchr::memchr(b'=', item)?;
        let offset: usize = std::str::from_utf8(&item[equals + 1..]).ok()?.parse().ok()?;
        let at = end + offset;
        let part = match &item[..equals] {
            b"req-hdr" | b"res-hdr" if offset <= MAX_HEAD => {
                heads = Some(at);
                continue;
            }
            _ if offset > MAX_HEAD => return None,
            b"null-body" => return Some((if options { Asked::Options } else { Asked::Message }, at)),
            b"req-body" => "req",
            b"res-body" => "res",
            _ => return None,
        };
        // Its own head is the one before the body.
        return Some((Asked::Body { part, heads: heads?..at, whole: at }, at));
    }
    None
}

// === impl Line ===

impl Line {
    /// `None` if this is no chunk line, `Some(None)` if it is not complete.
    #[expect(clippy::option_option, reason = "wrong, and not yet there")]
    fn parse(buffer: &[u8], at: usize) -> Option<Option<Self>> {
        let rest = buffer.get(at..)?;
        let Some(len) = memchr::memchr(b'\n', rest) else {
            return (rest.len() <= 1024).then_some(None);
        };
        let line = rest[..len].strip_suffix(b"\r")?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = usize::from_str_radix(std::str::from_utf8(&line[..digits]).ok()?, 16).ok()?;
        if size > MAX_BODY.saturating_sub(at) {
            return None;
        }
        let ieof = line.len() > digits && memchr::memmem::find(&line[digits..], b"ieof").is_some();
        Some(Some(Self { size, ieof, end: at + len + 1 }))
    }
}

/// Where the trailer ends that begins at `at`; as for [`Line::parse`].
#[expect(clippy::option_option, reason = "wrong, and not yet there")]
fn trailer_end(buffer: &[u8], at: usize) -> Option<Option<usize>> {
    let rest = &buffer[at..];
    if rest.starts_with(b"\r\n") {
        return Some(Some(at + 2));
    }
    match memchr::memmem::find(rest, b"\r\n\r\n") {
        Some(end) => Some(Some(at + end + 4)),
        None => (rest.len() <= MAX_HEAD).then_some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a stream that comes in pieces of `len`: what was asked, with the echo.
    fn read(stream: &[u8], len: usize) -> Option<Vec<(Asked, Vec<u8>)>> {
        let (mut buffer, mut seen, mut pending) = (vec![], vec![], Pending::default());
        let mut pieces = stream.chunks(len);
        loop {
            match pending.step(&mut buffer)? {
                Next::More => match pieces.next() {
                    Some(piece) => buffer.extend_from_slice(piece),
                    None => return buffer.is_empty().then_some(seen),
                },
                Next::Continue => seen.push((Asked::Message, b"100".to_vec())),
                Next::Answer { asked, used, closes } => {
                    assert!(!closes);
                    let echo = match &asked {
                        Asked::Body { heads, whole, .. } => buffer[heads.start..*whole].to_vec(),
                        _ => vec![],
                    };
                    seen.push((asked, echo));
                    buffer.drain(..used);
                    pending = Pending::default();
                }
            }
        }
    }

    const STREAM: &[u8] = b"OPTIONS icap://h/s ICAP/1.0\r\nHost: h\r\n\r\n\
        REQMOD icap://h/s ICAP/1.0\r\nPreview: 0\r\nEncapsulated: req-hdr=0, null-body=18\r\n\r\nGET / HTTP/1.1\r\n\r\n\
        RESPMOD icap://h/s ICAP/1.0\r\nencapsulated: req-hdr=0, res-hdr=18, res-body=37\r\n\r\n\
        GET / HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n5\r\nab\r\n0\r\nB\r\n1234567890\n\r\n0\r\nT: x\r\n\r\n\
        REQMOD icap://h/s ICAP/1.0\r\nPreview: 4\r\nEncapsulated: req-hdr=0, req-body=19\r\n\r\nPOST / HTTP/1.1\r\n\r\n\
        4\r\nabcd\r\n0\r\n\r\n1\r\ne\r\n0\r\n\r\n\
        REQMOD icap://h/s ICAP/1.0\r\nPreview: 4\r\nEncapsulated: req-hdr=0, req-body=19\r\n\r\nPOST / HTTP/1.1\r\n\r\n\
        2\r\nab\r\n0; ieof\r\n\r\n";

    #[test]
    fn requests_end_where_they_end_in_pieces_of_every_length() {
        for len in 1..=STREAM.len() {
            let seen = read(STREAM, len).unwrap();
            let echoes: Vec<_> = seen.iter().map(|(_, echo)| String::from_utf8_lossy(echo)).collect();
            assert_eq!(
                echoes,
                [
                    "",
                    "",
                    "HTTP/1.1 200 OK\r\n\r\n5\r\nab\r\n0\r\nB\r\n1234567890\n\r\n",
                    "100",
                    "POST / HTTP/1.1\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n",
                    "POST / HTTP/1.1\r\n\r\n2\r\nab\r\n",
                ],
                "pieces of {len}"
            );
            assert_eq!((&seen[0].0, &seen[1].0), (&Asked::Options, &Asked::Message));
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bytes in [
            "GET / HTTP/1.1\r\n\r\n",
            "REQMOD icap://h/s ICAP/1.0\r\n\r\n",
            "REQMOD icap://h/s ICAP/1.0\r\nEncapsulated: req-body\r\n\r\n",
            "REQMOD icap://h/s ICAP/1.0\r\nEncapsulated: req-hdr=0, req-body=1\r\n\r\nax\r\n",
            "REQMOD icap://h/s ICAP/1.0\r\nEncapsulated: req-hdr=0, req-body=1\r\n\r\na1\r\nabc\r\n",
            "REQMOD icap://h/s ICAP/1.0\r\nEncapsulated: req-hdr=0, req-body=1\r\n\r\naffffffffffffffff\r\n",
        ] {
            assert_eq!(read(bytes.as_bytes(), bytes.len()), None, "{bytes}");
        }
    }
}
