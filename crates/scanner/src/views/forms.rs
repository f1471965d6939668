//! Forms and mail: what is scanned of them.

use super::{Builder, most_pieces};
use crate::sealed::Source;
use bytes::Bytes;
use icapstan_model::NonScannedReason;
use icapstan_unpack::{
    Codings, Defect, Multipart, MultipartDefect, Part, TransferEncoding, Transferred, Urlencoded,
};
use std::io;

/// Plain fields of a form up to this length are scanned together. Shorter than whatever is an object
/// of its own: signatures of whole objects, EICAR's above all, do not hit in the midst of others.
pub(super) const SMALL_FIELD: usize = 63;
/// Names and values of a form without parts. Most are small, and cost nothing.
const MAX_TEXTS: usize = 20_000;
/// As many of them as fit.
const MAX_FIELDS: usize = 64 << 10;

/// What is written for a part's `Content-Encoding` although it is no content coding: transfer encodings and
/// character sets.
const NO_CODINGS: [&str; 10] = [
    "7bit",
    "8bit",
    "base64",
    "binary",
    "iso-8859-1",
    "none",
    "quoted-printable",
    "us-ascii",
    "utf-8",
    "utf8",
];

// === impl Builder ===

impl Builder<'_> {
    /// Whether it matters that readers disagree is for the caller to say.
    pub(super) fn parts(&mut self, multipart: &Multipart, bytes: &Bytes, must_agree: bool) -> io::Result<()> {
        for defect in multipart.all_defects() {
            match defect {
                _ if !must_agree && !defect.is_limit() => {}
                MultipartDefect::TooManyParts => self.not_scanned(NonScannedReason::Count),
                MultipartDefect::TooDeep => self.not_scanned(NonScannedReason::Depth),
                // The last part counts all the same.
                MultipartDefect::Unterminated => {}
                MultipartDefect::NoBoundary
                | MultipartDefect::BoundaryNotFound
                | MultipartDefect::LongHeaders
                | MultipartDefect::Ambiguous => self.malformed(),
            }
        }
        if multipart.parts.is_empty() {
            self.inside(bytes, 0)?;
        }
        let mut fields = Vec::new();
        for part in multipart.leaves() {
            let content = bytes.slice(part.body.clone());
            if is_small_field(part, &content) {
                if fields.len() + content.len() > MAX_FIELDS {
                    self.push(Source::Memory(std::mem::take(&mut fields).into()));
                }
                fields.extend_from_slice(&content);
                fields.push(b'\n');
                continue;
            }
            self.coded(part, &content, must_agree)?;
            match part.transfer_encoding {
                // What it holds is in other parts.
                TransferEncoding::Identity if part.is_message() && part.nested.is_some() => {}
                TransferEncoding::Identity => self.inside(&content, 0)?,
                TransferEncoding::Base64 => {
                    self.transferred(icapstan_unpack::base64(&content, &self.budget), must_agree)?;
                }
                TransferEncoding::QuotedPrintable => {
                    self.transferred(icapstan_unpack::quoted_printable(&content, &self.budget), must_agree)?;
                }
                TransferEncoding::Unknown => {
                    self.not_scanned(NonScannedReason::Unsupported);
                    self.inside(&content, 0)?;
                }
            }
            // Most web servers take an encoded part as it stands, and nobody who reads mail.
            if must_agree || part.transfer_encoding == TransferEncoding::Identity {
                self.push(Source::Memory(content));
            }
        }
        self.push(Source::Memory(fields.into()));
        Ok(())
    }

    /// A part as those web servers read it that undo its content codings. Most do not.
    fn coded(&mut self, part: &Part, content: &Bytes, must_agree: bool) -> io::Result<()> {
        let is_coding = |name: &&str| !NO_CODINGS.iter().any(|other| name.trim().eq_ignore_ascii_case(other));
        let names: Vec<_> = part.content_encoding.split(',').filter(is_coding).collect();
        let codings = Codings::parse(&names.join(","));
        if codings.is_identity() {
            return Ok(());
        }
        let transferred = match part.transfer_encoding {
            TransferEncoding::Base64 => icapstan_unpack::base64(content, &self.budget).output.into(),
            TransferEncoding::QuotedPrintable => {
                icapstan_unpack::quoted_printable(content, &self.budget).output.into()
            }
            TransferEncoding::Identity | TransferEncoding::Unknown => content.clone(),
        };
        let whole = Source::Memory(transferred);
        let (output, defect) = self.decode_piece(&whole, &codings)?;
        match defect {
            // Nobody sees anything else than what is there.
            Some(Defect::Malformed | Defect::Truncated | Defect::TrailingData)
                if output.is_none() || !must_agree => {}
            Some(defect) => self.defect(defect),
            None => {}
        }
        if let Some(decoded) = output {
            let bytes = decoded.read()?;
            self.push(decoded);
            self.inside(&bytes, 0)?;
        }
        Ok(())
    }

    /// The names and values, and what stands in them.
    pub(super) fn form(&mut self, bytes: &Bytes) -> io::Result<()> {
        let form = Urlencoded::parse(bytes, MAX_TEXTS);
        let (small, large): (Vec<_>, Vec<_>) =
            form.texts.into_iter().partition(|text| text.len() <= SMALL_FIELD);
        let most = most_pieces(&self.context.profile);
        if form.truncated || large.len() > most {
            self.not_scanned(NonScannedReason::Count);
        }
        for text in large.into_iter().take(most) {
            let text = Bytes::from(text);
            self.inside(&text, 0)?;
            self.push(Source::Memory(text));
        }
        self.push(Source::Memory(small.join(&b'\n').into()));
        Ok(())
    }

    fn transferred(&mut self, transferred: Transferred, must_agree: bool) -> io::Result<()> {
        if let Some(defect) = transferred.defect {
            self.defect(defect);
        }
        if transferred.odd && must_agree {
            self.malformed();
        }
        let output = Bytes::from(transferred.output);
        self.push(Source::Memory(output.clone()));
        self.inside(&output, 0)
    }
}

/// A field of a form that a person typed.
fn is_small_field(part: &Part, content: &[u8]) -> bool {
    let is_text = part.content_type.as_deref().is_none_or(|value| {
        value.trim_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case("text/plain"))
    });
    part.filename.is_none()
        && is_text
        && part.transfer_encoding == TransferEncoding::Identity
        && part.content_encoding.is_empty()
        && content.len() <= SMALL_FIELD
        && std::str::from_utf8(content)
            .is_ok_and(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\r' | '\n')))
}
