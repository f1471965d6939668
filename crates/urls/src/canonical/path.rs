//! Paths and queries: unescaped, dots and slashes resolved, escaped again.
//!
//! As in Safe Browsing, what was an escaped question mark ends the path like any other.

use super::{escape, is_slash};

/// Appends the canonical form of what follows the authority, which may be nothing, and yields where the path
/// ends.
pub(super) fn push(raw: &[u8], text: &mut Vec<u8>) -> usize {
    let start = text.len();
    let raw = memchr::memchr(b'#', raw).map_or(raw, |fragment| &raw[..fragment]);
    if !raw.first().is_some_and(|&byte| is_slash(byte)) {
        text.push(b'/');
    }
    escape::decode(raw, text);
    let path_end = memchr::memchr(b'?', &text[start..]).map_or(text.len(), |at| start + at);
    if flip_slashes(&mut text[start..path_end]) {
        let len = resolve(&mut text[start..path_end]);
        text.drain(start + len..path_end);
    }
    escape::encode(text, start, escape::is_special);
    memchr::memchr(b'?', &text[start..]).map_or(text.len(), |at| start + at)
}

/// Turns backslashes round, as browsers do. Yields whether there is something to resolve.
fn flip_slashes(path: &mut [u8]) -> bool {
    let mut previous = 0;
    let mut found = false;
    for byte in path {
        if *byte == b'\\' {
            *byte = b'/';
        }
        found |= previous == b'/' && (*byte == b'/' || *byte == b'.');
        previous = *byte;
    }
    found
}

/// Resolves `/./` and `/../`, and then drops repeated slashes: between two of them there is a folder without
/// name, which `..` leaves as any other. Yields the new length, which is never 0.
fn resolve(path: &mut [u8]) -> usize {
    // All before `write` is done; it ends with a slash while there is something to read.
    let (mut write, mut read) = (1, 1);
    while read < path.len() {
        let end = memchr::memchr(b'/', &path[read..]).map_or(path.len(), |at| read + at);
        match &path[read..end] {
            b"." => {}
            b".." => write = memchr::memrchr(b'/', &path[..write - 1]).map_or(1, |at| at + 1),
            _ => {
                path.copy_within(read..end, write);
                write += end - read;
                if end < path.len() {
                    path[write] = b'/';
                    write += 1;
                }
            }
        }
        read = end + 1;
    }
    single_slashes(&mut path[..write])
}

/// Drops all slashes but one of several in a row. Yields the new length.
fn single_slashes(path: &mut [u8]) -> usize {
    let mut write = 1;
    for read in 1..path.len() {
        if path[read] != b'/' || path[write - 1] != b'/' {
            path[write] = path[read];
            write += 1;
        }
    }
    write
}
