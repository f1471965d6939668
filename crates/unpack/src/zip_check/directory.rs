//! Where the directory is, and its entries one by one (APPNOTE.TXT 6.3.10, sections 4.3.12 to 4.3.16 and 4.5.3).

use super::Bytes;
use memchr::memmem;
use std::io;

const END: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const CENTRAL: &[u8] = b"PK\x01\x02";
const CENTRAL_LEN: usize = 46;
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const LOCATOR_64_LEN: usize = 20;
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LEN: usize = 56;
/// The extra field with the numbers that do not fit.
const EXTRA_64: u16 = 1;

/// Most have no comment, so that the end record is here...
const SHORT_TAIL: usize = 1 << 10;
/// ... and none is farther away.
const LONG_TAIL: usize = END_LEN + u16::MAX as usize + LOCATOR_64_LEN;

/// A file is read in pieces of this size, none of which is smaller than an entry.
const PIECE: usize = 256 << 10;

const ENCRYPTED: u16 = 1;

/// A directory on its way to its end.
pub(super) struct Directory {
    start: u64,
    /// How much stands in front of the zip file that offsets do not count.
    shift: u64,
    /// The next entry.
    at: u64,
    end: u64,
    piece: Vec<u8>,
    /// Where the piece begins, and ends.
    from: u64,
    upto: u64,
}

/// A member as the directory tells of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) packed: u64,
    pub(super) unpacked: u64,
    /// Of its local header, in the file.
    pub(super) start: u64,
    pub(super) is_encrypted: bool,
}

// === impl Directory ===

impl Directory {
    /// The one in front of the last end record whose comment fits in what is behind it.
    pub(super) fn find(input: &Bytes<'_>) -> io::Result<Option<Self>> {
        for tail in [SHORT_TAIL, LONG_TAIL] {
            let from = input.len().saturating_sub(tail as u64);
            let mut buffer = Vec::new();
            let bytes = input.at(from, tail, &mut buffer)?;
            let fits = |&at: &usize| {
                let comment = u16_at(bytes, at + 20).map(usize::from);
                comment.is_some_and(|comment| at + END_LEN + comment <= bytes.len())
            };
            if let Some(at) = memmem::rfind_iter(bytes, END).find(fits) {
                let record = &bytes[at..];
                let locator = at.checked_sub(LOCATOR_64_LEN).map(|at| &bytes[at..]);
                return Self::new(input, from + at as u64, record, locator);
            }
            if from == 0 {
                break;
            }
        }
        Ok(None)
    }

    fn new(input: &Bytes<'_>, at: u64, record: &[u8], locator: Option<&[u8]>) -> io::Result<Option<Self>> {
        let (Some(len), Some(start)) = (u32_at(record, 12), u32_at(record, 16)) else { return Ok(None) };
        let (mut end, mut len, mut start) = (at, u64::from(len), u64::from(start));
        if let Some(locator) = locator.filter(|locator| locator.starts_with(LOCATOR_64)) {
            let mut buffer = Vec::new();
            let end_64 = at.saturating_sub((LOCATOR_64_LEN + END_64_LEN) as u64);
            // Right in front of the locator, or where that says.
            for place in [Some(end_64), u64_at(locator, 8)].into_iter().flatten() {
                let record = input.at(place, END_64_LEN, &mut buffer)?;
                if let (true, Some(len_64), Some(start_64)) =
                    (record.starts_with(END_64), u64_at(record, 40), u64_at(record, 48))
                {
                    (end, len, start) = (place, len_64, start_64);
                    break;
                }
            }
        }
        // Right in front of its end: then that is where offsets count from. Else where it is said to be.
        let mut buffer = Vec::new();
        for place in [end.checked_sub(len), Some(start)].into_iter().flatten() {
            if place < end && input.at(place, CENTRAL.len(), &mut buffer)? == CENTRAL {
                let shift = place.saturating_sub(start);
                let piece = Vec::new();
                return Ok(Some(Self {
                    start: place,
                    shift,
                    at: place,
                    end,
                    piece,
                    from: place,
                    upto: place,
                }));
            }
        }
        Ok(None)
    }

    /// Where members end.
    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    /// The next entry; `None` behind the last one.
    pub(super) fn next(&mut self, input: &Bytes<'_>) -> io::Result<Option<Entry>> {
        // A whole entry: three of its parts may be 64 KiB long.
        let most = CENTRAL_LEN as u64 + 3 * u64::from(u16::MAX);
        if self.at + most > self.upto && self.upto < self.end {
            self.from = self.at;
            let len = usize::try_from(self.end - self.at).unwrap_or(PIECE).min(PIECE);
            self.upto = self.at + len as u64;
            self.piece.clear();
        }
        let Self { piece, from, upto, at, .. } = self;
        let len = usize::try_from(*upto - *from).unwrap_or(PIECE);
        let bytes = if piece.is_empty() { input.at(*from, len, piece)? } else { piece.as_slice() };
        let skip = usize::try_from(*at - *from).unwrap_or(usize::MAX);
        let Some(header) = bytes.get(skip..).filter(|header| header.starts_with(CENTRAL)) else {
            return Ok(None);
        };
        let number = |at| u16_at(header, at).map(usize::from);
        let (Some(name), Some(extra), Some(comment), Some(offset)) =
            (number(28), number(30), number(32), u32_at(header, 42))
        else {
            return Ok(None);
        };
        let extra = header.get(CENTRAL_LEN + name..).map(|rest| &rest[..extra.min(rest.len())]);
        let mut wide = Wide::new(extra.unwrap_or_default());
        let unpacked = wide.or(u32_at(header, 24).unwrap_or(0));
        let packed = wide.or(u32_at(header, 20).unwrap_or(0));
        let start = wide.or(offset).saturating_add(self.shift);
        self.at += (CENTRAL_LEN + name + number(30).unwrap_or(0) + comment) as u64;
        let is_encrypted = u16_at(header, 8).is_some_and(|flags| flags & ENCRYPTED != 0);
        Ok(Some(Entry { packed, unpacked, start, is_encrypted }))
    }
}

/// The numbers in the extra field of an entry, which stand there in the order in which they are missed.
struct Wide<'a>(&'a [u8]);

// === impl Wide ===

impl<'a> Wide<'a> {
    fn new(mut extra: &'a [u8]) -> Self {
        while let (Some(kind), Some(len)) = (u16_at(extra, 0), u16_at(extra, 2)) {
            let Some((field, rest)) = extra[4..].split_at_checked(usize::from(len)) else { break };
            if kind == EXTRA_64 {
                return Self(field);
            }
            extra = rest;
        }
        Self(&[])
    }

    fn or(&mut self, narrow: u32) -> u64 {
        if narrow == u32::MAX
            && let Some((number, rest)) = self.0.split_first_chunk::<8>()
        {
            self.0 = rest;
            return u64::from_le_bytes(*number);
        }
        u64::from(narrow)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
