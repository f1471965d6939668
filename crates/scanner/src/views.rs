//! What of an object the engine is given: what a reader would see.
//!
//! ```text
//!  object ─▶ content codings undone ─▶ body ─┬─▶ the body itself
//!     │ label and bytes disagree,            └─▶ forms and mail: each part, encoded and decoded
//!     │ or a coding passes over some         each of these ─▶ base64 and data: URIs in it, decoded
//!     └─▶ the raw bytes, too
//! ```

mod forms;
mod inside;

use icapstan_clamav_wire::layers::{self, Kind};
use icapstan_model::{
    Content, FailedReason, Findings, NonScannedReason, Object, ScanContext, ScanProfile, Verdict,
};
use icapstan_unpack::{
    Budget, Codings, Decoded, Defect, Input, Multipart, MultipartLimits, Output, Spill, Urlencoded, decode,
    has_embedded, looks_like_gzip, sniff,
};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use crate::judge::MAX_RATIO;
use crate::sealed::{self, Source};

/// Objects of up to this many bytes are not looked at by libclamav, and hold nothing.
pub(crate) const HARMLESS_LEN: u64 = 5;

/// Decoded forms beyond this go to a file in memory that can be handed on as it is.
const SPILL: usize = 1 << 20;

/// Codings over each other. Nobody has a use for more than two.
const MAX_CODINGS: usize = 5;

/// Larger objects are looked into where it holds up nobody.
const INLINE_LOOK: usize = 64 << 10;

const MAX_PART_HEADER: usize = 16 << 10;
const MAX_MULTIPART_DEPTH: usize = 5;

/// For telling whether something looks like a multipart body.
const MULTIPART_LOOKS: MultipartLimits =
    MultipartLimits { max_parts: 1, max_header_bytes: MAX_PART_HEADER, max_depth: 1 };

/// Forms that one body is read as. With more than one its type is in doubt anyway.
const MAX_FORMS: usize = 4;
/// Commas in one line that are looked behind. Nobody has a use for more than one.
const MAX_COMMAS: usize = 64;
/// So many parts of a message, and as many pieces that are encoded in it, are looked at, whatever `max_files` says.
const MAX_PIECES: usize = 2000;

/// What the format of an object is told by.
pub(crate) const HEAD: usize = 512;

/// In front of objects of formats that libclamav leaves out altogether, or in part, so that it looks at
/// their bytes. It knows one of these formats by what stands anywhere within the first 128 bytes.
pub(crate) const COVER: &[u8] = &[b'\n'; 256];

/// What is to be scanned, and what is known already.
#[derive(Debug)]
pub(crate) struct Views {
    /// Each an object of its own.
    pub(crate) sources: Vec<Source>,
    pub(crate) findings: Findings,
}

/// What the `Content-Type` lines say together.
struct Types<'a> {
    /// Those that name a form, each once.
    forms: Vec<&'a str>,
    /// Readers may disagree on what the type is.
    differ: bool,
}

struct Builder<'a> {
    context: &'a ScanContext,
    budget: Budget,
    views: Views,
    /// How many pieces may still be found inside of others.
    pieces_left: usize,
    /// How many bytes may still come out of what is packed in these, and in parts of a form.
    unpacked_left: u64,
}

// === impl Views ===

impl Views {
    /// Whether the object itself is all that there is to scan. Of large objects that is found out later.
    pub(crate) fn are_plain(object: &Object, context: &ScanContext) -> bool {
        let Content::Memory(bytes) = &object.content else { return false };
        let types = Types::of(&context.content_types);
        Codings::parse(&context.content_encoding).is_identity()
            && types.forms.is_empty()
            && !types.differ
            && bytes.len() <= INLINE_LOOK
            && !looks_like_gzip(bytes)
            && !has_embedded(bytes)
            && Multipart::by_looks(bytes, &MULTIPART_LOOKS).is_none()
    }

    /// Decodes and splits. Takes time, up to the deadline or until `cancelled` is set, so it is not for
    /// async code unless the object is small.
    pub(crate) fn of(
        object: Source,
        context: &ScanContext,
        deadline: Instant,
        cancelled: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let mut builder = Builder {
            context,
            budget: Budget {
                max_output: context.profile.max_object_size,
                max_ratio: MAX_RATIO,
                deadline,
                max_codings: MAX_CODINGS,
                cancelled,
            },
            views: Self { sources: Vec::new(), findings: Findings::clean() },
            pieces_left: most_pieces(&context.profile),
            unpacked_left: context.profile.max_object_size,
        };
        builder.object(object)?;
        Ok(builder.views)
    }
}

