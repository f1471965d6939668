//! What a reader asks for: formats (RFC 9110 section 12.5.1) and languages (section 12.5.4).

use super::Format;
use std::cmp::Reverse;

/// What an HTTP request says of the answer that it wants. Read as far as is reasonable, and never
/// refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    format: Format,
    languages: Vec<LanguageWish>,
}

/// A language range (RFC 4647 section 2.1) in lower case, and how much it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LanguageWish {
    range: String,
    quality: Quality,
}

/// In thousandths (RFC 9110 section 12.4.2); 0 is unwanted.
type Quality = u16;

/// Bytes that are read of all fields of one name...
const MAX_BYTES: usize = 1024;
/// ... and members of their lists.
const MAX_MEMBERS: usize = 32;

// === impl Wishes ===

impl Wishes {
    /// From the values of the fields `Accept` and `Accept-Language`.
    pub fn new<'h>(
        accept: impl IntoIterator<Item = &'h [u8]>,
        languages: impl IntoIterator<Item = &'h [u8]>,
    ) -> Self {
        Self { format: format(&members(accept)), languages: language_wishes(languages) }
    }

    /// The format that is wanted.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The one of `tags` that is wanted most, if any is wanted. `preferred` is the one to choose where
    /// nothing else decides.
    pub(super) fn language<'t>(
        &self,
        tags: impl Iterator<Item = &'t str>,
        preferred: &str,
    ) -> Option<&'t str> {
        let wanted = tags.filter_map(|tag| {
            let lower = tag.to_ascii_lowercase();
            let is_refused =
                |wish: &LanguageWish| wish.quality == 0 && fit(&wish.range, &lower) >= Some(Fit::Filter);
            if self.languages.iter().any(is_refused) {
                return None;
            }
            let wishes = self.languages.iter().enumerate().filter(|(_, wish)| wish.quality > 0);
            let rank = wishes.filter_map(|(place, wish)| {
                let fit = fit(&wish.range, &lower)?;
                Some((wish.quality, fit > Fit::Any, Reverse(place), fit))
            });
            rank.max().map(|rank| ((rank, tag.eq_ignore_ascii_case(preferred), Reverse(lower)), tag))
        });
        wanted.max().map(|(_, tag)| tag)
    }
}

/// How a range fits a tag, from hardly to exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// `*`.
    Any,
    /// Without its last parts: `de-CH` finds `de`, `zh-CN` finds `zh-Hans` (RFC 4647 section 3.4).
    Lookup,
    /// `zh` finds `zh-Hans`, `en` finds `en` (RFC 4647 section 3.3.1).
    Filter,
}

fn fit(range: &str, tag: &str) -> Option<Fit> {
    let begins =
        |range: &str| tag.strip_prefix(range).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if range == "*" {
        return Some(Fit::Any);
    }
    if begins(range) {
        return Some(Fit::Filter);
    }
    let mut shorter = range;
    while let Some((front, _)) = shorter.rsplit_once('-') {
        if begins(front) {
            return Some(Fit::Lookup);
        }
        shorter = front;
    }
    None
}

fn language_wishes<'h>(values: impl IntoIterator<Item = &'h [u8]>) -> Vec<LanguageWish> {
    let is_range = |range: &str| {
        range == "*"
            || range
                .split('-')
                .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    members(values)
        .into_iter()
        .filter_map(|(range, quality)| Some((std::str::from_utf8(range).ok()?, quality)))
        .filter(|(range, _)| is_range(range))
        .map(|(range, quality)| LanguageWish { range: range.to_ascii_lowercase(), quality })
        .collect()
}

/// The format that is wanted most. Whoever says nothing of types gets HTML; whoever takes anything, or
/// nothing of what there is, is a program and gets text.
fn format(ranges: &[(&[u8], Quality)]) -> Format {
    if ranges.is_empty() {
        return Format::Html;
    }
    let mut best = None;
    for format in [Format::Text, Format::Html, Format::Json] {
        let fits = ranges.iter().enumerate().filter_map(|(place, (range, quality))| {
            Some((precision(range, format)?, *quality, Reverse(place)))
        });
        // The most precise range counts (RFC 9110 section 12.5.1).
        let Some((precision, quality @ 1.., place)) = fits.max() else { continue };
        let rank = (quality, precision, place);
        if best.is_none_or(|(known, _)| rank > known) {
            best = Some((rank, format));
        }
    }
    best.map_or(Format::Text, |(_, format)| format)
}

/// How precisely a media range names a format, if at all.
fn precision(range: &[u8], format: Format) -> Option<u8> {
    let range = range.to_ascii_lowercase();
    let (named, group) = match format {
        Format::Html => (matches!(&range[..], b"text/html" | b"application/xhtml+xml"), b"text/*".as_slice()),
        Format::Text => (range == b"text/plain", b"text/*".as_slice()),
        // What reads JSON of some sort reads this too.
        Format::Json => (
            range == b"application/json" || (range.contains(&b'/') && range.ends_with(b"+json")),
            b"application/*".as_slice(),
        ),
    };
    match &range[..] {
        _ if named => Some(2),
        range if range == group => Some(1),
        b"*/*" => Some(0),
        _ => None,
    }
}

/// The members of a list with their qualities, as many as are read. Malformed ones are left out.
fn members<'h>(values: impl IntoIterator<Item = &'h [u8]>) -> Vec<(&'h [u8], Quality)> {
    let mut room = MAX_BYTES;
    let mut found = Vec::new();
    for value in values {
        let whole = value.len() <= room;
        let read = &value[..value.len().min(room)];
        room -= read.len();
        let mut parts: Vec<_> = read.split(|&b| b == b',').take(MAX_MEMBERS).collect();
        if !whole {
            // Cut in the middle.
            parts.pop();
        }
        found.extend(parts.into_iter().filter_map(member).take(MAX_MEMBERS - found.len()));
    }
    found
}

