//! `data:` URIs, wherever they stand.

use memchr::{memchr, memchr3};
use std::borrow::Cow;
use std::ops::Range;

/// What stands between `data:` and the comma is a media type and its parameters.
const MAX_HEADER: usize = 256;

/// So many tabs and line ends may stand between two letters of `data:`.
const MAX_BREAKS: usize = 16;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataUri {
    /// What stands behind the comma.
    pub(super) payload: Range<usize>,
    pub(super) base64: bool,
}

/// Finds them, one behind another.
pub(super) struct DataUris<'a> {
    text: &'a [u8],
    at: usize,
    /// There is none of these left, so that nothing is searched for them twice.
    gone: [bool; 256],
}

/// Without the tabs and line ends that readers of URLs pass over (WHATWG URL, "basic URL parser"), and with
/// percent codes undone.
pub(super) fn unescaped(payload: &[u8]) -> Cow<'_, [u8]> {
    if memchr3(b'\t', b'\r', b'\n', payload).is_none() {
        return percent_decoded(payload);
    }
    let whole: Vec<u8> = payload.iter().copied().filter(|byte| !is_break(*byte)).collect();
    Cow::Owned(percent_decoded(&whole).into_owned())
}

const fn is_break(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\n')
}

/// With each `%` and its two digits undone; others stand for themselves.
fn percent_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'%', rest) {
        decoded.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let [high, low, behind @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            decoded.push(high << 4 | low);
            rest = behind;
        } else {
            decoded.push(b'%');
        }
    }
    decoded.extend_from_slice(rest);
    Cow::Owned(decoded)
}

/// Where the name of the scheme begins that the text ends with.
fn scheme(text: &[u8]) -> Option<usize> {
    let mut at = text.len();
    for letter in b"data".iter().rev() {
        at -= text[..at].iter().rev().take(MAX_BREAKS).take_while(|byte| is_break(**byte)).count();
        at = at.checked_sub(1).filter(|at| text[*at].eq_ignore_ascii_case(letter))?;
    }
    Some(at)
}

// === impl DataUris ===

impl<'a> DataUris<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, gone: [false; 256] }
    }

    /// Whether the payload is base64, and where it begins. `at` is behind the colon.
    fn header(&self, at: usize) -> Option<(bool, usize)> {
        let window = &self.text[at..self.text.len().min(at + MAX_HEADER)];
        let header = &window[..memchr(b',', window)?];
        let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"/+-._;= !#$&^*%".contains(byte);
        let says: Vec<u8> = header.iter().copied().filter(|byte| !is_break(*byte)).collect();
        if !says.iter().all(named) {
            return None;
        }
        let mut fields = says.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let media_type = fields.next().unwrap_or_default();
        let base64 = fields.next_back().is_some_and(|last| last.eq_ignore_ascii_case(b"base64"));
        let is_type = media_type.is_empty() || media_type.contains(&b'/');
        is_type.then_some((base64, at + header.len() + 1))
    }

    /// Where the payload that begins at `start` ends. It goes by what stands before `data`.
    fn end(&mut self, scheme: usize, start: usize) -> usize {
        let rest = &self.text[start..];
        let close = match scheme.checked_sub(1).map(|before| self.text[before]) {
            None => return self.text.len(),
            Some(quote @ (b'"' | b'\'' | b'`')) => Some(quote),
            Some(b'(') => Some(b')'),
            _ => None,
        };
        if let Some(close) = close.filter(|close| !self.gone[usize::from(*close)]) {
            match memchr(close, rest) {
                Some(len) => return start + len,
                None => self.gone[usize::from(close)] = true,
            }
        }
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'`<>)".contains(byte);
        start + rest.iter().position(ends).unwrap_or(rest.len())
    }
}

impl Iterator for DataUris<'_> {
    type Item = DataUri;

    fn next(&mut self) -> Option<DataUri> {
        loop {
            let colon = self.at + memchr(b':', self.text.get(self.at..)?)?;
            self.at = colon + 1;
            let Some(scheme) = scheme(&self.text[..colon]) else { continue };
            let Some((base64, start)) = self.header(colon + 1) else { continue };
            let end = self.end(scheme, start);
            self.at = end;
            if end - start >= super::MIN_BYTES {
                return Some(DataUri { payload: start..end, base64 });
            }
        }
    }
}
