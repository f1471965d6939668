//! The ICAP head of an answer.

use thiserror::Error;

/// What an answer's heads say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The ICAP status.
    pub(crate) status: u16,
    /// Whether the server says that it will close the connection.
    pub(crate) closes: bool,
    /// What is encapsulated.
    pub(crate) message: Option<Message>,
    /// The status of the encapsulated HTTP response.
    pub(crate) http_status: Option<u16>,
    /// Whether chunks follow.
    pub(crate) has_body: bool,
    /// The length of what is encapsulated before the body.
    pub(crate) http_len: usize,
}

/// What an answer encapsulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// An HTTP request.
    Request,
    /// An HTTP response.
    Response,
}

/// Why bytes are no ICAP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Malformed {
    /// Not `ICAP/1.0 ddd phrase`.
    #[error("no ICAP status line")]
    StatusLine,
    /// A line without a colon.
    #[error("a line of the ICAP head is no field")]
    Field,
    /// Over 64 KiB.
    #[error("the ICAP head is too long")]
    HeadTooLong,
    /// Parts or offsets that fit no answer.
    #[error("the Encapsulated field is malformed")]
    Encapsulated,
    /// It does not end where `Encapsulated` says, or is no HTTP.
    #[error("the encapsulated head is malformed")]
    HttpHead,
    /// A chunk line, or what stands between chunks.
    #[error("the chunked body is malformed")]
    Chunk,
}

/// No encapsulated head is longer.
const MAX_HTTP: usize = 1024 * 1024;

// === impl Head ===

impl Head {
    /// From the status line to the CRLF of the last field, without the empty line.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let (line, mut rest) = split_line(bytes).ok_or(Malformed::StatusLine)?;
        let code = line.strip_prefix(b"ICAP/1.0 ").filter(|code| code.get(3).is_none_or(|&b| b == b' '));
        let status =
            code.and_then(|code| code.get(..3)).and_then(status_code).ok_or(Malformed::StatusLine)?;
        let mut head = Self { status, ..Self::default() };
        while let Some((line, after)) = split_line(rest) {
            rest = after;
            // A folded line goes on with the field before it, which is none of those below.
            if matches!(line.first(), Some(b' ' | b'\t')) {
                continue;
            }
            let colon = memchr::memchr(b':', line).ok_or(Malformed::Field)?;
            let value = &line[colon + 1..];
            match &line[..colon] {
                name if name.eq_ignore_ascii_case(b"Encapsulated") => head.encapsulated(value)?,
                name if name.eq_ignore_ascii_case(b"Connection") => {
                    head.closes |= list(value).any(|item| item.eq_ignore_ascii_case(b"close"));
                }
                _ => {}
            }
        }
        if rest.is_empty() { Ok(head) } else { Err(Malformed::Field) }
    }

    /// One head at most, at 0, and the body or its absence behind it.
    fn encapsulated(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let mut entries = list(value);
        let mut entry = entries.next().and_then(entry).ok_or(Malformed::Encapsulated)?;
        let at_zero = entry.1 == 0;
        self.message = match entry.0 {
            b"req-hdr" => Some(Message::Request),
            b"res-hdr" => Some(Message::Response),
            _ => None,
        };
        if self.message.is_some() {
            entry = entries.next().and_then(self::entry).ok_or(Malformed::Encapsulated)?;
        }
        self.http_len = entry.1;
        self.has_body = match (entry.0, self.message) {
            (b"null-body", _) => false,
            (b"req-body", None) => {
                self.message = Some(Message::Request);
                true
            }
            (b"res-body", None) => {
                self.message = Some(Message::Response);
                true
            }
            (b"opt-body", None)
            | (b"req-body", Some(Message::Request))
            | (b"res-body", Some(Message::Response)) => true,
            _ => return Err(Malformed::Encapsulated),
        };
        let right = at_zero && self.http_len <= MAX_HTTP && entries.next().is_none();
        if right { Ok(()) } else { Err(Malformed::Encapsulated) }
    }
}

/// Three digits.
pub(super) fn status_code(digits: &[u8]) -> Option<u16> {
    let number = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    number.parse().ok().filter(|code| (100..=599).contains(code))
}

/// The first line without its CRLF, and what is behind it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some((bytes[..end].strip_suffix(b"\r")?, &bytes[end + 1..]))
}

fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

fn entry(item: &[u8]) -> Option<(&[u8], usize)> {
    let equals = memchr::memchr(b'=', item)?;
    let offset = std::str::from_utf8(&item[equals + 1..]).ok()?.parse().ok()?;
    Some((&item[..equals], offset))
}
