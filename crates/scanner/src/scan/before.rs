//! What is told of a view without an engine.
//!
//! ```text
//!  view ─▶ a zip file? ─▶ its directory: too many members, too large ones, ones that share bytes
//!       └─▶ an engine that tells nothing of what it leaves closed? ─▶ encryption, formats, how zip files are built
//! ```
//!
//! An engine is asked all the same: what is too much as a whole may hold what it knows.

use super::{INLINE_COPY, Session, in_thread, members};
use crate::judge;
use crate::sealed::Source;
use icapstan_clamav_wire::layers::{self, Kind, Structure};
use icapstan_model::{Findings, NonScannedReason, Verdict};
use icapstan_unpack::{Container, Input, ZipLimits, zip_check};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How a zip file ends, and how long its end is without a comment.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_END_LEN: usize = 22;

/// What there is to ask.
#[derive(Clone, Copy)]
struct Questions {
    /// How much a zip file may hold, if it is one.
    zip: Option<ZipLimits>,
    /// The engine does not tell what it leaves closed.
    closed: bool,
}

// === impl Session ===

impl Session<'_> {
    /// What is known of a view before the engine sees it.
    pub(super) async fn before(&mut self, view: &Arc<Source>, head: &[u8]) -> io::Result<Findings> {
        let is_zip = self.profile.unpack.archives && is_zip(view, head)?;
        let limits = ZipLimits {
            max_members: self.profile.max_files,
            max_member: self.profile.max_object_size,
            max_total: self.profile.max_total_size,
            max_ratio: judge::MAX_RATIO,
        };
        let closed = !self.engine.tells_what_it_leaves_closed();
        let questions = Questions { zip: is_zip.then_some(limits), closed };
        match &**view {
            _ if !is_zip && !closed => Ok(Findings::clean()),
            Source::Memory(bytes) if bytes.len() as u64 <= INLINE_COPY => questions.ask(view),
            _ => {
                let view = view.clone();
                in_thread(&self.ticket, move |_| questions.ask(&view)).await
            }
        }
    }
}

// === impl Questions ===

impl Questions {
    fn ask(self, view: &Source) -> io::Result<Findings> {
        let mut findings = Findings::clean();
        if let Some(limits) = &self.zip {
            let input = match view {
                Source::Memory(bytes) => Input::Memory(bytes),
                Source::File(file, len) => Input::File { file, len: *len },
            };
            if let Some(check) = zip_check(input, limits)? {
                for gap in check.gaps.iter() {
                    findings.add(members::verdict(gap, view.len(), check.exceeded));
                }
                if check.is_bomb {
                    findings.add(Verdict::NonScanned(NonScannedReason::Ratio));
                }
            }
        }
        if self.closed {
            let bytes = view.read()?;
            for reason in closed(&bytes, self.zip.is_some()) {
                findings.add(Verdict::NonScanned(reason));
            }
        }
        Ok(findings)
    }
}

/// What libclamav does not open of these bytes, or reads otherwise than others do.
fn closed(bytes: &[u8], is_zip: bool) -> impl Iterator<Item = NonScannedReason> {
    let by_kind = match layers::classify(b"", bytes) {
        Kind::Ok => None,
        Kind::Unsupported | Kind::Ignored => Some(NonScannedReason::Unsupported),
        Kind::Encrypted => Some(NonScannedReason::Encrypted),
    };
    let is_plain_zip = is_zip && Container::of(bytes) == Some(Container::Zip);
    let by_structure = match is_plain_zip.then(|| layers::structure(b"ZIP", bytes)) {
        None | Some(Structure::Plain) => None,
        Some(Structure::Ambiguous) => Some(NonScannedReason::Malformed),
        Some(Structure::Unsupported | Structure::UnsupportedAndEncrypted) => {
            Some(NonScannedReason::Unsupported)
        }
        Some(Structure::Encrypted) => Some(NonScannedReason::Encrypted),
    };
    by_kind.into_iter().chain(by_structure)
}

