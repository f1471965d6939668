//! Objects to scan and the signatures that know them.

use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::Path;

/// What the signatures of [`signatures`] call [`eicar`].
pub const EICAR_NAME: &str = "Eicar-Test-Signature";

/// What the signatures of [`signatures`] call [`marker`].
pub const MARKER_NAME: &str = "Icapstan.Test.Marker";

/// The EICAR test file, 68 bytes, put together at run time so that no file here trips a scanner.
pub fn eicar() -> Vec<u8> {
    let (first, second) = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*");
    [first.as_bytes(), second.as_bytes()].concat()
}

/// A harmless text that the signatures of [`signatures`] find anywhere in an object, other than
/// EICAR, which counts at its beginning only.
pub fn marker() -> Vec<u8> {
    [b"<<icapstan-".as_slice(), b"test-marker-", b"5f1d0c2b9a>>"].concat()
}

/// `size` bytes that look random, and are the same for the same `seed`.
pub fn clean_bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// `size` bytes of lines of text, which compress well.
pub fn clean_text(size: usize) -> Vec<u8> {
    let mut text = String::with_capacity(size + 64);
    let mut line = 0_u32;
    while text.len() < size {
        writeln!(text, "line {line}: the quick brown fox jumps over the lazy dog")
            .expect("a String takes it");
        line += 1;
    }
    let mut bytes = text.into_bytes();
    bytes.truncate(size);
    bytes
}

/// In lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes a folder of ClamAV signatures: EICAR, the marker, the hash of ClamAV's own test file.
pub fn signatures(dir: &Path) {
    let ndb = format!("{EICAR_NAME}:0:0:{}\n{MARKER_NAME}:0:*:{}\n", hex(&eicar()), hex(&marker()));
    // The test file of the package clamav-testfiles, as ClamAV's own test suite names it.
    let hdb = "aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n";
    std::fs::write(dir.join("test.ndb"), ndb).expect("the folder is writable");
    std::fs::write(dir.join("test.hdb"), hdb).expect("the folder is writable");
}

/// In lower-case hex, as signature files have it.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes it");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eicar_is_the_published_file() {
        assert_eq!(eicar().len(), 68);
        assert_eq!(
            sha256_hex(&eicar()),
            "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f",
            "as published at eicar.org"
        );
    }

    #[test]
    fn clean_bytes_have_the_size_and_follow_the_seed() {
        for size in [0, 1, 7, 8, 65_535] {
            assert_eq!(clean_bytes(size, 1).len(), size);
        }
        assert_eq!(clean_bytes(100, 1), clean_bytes(100, 1));
        assert_ne!(clean_bytes(100, 1), clean_bytes(100, 2));
        assert_eq!(clean_text(1000).len(), 1000);
    }
}
