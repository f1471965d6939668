//! Bodies that nobody calls a message or a form, but that look like one.

use super::{MAX_BOUNDARY, header};

/// What a body looks like.
pub(super) enum Looks<'a> {
    /// Header fields of MIME, and then a body.
    Message,
    /// A boundary, and a part's header fields behind it.
    Multipart(&'a [u8]),
}

/// The fields that say how something is to be read.
const MIME: [&[u8]; 3] = [b"content-type", b"content-transfer-encoding", b"content-disposition"];

/// Looks at the first `max` bytes.
pub(super) fn of(body: &[u8], max: usize) -> Option<Looks<'_>> {
    let head = &body[..body.len().min(max)];
    let head = head.strip_prefix(b"\r\n").or_else(|| head.strip_prefix(b"\n")).unwrap_or(head);
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next()?;
    if let Some(boundary) = first.strip_prefix(b"--") {
        let boundary = boundary.trim_ascii_end();
        let is_boundary =
            (1..=MAX_BOUNDARY).contains(&boundary.len()) && boundary.iter().all(u8::is_ascii_graphic);
        let second = lines.next()?;
        return (is_boundary && is_mime(second)).then_some(Looks::Multipart(boundary));
    }
    if !header::is_field(first) {
        return None;
    }
    let mut fields = std::iter::once(first).chain(lines).take_while(|line| !line.is_empty());
    let mut is_encoded = false;
    // All of it is header fields; otherwise somebody quotes one.
    let is_header = fields.all(|line| {
        is_encoded |= is_mime(line);
        line.starts_with(b" ") || line.starts_with(b"\t") || header::is_field(line)
    });
    (is_header && is_encoded).then_some(Looks::Message)
}

fn is_mime(line: &[u8]) -> bool {
    let Some(colon) = memchr::memchr(b':', line) else { return false };
    let name = line[..colon].trim_ascii_end();
    MIME.iter().any(|field| name.eq_ignore_ascii_case(field))
}
