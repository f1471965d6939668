//! Which format a list looks like.

use super::{Format, clamav, csv, plain};

/// No more lines are looked at.
const LINES: usize = 1000;

/// The format of a list that begins so, if its first lines tell. A last line without an end does not count
/// unless it is the only one.
pub fn detect(beginning: &[u8]) -> Option<Format> {
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    let end = memchr::memrchr(b'\n', beginning).unwrap_or(beginning.len());
    let lines = beginning[..end].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).take(LINES);
    for line in lines.filter(|line| !line.is_empty()) {
        if csv::is_head(line) {
            return Some(Format::Csv);
        }
        if line.starts_with(b"#") {
            continue;
        }
        return if clamav::line(line).is_ok() {
            Some(Format::Clamav)
        } else if plain::sum(line).is_ok() {
            Some(Format::Sha256sum)
        } else if plain::line(line).is_ok() {
            Some(Format::Plain)
        } else {
            csv::Table::default().line(line).is_ok().then_some(Format::Csv)
        };
    }
    None
}
