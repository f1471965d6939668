//! The directories of a zip file, as readers that look from the end find them.

use super::{
    CENTRAL, CENTRAL_LEN, END, END_64, END_LEN, IN_64, LOCAL, LOCATOR_64, LOCATOR_64_LEN, SIZES_FOLLOW,
};
use crate::layers::{find, is_at, u16_at, u32_at, u64_at};

/// How far in front of its locator the 64-bit end record is sought: it may have data of unknown use.
const END_64_WITHIN: usize = 4096;

/// A place where an end record close to the end of the file leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) start: usize,
    /// No header begins here or later.
    pub(super) end: usize,
    /// What stands in front of the zip file: offsets are short by so much.
    before: usize,
    /// The comment of the end record reaches just to the end of the file.
    pub(super) is_last: bool,
}

/// A header of the directory, and the local one that it leads to.
pub(super) struct Header {
    /// Flags and method.
    pub(super) told: (u16, u16),
    /// Of the local header, if one stands there.
    pub(super) local: Option<(u16, u16)>,
    /// Neither header names any bytes.
    pub(super) is_empty: bool,
    /// The sizes of the two are the same, and stand in the header of the member.
    pub(super) is_sized: bool,
}

pub(super) fn directories(bytes: &[u8]) -> impl Iterator<Item = Directory> {
    let mut from = bytes.len().saturating_sub(END_LEN + usize::from(u16::MAX));
    std::iter::from_fn(move || {
        let at = find(bytes, END, from)?;
        from = at + 1;
        Some(led_to(bytes, at).into_iter().flatten())
    })
    .flatten()
}

/// What the end record there leads to, by each way of reckoning that a reader has.
fn led_to(bytes: &[u8], at: usize) -> [Option<Directory>; 4] {
    let mut found = [None; 4];
    let comment = u16_at(bytes, at + 20).map(usize::from);
    let is_last = comment == Some(bytes.len().saturating_sub(at + END_LEN));
    let (Some(size), Some(offset)) = (u32_at(bytes, at + 12), u32_at(bytes, at + 16)) else { return found };
    let short = |number: u32| (number != IN_64).then_some(number as usize);
    let is_directory = |start: usize| start < at && is_at(bytes, start, CENTRAL);
    // Counted from the end record, that is, what stands in front is what the offset is short by.
    let back = |end: usize, size: Option<usize>, offset: Option<usize>| {
        let start = end.checked_sub(size?).filter(|&start| is_directory(start))?;
        Some(Directory { start, end: at, before: start.saturating_sub(offset.unwrap_or(start)), is_last })
    };
    // Counted from the start of the file.
    let from_start = short(offset).filter(|&start| is_directory(start));
    found[0] = back(at, short(size), short(offset));
    found[1] = from_start.map(|start| Directory { start, end: at, before: 0, is_last });
    if let Some(end_64) = end_64(bytes, at) {
        let long = |place| u64_at(bytes, end_64 + place).and_then(|number| usize::try_from(number).ok());
        found[2] = back(end_64, long(40), long(48));
        found[3] = back(end_64, short(size), short(offset));
    }
    for index in 1..found.len() {
        if found[..index].contains(&found[index]) {
            found[index] = None;
        }
    }
    found
}

/// The 64-bit end record in front of that end record.
fn end_64(bytes: &[u8], at: usize) -> Option<usize> {
    let locator = at.checked_sub(LOCATOR_64_LEN).filter(|&at| is_at(bytes, at, LOCATOR_64))?;
    let told = u64_at(bytes, locator + 8).and_then(|at| usize::try_from(at).ok());
    let from = locator.saturating_sub(END_64_WITHIN);
    let near = || bytes[from..locator].windows(END_64.len()).rposition(|window| window == END_64);
    told.filter(|&at| at < locator && is_at(bytes, at, END_64)).or_else(|| near().map(|near| from + near))
}

/// The headers of a directory; `left` bounds how many there can be in all that are asked for.
pub(super) fn headers<'a>(
    bytes: &'a [u8],
    directory: &Directory,
    left: &'a mut usize,
) -> impl Iterator<Item = Header> + 'a {
    let Directory { start, end, before, .. } = *directory;
    let mut at = start;
    std::iter::from_fn(move || {
        if at >= end || !is_at(bytes, at, CENTRAL) || *left == 0 {
            return None;
        }
        *left -= 1;
        let (header, number) = (at, |place: usize| u16_at(bytes, at + place).map_or(0, usize::from));
        let behind = at + CENTRAL_LEN + number(28) + number(30) + number(32);
        at = behind;
        header_at(bytes, header, before).or(Some(Header {
            told: (0, 0),
            local: None,
            is_empty: true,
            is_sized: true,
        }))
    })
}

fn header_at(bytes: &[u8], at: usize, before: usize) -> Option<Header> {
    let told = (u16_at(bytes, at + 8)?, u16_at(bytes, at + 10)?);
    let (packed, offset) = (u32_at(bytes, at + 20)?, u32_at(bytes, at + 42)?);
    let local = (offset as usize).saturating_add(before);
    let number = |place: usize| u16_at(bytes, local.saturating_add(place));
    let is_there = is_at(bytes, local, LOCAL);
    let own = number(6).zip(number(8)).filter(|_| is_there);
    let own_packed = u32_at(bytes, local.saturating_add(18)).filter(|_| is_there);
    let follows = own.is_some_and(|(flags, _)| flags & SIZES_FOLLOW != 0);
    Some(Header {
        told,
        local: own,
        is_empty: packed == 0,
        is_sized: offset != IN_64
            && packed != IN_64
            && !follows
            && own_packed.is_none_or(|own| own == packed),
    })
}