/// Parts of a message are scans of their own, unlike files of an archive, so that fewer are let through.
fn most_pieces(profile: &ScanProfile) -> usize {
    usize::try_from(profile.max_files).unwrap_or(usize::MAX).min(MAX_PIECES)
}

// === impl Types ===

impl<'a> Types<'a> {
    fn of(lines: &'a [String]) -> Self {
        let mut types = Self { forms: Vec::new(), differ: false };
        let mut first: Option<&str> = None;
        for line in lines.iter().map(|line| line.trim()) {
            // Without a type in front, some readers take a parameter for one.
            types.differ |= line.starts_with(';');
            match first {
                Some(first) => types.differ |= !first.eq_ignore_ascii_case(line),
                None => first = Some(line),
            }
            types.add(line);
            // Who forwards several lines may join them with commas, and readers then take the first or
            // the last (WHATWG Fetch, "extract a MIME type").
            for (count, (at, _)) in line.match_indices(',').enumerate() {
                types.differ |= count >= MAX_COMMAS || types.add(line[at + 1..].trim());
                if count >= MAX_COMMAS {
                    break;
                }
            }
        }
        types
    }

    /// Takes note of a form. Whether it is one.
    fn add(&mut self, content_type: &'a str) -> bool {
        let is_form = Multipart::is_multipart(content_type)
            || Multipart::is_message(content_type)
            || Urlencoded::is_urlencoded(content_type);
        if is_form && !self.forms.contains(&content_type) && self.forms.len() < MAX_FORMS {
            self.forms.push(content_type);
        }
        is_form
    }
}

// === impl Builder ===

