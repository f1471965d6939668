//! Digits in short lines, or with blanks between them.
//!
//! Readers of base64 pass over white space, wherever it stands. But words with blanks between them are all
//! of digits, too: such text counts only if what it says is of a known type, or if it stands in groups of
//! one length as programs write them.

use super::{DIGITS, MIN_BYTES, MIN_DIGITS, SPACE, is_digit, is_monotonous};
use icapstan_sniff::{UNKNOWN, media_type};
use memchr::memmem;
use std::ops::Range;

/// No more white space than this stands between two digits.
const MAX_GAP: usize = 512;

/// Of any text with [`MIN_DIGITS`] digits one block of this length, wherever blocks begin, is within it.
const BLOCK: usize = 32;

/// So many words may stand before the first digits: those that name a command, or the end of the data.
const MAX_STARTS: usize = 8;

/// So much is made at most of words behind the last digits.
const MAX_BEHIND: usize = 256;

/// A type is told by so many bytes.
const HEAD: usize = 512;

/// Fewer groups of one length may be chance.
const MIN_GROUPS: usize = 4;

/// Finds text of digits and white space, one behind another.
pub(super) struct Loose<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last one ended.
    last: usize,
}

/// Cuts off what words behind the digits have made of the end of a text.
pub(super) fn cut(bytes: &mut Vec<u8>) {
    let is_text = |byte: &u8| matches!(*byte, b'\t'..=b'\r' | 0x1b | b' '..);
    let Some(end) = bytes.iter().position(|byte| !is_text(byte)) else { return };
    if end >= MIN_BYTES && bytes.len() - end <= MAX_BEHIND {
        bytes.truncate(end);
    }
}

/// What in such text is taken for encoded content.
fn content(text: &[u8]) -> Option<Range<usize>> {
    known(text).or_else(|| regular(text))
}

/// What is of a known type.
fn known(text: &[u8]) -> Option<Range<usize>> {
    let mut doubtful = None;
    for start in starts(text).take(MAX_STARTS) {
        let rest = &text[start..];
        if !is_telling(rest) {
            continue;
        }
        let hex =
            rest.iter().take_while(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace()).count();
        if hex >= MIN_DIGITS && is_known(&head(&rest[..hex], 16)) {
            return Some(start..start + hex);
        }
        let head = head(rest, 64);
        if is_known(&head) {
            // A word in front has four letters now and then.
            if !is_doubtful(&head) {
                return Some(start..armour(text).max(start));
            }
            doubtful.get_or_insert_with(|| start..armour(text).max(start));
        }
    }
    doubtful
}

/// Where the text ends, but for the end of an armour.
fn armour(text: &[u8]) -> usize {
    let hyphens = memmem::rfind(text, b"-----END").unwrap_or(text.len());
    text[..hyphens].trim_ascii_end().len()
}

/// Where the first words begin.
fn starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].iter().position(|byte| is_digit(*byte))?;
        at = start + text[start..].iter().position(|byte| !is_digit(*byte)).unwrap_or(text.len() - start);
        Some(start)
    })
}

/// Whether it is text that does not begin like any.
fn is_doubtful(head: &[u8]) -> bool {
    const FIRST: usize = 12;
    !head.iter().take(FIRST).all(u8::is_ascii) && media_type(beginning(head)) == "text/plain"
}

/// Words behind the digits may have spoilt all but the beginning.
fn is_known(head: &[u8]) -> bool {
    head.len() >= MIN_DIGITS / 2 && [head, beginning(head)].iter().any(|head| is_of_known_type(head))
}

/// Noise may look like text in some old character set; that counts only if most of it is ASCII.
fn is_of_known_type(head: &[u8]) -> bool {
    let is_text = || {
        let has_mark = head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]);
        let others = head.iter().filter(|byte| !byte.is_ascii()).count();
        let cut = |error: std::str::Utf8Error| error.error_len().is_none();
        has_mark || others * 4 <= head.len() || std::str::from_utf8(head).err().is_none_or(cut)
    };
    match media_type(head) {
        UNKNOWN => false,
        "text/plain" => is_text(),
        // These are told by a few bits.
        other => !other.starts_with("audio/"),
    }
}

fn beginning(head: &[u8]) -> &[u8] {
    &head[..head.len().min(MIN_BYTES)]
}

/// The first bytes that digits of that base say; none, if there are few digits.
fn head(text: &[u8], base: u32) -> Vec<u8> {
    let bits = base.ilog2();
    let mut head = Vec::with_capacity(HEAD.min(text.len()));
    let (mut group, mut count, mut digits) = (0u32, 0, 0);
    for byte in text.iter().filter(|byte| is_digit(**byte)).take(HEAD * 8 / bits as usize) {
        let value = if base == 16 {
            char::from(*byte).to_digit(16).unwrap_or_default()
        } else {
            u32::from(DIGITS[usize::from(*byte)])
        };
        group = group << bits | value;
        count += bits;
        digits += 1;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (group >> count).to_be_bytes();
            head.push(byte);
        }
    }
    if digits < MIN_DIGITS {
        head.clear();
    }
    head
}

