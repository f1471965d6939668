//! Categories of squidGuard and UT1: `domains`, one a line, and `urls`, `host/path` without scheme, each for
//! all below that path.

use super::names::has_scheme;
use super::out::Out;
use super::plain::word;
use super::report::Reason;
use crate::entry::Action;

pub(super) fn domains_line(line: &[u8], out: &mut Out) -> Result<(), Reason> {
    match word(line)? {
        Some(text) => out.domain(text, Action::Block),
        None => Ok(()),
    }
}

pub(super) fn urls_line(line: &[u8], out: &mut Out) -> Result<(), Reason> {
    match word(line)? {
        // Against the rules, but found in the wild.
        Some(text) if has_scheme(text) => out.url(text, Action::Block),
        Some(text) => out.path(text, true, Action::Block),
        None => Ok(()),
    }
}
