//! One URL, domain, address or CIDR range a line.
//!
//! ```text
//! # comment, also with ; or ! or //
//! http://host/path?query     that URL            http://host/         that host
//! host  *.host  .host        that domain         host/path            that path, of that domain
//! 192.0.2.7                  that address        192.0.2.0/24         these addresses
//! ```
//!
//! What follows the first word must be a comment.

use super::names::{has_scheme, range};
use super::out::Out;
use super::report::Reason;
use crate::entry::Action;

pub(super) fn line(line: &[u8], out: &mut Out) -> Result<(), Reason> {
    let Some(text) = word(line)? else { return Ok(()) };
    if has_scheme(text) {
        out.url(text, Action::Block)
    } else if let Some((ip, prefix)) = range(text) {
        out.network(ip, prefix, Action::Block)
    } else {
        out.path(text, false, Action::Block)
    }
}

/// The one word of a line; [`None`] if there is but a comment.
pub(super) fn word(line: &[u8]) -> Result<Option<&[u8]>, Reason> {
    let line = line.trim_ascii();
    if line.is_empty() || is_comment(line) {
        return Ok(None);
    }
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let rest = rest.trim_ascii_start();
    if rest.is_empty() || is_comment(rest) { Ok(Some(word)) } else { Err(Reason::Malformed) }
}

fn is_comment(text: &[u8]) -> bool {
    b"#;!".contains(&text[0]) || text.starts_with(b"//")
}