/// What stands in groups of one length, but for the last one, if it is most of the text.
fn regular(text: &[u8]) -> Option<Range<usize>> {
    let middle = text.len() / 2;
    let middle = middle - text[..middle].iter().rev().take_while(|byte| is_digit(**byte)).count();
    let first = middle + text[middle..].iter().position(|byte| is_digit(*byte))?;
    let group = |at: usize| text[at..].iter().take_while(|byte| is_digit(**byte)).count();
    let len = group(first);
    let (mut start, mut end) = (first, first + len);
    let (mut groups, mut digits) = (1, len);
    loop {
        let gap = text[..start].iter().rev().take_while(|byte| !is_digit(**byte)).count();
        let before =
            text[..start - gap].iter().rev().take(len + 1).take_while(|byte| is_digit(**byte)).count();
        if before != len {
            break;
        }
        start -= gap + len;
        groups += 1;
        digits += len;
    }
    while let Some(gap) = text[end..].iter().position(|byte| is_digit(*byte)) {
        let next = group(end + gap);
        if next > len {
            break;
        }
        end += gap + next;
        groups += 1;
        digits += next;
        if next < len {
            break;
        }
    }
    let all = text.iter().filter(|byte| is_digit(**byte)).count();
    (groups >= MIN_GROUPS && digits >= MIN_DIGITS && digits * 2 >= all).then_some(start..end)
}

/// Whether the block is of digits and white space, and its digits may be others than those of words. Nearly all
/// text is asked for it, so that there are no branches in the loops.
#[expect(clippy::needless_bitwise_bool, reason = "without branches several bytes are compared at once")]
fn is_block(block: &[u8; BLOCK]) -> bool {
    let is_small = |byte: u8| byte.wrapping_sub(b'a') < 26;
    let is_telling = |byte: u8| {
        (byte.wrapping_sub(b'A') < 26)
            | (byte.wrapping_sub(b'/') < 11)
            | (byte == b'+')
            | (byte == b'-')
            | (byte == b'_')
    };
    let is_space = |byte: u8| (byte == b' ') | (byte.wrapping_sub(b'\t') < 5);
    let others = block
        .iter()
        .fold(0, |others, &byte| others | u8::from(!(is_small(byte) | is_telling(byte) | is_space(byte))));
    if others > 0 {
        return false;
    }
    let small: u8 = block.iter().map(|&byte| u8::from(is_small(byte))).sum();
    let telling: u8 = block.iter().map(|&byte| u8::from(is_telling(byte))).sum();
    telling > 0 && telling * 5 >= small
}

/// Whether of the first digits a quarter is other than small letters: those of base64 nearly always are, and those
/// of words hardly ever.
fn is_telling(text: &[u8]) -> bool {
    let digits = text.iter().filter(|byte| is_digit(**byte)).take(MIN_DIGITS);
    digits.filter(|byte| !byte.is_ascii_lowercase()).count() >= MIN_DIGITS / 4
}

/// How many bytes are digits, and white space between them.
fn len<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    let (mut len, mut gap) = (0, 0);
    for byte in bytes {
        match DIGITS[usize::from(*byte)] {
            SPACE if gap < MAX_GAP => gap += 1,
            value if value < SPACE => {
                len += gap + 1;
                gap = 0;
            }
            _ => break,
        }
    }
    len
}

// === impl Loose ===

impl<'a> Loose<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, last: 0 }
    }
}

impl Iterator for Loose<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let block = self.text.get(self.at..)?.first_chunk()?;
            if !is_block(block) {
                self.at += BLOCK;
                continue;
            }
            let begin = self.at + block.iter().position(|byte| is_digit(*byte))?;
            let start = begin - len(self.text[self.last..begin].iter().rev());
            let end = begin + len(self.text[begin..].iter());
            self.last = end;
            self.at = end.max(self.at + 1);
            let text = &self.text[start..end];
            let digits = text.iter().filter(|byte| is_digit(**byte)).take(MIN_DIGITS).count();
            // Those without white space are found in any case.
            let is_loose = digits == MIN_DIGITS && !text.iter().all(|byte| is_digit(*byte));
            if is_loose
                && let Some(content) = content(text).filter(|content| !is_monotonous(&text[content.clone()]))
            {
                return Some(start + content.start..start + content.end);
            }
        }
    }
}
