//! The `Encapsulated` field (RFC 3507 section 4.4.1).

use crate::{DecodeError, Method};
use std::ops::Range;

/// Which parts a message has, and where its heads lie in the encapsulated bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encapsulated {
    /// The HTTP request head.
    pub req_hdr: Option<Range<usize>>,
    /// The HTTP response head.
    pub res_hdr: Option<Range<usize>>,
    /// What follows the heads.
    pub body: BodyKind,
}

/// The last part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// `null-body`: nothing.
    Null,
    /// `req-body`, chunked.
    Request,
    /// `res-body`, chunked.
    Response,
    /// `opt-body`, chunked.
    Options,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    ReqHdr,
    ResHdr,
    Body(BodyKind),
}

// === impl Encapsulated ===

impl Encapsulated {
    /// A message without any part.
    pub(crate) const NONE: Self = Self { req_hdr: None, res_hdr: None, body: BodyKind::Null };

    /// How many bytes all heads have together.
    pub fn heads_len(&self) -> usize {
        [&self.req_hdr, &self.res_hdr].into_iter().flatten().map(|range| range.end).max().unwrap_or(0)
    }

    /// Parses the value of the field and checks it against what `method` may carry. `max_head`
    /// bounds each head, in bytes.
    pub(crate) fn parse(value: &[u8], method: Method, max_head: usize) -> Result<Self, DecodeError> {
        let mut parsed = Self::NONE;
        let mut open: Option<Part> = None;
        let mut from = 0;
        // Old NetApp clients separate by spaces alone.
        let entries = value.split(|b| matches!(b, b',' | b' ' | b'\t')).filter(|entry| !entry.is_empty());
        for entry in entries {
            let (part, offset) = Self::entry(entry)?;
            match open {
                None if offset != 0 => return Err(DecodeError::Encapsulated),
                None => {}
                Some(Part::Body(_)) => return Err(DecodeError::Encapsulated),
                Some(_) if offset <= from => return Err(DecodeError::Encapsulated),
                Some(_) if offset - from > max_head => return Err(DecodeError::HttpHeadTooLarge),
                Some(Part::ReqHdr) => parsed.req_hdr = Some(from..offset),
                Some(Part::ResHdr) => parsed.res_hdr = Some(from..offset),
            }
            match (part, open) {
                (Part::ReqHdr, None) | (Part::ResHdr, None | Some(Part::ReqHdr)) => {}
                (Part::Body(kind), _) => parsed.body = kind,
                _ => return Err(DecodeError::Encapsulated),
            }
            open = Some(part);
            from = offset;
        }
        if !matches!(open, Some(Part::Body(_))) {
            return Err(DecodeError::Encapsulated);
        }
        let fits = match method {
            Method::Reqmod => {
                parsed.res_hdr.is_none() && matches!(parsed.body, BodyKind::Null | BodyKind::Request)
            }
            Method::Respmod => matches!(parsed.body, BodyKind::Null | BodyKind::Response),
            Method::Options => {
                parsed.heads_len() == 0 && matches!(parsed.body, BodyKind::Null | BodyKind::Options)
            }
            Method::Other => true,
        };
        if fits { Ok(parsed) } else { Err(DecodeError::Encapsulated) }
    }

