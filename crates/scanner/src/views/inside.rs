//! Pieces that stand encoded in a view: what is scanned of them, and how.

use super::{Builder, HEAD, MAX_PART_HEADER, MULTIPART_LOOKS, output_source};
use crate::sealed::Source;
use bytes::Bytes;
use icapstan_model::{FailedReason, NonScannedReason, Verdict};
use icapstan_unpack::{
    Coding, Codings, Defect, Embedded, Multipart, Reading, embedded, has_embedded, looks_like_gzip,
    looks_like_zlib,
};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Smaller pieces of no known type, pictures among them, are scanned together: pages have hundreds of icons and
/// keys, and each call of the engine has its price.
const LARGE: usize = 3 << 10;

/// Files are looked through in pieces of this size...
const WINDOW: usize = 1 << 20;
/// ... each of which begins so far before the end of the one before it: what is shorter than that, however it
/// is broken into lines and escaped, is in one of them. Even, since characters may take two bytes.
const OVERLAP: usize = 128 << 10;

// === impl Builder ===

impl Builder<'_> {
    /// The body, unless there is certainly nothing in it that [`Builder::inside`] would find.
    pub(super) fn worth_reading(&mut self, body: &Source) -> io::Result<Option<Bytes>> {
        let Source::File(file, len) = body else { return body.read().map(Some) };
        if Multipart::by_looks(&body.head(MAX_PART_HEADER)?, &MULTIPART_LOOKS).is_some() {
            return body.read().map(Some);
        }
        let mut window = vec![0; WINDOW];
        let mut from = 0;
        // The first one tells how the others are read.
        let mut reading = None;
        while from < *len {
            if Instant::now() >= self.budget.deadline || self.budget.cancelled.load(Ordering::Relaxed) {
                self.views.findings.add(Verdict::Failed(FailedReason::Time));
                return Ok(None);
            }
            let most = usize::try_from(*len - from).unwrap_or(WINDOW).min(WINDOW);
            file.read_exact_at(&mut window[..most], from)?;
            if reading.get_or_insert_with(|| Reading::of(&window[..most])).may_find(&window[..most]) {
                return body.read().map(Some);
            }
            if most < WINDOW {
                break;
            }
            from += (WINDOW - OVERLAP) as u64;
        }
        Ok(None)
    }

    /// Adds what stands encoded in `content`, which is itself inside of `depth` others.
    pub(super) fn inside(&mut self, content: &Bytes, depth: u32) -> io::Result<()> {
        if depth >= self.context.profile.max_depth {
            if has_embedded(content) {
                self.not_scanned(NonScannedReason::Depth);
            }
            return Ok(());
        }
        let found = embedded(content, &self.budget);
        if let Some(defect) = found.defect {
            self.defect(defect);
        }
        // Not as the beginning of any format.
        let mut together = vec![b'\n'];
        for piece in found.pieces {
            let is_object = is_object(&piece);
            let bytes = Bytes::from(piece.bytes);
            let inflated = self.inflated(&bytes)?;
            if !is_object {
                together.extend_from_slice(&bytes);
                together.push(b'\n');
            }
            let mut objects = Some(bytes).filter(|_| is_object).into_iter().chain(inflated);
            if !objects.try_fold(true, |goes_on, object| {
                Ok::<_, io::Error>(goes_on && self.piece(&object, depth)?)
            })? || is_object && found.defect == Some(Defect::Deadline)
            {
                break;
            }
        }
        if together.len() > 1 {
            self.push(Source::Memory(together.into()));
        }
        Ok(())
    }

    /// Adds a piece and what stands in it. Whether there may be more.
    fn piece(&mut self, bytes: &Bytes, depth: u32) -> io::Result<bool> {
        if self.is_known(bytes) {
            return Ok(true);
        }
        let Some(left) = self.pieces_left.checked_sub(1) else {
            self.not_scanned(NonScannedReason::Count);
            return Ok(false);
        };
        self.pieces_left = left;
        self.push(Source::Memory(bytes.clone()));
        self.inside(bytes, depth + 1)?;
        Ok(true)
    }

    /// What a piece holds that is a stream of zlib, which the engine does not open. What only looks like one, or
    /// is damaged, is none.
    fn inflated(&mut self, piece: &Bytes) -> io::Result<Option<Bytes>> {
        if !looks_like_zlib(piece) {
            return Ok(None);
        }
        let source = Source::Memory(piece.clone());
        let (inflated, defect) = self.decode_piece(&source, &Codings::new(&[Coding::Deflate]))?;
        if let Some(defect) = defect
            .filter(|defect| matches!(defect, Defect::OutputLimit | Defect::RatioLimit | Defect::Deadline))
        {
            self.defect(defect);
        }
        inflated.map(|source| source.read()).transpose()
    }

    /// The same for what is in a gzip file, which the engine opens, but not to look for this. What is wrong
    /// with that file is for the engine to tell.
    pub(super) fn inside_gzip(&mut self, body: &Source) -> io::Result<()> {
        if !looks_like_gzip(&body.head(HEAD)?) {
            return Ok(());
        }
        let (output, _) = self.decode(body, &Codings::new(&[Coding::Gzip]))?.into_parts();
        if let Some(packed) = output_source(output)?
            && let Some(bytes) = self.worth_reading(&packed)?
        {
            self.inside(&bytes, 1)?;
        }
        Ok(())
    }

    /// Whether it is there already: the parts of a mail are found in more than one way.
    fn is_known(&self, bytes: &Bytes) -> bool {
        let is_same = |source: &Source| matches!(source, Source::Memory(other) if other == bytes);
        self.views.sources.iter().any(is_same)
    }
}

/// Whether it is scanned by itself.
fn is_object(piece: &Embedded) -> bool {
    if piece.bytes.len() >= LARGE || is_old_tar(&piece.bytes) {
        return true;
    }
    let media_type = icapstan_sniff::media_type(&piece.bytes);
    let is_media = ["image/", "font/", "audio/", "video/"].iter().any(|kind| media_type.starts_with(kind));
    let is_script = media_type == "image/svg+xml";
    media_type != icapstan_sniff::UNKNOWN && (!is_media || is_script)
}

/// Tar files of before POSIX have nothing to be told by but the sum of the bytes in their header.
fn is_old_tar(bytes: &[u8]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    let Some(header) = bytes.first_chunk::<512>() else { return false };
    let digits = header[SUM].trim_ascii_start().iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
    let told = digits.fold(0u32, |sum, digit| sum << 3 | u32::from(digit - b'0'));
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let own: u32 = header[SUM].iter().map(|byte| u32::from(*byte)).sum();
    header[0] != 0 && told == sum - own + 8 * u32::from(b' ')
}