/// By how it begins, or ends.
fn is_zip(view: &Source, head: &[u8]) -> io::Result<bool> {
    if Container::of(head) == Some(Container::Zip) || head.starts_with(ZIP_END) {
        return Ok(true);
    }
    let mut end = [0; ZIP_END.len()];
    let Some(at) = view.len().checked_sub(ZIP_END_LEN as u64) else { return Ok(false) };
    match view {
        Source::Memory(bytes) => Ok(bytes[bytes.len() - ZIP_END_LEN..].starts_with(ZIP_END)),
        Source::File(file, _) => {
            file.read_exact_at(&mut end, at)?;
            Ok(end == ZIP_END)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NonScannedReason::{Count, Encrypted, Malformed, Ratio, Size, Unsupported};

    const LIMITS: ZipLimits =
        ZipLimits { max_members: 10, max_member: 1 << 20, max_total: 4 << 20, max_ratio: judge::MAX_RATIO };

    fn asked(bytes: &[u8], closed: bool) -> Vec<Verdict> {
        let view = Source::Memory(bytes.to_vec().into());
        let zip = is_zip(&view, &view.head(512).unwrap()).unwrap().then_some(LIMITS);
        let findings = Questions { zip, closed }.ask(&view).unwrap();
        let sealed = crate::sealed::memory(b"", bytes).unwrap();
        let file = Source::File(Arc::new(sealed.into()), bytes.len() as u64);
        assert_eq!(is_zip(&file, &file.head(512).unwrap()).unwrap(), zip.is_some());
        assert_eq!(Questions { zip, closed }.ask(&file).unwrap(), findings, "from a file");
        findings.iter().cloned().collect()
    }

    fn not(reasons: &[NonScannedReason]) -> Vec<Verdict> {
        reasons.iter().map(|reason| Verdict::NonScanned(*reason)).collect()
    }

    /// A zip file whose directory names one member so often, and says that it is so large.
    fn zip(times: u16, unpacked: u32) -> Vec<u8> {
        let zip = crate::archive::zip("a", b"some content").unwrap();
        let at = zip.len() - 22 - 47;
        let (members, rest) = zip.split_at(at);
        let (mut entry, mut end) = (rest[..47].to_vec(), rest[47..].to_vec());
        entry[24..28].copy_from_slice(&unpacked.to_le_bytes());
        let directory = entry.repeat(times.into());
        end[8..10].copy_from_slice(&times.to_le_bytes());
        end[10..12].copy_from_slice(&times.to_le_bytes());
        end[12..16].copy_from_slice(&u32::try_from(directory.len()).unwrap().to_le_bytes());
        [members, &directory, &end].concat()
    }

    #[test]
    fn what_a_directory_tells_has_its_reason_and_an_everyday_file_has_none() {
        for (times, unpacked, expected) in [
            (1, 12, &[][..]),
            (2, 12, &[Malformed]),
            (11, 12, &[Count, Malformed]),
            // Of a file of about a hundred bytes nobody expects a megabyte.
            (1, (1 << 20) + 1, &[Ratio]),
            (9, 1 << 20, &[Ratio, Malformed]),
        ] {
            let found = asked(&zip(times, unpacked), false);
            let mut wanted = Findings::clean();
            for verdict in not(expected) {
                wanted.add(verdict);
            }
            assert_eq!(found, wanted.iter().cloned().collect::<Vec<_>>(), "{times} {unpacked}");
        }
        // A large file may well hold that much: it is only too much.
        let mut large = vec![b'x'; 200_000];
        large.extend(zip(1, (1 << 20) + 1));
        assert_eq!(asked(&large, false), not(&[Size]));
        assert_eq!(asked(b"some text", true), [Verdict::Clean]);
        assert_eq!(asked(b"", true), [Verdict::Clean]);
    }

    #[test]
    fn what_an_engine_does_not_tell_is_told_for_it() {
        let encrypted = crate::archive::encrypted_zip("a", b"some content").unwrap();
        for (bytes, reason) in [
            (encrypted, Encrypted),
            (b"Salted__........".to_vec(), Encrypted),
            (b"SQLite format 3\0".to_vec(), Unsupported),
            ([zip(1, 12), zip(1, 12)].concat(), Malformed),
        ] {
            assert_eq!(asked(&bytes, true), not(&[reason]));
            assert_eq!(asked(&bytes, false), [Verdict::Clean]);
        }
    }
}
