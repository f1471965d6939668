//! What a body is, by its first bytes: never by what its sender says of it.
//!
//! ```text
//!  first 4 KiB ──▶ markup? ──▶ all text? ──▶ a signature (file-format) ──▶ refined (zip, PE, EBML) ──▶ a type
//! ```
//!
//! Refuses to do: content codings, whole files, names and extensions.
//!
//! Invariants
//! 1. What is told is one of [`known_types`], and `application/octet-stream` where nothing fits.
//! 2. No bytes make [`media_type`] panic, and it looks at no more than [`PREFIX`] of them.
//! 3. What begins as HTML is never told to be anything else, whatever follows, and bytes that are all
//!    text are never told to be a format that is not.
//!
//! Limits of what is seen: whoever makes a file chooses its first bytes. A file that is several things
//! at once (a polyglot) is told to be one of them, and a type says nothing about what a reader makes
//! of the rest. Scripts and styles, JSON and CSV have no signature: they are `text/plain`.
//!
//! ```
//! assert_eq!(icapstan_sniff::media_type(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png");
//! assert_eq!(icapstan_sniff::media_type(b"\n <!DOCTYPE html><title>x</title>"), "text/html");
//! ```
#![forbid(unsafe_code)]

mod container;
mod known;
mod text;

use file_format::FileFormat;
use known::KNOWN;
use text::Text;

/// No more bytes are looked at.
pub const PREFIX: usize = 4096;

/// With fewer bytes of a longer body its type is not worth much: too little of it is there to tell
/// text from what begins like text.
pub const ENOUGH: usize = 512;

/// The type of what is not made out.
pub const UNKNOWN: &str = "application/octet-stream";

/// The type of a body that begins so.
pub fn media_type(first: &[u8]) -> &'static str {
    let first = &first[..first.len().min(PREFIX)];
    let text = Text::of(first);
    if let Some(markup) = text.markup() {
        return markup;
    }
    if container::is_program(first) {
        return container::refine(first).unwrap_or(UNKNOWN);
    }
    if text.is_text() {
        return signature(text.as_bytes()).filter(|found| is_textual(found)).unwrap_or("text/plain");
    }
    container::refine(first).or_else(|| signature(first)).unwrap_or(UNKNOWN)
}

/// Whether bodies are told to be of this type, which is in lower case.
pub fn is_known(media_type: &str) -> bool {
    KNOWN.binary_search(&media_type).is_ok()
}

/// All types that bodies are told to be of.
pub fn known_types() -> &'static [&'static str] {
    KNOWN
}

/// What bodies are told to be that others call so.
pub fn also_called(media_type: &str) -> Option<&'static str> {
    Some(match media_type {
        "application/javascript"
        | "application/json"
        | "application/x-javascript"
        | "text/css"
        | "text/csv"
        | "text/javascript" => "text/plain",
        "application/msword"
        | "application/vnd.ms-excel"
        | "application/vnd.ms-outlook"
        | "application/vnd.ms-powerpoint"
        | "application/x-msi" => "application/x-cfb",
        "application/exe" | "application/x-msdos-program" | "application/x-msdownload" => {
            "application/vnd.microsoft.portable-executable"
        }
        "application/x-gzip" => "application/gzip",
        "application/x-rar" | "application/x-rar-compressed" => "application/vnd.rar",
        "application/x-zip-compressed" => "application/zip",
        "application/xml" => "text/xml",
        "audio/mp3" => "audio/mpeg",
        "audio/wav" | "audio/wave" | "audio/x-wav" => "audio/vnd.wave",
        "image/jpg" => "image/jpeg",
        "image/x-icon" => "image/vnd.microsoft.icon",
        "image/x-ms-bmp" => "image/bmp",
        "text/rtf" => "application/rtf",
        "video/matroska" => "video/x-matroska",
        _ => return None,
    })
}

/// The type of the signature that is there, if it is one of those that are told.
fn signature(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return None;
    }
    told(FileFormat::from_bytes(bytes).media_type()).filter(|found| *found != UNKNOWN)
}

/// The known type of that name.
fn told(media_type: &str) -> Option<&'static str> {
    KNOWN.binary_search(&media_type).ok().map(|index| KNOWN[index])
}

/// Whether files of that type can be all text.
fn is_textual(media_type: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "application/pdf",
        "application/pgp",
        "application/pgp-keys",
        "application/pgp-signature",
        "application/postscript",
        "application/rtf",
        "application/x-pem-file",
    ];
    media_type.starts_with("text/")
        || media_type.ends_with("+xml")
        || media_type.ends_with("+json")
        || OTHERS.contains(&media_type)
}

#[cfg(test)]
mod tests;
