//! ICAP header fields, read strictly: this is our own protocol, with clients that speak it.

use crate::DecodeError;
use std::ops::Range;

/// Where a field's name and value lie in the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSpan {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// Whether a byte may stand in a field name (RFC 9110 section 5.6.2).
pub(crate) const fn is_token(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    ) || byte.is_ascii_alphanumeric()
}

/// Parses one line without its CRLF that begins at `start` of the head.
pub(crate) fn parse_field(line: &[u8], start: usize) -> Result<FieldSpan, DecodeError> {
    let colon = memchr::memchr(b':', line).ok_or(DecodeError::Field)?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.is_empty() || !name.iter().all(|&b| is_token(b)) {
        return Err(DecodeError::Field);
    }
    if value.iter().any(|&b| (b < 0x20 && b != b'\t') || b == 0x7f) {
        return Err(DecodeError::Field);
    }
    let front = value.len() - value.trim_ascii_start().len();
    let trimmed = value.trim_ascii();
    let at = start + colon + 1 + front.min(value.len() - trimmed.len());
    Ok(FieldSpan { name: start..start + colon, value: at..at + trimmed.len() })
}

/// The members of a comma-separated list, trimmed, without empty ones.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Result<(&str, &str), DecodeError> {
        parse_field(line.as_bytes(), 0).map(|span| (&line[span.name], &line[span.value]))
    }

    #[test]
    fn values_are_trimmed_and_may_be_empty() {
        assert_eq!(split("X-Client-IP:"), Ok(("X-Client-IP", "")));
        assert_eq!(split("X-Client-IP:   \t "), Ok(("X-Client-IP", "")));
        assert_eq!(split("Allow:204"), Ok(("Allow", "204")));
        assert_eq!(split("Allow: \t 204, 206  "), Ok(("Allow", "204, 206")));
    }

    #[test]
    fn lines_that_readers_disagree_about_are_refused() {
        for line in [
            "",
            "x",
            ":x",
            "Encapsulated : null-body=0",
            " Encapsulated: x",
            "a b: c",
            "a: b\rc",
            "a: b\0",
            "a: \x7f",
            "\u{e4}: b",
        ] {
            assert_eq!(split(line), Err(DecodeError::Field), "{line:?}");
        }
    }
}
