//! Multipart bodies.

use crate::input::Input;
use icapstan_unpack::{Multipart, MultipartDefect, MultipartLimits, Part, TransferEncoding};
use std::ops::Range;

/// Finds the parts of a body: limits, then `Content-Type` up to a NUL, then the body; or builds a body
/// of parts and finds them.
///
/// - All ranges lie in the body and in each other, in the order of the wire, and never overlap.
/// - Parts, their headers and their nesting stay within the limits, or a defect says so.
/// - What was built comes back part by part, and is sound; with the end cut off it is not called whole.
pub fn multipart(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    if flags & 1 == 1 {
        return built(&mut input);
    }
    let limits = MultipartLimits {
        max_parts: [3, 200][usize::from(flags >> 1 & 1)],
        max_header_bytes: [40, 8192][usize::from(flags >> 2 & 1)],
        max_depth: [0, 1, 5, 1000][usize::from(flags >> 3 & 3)],
    };
    let content_type = String::from_utf8_lossy(input.text()).into_owned();
    let body = if flags >> 5 == 7 { repeated(input.rest()) } else { input.rest().to_vec() };
    let read = Multipart::parse(&content_type, &body, &limits);
    let mut parts = 0;
    check(&read, 0..body.len(), &limits, 1, &mut parts);
    assert!(parts <= limits.max_parts);
    assert!(read.leaves().len() <= parts);
    assert!(read.is_sound() || !read.all_defects().is_empty());
    if !Multipart::is_multipart(&content_type) || limits.max_depth == 0 {
        assert!(read.parts.is_empty() && !read.is_sound());
    }
}

/// So many times that a reader which looks at everything twice for each byte takes for ever.
fn repeated(bytes: &[u8]) -> Vec<u8> {
    bytes.repeat((1 << 16) / bytes.len().max(1))
}

fn check(read: &Multipart, within: Range<usize>, limits: &MultipartLimits, depth: usize, parts: &mut usize) {
    assert!(depth <= limits.max_depth.min(32) + 1);
    let mut at = within.start;
    let mut follows = |range: &Range<usize>| {
        assert!(
            at <= range.start && range.start <= range.end && range.end <= within.end,
            "{range:?} in {within:?}"
        );
        at = range.end;
    };
    follows(&read.preamble);
    for Part { headers, body, .. } in &read.parts {
        follows(headers);
        follows(body);
    }
    follows(&read.epilogue);
    assert_eq!((read.preamble.start, read.epilogue.end), (within.start, within.end), "nothing is left out");
    for (index, defect) in read.defects.iter().enumerate() {
        assert!(!read.defects[..index].contains(defect), "{defect:?} twice");
    }
    for part in &read.parts {
        *parts += 1;
        assert!(part.headers.len() <= limits.max_header_bytes + 4);
        if let Some(nested) = &part.nested {
            assert_eq!(part.transfer_encoding, TransferEncoding::Identity);
            check(nested, part.body.clone(), limits, depth + 1, parts);
        }
    }
}

/// A body as browsers write it, of parts that hold anything but its boundary.
fn built(input: &mut Input<'_>) {
    const BOUNDARY: &str = "----b7Qx";
    let count = 1 + usize::from(input.byte() % 6);
    let mut parts = Vec::new();
    let mut body = Vec::new();
    for index in 0..count {
        let len = usize::from(input.byte()) * 4;
        let content = input.take(len);
        if content.windows(BOUNDARY.len()).any(|window| window == BOUNDARY.as_bytes()) {
            return;
        }
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"f{index}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
        parts.push(content);
    }
    let limits = MultipartLimits { max_parts: 6, max_header_bytes: 200, max_depth: 1 };
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let cut = Multipart::parse(&content_type, &body, &limits);
    assert!(cut.defects.contains(&MultipartDefect::Unterminated), "{:?}", cut.defects);
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let read = Multipart::parse(&content_type, &body, &limits);
    assert!(read.is_sound() && read.defects.is_empty(), "{:?}", read.defects);
    assert_eq!(read.parts.len(), parts.len());
    for (index, (part, content)) in read.parts.iter().zip(parts).enumerate() {
        assert_eq!(&body[part.body.clone()], content);
        assert_eq!(part.name.as_deref(), Some(format!("f{index}").as_str()));
    }
}
