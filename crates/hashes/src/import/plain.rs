//! A digest a line; and the lines of `sha256sum` and the like.

use super::{Reason, Said, of_any_size};
use crate::digest::Digest;
use std::borrow::Cow;

/// A digest, and perhaps a name behind white space.
pub(super) fn line(line: &[u8]) -> Result<Said<'_>, Reason> {
    let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
    let digest = Digest::parse(&line[..end]).ok_or(Reason::NoDigest)?;
    let name = line[end..].trim_ascii();
    // What is said behind it is not its name.
    let name = if name.starts_with(b"#") { &[] } else { name };
    Ok(Some((of_any_size(digest), Cow::Borrowed(name))))
}

/// As GNU has it, `digest  file` or `digest *file`, with a backslash in front if the name has one; or as
/// BSD has it, `SHA256 (file) = digest`. Files have names that say nothing of malware, so they are not kept.
pub(super) fn sum(line: &[u8]) -> Result<Said<'_>, Reason> {
    let of_gnu = || {
        let line = line.strip_prefix(b"\\").unwrap_or(line);
        let end = line.iter().position(|byte| *byte == b' ')?;
        let is_sum = matches!(line.get(end + 1), Some(b' ' | b'*')) && line.len() > end + 2;
        Digest::parse(&line[..end]).filter(|_| is_sum)
    };
    let of_bsd = || {
        let start = memchr::memmem::rfind(line, b") = ")?;
        memchr::memmem::find(&line[..start], b" (")?;
        Digest::parse(&line[start + 4..])
    };
    let digest = of_gnu().or_else(of_bsd).ok_or(Reason::NoSum)?;
    Ok(Some((of_any_size(digest), Cow::Borrowed(b""))))
}
