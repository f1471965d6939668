//! RAR, from 1.3 to 7.

use super::MAX_DICTIONARY;
use crate::members::Members;
use icapstan_unpack::Gap;
use rars::{
    Archive, ArchiveMember, ArchiveReadOptions, ArchiveReader, Error, ErrorKind, ExtractionDecision,
    ExtractionErrorAction, ExtractionOutcome,
};
use std::fs::File;

/// Headers beyond those of the members: of services, of the archive.
const SPARE_HEADERS: u64 = 1000;
/// Plain bytes of all headers.
const HEADER_BYTES: u64 = 32 << 20;

pub(super) fn open(file: &File, members: &Members) {
    let options = ArchiveReadOptions::new()
        .with_max_header_count(2 * u64::from(members.limits().max_members) + SPARE_HEADERS)
        .with_max_header_bytes(HEADER_BYTES)
        .with_rar50_dictionary_size_limit(MAX_DICTIONARY)
        .with_max_reader_workspace_bytes(2 * MAX_DICTIONARY);
    let Ok(file) = file.try_clone() else { return members.gap(Gap::System) };
    match ArchiveReader::read_reader_with_options(file, options) {
        Ok(archive) => take_out(&archive, options, members),
        Err(error) => members.gap(match error.kind() {
            ErrorKind::ResourceLimit => Gap::Count,
            _ => of_error(&error),
        }),
    }
}

fn take_out(archive: &Archive, options: ArchiveReadOptions<'_>, members: &Members) {
    // What is solid cannot be left out: what follows is unpacked by what went before.
    let is_solid = archive.members().any(|member| member.is_solid());
    let decide = |member: &ArchiveMember| {
        let meta = &member.meta;
        if members.is_over() {
            return Ok(ExtractionDecision::Stop);
        }
        if meta.is_directory || meta.is_redirection {
            // A link has no content of its own.
            return Ok(ExtractionDecision::Skip);
        }
        let gap = if meta.is_encrypted {
            Some(Gap::Encrypted)
        } else if meta.is_split_before || meta.is_split_after {
            Some(Gap::Unsupported)
        } else {
            None
        };
        if let Some(gap) = gap {
            members.gap(gap);
            return Ok(if is_solid { ExtractionDecision::Stop } else { ExtractionDecision::Skip });
        }
        Ok(match members.begin(&meta.name) {
            Some(sink) => ExtractionDecision::Extract(Box::new(sink)),
            None => ExtractionDecision::Stop,
        })
    };
    let on_error = |_: &ArchiveMember, error: &Error| {
        // A limit that the sink ran into has its gap.
        if error.kind() != ErrorKind::Io {
            members.gap(of_error(error));
        }
        Ok(ExtractionErrorAction::Continue)
    };
    match archive.extract_with_control_and_errors(options, decide, on_error) {
        Ok(ExtractionOutcome::Complete | ExtractionOutcome::Stopped) => {}
        Err(error) if error.kind() == ErrorKind::Io => members.gap(Gap::Size),
        Err(error) => members.gap(of_error(&error)),
    }
}

fn of_error(error: &Error) -> Gap {
    // Without ciphers this is all that is said of encrypted headers.
    if matches!(error.root_cause(), Error::FeatureDisabled { .. }) {
        return Gap::Encrypted;
    }
    match error.kind() {
        ErrorKind::PasswordRequired | ErrorKind::BadPassword => Gap::Encrypted,
        ErrorKind::UnsupportedFormat | ErrorKind::UnsupportedFeature => Gap::Unsupported,
        ErrorKind::ResourceLimit => Gap::Memory,
        _ => Gap::Malformed,
    }
}
