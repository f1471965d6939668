//! What JSON, scripts and XML write in place of characters, and UTF-16.

use memchr::{memchr2, memmem};
use std::borrow::Cow;

/// The order of the bytes of UTF-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

/// The content with the escapes undone that stand for ASCII. However many backslashes there are, they count
/// as one: JSON may lie in a string of JSON.
pub(super) fn undone(content: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', content).is_none() && memmem::find(content, b"&#").is_none() {
        return Cow::Borrowed(content);
    }
    let mut undone = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr2(b'\\', b'&', rest) {
        undone.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let (byte, len) = if rest[0] == b'\\' { backslash(rest) } else { reference(rest) };
        undone.push(byte);
        rest = &rest[len..];
    }
    undone.extend_from_slice(rest);
    Cow::Owned(undone)
}

/// What backslashes and what follows them stand for, and how long that is.
fn backslash(text: &[u8]) -> (u8, usize) {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    let code = |digits: &[u8]| {
        let value = digits
            .iter()
            .try_fold(0u32, |value, digit| char::from(*digit).to_digit(16).map(|digit| value << 4 | digit));
        value.and_then(ascii)
    };
    let found = match &text[slashes..] {
        [b'u', digits @ ..] if digits.len() >= 4 => code(&digits[..4]).map(|byte| (byte, 5)),
        [b'x', high, low, ..] => code(&[*high, *low]).map(|byte| (byte, 3)),
        [b'n', ..] => Some((b'\n', 1)),
        [b'r', ..] => Some((b'\r', 1)),
        [b't', ..] => Some((b'\t', 1)),
        [byte @ (b'/' | b'"' | b'\'' | b'\r' | b'\n'), ..] => Some((*byte, 1)),
        _ => None,
    };
    found.map_or((b'\\', slashes), |(byte, len)| (byte, slashes + len))
}

/// The same of a numeric character reference.
fn reference(text: &[u8]) -> (u8, usize) {
    let (digits, radix, prefix) = match text {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16, 3),
        [b'&', b'#', digits @ ..] => (digits, 10, 2),
        _ => return (b'&', 1),
    };
    // Leading zeros are allowed, but nobody writes many.
    let value = |digit: &u8| char::from(*digit).to_digit(radix);
    let len = digits.iter().take(8).take_while(|digit| value(digit).is_some()).count();
    let number = digits[..len].iter().filter_map(value).fold(0, |number, digit| number * radix + digit);
    match ascii(number) {
        Some(byte) if len > 0 => (byte, prefix + len + usize::from(digits.get(len) == Some(&b';'))),
        _ => (b'&', 1),
    }
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
