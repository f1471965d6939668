//! Comma-separated values with a column of digests (RFC 4180, but one record a line).
//!
//! Which column it is says the head, in the first line or in a comment:
//! - `sha256_hash`, `sha1_hash` and `md5_hash`, as abuse.ch has them, or the same without `_hash`: of each
//!   line the strongest digest that it has; the name is that of the column `signature`;
//! - `type` and `value`, as MISP has them: lines whose type is `sha256`, `filename|sha256` and the like. What
//!   other lines have is no digest of a file.
//!
//! Without a head it is the first field that is a SHA-256.

use super::{Reason, Said, of_any_size};
use crate::digest::{Algorithm, Digest};
use std::borrow::Cow;

/// No line has more fields that are looked at.
const MAX_FIELDS: usize = 256;

/// What is known of the columns.
#[derive(Debug, Default)]
pub(super) struct Table {
    head: Option<Head>,
}

/// Where in a line things stand.
#[derive(Debug, Default)]
struct Head {
    /// By algorithm.
    digests: [Option<usize>; Algorithm::ALL.len()],
    name: Option<usize>,
    /// Of the type and of the value.
    typed: Option<(usize, usize)>,
}

/// The fields of a record; [`None`] for one whose quotes do not match, which is the last then.
struct Fields<'a>(Option<&'a [u8]>);

// === impl Table ===

impl Table {
    pub(super) fn line<'a>(&mut self, line: &'a [u8]) -> Result<Said<'a>, Reason> {
        if self.head.is_none() {
            self.head = Head::of(line.strip_prefix(b"#").unwrap_or(line).trim_ascii());
            if self.head.is_some() {
                return Ok(None);
            }
        }
        if line.starts_with(b"#") {
            return Ok(None);
        }
        let fields: Option<Vec<_>> = Fields(Some(line)).take(MAX_FIELDS).collect();
        let fields = fields.ok_or(Reason::Quotes)?;
        if let Some(head) = &self.head {
            return head.read(fields);
        }
        let mut digests = fields.iter().filter_map(|field| Digest::parse(field.trim_ascii()));
        let digest = digests.find(|digest| digest.algorithm() == Algorithm::Sha256);
        Ok(Some((of_any_size(digest.ok_or(Reason::NoDigest)?), Cow::Borrowed(b""))))
    }
}

// === impl Head ===

impl Head {
    /// The head of a table, if this line is one.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let mut head = Self::default();
        let (mut kind, mut value) = (None, None);
        for (nth, field) in Fields(Some(line)).take(MAX_FIELDS).enumerate() {
            let field = field?.trim_ascii().to_ascii_lowercase();
            let place = match field.as_slice() {
                b"md5" | b"md5_hash" => &mut head.digests[Algorithm::Md5 as usize],
                b"sha1" | b"sha1_hash" => &mut head.digests[Algorithm::Sha1 as usize],
                b"sha256" | b"sha256_hash" => &mut head.digests[Algorithm::Sha256 as usize],
                b"signature" => &mut head.name,
                b"type" => &mut kind,
                b"value" => &mut value,
                _ => continue,
            };
            place.get_or_insert(nth);
        }
        head.typed = kind.zip(value);
        (head.typed.is_some() || head.digests.iter().any(Option::is_some)).then_some(head)
    }

    fn read<'a>(&self, mut fields: Vec<Cow<'a, [u8]>>) -> Result<Said<'a>, Reason> {
        let field = |at: usize| fields.get(at).map(|field| field.trim_ascii());
        let columns = self.digests.iter().rev().flatten();
        let mut digest = columns.filter_map(|at| field(*at)).find_map(Digest::parse);
        if let Some((kind, value)) = self.typed.filter(|_| digest.is_none()) {
            let (kind, value) = (field(kind).ok_or(Reason::NoFields)?, field(value).ok_or(Reason::NoFields)?);
            let last = |text: &[u8]| text.rsplit(|byte| *byte == b'|').next().unwrap_or_default().to_vec();
            let algorithm = match last(kind).to_ascii_lowercase().as_slice() {
                b"md5" => Algorithm::Md5,
                b"sha1" => Algorithm::Sha1,
                b"sha256" => Algorithm::Sha256,
                _ => return Err(Reason::OtherType),
            };
            digest = Digest::parse(&last(value)).filter(|digest| digest.algorithm() == algorithm);
        }
        let digest = digest.ok_or(Reason::NoDigest)?;
        let name = self.name.filter(|at| *at < fields.len()).map(|at| fields.swap_remove(at));
        let is_name = |name: &Cow<'_, [u8]>| {
            !matches!(
                name.trim_ascii().to_ascii_lowercase().as_slice(),
                b"n/a" | b"null" | b"none" | b"unknown"
            )
        };
        Ok(Some((of_any_size(digest), name.filter(is_name).unwrap_or(Cow::Borrowed(b"")))))
    }
}

/// Whether this line says which columns there are.
pub(super) fn is_head(line: &[u8]) -> bool {
    Head::of(line.strip_prefix(b"#").unwrap_or(line).trim_ascii()).is_some()
}

// === impl Fields ===

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Cow<'a, [u8]>>;

    fn next(&mut self) -> Option<Self::Item> {
        // Some write a space behind the comma.
        let rest = self.0?.trim_ascii_start();
        if rest.first() != Some(&b'"') {
            let end = memchr::memchr(b',', rest);
            self.0 = end.map(|end| &rest[end + 1..]);
            return Some(Some(Cow::Borrowed(&rest[..end.unwrap_or(rest.len())])));
        }
        self.0 = None;
        let mut field = Cow::Borrowed(&rest[..0]);
        let mut rest = &rest[1..];
        loop {
            let Some(quote) = memchr::memchr(b'"', rest) else { return Some(None) };
            let (piece, behind) = (&rest[..quote], &rest[quote + 1..]);
            if field.is_empty() {
                field = Cow::Borrowed(piece);
            } else {
                field.to_mut().extend_from_slice(piece);
            }
            match behind.first() {
                // Two quotes stand for one.
                Some(b'"') => {
                    field.to_mut().push(b'"');
                    rest = &behind[1..];
                }
                Some(b',') => {
                    self.0 = Some(&behind[1..]);
                    return Some(Some(field));
                }
                None => return Some(Some(field)),
                Some(_) => return Some(None),
            }
        }
    }
}
