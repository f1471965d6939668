//! 7-Zip.

use super::MAX_DICTIONARY_KIB;
use crate::members::{Members, of_error};
use icapstan_unpack::Gap;
use sevenz_rust2::{ArchiveReader, EntryDecision, Error, Password};
use std::fs::File;
use std::io::BufReader;

pub(super) fn open(file: &File, members: &Members) {
    let limit = MAX_DICTIONARY_KIB as usize;
    let reader = ArchiveReader::new_with_memory_limit(BufReader::new(file), Password::empty(), limit);
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return members.gap(of_7z_error(&error)),
    };
    // Threads are among what a worker may not have.
    reader.set_thread_count(1);
    let count = reader.archive().files.len();
    if (0..count).any(|index| reader.archive().is_file_encrypted(index)) {
        members.gap(Gap::Encrypted);
    }
    let result = reader.for_each_entries_with_decision(|entry, content| {
        if members.is_over() {
            return Ok(EntryDecision::Stop);
        }
        if entry.has_stream() && !entry.is_directory() {
            members.take(entry.name().as_bytes(), content);
        }
        Ok(if members.is_over() { EntryDecision::Stop } else { EntryDecision::Continue })
    });
    if let Err(error) = result {
        members.gap(of_7z_error(&error));
    }
}

fn of_7z_error(error: &Error) -> Gap {
    match error {
        Error::PasswordRequired | Error::MaybeBadPassword(_) => Gap::Encrypted,
        Error::UnsupportedCompressionMethod(method) if method.contains("AES") => Gap::Encrypted,
        Error::UnsupportedCompressionMethod(_)
        | Error::Unsupported(_)
        | Error::UnsupportedVersion { .. }
        | Error::ExternalUnsupported => Gap::Unsupported,
        Error::MaxMemLimited { .. } => Gap::Memory,
        Error::Io(error, _) => of_error(error),
        _ => Gap::Malformed,
    }
}
