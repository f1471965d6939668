//! Whether libclamav and every other reader see the same members in a zip file.
//!
//! libclamav 1.4 takes the last end record whose directory offset lies inside the file, reads the
//! directory from there, and nothing else: it does not ask whether the offset leads to a directory,
//! and then finds no members and calls the file clean. Others reckon the offset anew from the end
//! record's place (zip files behind other data), go by the length of the comment, or read the local
//! headers from the start. All of them agree about a file that is built as the writers build it, so
//! such a file is what is asked for: members, one directory that names them all, one end record
//! (APPNOTE.TXT 6.3.10, section 4.3.6). What the members hold is not searched: zip files inside
//! zip files are common.

use super::{
    CENTRAL, CENTRAL_LEN, ENCRYPTED, END, END_64, END_LEN, IN_64, LAST_VERSION, LOCAL, LOCATOR_64,
    LOCATOR_64_LEN, MASKED, SIZES_FOLLOW,
};
use crate::layers::{Structure, find, is_at, u16_at, u32_at, u64_at};

const LOCAL_LEN: usize = 30;
/// The record that may follow the directory's headers.
const SIGNATURE: &[u8] = b"PK\x05\x05";

const IN_64_SHORT: u16 = u16::MAX;

const STORED: u16 = 0;

/// A member as libclamav sees it.
struct Member {
    start: usize,
    end: usize,
}

/// Judges the bytes of a whole file.
pub(in crate::layers) fn structure(bytes: &[u8]) -> Structure {
    match members(bytes) {
        Ok(()) => Structure::Plain,
        Err(structure) => structure,
    }
}

fn members(bytes: &[u8]) -> Result<(), Structure> {
    let (at, start) = end_record(bytes)?;
    let mut members = Vec::new();
    let mut next = start;
    let mut count: usize = 0;
    while is_at(bytes, next, CENTRAL) {
        let (member, len) = member(bytes, next, start)?;
        members.push(member);
        next += len;
        count += 1;
    }
    agree(bytes, at, start, next, count)?;

    members.sort_unstable_by_key(|member| member.start);
    let mut end = 0;
    for member in members {
        // Members that share bytes: few bytes that unpack to many are said over and over.
        if member.start < end {
            return Err(Structure::Ambiguous);
        }
        nothing_between(&bytes[end..member.start])?;
        end = end.max(member.end);
    }
    nothing_between(&bytes[end..start])?;
    no_other_end(bytes, end..start, at)?;
    no_other_end(bytes, next..at, at)?;
    let tail = at + END_LEN;
    nothing_between(&bytes[tail..])?;
    no_other_end(bytes, tail..bytes.len(), at)
}

/// The end record that libclamav goes by, and where its directory starts.
fn end_record(bytes: &[u8]) -> Result<(usize, usize), Structure> {
    let mut upto = bytes.len().saturating_sub(END_LEN - END.len());
    while let Some(at) = rfind(&bytes[..upto], END) {
        let Some(start) = u32_at(bytes, at + 16) else { break };
        if start == IN_64 && at.checked_sub(LOCATOR_64_LEN).is_some_and(|at| is_at(bytes, at, LOCATOR_64)) {
            return Err(Structure::Unsupported);
        }
        let start = start as usize;
        if start.saturating_add(CENTRAL_LEN) <= bytes.len() {
            return if start < at && is_at(bytes, start, CENTRAL) {
                Ok((at, start))
            } else {
                Err(Structure::Ambiguous)
            };
        }
        upto = at;
    }
    Err(Structure::Ambiguous)
}

