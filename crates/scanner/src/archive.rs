//! Archives that scanners have to look into before they are believed.

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::{self, Write as _};

/// Bit 0 of a member's flags: it is encrypted (APPNOTE.TXT 4.4.4).
const ENCRYPTED: u8 = 1;

/// A ZIP archive with one deflated member (APPNOTE.TXT 4.3).
pub(crate) fn zip(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    archive(name, content, &[], 0)
}

/// The same with a member that says that it is encrypted. No password opens it.
pub(crate) fn encrypted_zip(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let header = *b"\x9c\x21\x7e\x03\xd8\x55\xb1\x40\xfa\x16\x8d\x72";
    archive(name, content, &header, ENCRYPTED)
}

fn archive(name: &str, content: &[u8], before: &[u8], flags: u8) -> io::Result<Vec<u8>> {
    let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let mut encoder = DeflateEncoder::new(before.to_vec(), Compression::default());
    encoder.write_all(content)?;
    let packed = encoder.finish()?;
    let mut crc = Crc::new();
    crc.update(content);

    let mut common = Vec::new();
    common.extend_from_slice(&[20, 0, flags, 0, 8, 0, 0, 0, 0x21, 0]); // version 2.0, deflated, 1980-01-01
    common.extend_from_slice(&crc.sum().to_le_bytes());
    common.extend_from_slice(&u32::try_from(packed.len()).map_err(too_large)?.to_le_bytes());
    common.extend_from_slice(&u32::try_from(content.len()).map_err(too_large)?.to_le_bytes());
    common.extend_from_slice(&u16::try_from(name.len()).map_err(too_large)?.to_le_bytes());
    common.extend_from_slice(&[0, 0]); // no extra field

    let mut archive = b"PK\x03\x04".to_vec();
    archive.extend_from_slice(&common);
    archive.extend_from_slice(name.as_bytes());
    archive.extend_from_slice(&packed);

    let directory_at = u32::try_from(archive.len()).map_err(too_large)?;
    archive.extend_from_slice(b"PK\x01\x02\x14\0");
    archive.extend_from_slice(&common);
    archive.extend_from_slice(&[0; 14]); // no comment, first disk, no attributes, member at offset 0
    archive.extend_from_slice(name.as_bytes());
    let directory_len = u32::try_from(archive.len()).map_err(too_large)? - directory_at;

    archive.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    archive.extend_from_slice(&directory_len.to_le_bytes());
    archive.extend_from_slice(&directory_at.to_le_bytes());
    archive.extend_from_slice(&[0, 0]);
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_archive_is_one_that_the_system_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.zip");
        fs::write(&path, zip("sample.txt", b"some content, some content").unwrap()).unwrap();
        let python = std::process::Command::new("python3")
            .args(["-c", "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); print(z.testzip(), z.read('sample.txt'))"])
            .arg(&path)
            .output()
            .expect("python3 is there to check the archive");
        assert_eq!(String::from_utf8_lossy(&python.stdout), "None b'some content, some content'\n");
    }
}
