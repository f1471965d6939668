//! Zip, with all ways of packing that are known.

use super::MAX_DICTIONARY;
use crate::members::{Members, of_error};
use icapstan_unpack::Gap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

type Archive<'f> = ZipArchive<BufReader<&'f File>>;

pub(super) fn open(file: &File, members: &Members) {
    let mut archive = match Archive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(error) => return members.gap(of_zip_error(&error)),
    };
    // Members that have the same name, or the same bytes, and headers that contradict each other are such
    // that every reader sees another archive.
    let is_odd = archive.has_duplicate_names()
        || archive.has_overlapping_entries().unwrap_or(true)
        || archive.validate_header_consistency().is_err();
    if is_odd {
        members.gap(Gap::Malformed);
    }
    for index in 0..archive.len() {
        if members.is_over() {
            return;
        }
        match is_closed(&mut archive, index) {
            Ok(None) => {}
            Ok(Some(gap)) => {
                members.gap(gap);
                continue;
            }
            Err(error) => {
                members.gap(of_zip_error(&error));
                continue;
            }
        }
        match archive.by_index(index) {
            Ok(member) if member.is_dir() && member.size() == 0 => {}
            Ok(mut member) => {
                let name = member.name_raw().to_vec();
                members.take(&name, &mut member);
            }
            Err(error) => members.gap(of_zip_error(&error)),
        }
    }
}

/// Why a member is not even begun.
fn is_closed(archive: &mut Archive<'_>, index: usize) -> Result<Option<Gap>, ZipError> {
    let mut raw = archive.by_index_raw(index)?;
    if raw.encrypted() {
        return Ok(Some(Gap::Encrypted));
    }
    if raw.compression() != CompressionMethod::LZMA {
        return Ok(None);
    }
    // The decoder takes as much memory as the member asks for. Two bytes of version, two of length, the properties, the size of the dictionary.
    let mut start = [0; 9];
    raw.read_exact(&mut start)?;
    let dictionary = u32::from_le_bytes([start[5], start[6], start[7], start[8]]);
    Ok((u64::from(dictionary) > MAX_DICTIONARY).then_some(Gap::Memory))
}

fn of_zip_error(error: &ZipError) -> Gap {
    match error {
        ZipError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Gap::Malformed,
        ZipError::Io(error) => of_error(error),
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            Gap::Encrypted
        }
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => Gap::Unsupported,
        _ => Gap::Malformed,
    }
}
