//! What stands behind the end of a container. Its own readers do not look there, and others begin there.

use crate::members::{Members, of_error};
use icapstan_unpack::{Container, Gap};
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

/// What it is called in the log.
const NAME: &[u8] = b"behind the end";

/// End record, its comment, and the 64-bit records in front.
const ZIP_END_WITHIN: u64 = 22 + 65_535 + 4096;
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_END_LEN: usize = 22;
const ZIP_DIRECTORY: &[u8; 4] = b"PK\x01\x02";
const ZIP_LOCATOR_64: &[u8] = b"PK\x06\x07";
const ZIP_LOCATOR_64_LEN: usize = 20;

/// The headers that say where the last one of a 7z archive ends.
const SEVEN_ZIP_START: u64 = 32;

/// Where a zip file begins that a reader finds from the end.
enum Behind {
    At(u64),
    /// There is one, and it is not built as it should be.
    Somewhere,
}

/// What is left of that reader, but for zeros in front, is one more member.
pub(crate) fn rest(mut reader: impl Read, members: &Members) {
    let mut chunk = [0; 4096];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return,
            Ok(len) => {
                if let Some(first) = chunk[..len].iter().position(|&byte| byte != 0) {
                    return members.take(NAME, &mut chunk[first..len].chain(reader));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return members.gap(of_error(&error)),
        }
        if members.is_over() {
            return;
        }
    }
}

/// What stands behind a container that was taken apart, where that is not known to whoever did it.
pub(crate) fn behind(container: Container, file: &File, members: &Members) {
    if members.is_over() {
        return;
    }
    let begin = match container {
        // The directory of a zip file is sought from its end; others come with what is behind, or break there.
        Container::Zip | Container::Tar | Container::Ar | Container::Lzma | Container::Zlib => return,
        Container::SevenZip => seven_zip_end(file).map(|end| end.map(Behind::At)),
        _ => zip_behind(file),
    };
    match begin {
        Ok(None) => {}
        Ok(Some(Behind::At(begin))) => {
            let mut reader = file;
            match reader.seek(SeekFrom::Start(begin)) {
                Ok(_) => rest(reader, members),
                Err(error) => members.gap(of_error(&error)),
            }
        }
        Ok(Some(Behind::Somewhere)) => members.gap(Gap::Unsupported),
        Err(error) => members.gap(of_error(&error)),
    }
}

fn seven_zip_end(file: &File) -> io::Result<Option<u64>> {
    let mut numbers = [0; 16];
    file.read_exact_at(&mut numbers, 12)?;
    let (offset, size) = numbers.split_at(8);
    let number = |bytes: &[u8]| bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    Ok(SEVEN_ZIP_START.checked_add(number(offset)).and_then(|end| end.checked_add(number(size))))
}

fn zip_behind(file: &File) -> io::Result<Option<Behind>> {
    let len = file.metadata()?.len();
    let from = len.saturating_sub(ZIP_END_WITHIN);
    let mut end = Vec::new();
    let mut reader = file;
    reader.seek(SeekFrom::Start(from))?;
    reader.take(ZIP_END_WITHIN).read_to_end(&mut end)?;
    let number =
        |at: usize| end.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_le_bytes);
    let ends =
        (0..end.len().saturating_sub(ZIP_END_LEN - 1)).rev().filter(|&at| end[at..].starts_with(ZIP_END));
    for at in ends {
        let comment = usize::from(u16::from_le_bytes([end[at + 20], end[at + 21]]));
        if at + ZIP_END_LEN + comment != end.len() {
            continue;
        }
        let is_64 =
            at.checked_sub(ZIP_LOCATOR_64_LEN).is_some_and(|at| end[at..].starts_with(ZIP_LOCATOR_64));
        if is_64 {
            return Ok(Some(Behind::Somewhere));
        }
        let (Some(size), Some(offset)) = (number(at + 12), number(at + 16)) else { continue };
        let Some(start) = (from + at as u64).checked_sub(size.into()) else { continue };
        let mut mark = [0; 4];
        file.read_exact_at(&mut mark, start)?;
        if mark == *ZIP_DIRECTORY && size > 0 {
            // Offsets that count from the start of all say nothing of where it begins.
            let begin = start.checked_sub(offset.into()).filter(|&begin| begin > 0);
            return Ok(Some(begin.map_or(Behind::Somewhere, Behind::At)));
        }
    }
    Ok(None)
}