    /// `name=offset`, the offset in decimal digits alone.
    fn entry(entry: &[u8]) -> Result<(Part, usize), DecodeError> {
        let equals = memchr::memchr(b'=', entry).ok_or(DecodeError::Encapsulated)?;
        let (name, digits) = (&entry[..equals], &entry[equals + 1..]);
        let part = [
            (&b"req-hdr"[..], Part::ReqHdr),
            (b"res-hdr", Part::ResHdr),
            (b"null-body", Part::Body(BodyKind::Null)),
            (b"req-body", Part::Body(BodyKind::Request)),
            (b"res-body", Part::Body(BodyKind::Response)),
            (b"opt-body", Part::Body(BodyKind::Options)),
        ]
        .into_iter()
        .find_map(|(known, part)| name.eq_ignore_ascii_case(known).then_some(part))
        .ok_or(DecodeError::Encapsulated)?;
        // Nine digits cannot overflow, and no limit is that large.
        if digits.is_empty() || digits.len() > 9 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(DecodeError::Encapsulated);
        }
        Ok((part, digits.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1000;

    fn parse(method: Method, value: &str) -> Result<Encapsulated, DecodeError> {
        Encapsulated::parse(value.as_bytes(), method, MAX)
    }

    #[test]
    fn rfc3507_4_4_1_reqmod_forms_are_accepted() {
        let head = Some(0..46);
        for (value, req_hdr, body) in [
            ("req-hdr=0, null-body=46", head.clone(), BodyKind::Null),
            ("req-hdr=0, req-body=46", head.clone(), BodyKind::Request),
            ("req-body=0", None, BodyKind::Request),
            ("null-body=0", None, BodyKind::Null),
            ("Req-Hdr=0,REQ-BODY=46", head.clone(), BodyKind::Request),
            ("req-hdr=0 req-body=46", head.clone(), BodyKind::Request),
            ("req-hdr=0 ,\treq-body=046", head, BodyKind::Request),
        ] {
            let expected = Encapsulated { req_hdr, res_hdr: None, body };
            assert_eq!(parse(Method::Reqmod, value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn rfc3507_4_4_1_respmod_forms_are_accepted() {
        for req in [None, Some(0..10)] {
            for res in [None, Some(20)] {
                for (name, body) in [("res-body", BodyKind::Response), ("null-body", BodyKind::Null)] {
                    let mut end = 0;
                    let mut entries = Vec::new();
                    if let Some(range) = &req {
                        entries.push("req-hdr=0".to_owned());
                        end = range.end;
                    }
                    let res_hdr = res.map(|len| {
                        entries.push(format!("res-hdr={end}"));
                        let range = end..end + len;
                        end = range.end;
                        range
                    });
                    entries.push(format!("{name}={end}"));
                    let expected = Encapsulated { req_hdr: req.clone(), res_hdr, body };
                    assert_eq!(parse(Method::Respmod, &entries.join(", ")), Ok(expected), "{entries:?}");
                }
            }
        }
    }

    #[test]
    fn rfc3507_4_4_1_lists_that_fit_no_message_are_refused() {
        for value in [
            "",
            ",",
            "req-hdr=0",
            "req-hdr=0, req-hdr=10, null-body=20",
            "req-hdr=10, null-body=20",
            "req-hdr=0, null-body=0",
            "req-hdr=0, null-body=20, req-body=30",
            "req-hdr=0, res-body=20",
            "res-hdr=0, null-body=20",
            "opt-body=0",
            "req-hdr=-1, null-body=20",
            "req-hdr=+0, null-body=20",
            "req-hdr=0x0, null-body=20",
            "req-hdr=0, null-body=1e3",
            "req-hdr=0, null-body=18446744073709551616",
            "req-hdr=0, null-body=4294967296",
            "req-hdr=0, null-body=",
            "req-hdr, null-body=3",
            "req-hdr=0, null-body=2 0 x",
            "foo=0, null-body=3",
            "null-body=5",
            "req-hdr=0; null-body=20",
        ] {
            assert_eq!(parse(Method::Reqmod, value), Err(DecodeError::Encapsulated), "{value:?}");
        }
        for value in [
            "req-hdr=0, res-hdr=100, res-body=50",
            "req-hdr=0, req-body=50",
            "res-hdr=0, req-hdr=5, res-body=9",
        ] {
            assert_eq!(parse(Method::Respmod, value), Err(DecodeError::Encapsulated), "{value:?}");
        }
        assert_eq!(parse(Method::Options, "req-hdr=0, null-body=9"), Err(DecodeError::Encapsulated));
        assert_eq!(parse(Method::Reqmod, "req-hdr=0, null-body=1001"), Err(DecodeError::HttpHeadTooLarge));
    }
}
