//! Content codings, multipart bodies, transfer encodings and what is embedded, undone under budgets, so that engines
//! see what a reader would see.
//!
//! ```text
//!  Content-Encoding ──Codings::parse──┐
//!  Input (memory, file) ──────────────┴─decode─▶ Decoded { Complete, Incomplete } + Output
//!  Content-Type + bytes ──Multipart::parse──▶ parts ──base64, quoted_printable──▶ bytes
//!  bytes ──embedded──▶ base64 and data: URIs in them, decoded
//!  first bytes ──Container::of──▶ what a process of its own takes apart, by the records Order and Handed
//!  zip ──zip_check──▶ what its directory tells, before anybody unpacks it
//! ```
//!
//! Refuses to do: archives, documents and mail as a whole (the engine opens those); `compress`; brotli
//! with large windows; zstd and zlib with dictionaries; network, threads, clocks other than the
//! deadline.
//!
//! Invariants
//! 1. [`Decoded::Complete`] means that every byte of the input was read as its coding asks for, that
//!    every checksum that the coding has is right, and that nothing is left over. Whatever falls
//!    short has a [`Defect`], and comes with the output made until then.
//! 2. Every loop over bytes looks at the [`Budget`] at least once in 64 KiB of input or output.
//! 3. Nothing is allocated by a size that the data claims. Decoding holds, for each layer, 64 KiB of
//!    output and one decoder: 40 KiB for gzip and deflate, up to 16 MiB for brotli (the window of
//!    RFC 7932), twice 8 MiB for zstd (the window of RFC 9659, in a ring that doubles as it grows).
//!    Beyond [`Spill::threshold`] the output lies in a file.
//! 4. No input makes a function panic. Panics of the decoders below are caught and become
//!    [`Defect::Malformed`].
//! 5. Multipart parts are found in time linear in the body for each level of nesting.
//!
//! Limits of what is seen: the ratio is taken of a layer's output and its whole input where that is
//! known, else of the input that was read so far, and never within the first [`FREE_OUTPUT`] bytes.
//! Zeros behind a gzip member are padding. Skippable zstd frames are passed over, as all readers do,
//! and told as `skipped`, like the other bytes that no reader shows.
//! `deflate` is taken for zlib unless zlib fails, or ends, before its first byte of output; then for
//! the raw form. Where a multipart body can be read in several ways, one of them is taken and
//! [`MultipartDefect::Ambiguous`] says so.
//!
//! ```
//! use icapstan_unpack::{Budget, Codings, Decoded, Input, Output, Spill, decode};
//! use std::time::{Duration, Instant};
//!
//! let budget = Budget {
//!     max_output: 10 << 20,
//!     max_ratio: 200,
//!     deadline: Instant::now() + Duration::from_secs(10),
//!     max_codings: 5,
//!     cancelled: Default::default(),
//! };
//! let mut refuse = || Err(std::io::ErrorKind::StorageFull.into());
//! let mut spill = Spill { threshold: 10 << 20, create: &mut refuse };
//! // "hello" in a stored block of raw deflate.
//! let body = b"\x01\x05\x00\xfa\xffhello";
//! let decoded = decode(Input::Memory(body), &Codings::parse("deflate"), &budget, &mut spill)?;
//! assert!(matches!(decoded, Decoded::Complete { output: Output::Memory(text), .. } if text == b"hello"));
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

mod budget;
mod codings;
mod container;
mod data;
mod embedded;
mod handover;
mod multipart;
mod transfer;
mod urlencoded;
mod zip_check;

pub use budget::{Budget, Defect, FREE_OUTPUT, MAX_WINDOW};
pub use codings::{
    Coding, Codings, Decoded, decode, looks_like_gzip, looks_like_zlib, looks_like_zstd, sniff,
};
pub use container::Container;
pub use data::{Input, Output, Spill};
pub use embedded::{Embedded, EmbeddedPieces, MIN_DIGITS, Reading, embedded, has_embedded};
pub use handover::{Gap, Gaps, Handed, MAX_NAME, MAX_RECORD, MemberLimits, NoRecord, Order};
pub use multipart::{Multipart, MultipartDefect, MultipartLimits, Part, TransferEncoding};
pub use transfer::{Transferred, base64, quoted_printable};
pub use urlencoded::Urlencoded;
pub use zip_check::{ZipCheck, ZipLimits, zip_check};