impl Builder<'_> {
    fn object(&mut self, object: Source) -> io::Result<()> {
        let codings = Codings::parse(&self.context.content_encoding);
        if codings.is_identity() {
            return self.body(&object);
        }
        match self.decode(&object, &codings)? {
            Decoded::Complete { output, first_len, skipped } => {
                if skipped {
                    self.with_skipped(&object, &codings)?;
                }
                let body = output_source(output)?.unwrap_or(object);
                if let Some(first_len) = first_len {
                    // Some readers stop after the first member.
                    self.push(first_part(&body, first_len));
                }
                self.body(&body)
            }
            Decoded::Incomplete { output, defect, .. } => {
                self.defect(defect);
                if defect == Defect::UnknownCoding {
                    self.by_looks(&object)?;
                }
                if let Some(part) = output_source(output)? {
                    self.body(&part)?;
                    self.push(object);
                    return Ok(());
                }
                self.body(&object)
            }
        }
    }

    fn decode(&self, object: &Source, codings: &Codings) -> io::Result<Decoded> {
        Self::decode_within(&self.budget, object, codings)
    }

    /// Of what there may be many in one object, so that all of them together have a limit.
    fn decode_piece(
        &mut self,
        object: &Source,
        codings: &Codings,
    ) -> io::Result<(Option<Source>, Option<Defect>)> {
        let budget = Budget { max_output: self.unpacked_left, ..self.budget.clone() };
        let (output, defect) = Self::decode_within(&budget, object, codings)?.into_parts();
        let source = output_source(output)?;
        self.unpacked_left = self.unpacked_left.saturating_sub(source.as_ref().map_or(0, Source::len));
        Ok((source, defect))
    }

    fn decode_within(budget: &Budget, object: &Source, codings: &Codings) -> io::Result<Decoded> {
        let mut create = || sealed::create();
        let mut spill = Spill { threshold: SPILL, create: &mut create };
        let input = match object {
            Source::Memory(bytes) => Input::Memory(bytes),
            Source::File(file, len) => Input::File { file, len: *len },
        };
        decode(input, codings, budget, &mut spill)
    }

    /// What a coding passes over is there all the same for whoever saves the body as it came, or undoes
    /// only some of its codings.
    fn with_skipped(&mut self, object: &Source, codings: &Codings) -> io::Result<()> {
        self.passed_over(object.clone())?;
        for first in 1..codings.as_slice().len() {
            let (output, defect) =
                self.decode(object, &Codings::new(&codings.as_slice()[first..]))?.into_parts();
            if let Some(defect) = defect {
                self.defect(defect);
            }
            if let Some(source) = output_source(output)? {
                self.passed_over(source)?;
            }
        }
        Ok(())
    }

    fn passed_over(&mut self, source: Source) -> io::Result<()> {
        let head = source.head(HEAD)?;
        // The engine takes gzip for what is packed in it, and leaves out the rest. What only looks like a
        // format that it leaves out altogether is no reason to call the object that.
        let is_left_out = layers::classify(b"", &head) == Kind::Ignored;
        if is_left_out || looks_like_gzip(&head) {
            let len = source.len() + COVER.len() as u64;
            let covered = File::from(source.for_worker(COVER)?);
            self.push(Source::File(Arc::new(covered), len));
        }
        if !is_left_out {
            self.push(source);
        }
        Ok(())
    }

    /// What the label does not tell, the first bytes may.
    fn by_looks(&mut self, object: &Source) -> io::Result<()> {
        let Some(coding) = sniff(&object.head(16)?) else { return Ok(()) };
        let (output, _) = self.decode(object, &Codings::new(&[coding]))?.into_parts();
        if let Some(source) = output_source(output)? {
            self.push(source);
        }
        Ok(())
    }

    /// The body as a reader sees it.
    fn body(&mut self, body: &Source) -> io::Result<()> {
        let types = Types::of(&self.context.content_types);
        if types.differ {
            self.malformed();
        }
        self.push(body.clone());
        let limits = MultipartLimits {
            max_parts: most_pieces(&self.context.profile),
            max_header_bytes: MAX_PART_HEADER,
            max_depth: MAX_MULTIPART_DEPTH,
        };
        if types.forms.is_empty() {
            let Some(bytes) = self.worth_reading(body)? else { return self.inside_gzip(body) };
            if let Some(multipart) = Multipart::by_looks(&bytes, &limits) {
                // Readers go by the label, so that it is no matter whether they would agree.
                self.parts(&multipart, &bytes, false)?;
            }
            self.inside(&bytes, 0)?;
            return self.inside_gzip(body);
        }
        let bytes = body.read()?;
        for content_type in types.forms {
            if Multipart::is_multipart(content_type) {
                let multipart = Multipart::parse(content_type, &bytes, &limits);
                self.parts(&multipart, &bytes, true)?;
                // Readers may guess the boundary, or take it from a parameter that others do not know.
                if multipart.parts.is_empty()
                    && let Some(multipart) = Multipart::by_looks(&bytes, &limits)
                {
                    self.parts(&multipart, &bytes, false)?;
                }
            } else if Multipart::is_message(content_type) {
                self.parts(&Multipart::message(&bytes, &limits), &bytes, false)?;
            } else {
                self.form(&bytes)?;
                self.inside(&bytes, 0)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, source: Source) {
        if source.len() > HARMLESS_LEN {
            self.views.sources.push(source);
        }
    }

    fn defect(&mut self, defect: Defect) {
        match defect {
            Defect::UnknownCoding => self.not_scanned(NonScannedReason::Unsupported),
            Defect::OutputLimit => self.not_scanned(NonScannedReason::Size),
            Defect::RatioLimit => self.not_scanned(NonScannedReason::Ratio),
            Defect::TooManyCodings => self.not_scanned(NonScannedReason::Depth),
            Defect::Deadline => self.views.findings.add(Verdict::Failed(FailedReason::Time)),
            // No content coding may have such a window (RFC 9659 section 3).
            Defect::Malformed | Defect::Truncated | Defect::TrailingData | Defect::WindowLimit => {
                self.malformed();
            }
        }
    }

    /// A piece of an object is rarely well-formed by itself; that it is a piece is told anyway.
    fn malformed(&mut self) {
        if !self.context.partial {
            self.not_scanned(NonScannedReason::Malformed);
        }
    }

    fn not_scanned(&mut self, reason: NonScannedReason) {
        self.views.findings.add(Verdict::NonScanned(reason));
    }
}

/// `None`: no coding was undone.
fn output_source(output: Output) -> io::Result<Option<Source>> {
    Ok(match output {
        Output::Same => None,
        Output::Memory(bytes) => Some(Source::Memory(bytes.into())),
        Output::File { file, len } => Some(Source::File(Arc::new(File::from(sealed::seal(file)?)), len)),
    })
}

fn first_part(body: &Source, len: u64) -> Source {
    match body {
        Source::Memory(bytes) => {
            let len = usize::try_from(len).unwrap_or(usize::MAX);
            Source::Memory(bytes.slice(..len.min(bytes.len())))
        }
        // The same file, of which less counts.
        Source::File(file, whole) => Source::File(file.clone(), len.min(*whole)),
    }
}

#[cfg(test)]
mod tests;
