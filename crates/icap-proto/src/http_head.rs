//! Encapsulated HTTP heads, read tolerantly.
//!
//! They come from origins and browsers, not from ICAP clients. A server that refuses what some
//! origin sends turns that origin into a switch for the whole service, since clients count
//! refusals as failures. So nothing but the start line and the end of the head is checked, and what
//! is passed on is passed on as it came.

use crate::fields::{is_token, list};
use std::ops::Range;

/// One encapsulated head, with the empty line that ends it.
#[derive(Clone, Copy, Debug)]
pub struct HttpHead<'a> {
    bytes: &'a [u8],
}

/// One header field. A folded value keeps its line breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Without the colon; may be anything that an origin made up.
    pub name: &'a [u8],
    /// Trimmed.
    pub value: &'a [u8],
}

/// Fields of one connection (RFC 9110 section 7.6.1); they are not encapsulated (RFC 3507 section
/// 4.4.2). `Upgrade` is missing on purpose: clients put it there to let WebSockets through.
const HOP_BY_HOP: [&[u8]; 6] =
    [b"connection", b"keep-alive", b"proxy-connection", b"te", b"proxy-authenticate", b"proxy-authorization"];

/// Fields that `Connection` cannot take away: without them the message would mean something else.
const ESSENTIAL: [&[u8]; 8] = [
    b"upgrade",
    b"host",
    b"content-length",
    b"content-type",
    b"content-encoding",
    b"content-range",
    b"transfer-encoding",
    b"trailer",
];

// === impl HttpHead ===

impl<'a> HttpHead<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The head as it came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first line without its line break.
    pub fn start_line(&self) -> &'a [u8] {
        let end = memchr::memchr(b'\n', self.bytes).unwrap_or(self.bytes.len());
        let line = &self.bytes[..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The method of a request; empty if the start line is none.
    pub fn method(&self) -> &'a [u8] {
        self.request_line().map_or(&[], |(method, _)| method)
    }

    /// The target of a request as it came; empty if the start line is none.
    pub fn target(&self) -> &'a [u8] {
        self.request_line().map_or(&[], |(_, target)| target)
    }

    /// The status code of a response.
    pub fn status(&self) -> Option<u16> {
        let rest = after_version(self.start_line())?.strip_prefix(b" ")?;
        let digits = rest.get(..3)?;
        let ends = rest.get(3).is_none_or(|&b| b == b' ');
        if !ends || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
    }

    /// The header fields in order. Lines without a colon are left out.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let bytes = self.bytes;
        field_lines(bytes).filter_map(move |range| split_field(&bytes[range]))
    }

    /// The values of all fields of this name.
    pub fn values<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// The value of the first field of this name.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The value of `Content-Length`, if there is just one number.
    pub fn content_length(&self) -> Option<u64> {
        let mut values = self.values("content-length");
        let first = values.next()?;
        if values.any(|value| value != first) || first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(first).ok()?.parse().ok()
    }

    /// Whether it starts as an HTTP/1 request and ends with its only empty line.
    pub(crate) fn is_request(&self) -> bool {
        self.request_line().is_some() && self.ends()
    }

    /// Whether it starts as an HTTP/1 response and ends with its only empty line.
    pub(crate) fn is_response(&self) -> bool {
        self.status().is_some() && self.ends()
    }

    fn ends(&self) -> bool {
        crate::head::head_end(self.bytes, 0).is_some_and(|at| at + 4 == self.bytes.len())
    }

    /// `METHOD target HTTP/d.d`. A target may hold spaces: browsers and origins have sent worse.
    fn request_line(&self) -> Option<(&'a [u8], &'a [u8])> {
        let line = self.start_line();
        let first = memchr::memchr(b' ', line)?;
        let last = memchr::memrchr(b' ', line)?;
        let (method, version) = (&line[..first], &line[last + 1..]);
        let target = line.get(first + 1..last)?;
        let sound = !method.is_empty()
            && method.iter().all(|&b| is_token(b))
            && !target.is_empty()
            && after_version(version).is_some_and(<[u8]>::is_empty);
        sound.then_some((method, target))
    }
}

