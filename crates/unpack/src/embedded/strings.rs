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

/// What stands in front of JSON so that a page cannot use it as a script.
const GUARDS: [&[u8]; 4] = [b")]}'", b"while(1);", b"for(;;);", b"{}&&"];

/// Whether content that begins so is JSON, or an object or a list in a script: behind a byte order mark,
/// blanks, comments, and the name of a function that is to be called with it. So is what ends before that
/// can be told.
pub(super) fn is_json(beginning: &[u8]) -> bool {
    let mut text = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    let mut is_called = false;
    loop {
        text = after_comments(text);
        if let Some(rest) = GUARDS.iter().find_map(|guard| text.strip_prefix(*guard)) {
            text = rest.strip_prefix(b",").unwrap_or(rest);
            continue;
        }
        match text.first() {
            None => return !beginning.is_empty(),
            Some(b'{' | b'[' | b'"') => return true,
            _ if is_called => return false,
            _ => {}
        }
        let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'$' | b'.');
        let name = text.iter().take(HEAD).take_while(in_name).count();
        let Some(rest) = after_comments(&text[name..]).strip_prefix(b"(") else { return false };
        is_called = true;
        text = rest;
    }
}

/// Without the blanks and comments in front.
fn after_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let end = match text {
            [b'/', b'/', rest @ ..] => memchr::memchr2(b'\r', b'\n', rest).map(|end| &rest[end..]),
            [b'/', b'*', rest @ ..] => memchr::memmem::find(rest, b"*/").map(|end| &rest[end + 2..]),
            _ => return text,
        };
        text = end.unwrap_or_default();
    }
}

/// The strings that are files, their escapes undone.
pub(super) fn files(content: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    strings(content).filter(|string| is_file(string)).map(|string| undone(string, usize::MAX))
}

/// Whether there are any.
pub(super) fn has_files(content: &[u8]) -> bool {
    strings(content).any(is_file)
}

/// The strings that are not too short, as they stand. What is between two of them counts as one, too: it
/// hardly ever looks like a file, and so it is no matter where the first quote belongs to, be it in a
/// comment or before the piece of the content that this is.
fn strings(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    [b'"', b'\''].into_iter().flat_map(move |quote| {
        let mut rest = &content[end(content, quote)..];
        iter::from_fn(move || {
            loop {
                let string = rest.get(1..)?;
                let end = end(string, quote);
                rest = &string[end..];
                if end >= MIN_BYTES {
                    return Some(&string[..end]);
                }
            }
        })
    })
}

/// Where the quote stands that ends the string, or the content ends.
fn end(string: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(quote, b'\\', &string[at..]) {
        at += found;
        if string[at] == quote {
            return at;
        }
        // Whatever it is, it does not end the string.
        at = (at + 2).min(string.len());
    }
    string.len()
}

fn is_file(string: &[u8]) -> bool {
    if is_prose(string) {
        return false;
    }
    // Escapes make what they stand for up to six times longer.
    let head = undone(&string[..string.len().min(6 * HEAD)], HEAD);
    match media_type(&head) {
        _ if head.starts_with(EICAR) => true,
        UNKNOWN | "text/plain" => false,
        "text/html" => PAGES.iter().any(|tag| begins_with(head.trim_ascii_start(), tag)),
        _ => true,
    }
}

/// Whether it is certainly plain text, which most strings are: it begins like nothing that has a type, and has
/// nothing that a type could be told by further behind.
fn is_prose(string: &[u8]) -> bool {
    let beginning = &string[..string.len().min(HEAD)];
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || matches!(*byte, b' ' | b',' | b':');
    beginning.iter().take(4).all(is_word)
        && beginning.is_ascii()
        && !beginning.iter().any(|byte| matches!(*byte, b'\\' | b'<') || *byte < b'\t')
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
