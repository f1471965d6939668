//! Text from anywhere, made inert and bounded once for every sink.

use icapstan_model::is_deceptive;
use std::fmt;

/// Stands where something is cut off.
pub(crate) const MARK: char = '\u{2026}';

/// Text that is one line and is shown as it is, wherever it is shown.
///
/// Control characters, characters that are invisible or change how others are arranged, `<`, `>`, and
/// bytes that are no UTF-8 stand as `%` and two hexadecimal digits for each of their bytes, so that
/// nothing is lost and nothing acts: no line ends, no terminal obeys, no markup opens. What is too long
/// ends with `…`. Quotes, backslashes and separators are left for each format to escape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text(Box<str>);

// === impl Text ===

impl Text {
    /// The most bytes of a name: of a user, a group, a rule, a list.
    pub const MAX_NAME: usize = 256;
    /// The most bytes of a message.
    pub const MAX_MESSAGE: usize = 1024;
    /// The most bytes of a URL.
    pub const MAX_URL: usize = 2048;

    /// A name, of at most [`MAX_NAME`](Self::MAX_NAME) bytes.
    pub fn name(raw: impl AsRef<[u8]>) -> Self {
        Self::new(raw.as_ref(), Self::MAX_NAME)
    }

    /// A message, of at most [`MAX_MESSAGE`](Self::MAX_MESSAGE) bytes.
    pub fn message(raw: impl AsRef<[u8]>) -> Self {
        Self::new(raw.as_ref(), Self::MAX_MESSAGE)
    }

    /// A URL, of at most [`MAX_URL`](Self::MAX_URL) bytes, without user, password and fragment. The query
    /// stays: it often is what names the object.
    pub fn url(raw: impl AsRef<[u8]>) -> Self {
        let raw = raw.as_ref();
        let whole = &raw[..position(raw, b"#").unwrap_or(raw.len())];
        let scheme = whole.windows(3).position(|window| window == b"://").map_or(0, |at| at + 3);
        // A path with `://` in it is no scheme.
        let scheme = if position(whole, b"/?").is_some_and(|at| at + 2 < scheme) { 0 } else { scheme };
        let (front, rest) = whole.split_at(scheme);
        let authority = &rest[..position(rest, b"/?").unwrap_or(rest.len())];
        match authority.iter().rposition(|byte| *byte == b'@') {
            Some(at) => Self::new(&[front, &rest[at + 1..]].concat(), Self::MAX_URL),
            None => Self::new(whole, Self::MAX_URL),
        }
    }

    /// At most `most` bytes, which are at least those of the mark.
    fn new(raw: &[u8], most: usize) -> Self {
        let mut text = String::with_capacity(raw.len().min(most));
        // How much of it stays if it turns out to be too long.
        let mut kept = 0;
        for chunk in raw.utf8_chunks() {
            for c in chunk.valid().chars() {
                if text.len() > most {
                    break;
                }
                if is_deceptive(c) || matches!(c, '<' | '>') {
                    let mut bytes = [0; 4];
                    c.encode_utf8(&mut bytes).bytes().for_each(|byte| push_escaped(&mut text, byte));
                } else {
                    text.push(c);
                }
                kept = keep(kept, &text, most);
            }
            if text.len() > most {
                break;
            }
            for byte in chunk.invalid() {
                push_escaped(&mut text, *byte);
                kept = keep(kept, &text, most);
            }
        }
        if text.len() > most {
            text.truncate(kept);
            text.push(MARK);
        }
        Self(text.into_boxed_str())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    /// A [name](Self::name).
    fn from(raw: &str) -> Self {
        Self::name(raw)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push_escaped(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// The length of `text` if the mark fits behind it, else what it was.
fn keep(kept: usize, text: &str, most: usize) -> usize {
    if text.len() + MARK.len_utf8() <= most { text.len() } else { kept }
}

fn position(text: &[u8], any: &[u8]) -> Option<usize> {
    text.iter().position(|byte| any.contains(byte))
}

/// `text` if it has at most `most` bytes, else its front, and whether that is all of it.
pub(crate) fn cut(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, true);
    }
    (&text[..text.floor_char_boundary(most.saturating_sub(MARK.len_utf8()))], false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_acts_is_shown_by_its_bytes() {
        for (raw, shown) in [
            (&b"plain \"text\" | a=b \\ ]"[..], "plain \"text\" | a=b \\ ]"),
            (b"a\r\nb\0\x1b[31m", "a%0D%0Ab%00%1B[31m"),
            ("пример\u{202e}x\u{85}\u{2028}".as_bytes(), "пример%E2%80%AEx%C2%85%E2%80%A8"),
            (b"<script>\xff\xc3", "%3Cscript%3E%FF%C3"),
            (b"", ""),
        ] {
            assert_eq!(Text::name(raw).as_str(), shown);
        }
    }

    #[test]
    fn what_is_too_long_ends_with_a_mark() {
        assert_eq!(Text::new(b"abcdefgh", 8).as_str(), "abcdefgh");
        assert_eq!(Text::new(b"abcdefghi", 8).as_str(), "abcde\u{2026}");
        assert_eq!(Text::new(b"abc\0\0", 8).as_str(), "abc\u{2026}", "an escape is kept whole or not at all");
        assert_eq!(Text::new(&[0xff; 100], 3).as_str(), "\u{2026}");
        assert_eq!(Text::url("a".repeat(100 << 10)).as_str().len(), Text::MAX_URL);
    }

    #[test]
    fn urls_are_shown_without_passwords_and_fragments() {
        for (raw, shown) in [
            ("http://ann:s@cret@o.test:8080/x?y=1#top", "http://o.test:8080/x?y=1"),
            ("http://o.test/@x", "http://o.test/@x"),
            ("http://o.test?q=a@b", "http://o.test?q=a@b"),
            ("ann@o.test:443", "o.test:443"),
            ("/go?to=http://ann@o.test/", "/go?to=http://ann@o.test/"),
            ("o.test/x://y@z", "o.test/x://y@z"),
            ("", ""),
        ] {
            assert_eq!(Text::url(raw).as_str(), shown, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_become_one_bounded_line_that_does_nothing(
            raw in proptest::collection::vec(any::<u8>(), 0..600),
            most in 3usize..300,
        ) {
            let text = Text::new(&raw, most);
            prop_assert!(text.as_str().len() <= most);
            prop_assert!(!text.as_str().chars().any(|c| is_deceptive(c) || matches!(c, '<' | '>')));
            let is_cut = text.as_str().ends_with(MARK) && !raw.ends_with("\u{2026}".as_bytes());
            prop_assert!(is_cut || text.as_str().len() >= raw.len());
        }

        #[test]
        fn harmless_text_that_fits_stays_as_it_is(raw in "[a-zA-Zа-я0-9 .:/?&=|\"'\\\\\\]-]{0,100}") {
            let text = Text::name(&raw);
            prop_assert_eq!(text.as_str(), raw);
        }
    }
}
