//! What stands between two pieces of encoded content that are one to their reader: an operator between strings of
//! a script, `"UEsD" + "BBQA"`, or comments and the ends of sections in markup.

use super::{DIGITS, PAD};
use std::borrow::Cow;

/// So many bytes of blanks, line ends and comments may stand on each side of the operator, ...
const MAX_BLANKS: usize = 512;

/// ... and so many between two pieces in markup.
const MAX_MARKUP: usize = 1024;

/// How long the joint is that `text` begins with: the end of a string, an operator that joins strings in
/// some language (`+`, `.`, `&`), and the beginning of another one. Or comments and the ends of sections
/// of XML, white space among them.
pub(super) fn joint(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'<' | b']' | b' ' | b'\t' | b'\r' | b'\n' => markup(text),
        quote if is_quote(*quote) => strings(text),
        _ => None,
    }
}

fn strings(text: &[u8]) -> Option<usize> {
    let rest = after_quote(text)?;
    let rest = after_blanks(rest);
    let [b'+' | b'.' | b'&', rest @ ..] = rest else { return None };
    // The line goes on behind this in Visual Basic.
    let rest = after_blanks(rest);
    let rest = rest.strip_prefix(b"_").map_or(rest, after_blanks);
    let rest = after_quote(rest)?;
    Some(text.len() - rest.len())
}

fn markup(text: &[u8]) -> Option<usize> {
    let text = &text[..text.len().min(MAX_MARKUP)];
    let mut rest = text;
    let mut is_joint = false;
    loop {
        rest = rest.trim_ascii_start();
        let end = match rest {
            [b'<', b'!', b'-', b'-', comment @ ..] => {
                memchr::memmem::find(comment, b"-->").map(|end| &comment[end + 3..])
            }
            [b'<', b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', section @ ..] => Some(section),
            [b']', b']', b'>', rest @ ..] => Some(rest),
            _ => return is_joint.then_some(text.len() - rest.len()),
        };
        rest = end?;
        is_joint = true;
    }
}

/// The text without its joints, and without what stands at the beginning of its lines.
pub(super) fn removed(text: &[u8]) -> Cow<'_, [u8]> {
    let other = |text: &[u8]| text.iter().position(|byte| DIGITS[usize::from(*byte)] > PAD);
    let Some(first) = other(text) else { return Cow::Borrowed(text) };
    let mut whole = Vec::with_capacity(text.len());
    whole.extend_from_slice(&text[..first]);
    let mut rest = &text[first..];
    while !rest.is_empty() {
        rest = &rest[joint(rest).unwrap_or(1)..];
        let len = other(rest).unwrap_or(rest.len());
        whole.extend_from_slice(&rest[..len]);
        rest = &rest[len..];
    }
    Cow::Owned(whole)
}

const fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

fn after_quote(text: &[u8]) -> Option<&[u8]> {
    match text {
        [quote, rest @ ..] if is_quote(*quote) => Some(rest),
        _ => None,
    }
}

/// Without the white space and the comments in front.
fn after_blanks(text: &[u8]) -> &[u8] {
    let near = &text[..text.len().min(MAX_BLANKS)];
    let mut rest = near;
    loop {
        rest = rest.trim_ascii_start();
        let end = match rest {
            [b'/', b'*', comment @ ..] => memchr::memmem::find(comment, b"*/").map(|end| &comment[end + 2..]),
            [b'/', b'/', comment @ ..] => memchr::memchr(b'\n', comment).map(|end| &comment[end..]),
            _ => None,
        };
        match end {
            Some(end) => rest = end,
            None => return &text[near.len() - rest.len()..],
        }
    }
}
