//! Text from a peer, made fit for a page.

use icapstan_model::is_deceptive;

/// Stands for what may not be shown.
const REPLACEMENT: char = '\u{fffd}';

/// What a text is written into, and so what in it has to be escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Text and quoted attributes of HTML.
    Html,
    /// Lines of plain text.
    Nothing,
    /// A string of JSON.
    Json,
}

/// Where a text that is too long is cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// The beginning tells most.
    End,
    /// Of an address the host at its front and the file at its end tell most.
    Middle,
}

/// Appends `raw` so that it is shown as it is and means nothing: escaped, at most `most` characters
/// long, and without characters that are invisible or change how others are arranged.
pub(crate) fn push_inert(page: &mut String, raw: &str, escape: Escape, most: usize, cut: Cut) {
    // Counted only as far as needed: the text may be long.
    if raw.chars().nth(most).is_none() {
        return raw.chars().for_each(|c| push_char(page, c, escape));
    }
    let kept = most.saturating_sub(1);
    let tail = match cut {
        Cut::End => 0,
        Cut::Middle => kept / 3,
    };
    raw.chars().take(kept - tail).for_each(|c| push_char(page, c, escape));
    page.push('\u{2026}');
    let start = raw.char_indices().rev().take(tail).last().map_or(raw.len(), |(at, _)| at);
    raw[start..].chars().for_each(|c| push_char(page, c, escape));
}

fn push_char(page: &mut String, c: char, escape: Escape) {
    if is_deceptive(c) {
        return page.push(REPLACEMENT);
    }
    let escaped = match escape {
        Escape::Html => html(c),
        Escape::Nothing => None,
        Escape::Json => json(c),
    };
    match escaped {
        Some(escaped) => page.push_str(escaped),
        None => page.push(c),
    }
}

const fn html(c: char) -> Option<&'static str> {
    Some(match c {
        '<' => "&lt;",
        '>' => "&gt;",
        '&' => "&amp;",
        '"' => "&quot;",
        '\'' => "&#39;",
        _ => return None,
    })
}

/// Control characters, which have to be escaped too (RFC 8259 section 7), are replaced before. Markup
/// is escaped for whoever shows a string as it is.
const fn json(c: char) -> Option<&'static str> {
    Some(match c {
        '"' => "\\\"",
        '\\' => "\\\\",
        '<' => "\\u003c",
        '>' => "\\u003e",
        '&' => "\\u0026",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inert_in(escape: Escape, raw: &str, most: usize, cut: Cut) -> String {
        let mut page = String::new();
        push_inert(&mut page, raw, escape, most, cut);
        page
    }

    fn inert(raw: &str, most: usize, cut: Cut) -> String {
        inert_in(Escape::Html, raw, most, cut)
    }

    #[test]
    fn markup_is_shown_and_means_nothing() {
        assert_eq!(inert("\"><b a='x'>&amp;", 99, Cut::End), "&quot;&gt;&lt;b a=&#39;x&#39;&gt;&amp;amp;");
    }

    #[test]
    fn each_format_has_its_own_escapes() {
        let raw = "\"\\</a>&'\n\u{1b}";
        assert_eq!(inert_in(Escape::Nothing, raw, 99, Cut::End), "\"\\</a>&'\u{fffd}\u{fffd}");
        let json = inert_in(Escape::Json, raw, 99, Cut::End);
        assert_eq!(json, "\\\"\\\\\\u003c/a\\u003e\\u0026'\u{fffd}\u{fffd}");
        let read: String = serde_json::from_str(&format!("\"{json}\"")).unwrap();
        assert_eq!(read, "\"\\</a>&'\u{fffd}\u{fffd}");
    }

    #[test]
    fn invisible_and_rearranging_characters_are_replaced() {
        let raw = "a\r\n\0\u{1b}[31m\u{85}\u{202e}\u{2066}\u{200b}\u{feff}\u{e0041}\u{ffff}b";
        let shown = inert(raw, 99, Cut::End);
        assert_eq!(shown.chars().filter(|c| *c == REPLACEMENT).count(), 11);
        assert!(shown.starts_with('a') && shown.ends_with('b') && shown.contains("[31m"));
        assert_eq!(inert("пример.рф/ä?q=日本", 99, Cut::Middle), "пример.рф/ä?q=日本");
    }

    #[test]
    fn long_texts_are_cut_where_they_tell_least() {
        assert_eq!(inert("abcdefghij", 10, Cut::End), "abcdefghij");
        assert_eq!(inert("abcdefghijk", 10, Cut::End), "abcdefghi\u{2026}");
        assert_eq!(inert("abcdefghijk", 10, Cut::Middle), "abcdef\u{2026}ijk");
        assert_eq!(inert("äöüäöüäöüäöü", 10, Cut::Middle), "äöüäöü\u{2026}äöü");
        assert_eq!(inert("ab", 1, Cut::Middle), "\u{2026}");
    }
}
