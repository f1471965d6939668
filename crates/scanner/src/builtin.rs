//! The built-in test signatures: EICAR's test file, and the file of ClamAV's own test collection.

use std::path::Path;
use std::{fs, io};

use crate::canary::hex;

/// Never in one piece, so that no scanner takes this source or the program for the test file itself.
pub(crate) const EICAR_HALVES: [&str; 2] =
    ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

/// `clam.exe` of ClamAV's test collection, which is what all of its archives and packers contain.
const CLAMAV_TEST_FILE: &str = "aa15bcf478d165efd2065190eb473bcb:544:ClamAV-Test-File\n";

/// Writes the signature files that are missing.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    use sha2::Digest;
    let eicar = EICAR_HALVES.concat();
    let digest = sha2::Sha256::digest(eicar.as_bytes());
    let body = format!("Eicar-Test-Signature:0:*:{}\n", hex(eicar.as_bytes()));
    let hash = format!("{}:{}:Eicar-Test-Signature\n", hex(&digest), eicar.len());
    for (name, content) in [
        ("icapstan-test.ndb", body.as_str()),
        ("icapstan-test.hsb", hash.as_str()),
        ("icapstan-test.hdb", CLAMAV_TEST_FILE),
    ] {
        let path = folder.join(name);
        if !path.exists() {
            fs::write(path, content)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_known_one_of_the_eicar_test_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let hash = fs::read_to_string(folder.path().join("icapstan-test.hsb")).unwrap();
        // The SHA-256 that eicar.org gives for the 68-byte file.
        assert!(hash.starts_with("275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f:68:"));
    }
}
