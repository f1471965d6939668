//! Percent escapes: all undone, and put back where they must be.

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `raw`, unescaped until no escape is left.
///
/// An escape is resolved as soon as its last digit stands there, and again if what it stands for completes
/// another one. That gives the same as passing over the whole again and again: escapes never overlap, so the
/// order in which they are resolved does not matter. But it takes one pass, whatever the depth.
pub(super) fn decode(raw: &[u8], text: &mut Vec<u8>) {
    let start = text.len();
    let Some(first) = memchr::memchr(b'%', raw) else {
        text.extend_from_slice(raw);
        return;
    };
    text.extend_from_slice(&raw[..first]);
    for &byte in &raw[first..] {
        text.push(byte);
        while let [.., b'%', high, low] = text[start..]
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            text.truncate(text.len() - 3);
            text.push(high << 4 | low);
        }
    }
}

/// Escapes all bytes from `start` on for which `must` holds.
pub(super) fn encode(text: &mut Vec<u8>, start: usize, must: impl Fn(u8) -> bool) {
    let escapes = text[start..].iter().filter(|&&byte| must(byte)).count();
    let mut read = text.len();
    text.resize(read + 2 * escapes, 0);
    let mut write = text.len();
    // From the end; when both meet, no more is to come.
    while read < write {
        read -= 1;
        let byte = text[read];
        if must(byte) {
            write -= 3;
            let escape = [b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            text[write..write + 3].copy_from_slice(&escape);
        } else {
            write -= 1;
            text[write] = byte;
        }
    }
}

/// What never stands bare in a canonical URL.
pub(super) fn is_special(byte: u8) -> bool {
    byte <= b' ' || byte >= 0x7f || byte == b'#' || byte == b'%'
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
