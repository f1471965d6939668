//! Mail messages, and bodies that nobody calls a message or a form, but that look like one.

use super::{Left, MAX_BOUNDARY, MAX_DEPTH, Multipart, MultipartDefect, MultipartLimits, Reader, header};
use std::ops::Range;

/// What a body looks like.
enum Looks<'a> {
    /// Header fields of MIME, and then a body.
    Message,
    /// A boundary, and a part's header fields behind it.
    Multipart(&'a [u8]),
}

/// The fields that say how something is to be read.
const MIME: [&[u8]; 3] = [b"content-type", b"content-transfer-encoding", b"content-disposition"];

/// Looks at the first `max` bytes.
fn of(body: &[u8], max: usize) -> Option<Looks<'_>> {
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

// === impl Multipart ===

impl Multipart {
    /// Whether a `Content-Type` value names a mail message (RFC 2046 section 5.2.1, RFC 6532).
    pub fn is_message(content_type: &str) -> bool {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        ["message/rfc822", "message/global", "message/news"]
            .iter()
            .any(|name| media_type.eq_ignore_ascii_case(name))
    }

    /// Takes `body` for a mail message: its one part, which may have parts itself.
    pub fn message(body: &[u8], limits: &MultipartLimits) -> Self {
        let mut left = Left { limits, parts: limits.max_parts, depth: limits.max_depth.min(MAX_DEPTH) };
        Self::read_message(body, 0..body.len(), &mut left)
    }

    /// The parts of a body that looks like a mail message or like a multipart body, whatever its label says.
    pub fn by_looks(body: &[u8], limits: &MultipartLimits) -> Option<Self> {
        let looks = of(body, limits.max_header_bytes)?;
        Some(match looks {
            Looks::Message => Self::message(body, limits),
            Looks::Multipart(boundary) => {
                let mut left =
                    Left { limits, parts: limits.max_parts, depth: limits.max_depth.min(MAX_DEPTH) };
                Self::read_parts(boundary, body, 0..body.len(), &mut left)
            }
        })
    }

    pub(super) fn read_message(whole: &[u8], region: Range<usize>, left: &mut Left<'_>) -> Self {
        if left.depth == 0 {
            return Self::unread(region, MultipartDefect::TooDeep);
        }
        if left.parts == 0 {
            return Self::unread(region, MultipartDefect::TooManyParts);
        }
        left.depth -= 1;
        left.parts -= 1;
        let mut reader = Reader::new(whole, region.clone(), b"");
        let part = reader.part(region.clone(), left);
        left.depth += 1;
        let ends = [region.start..region.start, region.end..region.end];
        let [preamble, epilogue] = ends;
        Self { parts: vec![part], preamble, epilogue, ..reader.out }
    }
}