/// The member of a directory header, and the length of that header.
fn member(bytes: &[u8], at: usize, directory: usize) -> Result<(Member, usize), Structure> {
    let central16 = |offset| u16_at(bytes, at + offset).ok_or(Structure::Ambiguous);
    let central32 = |offset| u32_at(bytes, at + offset).ok_or(Structure::Ambiguous);
    let lens = [central16(28)?, central16(30)?, central16(32)?];
    let len = CENTRAL_LEN + lens.into_iter().map(usize::from).sum::<usize>();

    let offset = central32(42)?;
    if offset == IN_64 {
        return Err(Structure::Unsupported);
    }
    let start = offset as usize;
    if !is_at(bytes, start, LOCAL) || start >= directory {
        return Err(Structure::Ambiguous);
    }
    let local16 = |offset| u16_at(bytes, start + offset).ok_or(Structure::Ambiguous);
    let local32 = |offset| u32_at(bytes, start + offset).ok_or(Structure::Ambiguous);
    let (flags, method) = (local16(6)?, local16(8)?);
    let (packed, unpacked) = (central32(20)?, central32(24)?);
    // libclamav goes by the local header, except for sizes that follow the data; most go by the directory.
    if flags & SIZES_FOLLOW == 0 {
        let local_packed = local32(18)?;
        if local_packed == IN_64 && packed != 0 {
            return Err(Structure::Unsupported);
        }
        if local_packed != packed {
            return Err(Structure::Ambiguous);
        }
    }
    if packed == IN_64 {
        return Err(Structure::Unsupported);
    }
    let is_odd_store = method == STORED && flags & ENCRYPTED == 0 && packed != unpacked;
    if method != central16(10)? || flags & MASKED != 0 || is_odd_store {
        return Err(Structure::Ambiguous);
    }
    let header = LOCAL_LEN + usize::from(local16(26)?) + usize::from(local16(28)?);
    let end = start.saturating_add(header).saturating_add(packed as usize);
    if end > directory {
        return Err(Structure::Ambiguous);
    }
    Ok((Member { start, end }, len))
}

/// Whether the end record says of the directory what was found: `count` headers from `start` to `end`.
fn agree(bytes: &[u8], at: usize, start: usize, end: usize, count: usize) -> Result<(), Structure> {
    let is_64 = at.checked_sub(LOCATOR_64_LEN).filter(|&at| is_at(bytes, at, LOCATOR_64));
    if let Some(locator) = is_64 {
        let record = u64_at(bytes, locator + 8).and_then(|at| usize::try_from(at).ok());
        let Some(record) = record.filter(|&record| is_at(bytes, record, END_64)) else {
            return Err(Structure::Ambiguous);
        };
        let is = |offset, number: usize| u64_at(bytes, record.saturating_add(offset)) == Some(number as u64);
        if record < end || !is(32, count) || !is(40, end - start) || !is(48, start) {
            return Err(Structure::Ambiguous);
        }
    }
    let told = u16_at(bytes, at + 10).ok_or(Structure::Ambiguous)?;
    let size = u32_at(bytes, at + 12).ok_or(Structure::Ambiguous)?;
    // Writers without the extension let the count run over.
    let is_count = usize::from(told) == count & 0xffff || is_64.is_some() && told == IN_64_SHORT;
    let is_size = size as usize == end - start || is_64.is_some() && size == IN_64;
    let is_followed = end == at || end < at && (is_at(bytes, end, END_64) || is_at(bytes, end, SIGNATURE));
    if is_count && is_size && is_followed { Ok(()) } else { Err(Structure::Ambiguous) }
}

/// Outside members and directory no header of a member may stand.
fn nothing_between(gap: &[u8]) -> Result<(), Structure> {
    let mut from = 0;
    while let Some(at) = find(gap, LOCAL, from) {
        let version = u16_at(gap, at + 4).unwrap_or(0);
        if version & 0xff <= LAST_VERSION && u16_at(gap, at + 26).is_none_or(|len| len > 0) {
            return Err(Structure::Ambiguous);
        }
        from = at + 1;
    }
    Ok(())
}

/// Nor another end record with a directory, counted from the start of the file or from its own place.
fn no_other_end(bytes: &[u8], within: std::ops::Range<usize>, at: usize) -> Result<(), Structure> {
    let mut from = within.start;
    while let Some(other) = find(&bytes[..within.end], END, from) {
        let start = u32_at(bytes, other + 16).is_some_and(|start| is_at(bytes, start as usize, CENTRAL));
        let back = u32_at(bytes, other + 12)
            .and_then(|size| other.checked_sub(size as usize))
            .is_some_and(|start| is_at(bytes, start, CENTRAL));
        let is_64 = other.checked_sub(LOCATOR_64_LEN).is_some_and(|at| is_at(bytes, at, LOCATOR_64));
        if other != at && (start || back || is_64) {
            return Err(Structure::Ambiguous);
        }
        from = other + 1;
    }
    Ok(())
}

fn rfind(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).rposition(|window| window == needle)
}
