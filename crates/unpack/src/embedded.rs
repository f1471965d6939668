//! Content that stands encoded in other content: base64 in JSON, XML, scripts and forms, and `data:` URIs
//! (RFC 2397).
//!
//! Nothing says where it is, so that it is told by its looks: a run of base64 digits that is too long for a
//! word, or what stands behind `data:` and a comma. Both alphabets of RFC 4648 count, padding may be
//! missing, lines may end within, and so may strings that a script puts together. Runs of hexadecimal digits alone are taken for those, and
//! runs of upper-case letters and the digits 2 to 7 for base32 as well. Before the search the escapes of JSON, scripts and XML are undone, since
//! writers of JSON escape `/` and `+`, and writers of XML carriage returns.
//!
//! Strings of JSON that are files as they stand, such as pages and scripts, are found too.
//!
//! What is found may be no encoded content at all: a path, a key, a hash. It is for the caller to tell
//! by what was decoded.

mod base32;
mod data_uri;
mod escapes;
mod joints;
mod loose;
mod runs;
mod strings;
#[cfg(test)]
mod tests;

use crate::{Budget, Defect};
use data_uri::DataUris;
use escapes::ByteOrder;
use loose::Loose;
use runs::Runs;
use std::borrow::Cow;
use std::ops::Range;

/// Fewer digits are not looked at. Those of the shortest thing that is known by all of its bytes, EICAR's 68,
/// are 91; those of a SHA-512, which package lists are full of, 86.
pub const MIN_DIGITS: usize = 88;

/// The same, of decoded bytes.
const MIN_BYTES: usize = MIN_DIGITS / 4 * 3;

/// A line goes on in the next one if it has so many digits. Those that programs write have 60 and more,
/// words of a list fewer.
const MIN_LINE: usize = 20;

/// How many bytes of input lie between two looks at the clock.
const CHUNK: usize = 64 * 1024;

/// So much of UTF-16 is looked at for telling whether it is JSON.
const JSON_HEAD: usize = 64 * 1024;

/// Digits of both alphabets, and what else a byte may be.
const DIGITS: [u8; 256] = digits();
const SPACE: u8 = 64;
const PAD: u8 = 65;
const OTHER: u8 = 66;

/// One piece of content, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// What was decoded.
    pub bytes: Vec<u8>,
    /// It stood in a `data:` URI, so that there is no doubt that it is content.
    pub labelled: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddedPieces {
    /// Strings of JSON first, `data:` URIs, then runs, each in the order in which they stand.
    pub pieces: Vec<Embedded>,
    /// Why the search ended before the end of the content: the deadline, or nothing.
    pub defect: Option<Defect>,
}

/// How content is read: what its beginning tells, for pieces of it that are looked at one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// It looks like JSON.
    is_json: bool,
    /// It looks like UTF-16.
    order: Option<ByteOrder>,
}

/// Whether [`embedded`] may find anything.
pub fn has_embedded(content: &[u8]) -> bool {
    Reading::of(content).may_find(content)
}

/// Finds and decodes all pieces. Those together are never longer than six times the content.
pub fn embedded(content: &[u8], budget: &Budget) -> EmbeddedPieces {
    let mut found = EmbeddedPieces::default();
    let reading = Reading::of(content);
    for text in reading.texts(content) {
        if reading.is_json {
            found.files(&text, budget);
        }
        found.search(&escapes::undone(&text), budget);
    }
    found
}

fn hexadecimal(text: &[u8], budget: &Budget) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(text.len() / 2 + 1);
    let mut high = None;
    for chunk in text.chunks(CHUNK) {
        if budget.is_over() {
            return None;
        }
        for value in chunk.iter().filter_map(|byte| char::from(*byte).to_digit(16)) {
            let value = u8::try_from(value).unwrap_or_default();
            match high.take() {
                Some(high) => output.push(high << 4 | value),
                None => high = Some(value),
            }
        }
    }
    Some(output)
}

/// Decodes up to the end of the digits. `None`: no time is left.
fn base64(text: &[u8], budget: &Budget) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut group, mut count) = (0u32, 0u8);
    'end: for chunk in text.chunks(CHUNK) {
        if budget.is_over() {
            return None;
        }
        for &byte in chunk {
            match DIGITS[usize::from(byte)] {
                SPACE => {}
                PAD | OTHER => break 'end,
                digit => {
                    group = (group << 6) | u32::from(digit);
                    count += 1;
                    if count == 4 {
                        let [_, bytes @ ..] = group.to_be_bytes();
                        output.extend_from_slice(&bytes);
                        (group, count) = (0, 0);
                    }
                }
            }
        }
    }
    match count {
        2 => output.extend_from_slice(&(group >> 4).to_be_bytes()[3..]),
        3 => output.extend_from_slice(&(group >> 2).to_be_bytes()[2..]),
        _ => {}
    }
    Some(output)
}

/// Whether there is nothing but digits, however they are broken into lines. Words in a line are none.
fn is_all_digits(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    let padding = memchr::memchr(b'=', text).unwrap_or(text.len());
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    text.len() >= MIN_DIGITS
        && text[..padding].iter().all(|byte| is_digit(*byte) || is_line_end(byte))
        && text[padding..].iter().all(|byte| *byte == b'=' || is_line_end(byte))
        && text.iter().filter(|byte| is_digit(**byte)).take(MIN_DIGITS).count() == MIN_DIGITS
        && !is_monotonous(text)
}

