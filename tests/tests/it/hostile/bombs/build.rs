//! Archives, byte by byte as their formats say.

use icapstan_testkit::deflate;

/// A zip file (APPNOTE.TXT of PKWARE) of these files, compressed.
pub(super) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let at = file.len();
        let packed = packed(content);
        let described = description(name, content, packed.len());
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&described);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(&packed);
        list(&mut directory, &described, name, at);
    }
    finish(file, &directory, entries.len())
}

/// A zip file whose directory names the same file under many names.
pub(super) fn zip_of_one_file_many_times(content: &[u8], count: usize) -> Vec<u8> {
    let mut file = zip(&[("0000", content)]);
    let directory_len = 46 + 4;
    let end = file.len() - 22 - directory_len;
    // Names of the same length differ in the directory only.
    let described = file[4..30].to_vec();
    file.truncate(end);
    let mut directory = Vec::new();
    for at in 0..count {
        list(&mut directory, &described, &format!("{at:04}"), 0);
    }
    finish(file, &directory, count)
}

/// A tape archive (POSIX.1-1988, ustar) of `count` files of one byte each, or none, and a last one.
pub(super) fn tar(count: usize, each: &[u8], last: &[u8]) -> Vec<u8> {
    let mut archive = Vec::with_capacity(1024 * (count + 2));
    for (at, content) in std::iter::repeat_n(each, count).chain([last]).enumerate() {
        let mut block = [0_u8; 512];
        let mut put =
            |from: usize, text: &str| block[from..from + text.len()].copy_from_slice(text.as_bytes());
        put(0, &format!("file-{at}"));
        put(100, "0000644\0");
        put(108, "0000000\0");
        put(116, "0000000\0");
        put(124, &format!("{:011o}\0", content.len()));
        put(136, "00000000000\0");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        archive.extend_from_slice(&block);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// What local header and directory say alike: from the version needed to the length of extra fields.
fn description(name: &str, content: &[u8], packed: usize) -> Vec<u8> {
    let short = |number: usize| u16::try_from(number).expect("fits").to_le_bytes();
    let long = |number: usize| u32::try_from(number).expect("fits").to_le_bytes();
    let mut bytes = Vec::new();
    // Version 2.0, no flags, method 8, no time.
    bytes.extend_from_slice(&[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0]);
    bytes.extend_from_slice(&crc32(content).to_le_bytes());
    bytes.extend_from_slice(&long(packed));
    bytes.extend_from_slice(&long(content.len()));
    bytes.extend_from_slice(&short(name.len()));
    bytes.extend_from_slice(&short(0));
    bytes
}

/// Without the frame of zlib.
fn packed(content: &[u8]) -> Vec<u8> {
    let zlib = deflate(content);
    zlib[2..zlib.len() - 4].to_vec()
}

fn list(directory: &mut Vec<u8>, described: &[u8], name: &str, at: usize) {
    directory.extend_from_slice(b"PK\x01\x02\x14\0");
    directory.extend_from_slice(described);
    directory.extend_from_slice(&[0; 10]);
    directory.extend_from_slice(&u32::try_from(at).expect("fits").to_le_bytes());
    directory.extend_from_slice(name.as_bytes());
}

fn finish(mut file: Vec<u8>, directory: &[u8], count: usize) -> Vec<u8> {
    let start = u32::try_from(file.len()).expect("fits");
    let count = u16::try_from(count).expect("fits").to_le_bytes();
    file.extend_from_slice(directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&count);
    file.extend_from_slice(&count);
    file.extend_from_slice(&u32::try_from(directory.len()).expect("fits").to_le_bytes());
    file.extend_from_slice(&start.to_le_bytes());
    file.extend_from_slice(&[0, 0]);
    file
}

/// The checksum of ISO 3309.
fn crc32(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|byte| (0..8).fold(byte, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }))
        .collect();
    !bytes.iter().fold(!0, |crc, &byte| crc >> 8 ^ table[usize::from(crc.to_le_bytes()[0] ^ byte)])
}

#[test]
fn checksums_are_those_of_zip_files() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926, "the check value of this checksum");
}
