//! The head of an ICAP request, with the HTTP heads that it encapsulates.

use crate::encapsulated::{BodyKind, Encapsulated};
use crate::fields::{FieldSpan, list, parse_field};
use crate::http_head::HttpHead;
use crate::start_line::RequestLine;
use crate::{DecodeError, IcapUri, Limits, Method};

/// All that precedes the body of a request. Keeps its buffers from one request to the next.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The ICAP head without its closing empty line.
    icap: Vec<u8>,
    line: RequestLine,
    fields: Vec<FieldSpan>,
    encapsulated: Encapsulated,
    preview: Option<u64>,
    allow: Allow,
    /// The encapsulated heads, one behind the other.
    pub(crate) http: Vec<u8>,
}

/// What the client can take besides a full answer (`Allow`, RFC 3507 section 4.6 and the drafts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// `204`: no content, outside a preview too.
    pub no_content: bool,
    /// `206`: partial content.
    pub partial_content: bool,
    /// `trailers`: ICAP trailers.
    pub trailers: bool,
}

// === impl RequestHead ===

impl Default for RequestHead {
    fn default() -> Self {
        Self {
            icap: Vec::new(),
            line: RequestLine::default(),
            fields: Vec::new(),
            encapsulated: Encapsulated::NONE,
            preview: None,
            allow: Allow::default(),
            http: Vec::new(),
        }
    }
}

impl RequestHead {
    /// The method.
    pub fn method(&self) -> Method {
        self.line.method.unwrap_or(Method::Other)
    }

    /// Which service is asked, and with which arguments.
    pub fn uri(&self) -> IcapUri<'_> {
        let text = |range: &std::ops::Range<usize>| {
            self.icap.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
        };
        IcapUri::new(text(&self.line.path), text(&self.line.query))
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields(name).next()
    }

    /// The values of all fields of this name.
    pub fn fields<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields
            .iter()
            .filter(move |span| self.icap[span.name.clone()].eq_ignore_ascii_case(name.as_bytes()))
            .map(|span| &self.icap[span.value.clone()])
    }

    /// Which parts the message has.
    pub fn encapsulated(&self) -> &Encapsulated {
        &self.encapsulated
    }

    /// Whether a chunked body follows.
    pub fn has_body(&self) -> bool {
        self.encapsulated.body != BodyKind::Null
    }

    /// The value of `Preview`, in bytes (section 4.5). Larger than what can be sent means nothing.
    pub fn preview(&self) -> Option<u64> {
        self.preview
    }

    /// What the client can take besides a full answer.
    pub fn allow(&self) -> Allow {
        self.allow
    }

    /// Whether `Connection` has the member `option`, in any case.
    pub fn connection_has(&self, option: &str) -> bool {
        self.fields("Connection").flat_map(list).any(|member| member.eq_ignore_ascii_case(option.as_bytes()))
    }

    /// The encapsulated HTTP request head.
    pub fn http_request(&self) -> Option<HttpHead<'_>> {
        let range = self.encapsulated.req_hdr.clone()?;
        self.http.get(range).map(HttpHead::new)
    }

    /// The encapsulated HTTP response head.
    pub fn http_response(&self) -> Option<HttpHead<'_>> {
        let range = self.encapsulated.res_hdr.clone()?;
        self.http.get(range).map(HttpHead::new)
    }

    /// Bytes that its buffers take.
    pub fn held(&self) -> usize {
        self.icap.capacity() + self.http.capacity() + self.fields.capacity() * size_of::<FieldSpan>()
    }

    /// Whether its buffers are worth keeping for an idle connection.
    pub(crate) fn is_small(&self) -> bool {
        self.held() <= 16 * 1024
    }

    /// Parses an ICAP head, without its closing empty line.
    pub(crate) fn parse(&mut self, icap: &[u8], limits: &Limits) -> Result<(), DecodeError> {
        self.icap.clear();
        self.icap.extend_from_slice(icap);
        self.http.clear();
        self.fields.clear();
        let mut lines = lines(icap);
        let (_, first) = lines.next().ok_or(DecodeError::RequestLine)?;
        if first.len() > limits.request_line {
            return Err(DecodeError::RequestLineTooLong);
        }
        self.line = RequestLine::parse(first)?;
        for (start, line) in lines {
            if self.fields.len() == limits.icap_fields {
                return Err(DecodeError::IcapHeadTooLarge);
            }
            self.fields.push(parse_field(line, start)?);
        }
        self.single("Host")?;
        self.preview = self.single("Preview")?.map(parse_preview).transpose()?;
        self.allow = self.parse_allow();
        let method = self.method();
        self.encapsulated = match (self.single("Encapsulated")?, method) {
            (Some(value), _) => Encapsulated::parse(value, method, limits.http_head)?,
            (None, Method::Options | Method::Other) => Encapsulated::NONE,
            (None, _) => return Err(DecodeError::EncapsulatedMissing),
        };
        Ok(())
    }

    /// Checks the encapsulated heads once all their bytes are here.
    pub(crate) fn check_http(&self) -> Result<(), DecodeError> {
        let request = self.http_request().is_none_or(|head| head.is_request());
        let response = self.http_response().is_none_or(|head| head.is_response());
        if request && response { Ok(()) } else { Err(DecodeError::HttpHead) }
    }

    /// The value of a field that may stand more than once only if all are equal.
    fn single(&self, name: &str) -> Result<Option<&[u8]>, DecodeError> {
        let mut values = self.fields(name);
        let first = values.next();
        if values.any(|value| Some(value) != first) {
            return Err(DecodeError::Contradiction);
        }
        Ok(first)
    }

    fn parse_allow(&self) -> Allow {
        let mut allow = Allow::default();
        for member in self.fields("Allow").flat_map(list) {
            match member {
                b"204" => allow.no_content = true,
                b"206" => allow.partial_content = true,
                other if other.eq_ignore_ascii_case(b"trailers") => allow.trailers = true,
                _ => {}
            }
        }
        allow
    }
}

/// The lines of a head with their offsets. A line ends with CRLF; a lone LF is left in the line,
/// where it is a control character and thus an error.
fn lines(head: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = Some(0);
    std::iter::from_fn(move || {
        let start = rest?;
        let end = line_end(head, start);
        rest = end.map(|end| end + 2);
        Some((start, &head[start..end.unwrap_or(head.len())]))
    })
}

/// Where the next CRLF begins, at `from` or behind it.
fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut feeds = memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at);
    feeds.find(|&feed| feed > from && bytes[feed - 1] == b'\r').map(|feed| feed - 1)
}

/// Where the empty line that ends a head begins, with the CRLF before it, at `from` or behind it.
/// Heads are short: a search for one byte at a time beats one that prepares for four.
pub(crate) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut feeds = memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at);
    feeds
        .find(|&feed| feed > from && bytes[feed - 1] == b'\r' && bytes[feed + 1..].starts_with(b"\r\n"))
        .map(|feed| feed - 1)
}

fn parse_preview(value: &[u8]) -> Result<u64, DecodeError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(DecodeError::PreviewField);
    }
    Ok(value
        .iter()
        .fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}
