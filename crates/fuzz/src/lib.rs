//! What each parser of hostile bytes must keep to, for fuzzers and for replays.
//!
//! ```text
//!  libFuzzer ──▶ fuzz/fuzz_targets/<name>.rs ─┐
//!  corpus/<name>/*, cases/<name>/* ──test────▶ TARGETS: fn(&[u8]) ──▶ public interfaces of the crates
//! ```
//!
//! A target is a function that takes any bytes and panics if a promise is broken: that events do not
//! depend on how bytes were cut, that what was encoded comes back, that limits hold, that an answer is
//! one answer and says what was found. "Does not panic" is the least of them. Where there is something
//! to compare with, it is written here a second time, as plainly as can be: a reader of requests
//! (`reference`), a reader of answers that forgives nothing (`strict`), and what a server should answer
//! (`session`, `gateway`).
//!
//! Refuses to do: parsers of the crates' insides. What cannot be reached from outside is reached by a
//! whole conversation.

mod expect;
mod hop;
mod input;
mod panics;
mod reference;
mod strict;
mod targets;
mod wire;

pub use targets::*;

/// Takes any bytes, and panics where a promise is broken.
pub type Target = fn(&[u8]);

/// Every target by name, in the order of the alphabet.
pub const TARGETS: &[(&str, Target)] = &[
    ("answers", answers),
    ("blocked_url", blocked_url),
    ("canonical", canonical),
    ("certificate", certificate),
    ("codings", codings),
    ("config", config),
    ("decoder", decoder),
    ("embedded", embedded),
    ("encrypted", encrypted),
    ("fleet_record", fleet_record),
    ("gateway", gateway),
    ("handover", handover),
    ("hash_import", hash_import),
    ("http_head", http_head),
    ("kse", kse),
    ("layers", layers),
    ("list_file", list_file),
    ("list_import", list_import),
    ("multipart", multipart),
    ("page", page),
    ("policy", policy),
    ("proxy", proxy),
    ("quantities", quantities),
    ("recoded", recoded),
    ("records", records),
    ("response", response),
    ("scan_request", scan_request),
    ("session", session),
    ("sources", sources),
    ("templates", templates),
    ("transaction", transaction),
    ("transfer", transfer),
    ("type_of_body", type_of_body),
    ("urlencoded", urlencoded),
    ("when", when),
    ("zip_check", zip_check),
];
