//! What JSON, scripts and XML write in place of characters, and UTF-16.

use memchr::{memchr_iter, memchr2};
use std::borrow::Cow;

/// The order of the bytes of UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// Names of HTML for what stands in base64 and in `data:` URIs.
const NAMED: [(&[u8], u8); 11] = [
    (b"&NewLine;", b'\n'),
    (b"&Tab;", b'\t'),
    (b"&UnderBar;", b'_'),
    (b"&colon;", b':'),
    (b"&comma;", b','),
    (b"&equals;", b'='),
    (b"&lowbar;", b'_'),
    (b"&percnt;", b'%'),
    (b"&plus;", b'+'),
    (b"&semi;", b';'),
    (b"&sol;", b'/'),
];

/// The content with the escapes undone that stand for ASCII. However many backslashes there are, they count
/// as one: JSON may lie in a string of JSON.
pub(super) fn undone(content: &[u8]) -> Cow<'_, [u8]> {
    let has_references = || memchr_iter(b'&', content).any(|at| reference(&content[at..]).is_some());
    if memchr::memchr(b'\\', content).is_none() && !has_references() {
        return Cow::Borrowed(content);
    }
    let mut undone = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr2(b'\\', b'&', rest) {
        undone.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, len) = if rest[0] == b'\\' {
            backslash(rest)
        } else {
            reference(rest).map_or((Some(b'&'), 1), |(byte, len)| (Some(byte), len))
        };
        undone.extend(byte);
        rest = &rest[len..];
    }
    undone.extend_from_slice(rest);
    Cow::Owned(undone)
}

/// What backslashes and what follows them stand for, if for anything, and how long that is.
fn backslash(text: &[u8]) -> (Option<u8>, usize) {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let rest = &text[slashes..];
    // Of one kind of base, up to `most` digits.
    let code = |digits: &[u8], radix: u32, most: usize| {
        let values = digits.iter().take(most).map_while(|digit| char::from(*digit).to_digit(radix));
        let (value, len) = values.fold((0u32, 0), |(value, len), digit| (value * radix + digit, len + 1));
        ascii(value).map(|byte| (byte, len))
    };
    let found = match rest {
        // The line goes on in the next one.
        [b'\r', b'\n', ..] => return (None, slashes + 2),
        [b'\r' | b'\n', ..] => return (None, slashes + 1),
        [b'u', b'{', digits @ ..] => code(digits, 16, 6)
            .filter(|(_, len)| *len > 0 && digits.get(*len) == Some(&b'}'))
            .map(|(byte, len)| (byte, len + 3)),
        [b'u', digits @ ..] => code(digits, 16, 4).filter(|(_, len)| *len == 4).map(|(byte, _)| (byte, 5)),
        [b'x', digits @ ..] => code(digits, 16, 2).filter(|(_, len)| *len == 2).map(|(byte, _)| (byte, 3)),
        [b'0'..=b'7', ..] => code(rest, 8, 3),
        [b'n', ..] => Some((b'\n', 1)),
        [b'r', ..] => Some((b'\r', 1)),
        [b't', ..] => Some((b'\t', 1)),
        [b'b' | b'f' | b'v', ..] => None,
        // Scripts pass over a backslash that means nothing.
        [byte, ..] if byte.is_ascii_graphic() => Some((*byte, 1)),
        _ => None,
    };
    found.map_or((Some(b'\\'), slashes), |(byte, len)| (Some(byte), slashes + len))
}

/// The same of a character reference.
fn reference(text: &[u8]) -> Option<(u8, usize)> {
    let (digits, radix, prefix) = match text {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3),
        [b'&', b'#', digits @ ..] => (digits, 10, 2),
        _ => {
            let named = NAMED.iter().find(|(name, _)| text.starts_with(name));
            return named.map(|(name, byte)| (*byte, name.len()));
        }
    };
    // There may be any number of zeros in front.
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let value = |digit: &u8| char::from(*digit).to_digit(radix);
    let significant = &digits[zeros..];
    let len = significant.iter().take(8).take_while(|digit| value(digit).is_some()).count();
    let number = significant[..len].iter().filter_map(value).fold(0, |number, digit| number * radix + digit);
    let byte = ascii(number).filter(|_| zeros + len > 0)?;
    Some((byte, prefix + zeros + len + usize::from(significant.get(len) == Some(&b';'))))
}

fn ascii(number: u32) -> Option<u8> {
    u8::try_from(number).ok().filter(u8::is_ascii)
}

// === impl ByteOrder ===

impl ByteOrder {
    /// By the byte order mark, or by how the first characters look.
    pub(super) fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0xff, 0xfe, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] | [0, 1..=0x7f, 0, 1..=0x7f, ..] => Some(Self::Big),
            _ => None,
        }
    }

    /// UTF-16 of ASCII as that. Any other character becomes one that means nothing, and the mark
    /// goes.
    pub(super) fn narrowed(self, content: &[u8]) -> Vec<u8> {
        let narrowed = |pair: &[u8]| match (self, pair) {
            (Self::Little, [byte, 0]) | (Self::Big, [0, byte]) => *byte,
            _ => 0,
        };
        let mark = content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]);
        content[if mark { 2 } else { 0 }..].chunks_exact(2).map(narrowed).collect()
    }
}
