//! Formats told by their content.

use super::names::{Name, has_scheme, name, range};
use super::{Format, csv, hosts, plain};

/// So many lines are looked at.
const LINES: usize = 200;

/// The format of a list whose beginning this is, if the beginning leaves no doubt: all its lines must be of
/// one format, or a line must be of a kind that only one format has. The rest of a last line that is cut does
/// not count.
///
/// The files of squidGuard are never told from plain lists: their names say what they are.
pub fn detect(beginning: &[u8]) -> Option<Format> {
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    let whole = memchr::memrchr(b'\n', beginning).map_or(beginning, |end| &beginning[..end]);
    let mut weak = None;
    for line in whole.split(|&byte| byte == b'\n').take(LINES) {
        let line = line.trim_ascii_end();
        if let Some(format) = strong(line) {
            return Some(format);
        }
        match of_line(line) {
            LineKind::Neutral => {}
            LineKind::Of(format) if weak.is_none_or(|weak| weak == format) => weak = Some(format),
            _ => return None,
        }
    }
    weak
}

enum LineKind {
    /// Blank, or a comment.
    Neutral,
    Of(Format),
    Unknown,
}

/// The only format that has such lines.
fn strong(line: &[u8]) -> Option<Format> {
    let is_head =
        |head: &&[u8]| line.strip_prefix(b"!").is_some_and(|text| text.trim_ascii_start().starts_with(head));
    if [&b"Title:"[..], b"Expires:", b"Homepage:"].iter().any(is_head) {
        return Some(Format::Adblock);
    }
    if line.starts_with(b"[Adblock") || line.starts_with(b"||") || line.starts_with(b"@@||") {
        return Some(Format::Adblock);
    }
    if let [b'S', b':', kind, b':', ..] | [b'S', b'1' | b'2', b':', kind, b':', ..] = line
        && b"PFW".contains(kind)
    {
        return Some(Format::ClamavGdb);
    }
    if line.starts_with(b"$TTL") || line.starts_with(b"$ORIGIN") {
        return Some(Format::Rpz);
    }
    if csv::head(line).is_some() {
        return Some(Format::Csv);
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_kind = |word: &[u8]| word.eq_ignore_ascii_case(b"SOA") || word.eq_ignore_ascii_case(b"CNAME");
    if !b"#!;".contains(line.first()?) && words.any(is_kind) {
        return Some(Format::Rpz);
    }
    (line.starts_with(b"\"") && line.windows(6).any(|part| part == b"\",\"htt")).then_some(Format::Csv)
}

fn of_line(line: &[u8]) -> LineKind {
    let text = line.trim_ascii();
    let bare = text.split(|&byte| byte == b'#').next().unwrap_or_default();
    let mut words = bare.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    if let (Some(address), Some(_)) = (words.next(), words.next())
        && hosts::ip(address).is_some()
    {
        return LineKind::Of(Format::Hosts);
    }
    match plain::word(line) {
        Ok(None) => LineKind::Neutral,
        Ok(Some(word)) if is_plain(word) => LineKind::Of(Format::Plain),
        _ => LineKind::Unknown,
    }
}

/// A URL, an address, a range, or a name with a dot, so that not just any word is one.
fn is_plain(word: &[u8]) -> bool {
    if has_scheme(word) || range(word).is_some() {
        return true;
    }
    let end = word.iter().position(|&byte| byte == b'/').unwrap_or(word.len());
    match name(word[..end].strip_prefix(b"*.").unwrap_or(&word[..end])) {
        Ok(Name::Address(_)) => true,
        Ok(Name::Name(name)) => name.contains('.'),
        Err(_) => false,
    }
}