/// How many digits at the front are none: a line that is drawn, or the name of a hash (Subresource Integrity).
fn front(run: &[u8]) -> usize {
    const HASHES: [&[u8]; 3] = [b"sha256-", b"sha384-", b"sha512-"];
    let hash = HASHES.iter().find(|name| run.starts_with(name)).map_or(0, |name| name.len());
    if hash > 0 { hash } else { drawn(run.iter()) }
}

/// How many hyphens there are, if there are several.
fn drawn<'a>(run: impl Iterator<Item = &'a u8>) -> usize {
    let hyphens = run.take_while(|byte| **byte == b'-').count();
    if hyphens > 1 { hyphens } else { 0 }
}

/// Which of the places that one begins in; they follow each other.
fn begins_within<'a>(places: &'a [Range<usize>], other: &Range<usize>) -> Option<&'a Range<usize>> {
    let behind = places.partition_point(|place| place.start <= other.start);
    places[..behind].last().filter(|place| place.contains(&other.start))
}

/// A line that somebody drew.
fn is_monotonous(run: &[u8]) -> bool {
    let mut digits = run.iter().filter(|byte| is_digit(**byte));
    let first = digits.next();
    digits.all(|byte| Some(byte) == first)
}

const fn is_digit(byte: u8) -> bool {
    DIGITS[byte as usize] < SPACE
}

const fn digits() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [OTHER; 256];
    let mut value = 0u8;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table[0x0c] = SPACE;
    table[b'=' as usize] = PAD;
    table
}

// === impl Reading ===

impl Reading {
    /// By how the content begins.
    pub fn of(beginning: &[u8]) -> Self {
        let order = ByteOrder::of(beginning);
        let is_json = match order {
            Some(order) => strings::is_json(&order.narrowed(&beginning[..beginning.len().min(JSON_HEAD)])),
            None => strings::is_json(beginning),
        };
        Self { is_json, order }
    }

    /// Whether there may be anything in a piece of the content, which begins at an even place of it.
    pub fn may_find(self, piece: &[u8]) -> bool {
        self.texts(piece).any(|text| {
            if self.is_json && strings::has_files(&text) {
                return true;
            }
            let text = escapes::undone(&text);
            is_all_digits(&text)
                || DataUris::new(&text).next().is_some()
                || Runs::new(&text).any(|run| !is_monotonous(&text[run]))
                || Loose::new(&text).next().is_some()
        })
    }

    /// As it stands, and if it looks like UTF-16 as that.
    fn texts(self, content: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let narrow = self.order.map(|order| Cow::Owned(order.narrowed(content)));
        std::iter::once(Cow::Borrowed(content)).chain(narrow)
    }
}

// === impl EmbeddedPieces ===

impl EmbeddedPieces {
    /// Takes what stands as it is in strings.
    fn files(&mut self, content: &[u8], budget: &Budget) {
        for bytes in strings::files(content) {
            self.pieces.push(Embedded { bytes, labelled: true });
            if self.is_over(budget) {
                return;
            }
        }
    }

    fn search(&mut self, text: &[u8], budget: &Budget) {
        if is_all_digits(text) {
            self.run(text, budget);
            return;
        }
        let mut taken: Vec<Range<usize>> = Vec::new();
        for uri in DataUris::new(text) {
            let plain = data_uri::unescaped(&text[uri.payload.clone()]);
            let decoded = if uri.base64 { base64(&plain, budget) } else { Some(plain.into_owned()) };
            self.add(decoded, true);
            taken.push(uri.payload);
            if self.is_over(budget) {
                return;
            }
        }
        let mut runs: Vec<Range<usize>> = Vec::new();
        for place in Runs::new(text) {
            if begins_within(&taken, &place).is_some() || is_monotonous(&text[place.clone()]) {
                continue;
            }
            self.run(&text[place.clone()], budget);
            runs.push(place);
            if self.is_over(budget) {
                return;
            }
        }
        for place in Loose::new(text) {
            let is_run = begins_within(&runs, &place).is_some_and(|run| run.end >= place.end);
            if is_run || begins_within(&taken, &place).is_some() {
                continue;
            }
            let before = self.pieces.len();
            self.run(&text[place], budget);
            self.pieces[before..].iter_mut().for_each(|piece| loose::cut(&mut piece.bytes));
            if self.is_over(budget) {
                return;
            }
        }
    }

    /// Takes what is nothing but digits, white space, and what joins strings.
    fn run(&mut self, text: &[u8], budget: &Budget) {
        let text = &*joints::removed(text);
        if text.iter().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace()) {
            return self.add(hexadecimal(text, budget), false);
        }
        self.add(base64(text, budget), false);
        // All of these are digits of base64 as well: that of zeros is the letter A.
        if base32::is_all(text) {
            self.add(base32::decoded(text, budget), false);
        }
    }

    fn is_over(&mut self, budget: &Budget) -> bool {
        if budget.is_over() {
            self.defect = Some(Defect::Deadline);
        }
        self.defect.is_some()
    }

    fn add(&mut self, decoded: Option<Vec<u8>>, labelled: bool) {
        match decoded {
            None => self.defect = Some(Defect::Deadline),
            Some(bytes) if bytes.len() < MIN_BYTES => {}
            Some(bytes) => self.pieces.push(Embedded { bytes, labelled }),
        }
    }
}
