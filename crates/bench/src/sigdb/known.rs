//! Objects whose answer is known: each set finds them, and finds nothing in [`clean`].

use super::pattern::WORDS;
use super::rng::Rng;
use icapstan_testkit::{EICAR_NAME, eicar};

/// An object that each set finds.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// What kind of signature finds it.
    pub(crate) name: &'static str,
    /// Its bytes.
    pub(crate) object: Vec<u8>,
    /// What the engine calls it, or the beginning of that.
    pub(crate) signature: &'static str,
}

/// MD5 of the EICAR test file, as published at eicar.org.
pub(super) const EICAR_MD5: &str = "44d88612fea8a8f36de82e1278abb02f";

/// The test file of the package clamav-testfiles, as ClamAV's own test suite names it: MD5 and size.
pub(super) const CLAM_EXE: &str = "aa15bcf478d165efd2065190eb473bcb:544";

/// What is found by its SHA-256.
pub(super) const HASH_MARKER: &[u8] = b"An object of icapstan-bench that is known by its hash.\n";
/// What is found anywhere.
pub(super) const PATTERN_MARKER: &[u8] = b"<icapstan-bench:pattern:6b1f>";
/// What is found when both are there, in whatever order.
pub(super) const LOGICAL_MARKERS: [&[u8]; 2] = [b"<icapstan-bench:one:90c4>", b"<icapstan-bench:two:e27a>"];

/// What [`HASH_MARKER`] is called.
pub(super) const HASH_NAME: &str = "Bench.Known.Hash";
/// What [`PATTERN_MARKER`] is called.
pub(super) const PATTERN_NAME: &str = "Bench.Known.Pattern";
/// What [`LOGICAL_MARKERS`] are called.
pub(super) const LOGICAL_NAME: &str = "Bench.Known.Logical";

/// One object for each kind of signature, and EICAR.
pub(crate) fn known() -> Vec<Known> {
    let text = |parts: &[&[u8]]| parts.concat();
    let [one, two] = LOGICAL_MARKERS;
    vec![
        Known { name: "eicar", object: eicar(), signature: EICAR_NAME },
        Known { name: "hash", object: HASH_MARKER.to_vec(), signature: HASH_NAME },
        Known {
            name: "pattern",
            object: text(&[b"Some words, then ", PATTERN_MARKER, b", then more.\n"]),
            signature: PATTERN_NAME,
        },
        Known {
            name: "logical",
            object: text(&[b"The second first: ", two, b", then the first: ", one, b".\n"]),
            signature: LOGICAL_NAME,
        },
    ]
}

/// Text in which no set finds anything.
pub(crate) fn clean(words: usize) -> Vec<u8> {
    let mut rng = Rng::new(0, "clean");
    let mut text = String::with_capacity(words * 6);
    for number in 1..=words {
        text.push_str(rng.choose(WORDS));
        text.push(if number % 12 == 0 { '\n' } else { ' ' });
    }
    text.into_bytes()
}
