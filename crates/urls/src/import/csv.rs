//! Comma-separated values with a column of URLs (RFC 4180, but one record a line).
//!
//! The column is the one that the head of the table calls `url`, if there is a head: in the first line, as
//! PhishTank has it, or in a comment, as URLhaus has it. Without head it is the third, as in the dumps of
//! URLhaus (`id,dateadded,url,...`).

use super::names::has_scheme;
use super::out::Out;
use super::report::Reason;
use crate::entry::Action;
use std::borrow::Cow;

/// What is known of the columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    column: Option<usize>,
}

/// Where URLhaus has its URLs.
const USUAL_COLUMN: usize = 2;

// === impl Table ===

impl Table {
    pub(super) fn line(&mut self, line: &[u8], out: &mut Out) -> Result<(), Reason> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if self.column.is_none() {
            self.column = head(line);
            if self.column.is_some() {
                return Ok(());
            }
        }
        if line.starts_with(b"#") {
            return Ok(());
        }
        self.column.get_or_insert(USUAL_COLUMN);
        let column = self.column.unwrap_or(USUAL_COLUMN);
        let url = Fields(Some(line)).nth(column).ok_or(Reason::Malformed)?.ok_or(Reason::Malformed)?;
        if !has_scheme(&url) {
            return Err(Reason::BadUrl);
        }
        out.url(&url, Action::Block)
    }
}

/// The column of URLs, if this line is a head, which may be a comment.
pub(super) fn head(line: &[u8]) -> Option<usize> {
    let line = line.strip_prefix(b"#").unwrap_or(line).trim_ascii();
    let is_word = |field: &[u8]| field.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let mut column = None;
    let mut columns = 0;
    for field in Fields(Some(line)) {
        let field = field.filter(|field| is_word(field.trim_ascii()))?;
        if field.trim_ascii().eq_ignore_ascii_case(b"url") {
            column = Some(columns);
        }
        columns += 1;
    }
    column.filter(|_| columns > 1)
}

/// The fields of a record; [`None`] for one whose quotes do not match, which is the last then.
struct Fields<'a>(Option<&'a [u8]>);

// === impl Fields ===

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Cow<'a, [u8]>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0?;
        if rest.first() != Some(&b'"') {
            let end = memchr::memchr(b',', rest);
            self.0 = end.map(|end| &rest[end + 1..]);
            return Some(Some(Cow::Borrowed(&rest[..end.unwrap_or(rest.len())])));
        }
        self.0 = None;
        let mut at = 1;
        let mut doubled = false;
        loop {
            let Some(quote) = memchr::memchr(b'"', &rest[at..]) else { return Some(None) };
            let quote = at + quote;
            match rest.get(quote + 1) {
                Some(b'"') => {
                    doubled = true;
                    at = quote + 2;
                    continue;
                }
                Some(b',') => self.0 = Some(&rest[quote + 2..]),
                None => {}
                Some(_) => return Some(None),
            }
            let field = &rest[1..quote];
            return Some(Some(if doubled { Cow::Owned(single_quotes(field)) } else { Cow::Borrowed(field) }));
        }
    }
}

/// With one quote for each two.
fn single_quotes(field: &[u8]) -> Vec<u8> {
    let mut single = Vec::with_capacity(field.len());
    let mut skip = false;
    for &byte in field {
        if byte == b'"' && !skip {
            skip = true;
            continue;
        }
        skip = false;
        single.push(byte);
    }
    single
}