/// What follows `HTTP/d.d`.
fn after_version(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"HTTP/")? {
        [major, b'.', minor, rest @ ..] if major.is_ascii_digit() && minor.is_ascii_digit() => Some(rest),
        _ => None,
    }
}

/// The lines after the start line up to the empty one, each with the lines folded into it and with
/// its line break.
fn field_lines(head: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let line_end = |from: usize| memchr::memchr(b'\n', &head[from..]).map_or(head.len(), |at| from + at + 1);
    let mut start = line_end(0);
    std::iter::from_fn(move || {
        if start >= head.len() || matches!(&head[start..], [b'\r', b'\n', ..] | [b'\n', ..]) {
            return None;
        }
        let mut end = line_end(start);
        while matches!(head.get(end), Some(b' ' | b'\t')) {
            end = line_end(end);
        }
        let range = start..end;
        start = end;
        Some(range)
    })
}

fn split_field(line: &[u8]) -> Option<Field<'_>> {
    let colon = memchr::memchr(b':', line)?;
    Some(Field { name: line[..colon].trim_ascii(), value: line[colon + 1..].trim_ascii() })
}

/// The name in a field line that all readers take alike: a token right in front of the colon, and
/// nothing but text behind it.
fn plain_name(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at(memchr::memchr(b':', line)?);
    let value = value.strip_suffix(b"\r\n")?;
    let plain =
        name.iter().all(|&b| is_token(b)) && value.iter().all(|&b| b == b'\t' || (b >= b' ' && b != 0x7f));
    plain.then_some(name)
}

pub(crate) fn has_lone_breaks(head: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', head).any(|at| match head[at] {
        b'\r' => head.get(at + 1) != Some(&b'\n'),
        _ => at == 0 || head[at - 1] != b'\r',
    })
}

