//! What the directory of a zip file tells of it, before anybody unpacks anything.
//!
//! Only the end of the file and its directory are read, once, so that it takes time in proportion to the number of
//! members. A member is what the directory names; whether local headers agree is for others to ask.

mod directory;

use crate::{Gap, Gaps, Input};
use directory::{Directory, Entry};
use std::io;
use std::os::unix::fs::FileExt;

/// So few bytes are looked at by no engine, and are no reason for anything.
const HARMLESS_LEN: u64 = 5;

/// A local header without name and extra field (APPNOTE.TXT 6.3.10, section 4.3.7).
const LOCAL_LEN: u64 = 30;

/// How much a zip file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZipLimits {
    /// Members that are not empty.
    pub max_members: u32,
    /// Bytes of each member.
    pub max_member: u64,
    /// Bytes of all members.
    pub max_total: u64,
    /// How many times larger than the file its members may be together, if they share bytes.
    pub max_ratio: u32,
}

/// What there is to say of a zip file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZipCheck {
    /// Why it cannot be looked at wholly: [`Gap::Count`]; [`Gap::Size`], and by what number; [`Gap::Malformed`] where
    /// members share bytes or lie elsewhere than in the file.
    pub gaps: Gaps,
    /// The limit of [`Gap::Size`]: that of one member, or of all.
    pub exceeded: u64,
    /// The members share bytes and unpack to more than [`ZipLimits::max_ratio`] times the size of the file: somebody
    /// built it to cost whoever opens it.
    pub is_bomb: bool,
}

/// Looks at the directory; `None` if there is none that a reader would go by.
///
/// Fails if the input cannot be read.
pub fn zip_check(input: Input<'_>, limits: &ZipLimits) -> io::Result<Option<ZipCheck>> {
    let input = Bytes::new(input);
    let Some(mut directory) = Directory::find(&input)? else { return Ok(None) };
    let mut check = ZipCheck::default();
    let mut members: u32 = 0;
    let mut total: u64 = 0;
    let mut overlap = Overlap::default();
    while let Some(entry) = directory.next(&input)? {
        let Entry { packed, unpacked, start, is_encrypted } = entry;
        let end = start.saturating_add(LOCAL_LEN).saturating_add(packed);
        if end > directory.start() {
            check.gaps.add(Gap::Malformed);
        } else {
            overlap.add(start, end);
        }
        if is_encrypted || unpacked <= HARMLESS_LEN {
            continue;
        }
        members = members.saturating_add(1);
        total = total.saturating_add(unpacked);
        if unpacked > limits.max_member {
            check.gaps.add(Gap::Size);
            check.exceeded = limits.max_member;
        }
        if members > limits.max_members {
            check.gaps.add(Gap::Count);
            // Nobody looks at the rest.
            break;
        }
    }
    if total > limits.max_total && !check.gaps.has(Gap::Size) {
        check.gaps.add(Gap::Size);
        check.exceeded = limits.max_total;
    }
    if overlap.found() {
        check.gaps.add(Gap::Malformed);
        let most = input.len().saturating_mul(limits.max_ratio.into());
        check.is_bomb = total > most.max(crate::FREE_OUTPUT);
    }
    Ok(Some(check))
}

/// Whether members share bytes. Sixteen bytes are kept for each of the forty-six that its entry has at least.
#[derive(Default)]
struct Overlap {
    spans: Vec<(u64, u64)>,
    /// Where the last one ends.
    end: u64,
    /// Writers put members one behind the other, in the order of the directory: not so here.
    is_odd: bool,
}

/// An input that is read by position.
pub(crate) struct Bytes<'a>(Input<'a>);

// === impl Overlap ===

impl Overlap {
    fn add(&mut self, start: u64, end: u64) {
        self.spans.push((start, end));
        self.is_odd |= start < self.end;
        self.end = end;
    }

    fn found(mut self) -> bool {
        if !self.is_odd {
            return false;
        }
        self.spans.sort_unstable();
        self.spans.windows(2).any(|pair| pair[1].0 < pair[0].1)
    }
}

// === impl Bytes ===

impl<'a> Bytes<'a> {
    pub(crate) const fn new(input: Input<'a>) -> Self {
        Self(input)
    }

    pub(crate) const fn len(&self) -> u64 {
        match self.0 {
            Input::Memory(bytes) => bytes.len() as u64,
            Input::File { len, .. } => len,
        }
    }

    /// So many bytes from there, or as many as there are; in `buffer` if they are not in memory.
    pub(crate) fn at<'b>(&'b self, at: u64, len: usize, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        let len = usize::try_from(self.len().saturating_sub(at)).unwrap_or(len).min(len);
        match self.0 {
            Input::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Ok(&bytes[from..from + len])
            }
            Input::File { file, .. } => {
                buffer.resize(len, 0);
                file.read_exact_at(buffer, at)?;
                Ok(buffer)
            }
        }
    }
}

#[cfg(test)]
mod tests;