fn member(part: &[u8]) -> Option<(&[u8], Quality)> {
    let mut pieces = part.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    let range = pieces.next().filter(|range| !range.is_empty())?;
    let weight = pieces.find_map(|piece| piece.strip_prefix(b"q=").or_else(|| piece.strip_prefix(b"Q=")));
    Some((range, weight.map_or(Some(1000), quality)?))
}

/// `0`, `1`, and up to three decimals.
fn quality(text: &[u8]) -> Option<Quality> {
    let (whole, decimals) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = decimals.iter().chain(b"000").take(3);
    let fraction = digits.fold(0, |number, digit| number * 10 + Quality::from(digit - b'0'));
    match whole {
        b'0' => Some(fraction),
        b'1' if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAGS: [&str; 5] = ["en", "de", "fr", "pt", "zh-Hans"];

    fn language(field: &str) -> Option<&'static str> {
        Wishes::new([], [field.as_bytes()]).language(TAGS.into_iter(), "en")
    }

    fn wanted(accept: &str) -> Format {
        Wishes::new([accept.as_bytes()], []).format
    }

    #[test]
    fn languages_are_found_by_quality_prefix_and_lookup() {
        for (field, expected) in [
            ("de", Some("de")),
            ("DE-ch", Some("de")),
            ("de-CH-1996,de;q=0.9,en;q=0.8", Some("de")),
            ("en-US,en;q=0.9,de;q=0.8", Some("en")),
            ("en;q=0.5, de;q=0.7, fr;q=0.6", Some("de")),
            ("sv, da;q=0.9, fr;q=0.1", Some("fr")),
            ("zh", Some("zh-Hans")),
            ("zh-CN,zh;q=0.9", Some("zh-Hans")),
            ("zh-TW", Some("zh-Hans")),
            ("de-CH, en", Some("de")),
            ("sv, *;q=0.5", Some("en")),
            ("en;q=0, *", Some("de")),
            ("*", Some("en")),
            ("de;q=0", None),
            ("de-CH;q=1, de;q=0", None),
            ("sv", None),
            ("d", None),
            ("", None),
            ("de;q=1.5, fr;q=0.2", Some("fr")),
            ("de;q=x", None),
            ("deu", None),
            ("zh-Hant;q=0, zh;q=0.5", Some("zh-Hans")),
        ] {
            assert_eq!(language(field), expected, "{field}");
        }
    }

    #[test]
    fn formats_are_found_by_quality_and_precision() {
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        for (accept, expected) in [
            (chrome, Format::Html),
            ("text/html", Format::Html),
            ("TEXT/HTML; charset=utf-8", Format::Html),
            ("*/*", Format::Text),
            ("image/avif,image/webp,*/*;q=0.8", Format::Text),
            ("image/png", Format::Text),
            ("text/*", Format::Text),
            ("text/*, text/plain;q=0.1", Format::Html),
            ("text/html;q=0, */*", Format::Text),
            ("text/html;level=1;q=0.4, application/json;q=0.5", Format::Json),
            ("application/json", Format::Json),
            ("application/json, text/plain, */*", Format::Json),
            ("application/json, text/javascript, */*; q=0.01", Format::Json),
            ("application/problem+json", Format::Json),
            ("application/vnd.oci.image.index.v1+json", Format::Json),
            ("application/*", Format::Json),
            ("text/plain", Format::Text),
            ("text/html, application/json", Format::Html),
            ("", Format::Html),
            (",,;q=1", Format::Html),
            ("+json", Format::Text),
        ] {
            assert_eq!(wanted(accept), expected, "{accept}");
        }
        assert_eq!(Wishes::default().format, Format::Html);
    }

    #[test]
    fn fields_of_one_name_are_one_list_and_only_so_much_is_read() {
        let wishes = Wishes::new([], [b"sv".as_slice(), b"fr;q=0.5", b"de;q=0.7"]);
        assert_eq!(wishes.language(TAGS.into_iter(), "en"), Some("de"));
        let late = format!("{}de", "sv,".repeat(MAX_MEMBERS));
        assert_eq!(language(&late), None);
        let cut = format!("{}de-CH", " ".repeat(MAX_BYTES - 2));
        assert_eq!(language(&cut), None, "half a member is none");
        let many = vec![b"sv".as_slice(); 10_000];
        assert_eq!(Wishes::new([], many).languages.len(), MAX_MEMBERS);
    }

    proptest! {
        #[test]
        fn any_bytes_lead_to_a_language_that_there_is(
            field in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..2000),
                "[a-zA-Z*;=,.q0-9 -]{0,300}".prop_map(String::into_bytes),
            ],
        ) {
            let wishes = Wishes::new([&field[..]], [&field[..], &field[..]]);
            prop_assert!(wishes.languages.len() <= MAX_MEMBERS);
            if let Some(tag) = wishes.language(TAGS.into_iter(), "en") {
                prop_assert!(TAGS.contains(&tag));
            }
        }
    }
}