/// The head without the fields of one connection; `None` if it has none of them, so that it can go
/// back as it came (RFC 3507 section 4.4.2).
///
/// `Transfer-Encoding: chunked` goes too, when it stands alone: ICAP's own chunks have replaced it.
/// Beside `Content-Length`, or with any other value, it stays: whoever reads the head next must see
/// the contradiction that the client saw, not one reading of it. For the same reason a field goes only
/// if all readers take it for that field, and a head with lone CR or LF is left alone: where its lines
/// end depends on the reader.
pub fn without_hop_by_hop(head: HttpHead<'_>) -> Option<Vec<u8>> {
    let bytes = head.as_bytes();
    if has_lone_breaks(bytes) {
        return None;
    }
    // Sorted: a peer may name thousands, and send thousands of fields.
    let mut named: Vec<Vec<u8>> =
        head.values("connection").flat_map(list).map(<[u8]>::to_ascii_lowercase).collect();
    named.sort_unstable();
    let codings: Vec<&[u8]> = head.values("transfer-encoding").collect();
    let plain_chunked = matches!(codings[..], [coding] if coding.eq_ignore_ascii_case(b"chunked"))
        && head.value("content-length").is_none();
    let goes = |name: &[u8]| {
        let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
        if name.eq_ignore_ascii_case(b"transfer-encoding") || name.eq_ignore_ascii_case(b"trailer") {
            return plain_chunked;
        }
        let is_named = || named.binary_search(&name.to_ascii_lowercase()).is_ok();
        HOP_BY_HOP.iter().any(is) || (!named.is_empty() && !ESSENTIAL.iter().any(is) && is_named())
    };
    let gone: Vec<_> =
        field_lines(bytes).filter(|range| plain_name(&bytes[range.clone()]).is_some_and(&goes)).collect();
    if gone.is_empty() {
        return None;
    }
    let mut kept = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for range in gone {
        kept.extend_from_slice(&bytes[from..range.start]);
        from = range.end;
    }
    kept.extend_from_slice(&bytes[from..]);
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(head: &str) -> Option<String> {
        without_hop_by_hop(HttpHead::new(head.as_bytes())).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn start_lines_of_requests_and_responses_are_told_apart() {
        let request = HttpHead::new(b"GET http://o.test/a b HTTP/1.1\r\nHost: o.test\r\n\r\n");
        assert!(request.is_request() && !request.is_response());
        assert_eq!((request.method(), request.target()), (&b"GET"[..], &b"http://o.test/a b"[..]));
        for (head, status) in [
            (&b"HTTP/1.1 200 OK\r\n\r\n"[..], Some(200)),
            (b"HTTP/1.0 404\r\n\r\n", Some(404)),
            (b"HTTP/1.1 2000 OK\r\n\r\n", None),
            (b"HTTP/1.1  200 OK\r\n\r\n", None),
            (b"ICY 200 OK\r\n\r\n", None),
        ] {
            assert_eq!(HttpHead::new(head).status(), status);
        }
        for head in [
            &b"GET /\r\n\r\n"[..],
            b"\r\n\r\n",
            b"GET  HTTP/1.1\r\n\r\n",
            b"G\x01T / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\n\r\nX\r\n\r\n",
        ] {
            assert!(!HttpHead::new(head).is_request(), "{head:?}");
        }
    }

    #[test]
    fn odd_field_lines_are_kept_and_never_stop_the_reading() {
        let head = HttpHead::new(
            b"HTTP/1.1 200 OK\r\nno colon\r\nX : y\r\nFolded: a\r\n b\r\nL: \xe4\r\nBare: a\rb\r\n\r\n",
        );
        let fields: Vec<_> = head.fields().map(|field| (field.name, field.value)).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"X", b"y"), (b"Folded", b"a\r\n b"), (b"L", b"\xe4"), (b"Bare", b"a\rb")];
        assert_eq!(fields, expected);
    }

    #[test]
    fn rfc3507_4_4_2_fields_of_one_connection_do_not_come_back() {
        assert_eq!(
            stripped("GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop, upgrade, content-length\r\nX-Hop: 1\r\nUpgrade: websocket\r\nTE: trailers\r\nkeep-alive: 5\r\nContent-Length: 3\r\nProxy-Authorization: secret\r\n\r\n").as_deref(),
            Some("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\n")
        );
        assert_eq!(
            stripped("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\nA: b\r\n\r\n")
                .as_deref(),
            Some("HTTP/1.1 200 OK\r\nA: b\r\n\r\n")
        );
    }

    #[test]
    fn a_head_without_such_fields_is_left_alone() {
        assert_eq!(stripped("HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nX: \u{fc}\r\n\r\n"), None);
    }

    #[test]
    fn thousands_of_named_fields_cost_no_more_than_their_bytes() {
        let names: Vec<String> = (0..20_000).map(|n| format!("a{n}")).collect();
        let fields = names.iter().map(|name| format!("b{name}: x\r\n")).collect::<Vec<_>>().concat();
        let head = format!("GET / HTTP/1.1\r\nConnection: {}\r\n{fields}a7: gone\r\n\r\n", names.join(","));
        let begin = std::time::Instant::now();
        let kept = stripped(&head).unwrap();
        assert!(begin.elapsed().as_secs() < 5, "comparing each with each would take minutes");
        assert_eq!(kept, format!("GET / HTTP/1.1\r\n{fields}\r\n"));
    }

    #[test]
    fn a_head_whose_lines_are_a_matter_of_opinion_is_left_alone() {
        for head in [
            "HTTP/1.1 200 OK\r\nX-A: b\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nX-A: b\rc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\n\r\n\r\n",
        ] {
            assert_eq!(stripped(head), None, "{head:?}");
        }
    }

    #[test]
    fn contradicting_framing_is_never_repaired() {
        for head in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding:\x0cchunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\n Transfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection:\r\n close\r\n\r\n",
        ] {
            assert_eq!(stripped(head), None, "{head}");
        }
    }
}
