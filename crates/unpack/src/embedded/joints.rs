//! What stands between two strings that a script puts together: `"UEsD" + "BBQA"`.

use std::borrow::Cow;

/// Between the strings there may be so many blanks and line ends on each side of the operator.
const MAX_BLANKS: usize = 64;

/// How long the joint is that `text` begins with: the end of a string, an operator that joins strings in
/// some language (`+`, `.`, `&`), and the beginning of another one.
pub(super) fn joint(text: &[u8]) -> Option<usize> {
    let rest = after_quote(text)?;
    let rest = after_blanks(rest);
    let [b'+' | b'.' | b'&', rest @ ..] = rest else { return None };
    // The line goes on behind this in Visual Basic.
    let rest = after_blanks(rest);
    let rest = rest.strip_prefix(b"_").map_or(rest, after_blanks);
    let rest = after_quote(rest)?;
    Some(text.len() - rest.len())
}

/// The text without its joints.
pub(super) fn removed(text: &[u8]) -> Cow<'_, [u8]> {
    let quote = |text: &[u8]| text.iter().position(|byte| is_quote(*byte));
    if quote(text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut whole = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = quote(rest) {
        whole.extend_from_slice(&rest[..at]);
        rest = &rest[at + joint(&rest[at..]).unwrap_or(1)..];
    }
    whole.extend_from_slice(rest);
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

fn after_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take(MAX_BLANKS).take_while(|byte| byte.is_ascii_whitespace()).count();
    &text[blanks..]
}
