//! Zip files, byte by byte as APPNOTE.TXT of PKWARE says.

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::Write;

/// One content, compressed.
struct Packed<'a> {
    content: &'a [u8],
    bytes: Vec<u8>,
    crc: u32,
}

/// A file of these files, compressed. Equal ones behind each other are compressed once.
pub(in crate::endure) fn zip(entries: &[(String, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    let mut last: Option<Packed<'_>> = None;
    for (name, content) in entries {
        let at = file.len();
        let packed = match last.take() {
            Some(packed) if std::ptr::eq(packed.content, *content) => packed,
            _ => Packed::of(content),
        };
        let described = packed.description(name);
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&described);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(&packed.bytes);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&described);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&long(at));
        directory.extend_from_slice(name.as_bytes());
        last = Some(packed);
    }
    let (start, count) = (file.len(), short(entries.len()));
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&count);
    file.extend_from_slice(&count);
    file.extend_from_slice(&long(directory.len()));
    file.extend_from_slice(&long(start));
    file.extend_from_slice(&[0, 0]);
    file
}

// === impl Packed ===

impl<'a> Packed<'a> {
    fn of(content: &'a [u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        Self { content, bytes: deflate(content), crc: crc.sum() }
    }

    /// What local header and directory say alike: from the version needed to the length of extra fields.
    fn description(&self, name: &str) -> Vec<u8> {
        // Version 2.0, no flags, method 8, no time.
        let mut bytes = vec![20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0];
        bytes.extend_from_slice(&self.crc.to_le_bytes());
        bytes.extend_from_slice(&long(self.bytes.len()));
        bytes.extend_from_slice(&long(self.content.len()));
        bytes.extend_from_slice(&short(name.len()));
        bytes.extend_from_slice(&short(0));
        bytes
    }
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory takes all that is written");
    encoder.finish().expect("memory takes all that is written")
}

fn short(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("names and counts made here are short").to_le_bytes()
}

fn long(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("files made here are small").to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::DeflateDecoder;
    use std::io::Read;

    #[test]
    fn the_directory_leads_to_each_file() {
        let file = zip(&[("one".to_owned(), &[0; 5000][..]), ("two".to_owned(), b"text")]);
        let end = file.len() - 22;
        assert!(file[end..].starts_with(b"PK\x05\x06\0\0\0\0\x02\0\x02\0"));
        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let directory = number(end + 16);
        assert_eq!(directory + number(end + 12), end);
        let second = directory + 46 + 3;
        assert!(file[second..].starts_with(b"PK\x01\x02"));
        let local = number(second + 42);
        assert!(file[local..].starts_with(b"PK\x03\x04"));
        assert_eq!(&file[local + 30..local + 33], b"two");
        let mut text = String::new();
        DeflateDecoder::new(&file[local + 33..directory]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
}
