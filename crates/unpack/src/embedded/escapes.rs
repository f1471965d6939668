//! What JSON, scripts and XML write in place of characters, and UTF-16.

use memchr::{memchr2, memmem};
use std::borrow::Cow;

/// The content as readers may take it, with escapes undone: as it stands, and if it looks like UTF-16 as that.
pub(super) fn readings(content: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let narrow = narrow(content).map(|narrow| Cow::Owned(undone(&narrow).into_owned()));
    std::iter::once(undone(content)).chain(narrow)
}

/// UTF-16 of ASCII as that, by its byte order mark or by how its first characters look. Any other character
/// becomes one that means nothing.
fn narrow(content: &[u8]) -> Option<Vec<u8>> {
    let (high, text) = match content {
        [0xff, 0xfe, text @ ..] => (1, text),
        [0xfe, 0xff, text @ ..] => (0, text),
        [1..=0x7f, 0, 1..=0x7f, 0, ..] => (1, content),
        [0, 1..=0x7f, 0, 1..=0x7f, ..] => (0, content),
        _ => return None,
    };
    Some(text.chunks_exact(2).map(|pair| if pair[high] == 0 { pair[1 - high] } else { 0 }).collect())
}

/// The content with the escapes undone that stand for ASCII. However many backslashes there are, they count
/// as one: JSON may lie in a string of JSON.
fn undone(content: &[u8]) -> Cow<'_, [u8]> {
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
