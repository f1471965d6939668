//! Text and markup, as browsers make them out (<https://mimesniff.spec.whatwg.org/>, sections 7.1 and 7.2).

use std::borrow::Cow;

/// Tags that begin HTML. Behind each stands a blank or `>`.
const TAGS: [&[u8]; 16] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
];

/// First bytes without what says how they are encoded.
pub(crate) struct Text<'a> {
    bytes: Cow<'a, [u8]>,
}

// === impl Text ===

impl<'a> Text<'a> {
    /// UTF-16 becomes ASCII, as far as it is that: markup is made of nothing else.
    pub(crate) fn of(first: &'a [u8]) -> Self {
        let narrow = |pair: &[u8], high: usize| match (pair[high], pair[1 - high]) {
            (0, low) => low,
            // Any letter.
            _ => b'?',
        };
        let bytes = match first {
            [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(rest),
            [0xff, 0xfe, rest @ ..] => rest.chunks_exact(2).map(|pair| narrow(pair, 1)).collect(),
            [0xfe, 0xff, rest @ ..] => rest.chunks_exact(2).map(|pair| narrow(pair, 0)).collect(),
            _ => Cow::Borrowed(first),
        };
        Self { bytes }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is something, and nothing that no text has (section 3, "binary data byte").
    pub(crate) fn is_text(&self) -> bool {
        let is_binary = |byte: &u8| matches!(byte, 0..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
        !self.bytes.is_empty() && !self.bytes.iter().any(is_binary)
    }

    /// HTML, XHTML, SVG or other XML.
    pub(crate) fn markup(&self) -> Option<&'static str> {
        let text = self.bytes.trim_ascii_start();
        if !text.starts_with(b"<") {
            return None;
        }
        let is_tag = |tag: &&[u8]| {
            starts(text, tag)
                && matches!(text.get(tag.len()), Some(b' ' | b'>' | b'\t' | b'\n' | b'\r' | 0x0c))
        };
        if text.starts_with(b"<!--") || TAGS.iter().any(is_tag) {
            return Some("text/html");
        }
        match root(text) {
            Some(b"svg") => Some("image/svg+xml"),
            Some(b"html") if starts(text, b"<?xml") => Some("application/xhtml+xml"),
            // Kinds of XML that have a signature of their own are told by that.
            _ => (starts(text, b"<?xml") && self.is_text()).then(|| {
                super::signature(text).filter(|found| found.ends_with("+xml")).unwrap_or("text/xml")
            }),
        }
    }
}

fn starts(text: &[u8], front: &[u8]) -> bool {
    text.get(..front.len()).is_some_and(|start| start.eq_ignore_ascii_case(front))
}

/// The name of the first element of XML, without a prefix.
fn root(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let at = text.iter().position(|byte| *byte == b'<')?;
        text = &text[at + 1..];
        if let Some(comment) = text.strip_prefix(b"!--") {
            let end = comment.windows(3).position(|window| window == b"-->")?;
            text = &comment[end + 3..];
        } else if text.first()?.is_ascii_alphabetic() {
            let end = text.iter().position(|byte| b" \t\r\n/>".contains(byte))?;
            let name = &text[..end];
            let colon = name.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
            return Some(&name[colon..]);
        } else if !matches!(text.first()?, b'?' | b'!') {
            return None;
        }
    }
}
