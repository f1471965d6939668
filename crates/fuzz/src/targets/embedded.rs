//! Content that stands encoded in other content.

use icapstan_unpack::{Budget, MIN_DIGITS, Multipart, MultipartLimits, embedded as find, has_embedded};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Searches any bytes; and encodes them, and finds them.
///
/// - Without a deadline that has come, the search ends at the end.
/// - What is found is no longer than six times the content, and nothing is found where nothing was promised.
/// - Bytes as digits of base64 or of hexadecimal, in quotes, are found.
/// - What looks like a mail or a multipart body keeps the limits.
pub fn embedded(data: &[u8]) {
    let deadline = Instant::now() + Duration::from_mins(1);
    let budget =
        Budget { max_output: 1 << 30, max_ratio: 1, deadline, max_codings: 0, cancelled: Arc::default() };
    let found = find(data, &budget);
    assert_eq!(found.defect, None);
    assert!(found.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() <= 6 * data.len());
    assert!(found.pieces.is_empty() || has_embedded(data));
    let limits = MultipartLimits { max_parts: 5, max_header_bytes: 100, max_depth: 3 };
    if let Some(multipart) = Multipart::by_looks(data, &limits) {
        assert!(multipart.leaves().len() <= limits.max_parts);
    }
    assert!(Multipart::message(data, &limits).leaves().len() <= limits.max_parts);
    // A line of one digit is one that somebody drew.
    if data.len() < MIN_DIGITS || data.chunks(3).all(|group| data.starts_with(group)) {
        return;
    }
    for digits in [
        base64(data),
        data.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    ] {
        let content = format!("\"{digits}\"");
        assert!(has_embedded(content.as_bytes()));
        // Digits of base64 that all are hexadecimal ones, too, are taken for those.
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let pieces = find(content.as_bytes(), &budget).pieces;
        assert!(pieces.iter().any(|piece| piece.bytes == data) || is_hex);
    }
}

fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in data.chunks(3) {
        let bits = group.iter().fold(0usize, |bits, &byte| bits << 8 | usize::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        for index in 0..=group.len() {
            text.push(char::from(ALPHABET[bits >> (18 - 6 * index) & 63]));
        }
    }
    text
}
