//! Adblock rules that are about whole hosts or paths. All others are left out.
//!
//! ```text
//! ||host^                that domain                ||host/path^    that path and all below it
//! ||host/path|           that path                  ||host/path/    all below that path
//! host                   that domain, as uBlock Origin takes it
//! @@ before any of them  an exception
//! ```
//!
//! Rules may have the options `all`, `document` (`doc`) and `important`, none of which asks about the page
//! that a request comes from. Syntax: <https://adguard.com/kb/general/ad-filtering/create-own-filters/>.
//! Paths are matched with their case here.

use super::names::place;
use super::out::Out;
use super::report::Reason;
use crate::entry::Action;

pub(super) fn line(line: &[u8], out: &mut Out) -> Result<(), Reason> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"!") || (line.starts_with(b"[") && line.ends_with(b"]")) {
        return Ok(());
    }
    if is_cosmetic(line) {
        return Err(Reason::Cosmetic);
    }
    if line.starts_with(b"#") {
        return Ok(());
    }
    let (action, rule) = match line.strip_prefix(b"@@") {
        Some(rule) => (Action::Allow, rule),
        None => (Action::Block, line),
    };
    let (pattern, options) = match memchr::memrchr(b'$', rule) {
        Some(at) => (&rule[..at], Some(&rule[at + 1..])),
        None => (rule, None),
    };
    let bare = is_bare_name(pattern);
    if !bare && !pattern.starts_with(b"||") {
        return Err(Reason::Pattern);
    }
    let harmless = |option: &[u8]| matches!(option, b"all" | b"doc" | b"document" | b"important");
    if options.is_some_and(|options| !options.split(|&byte| byte == b',').all(harmless)) {
        return Err(Reason::Condition);
    }
    if bare {
        return out.domain(pattern, action);
    }
    let pattern = &pattern[2..];
    let (text, below, anchored) = match pattern {
        [text @ .., b'^', b'|'] | [text @ .., b'|'] => (text, false, true),
        [text @ .., b'^'] => (text, true, false),
        [.., b'/'] => (pattern, true, false),
        // Whatever begins so: `||exam` is also about example.com.
        _ => return Err(Reason::Pattern),
    };
    let stars = text.strip_prefix(b"*.").unwrap_or(text);
    let place = place(text);
    // A page at the root alone, without those below it, has no key.
    let root_alone = anchored && place.path.len() <= 1;
    if stars.iter().any(|byte| b"*^|".contains(byte)) || place.host.is_empty() || root_alone {
        return Err(Reason::Pattern);
    }
    out.path(text, below, action)
}

/// Whether this is a name or an IPv4 address and nothing else.
fn is_bare_name(pattern: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b".-_".contains(byte);
    let (first, last) = (pattern.first(), pattern.last());
    pattern.contains(&b'.')
        && pattern.iter().all(plain)
        && !first.is_some_and(|byte| b".-_".contains(byte))
        && !last.is_some_and(|byte| b".-_".contains(byte))
}

/// Whether the rule is about elements of pages: `domains##selector` and its kin.
fn is_cosmetic(line: &[u8]) -> bool {
    memchr::memchr_iter(b'#', line).any(|at| {
        [&b"##"[..], b"#@#", b"#?#", b"#@?#", b"#$#", b"#@$#", b"#%#", b"#@%#"]
            .iter()
            .any(|mark| line[at..].starts_with(mark))
    })
}
