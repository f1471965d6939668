//! Files that stand as they are in strings of JSON (RFC 8259 section 7).
//!
//! Most strings are no files, and what is written in them is scanned where it stands. But signatures that
//! count at the beginning of a file, and escapes that stand between the bytes of one, ask for it to be
//! scanned by itself.

use super::MIN_BYTES;
use icapstan_sniff::{UNKNOWN, media_type};
use std::iter;

/// What the EICAR test file begins with. It is text like any other by its looks.
const EICAR: &[u8] = br"X5O!P%@AP[4\PZX54";

/// What pages and scripts begin with. Other markup is what articles in JSON are written in, each of which
/// would cost a scan of its own.
const PAGES: [&[u8]; 5] = [b"<!doctype", b"<html", b"<head", b"<script", b"<iframe"];

/// A type is told by so many bytes.
const HEAD: usize = 512;

/// The strings that are files, their escapes undone.
pub(super) fn files(content: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    strings(content).filter(|string| is_file(string)).map(|string| undone(string, usize::MAX))
}

/// Whether there are any.
pub(super) fn has_files(content: &[u8]) -> bool {
    strings(content).any(is_file)
}

/// The strings that are not too short, as they stand. Content that does not look like JSON has none.
fn strings(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let start = content.iter().take(HEAD).position(|byte| !byte.is_ascii_whitespace());
    let is_json = start.is_some_and(|start| matches!(content[start], b'{' | b'[' | b'"'));
    let mut rest = if is_json { content } else { &[] };
    iter::from_fn(move || {
        loop {
            let begin = memchr::memchr(b'"', rest)? + 1;
            let string = &rest[begin..];
            let end = end(string);
            rest = string.get(end + 1..).unwrap_or_default();
            if end >= MIN_BYTES {
                return Some(&string[..end]);
            }
        }
    })
}

/// Where the quote stands that ends the string, or the content ends.
fn end(string: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &string[at..]) {
        at += found;
        if string[at] == b'"' {
            return at;
        }
        // Whatever it is, it does not end the string.
        at = (at + 2).min(string.len());
    }
    string.len()
}

fn is_file(string: &[u8]) -> bool {
    // Escapes make what they stand for up to six times longer.
    let head = undone(&string[..string.len().min(6 * HEAD)], HEAD);
    match media_type(&head) {
        _ if head.starts_with(EICAR) => true,
        UNKNOWN | "text/plain" => false,
        "text/html" => PAGES.iter().any(|tag| begins_with(head.trim_ascii_start(), tag)),
        _ => true,
    }
}

fn begins_with(text: &[u8], lower: &[u8]) -> bool {
    text.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

/// What the string says. Characters up to U+00FF become one byte, as those write them who put a file
/// into a string; others stay as they are.
fn undone(string: &[u8], most: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(string.len().min(most));
    let mut rest = string;
    while let [first, behind @ ..] = rest
        && bytes.len() < most
    {
        let (byte, len) = match (first, behind) {
            (b'\\', [b'u', digits @ ..]) => match latin1(digits) {
                Some(byte) => (byte, 6),
                None => (b'\\', 1),
            },
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'b', ..]) => (8, 2),
            (b'\\', [b'f', ..]) => (12, 2),
            (b'\\', [byte, ..]) => (*byte, 2),
            // U+0080 to U+00FF in UTF-8.
            (0xc2 | 0xc3, [low @ 0x80..=0xbf, ..]) => ((first & 3) << 6 | (low & 0x3f), 2),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[len..];
    }
    bytes
}

fn latin1(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}
