//! Answers as a client reads them: for the command line and for tests of servers.

use crate::chunk::{Chunk, ChunkDecoder};
use crate::fields::{FieldSpan, list, parse_field};
use crate::{DecodeError, HttpHead, Limits};
use thiserror::Error;

/// Reads the answers off one connection.
#[derive(Debug, Default)]
pub struct ResponseDecoder {
    limits: Limits,
    chunks: ChunkDecoder,
    body: bool,
}

/// A piece of an answer.
#[derive(Debug)]
pub enum ResponseEvent<'a> {
    /// The ICAP head and the encapsulated head.
    Head(ResponseHead),
    /// Body bytes.
    Data(&'a [u8]),
    /// The answer is over; after a 206 with the offset from which the original body goes on.
    End(Option<u64>),
}

/// The head of an answer.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    status: u16,
    bytes: Vec<u8>,
    fields: Vec<FieldSpan>,
    http: Vec<u8>,
}

/// Why bytes are no ICAP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// Not `ICAP/1.0 ddd phrase`.
    #[error("this is no ICAP status line")]
    StatusLine,
    /// `Encapsulated` fits no answer.
    #[error("the Encapsulated field is malformed")]
    Encapsulated,
    /// A field, or the body.
    #[error("the answer is malformed")]
    Malformed(#[source] DecodeError),
}

// === impl ResponseDecoder ===

impl ResponseDecoder {
    /// Reads from the front of `input`: how many bytes are done with, and what they were. `None`:
    /// more input is needed. After [`ResponseEvent::End`] the next answer begins.
    pub fn step<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<ResponseEvent<'a>>), ClientError> {
        if self.body {
            let (used, chunk) = self.chunks.step(input, &self.limits).map_err(ClientError::Malformed)?;
            let event = match chunk {
                Chunk::Pending => None,
                Chunk::Data(data) => Some(ResponseEvent::Data(data)),
                Chunk::End { original, .. } => {
                    self.body = false;
                    Some(ResponseEvent::End(original))
                }
            };
            return Ok((used, event));
        }
        let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
            let large = input.len() > self.limits.icap_head;
            return if large {
                Err(ClientError::Malformed(DecodeError::IcapHeadTooLarge))
            } else {
                Ok((0, None))
            };
        };
        let mut head = ResponseHead::parse(&input[..end])?;
        let (http_len, body) = head.encapsulated()?;
        if http_len > self.limits.http_head {
            return Err(ClientError::Malformed(DecodeError::HttpHeadTooLarge));
        }
        let whole = end + 4 + http_len;
        let Some(http) = input.get(end + 4..whole) else { return Ok((0, None)) };
        head.http.extend_from_slice(http);
        self.body = body;
        Ok((whole, Some(ResponseEvent::Head(head))))
    }

    /// Whether an answer's body is being read: after a head, `false` means that the answer is over.
    pub fn in_body(&self) -> bool {
        self.body
    }
}

// === impl ResponseHead ===

impl ResponseHead {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The value of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|span| (&self.bytes[span.name.clone()], &self.bytes[span.value.clone()]))
    }

    /// The encapsulated head, if there is one.
    pub fn http(&self) -> Option<HttpHead<'_>> {
        (!self.http.is_empty()).then(|| HttpHead::new(&self.http))
    }

    fn parse(bytes: &[u8]) -> Result<Self, ClientError> {
        let mut head = Self { bytes: bytes.to_vec(), ..Self::default() };
        let mut start = 0;
        for (number, line) in bytes.split(|&b| b == b'\n').enumerate() {
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            if number == 0 {
                head.status = status_code(text).ok_or(ClientError::StatusLine)?;
            } else {
                head.fields.push(parse_field(text, start).map_err(ClientError::Malformed)?);
            }
            start += line.len() + 1;
        }
        Ok(head)
    }

    /// How long the encapsulated head is, and whether a body follows.
    fn encapsulated(&self) -> Result<(usize, bool), ClientError> {
        let Some(value) = self.field("Encapsulated") else { return Ok((0, false)) };
        let last = list(value).last().ok_or(ClientError::Encapsulated)?;
        let equals = memchr::memchr(b'=', last).ok_or(ClientError::Encapsulated)?;
        let offset = std::str::from_utf8(&last[equals + 1..]).ok().and_then(|text| text.parse().ok());
        Ok((offset.ok_or(ClientError::Encapsulated)?, &last[..equals] != b"null-body"))
    }
}

fn status_code(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"ICAP/1.0 ")?;
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_in_any_segmentation() {
        let wire = b"ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 200 OK\r\nISTag: \"T\"\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n3\r\nabc\r\n0; use-original-body=7\r\n\r\n";
        for piece in 1..=wire.len() {
            let mut decoder = ResponseDecoder::default();
            let (mut at, mut end) = (0, 0);
            let (mut statuses, mut body, mut original) = (vec![], vec![], None);
            while end < wire.len() || at < end {
                let (used, event) = decoder.step(&wire[at..end]).unwrap();
                at += used;
                match event {
                    None if end == wire.len() => break,
                    None => end = (end + piece).min(wire.len()),
                    Some(ResponseEvent::Head(head)) => statuses.push(head.status()),
                    Some(ResponseEvent::Data(data)) => body.extend_from_slice(data),
                    Some(ResponseEvent::End(offset)) => original = offset,
                }
            }
            assert_eq!((statuses, &body[..], original), (vec![100, 200], &b"abc"[..], Some(7)));
        }
    }
}
