//! Base32 (RFC 4648 section 6).

use super::CHUNK;
use crate::Budget;

/// Whether there is nothing else. Base64 of random bytes never looks so at any length that matters.
pub(super) fn is_all(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_whitespace() || value(*byte).is_some())
}

/// Decodes all of it. `None`: no time is left.
pub(super) fn decoded(text: &[u8], budget: &Budget) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(text.len() / 8 * 5 + 5);
    let (mut bits, mut count) = (0u32, 0u32);
    for chunk in text.chunks(CHUNK) {
        if budget.is_over() {
            return None;
        }
        for value in chunk.iter().filter_map(|byte| value(*byte)) {
            bits = (bits << 5) | u32::from(value);
            count += 5;
            if count >= 8 {
                count -= 8;
                let [.., byte] = (bits >> count).to_be_bytes();
                output.push(byte);
            }
        }
    }
    Some(output)
}

const fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    }
}
