//! What content is packed in, built here byte by byte where that is short.

use icapstan_testkit::{deflate, need};
use std::fs;
use std::process::Command;

pub(super) fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in data.chunks(3) {
        let bits = group.iter().fold(0usize, |bits, &byte| bits << 8 | usize::from(byte));
        let bits = bits << (8 * (3 - group.len()));
        for index in 0..4 {
            let digit = char::from(ALPHABET[bits >> (18 - 6 * index) & 63]);
            text.push(if index > group.len() { '=' } else { digit });
        }
    }
    text
}

pub(super) fn base32(data: &[u8]) -> String {
    let bits: Vec<u8> = data.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let digit = |bits: &[u8]| bits.iter().chain([0; 4].iter()).take(5).fold(0, |value, bit| value << 1 | bit);
    bits.chunks(5)
        .map(|bits| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(digit(bits))]))
        .collect()
}

/// Lines of that width, with that between them.
pub(super) fn wrapped(text: &str, width: usize, end: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
    lines.join(end)
}

pub(super) fn percent(data: &[u8]) -> String {
    each(data, |byte| format!("%{byte:02X}"))
}

/// What each byte is written as.
pub(super) fn each(data: &[u8], written: impl Fn(u8) -> String) -> String {
    data.iter().map(|byte| written(*byte)).collect::<Vec<_>>().concat()
}

pub(super) fn quoted_printable(data: &[u8]) -> String {
    let coded = each(data, |byte| format!("={byte:02X}"));
    wrapped(&coded, 60, "=\r\n")
}

pub(super) fn uuencoded(data: &[u8]) -> String {
    let mut text = String::from("begin 644 a.com\n");
    let digit =
        |value: usize| char::from(if value == 0 { b'`' } else { 32 + u8::try_from(value).expect("6 bits") });
    for line in data.chunks(45) {
        text.push(digit(line.len()));
        for group in line.chunks(3) {
            let bits = (0..3)
                .fold(0usize, |bits, at| bits << 8 | group.get(at).map_or(0, |byte| usize::from(*byte)));
            text.extend((0..4).map(|index| digit(bits >> (18 - 6 * index) & 63)));
        }
        text.push('\n');
    }
    text + "`\nend\n"
}

/// Without the header and the checksum of zlib.
pub(super) fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let zlib = deflate(data);
    zlib[2..zlib.len() - 4].to_vec()
}

pub(super) fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// A zip file with one member. Bit 0 of `flags` says that it is encrypted.
pub(super) fn zip_with(name: &str, data: &[u8], flags: u16) -> Vec<u8> {
    zip_by(name, flags, 0, data, data)
}

/// A zip file with one member that is packed by that method.
pub(crate) fn zip_packed(name: &str, method: u16, packed: &[u8], data: &[u8]) -> Vec<u8> {
    // Of LZMA, that its end is marked.
    let flags = if method == 14 { 2 } else { 0 };
    zip_by(name, flags, method, packed, data)
}

fn zip_by(name: &str, flags: u16, method: u16, packed: &[u8], data: &[u8]) -> Vec<u8> {
    let common = |version: bool| {
        let mut fields = Vec::new();
        if version {
            fields.extend_from_slice(&20u16.to_le_bytes());
        }
        fields.extend_from_slice(&20u16.to_le_bytes());
        fields.extend_from_slice(&flags.to_le_bytes());
        fields.extend_from_slice(&method.to_le_bytes());
        fields.extend_from_slice(&[0; 4]);
        fields.extend_from_slice(&crc32(data).to_le_bytes());
        for bytes in [packed, data] {
            fields.extend_from_slice(&u32::try_from(bytes.len()).expect("small").to_le_bytes());
        }
        fields.extend_from_slice(&u16::try_from(name.len()).expect("short").to_le_bytes());
        fields.extend_from_slice(&[0; 2]);
        fields
    };
    let mut zip = [b"PK\x03\x04".as_slice(), &common(false), name.as_bytes(), packed].concat();
    let start = u32::try_from(zip.len()).expect("small");
    let directory = [b"PK\x01\x02".as_slice(), &common(true), &[0; 14], name.as_bytes()].concat();
    zip.extend_from_slice(&directory);
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend_from_slice(&u32::try_from(directory.len()).expect("small").to_le_bytes());
    zip.extend_from_slice(&start.to_le_bytes());
    zip.extend_from_slice(&[0; 2]);
    zip
}

pub(crate) fn zip(data: &[u8]) -> Vec<u8> {
    zip_with("a.com", data, 0)
}

/// A zip file of stored members, whose directory is in the order of the alphabet.
pub(super) fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut zip, mut entries) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let one = zip_with(name, data, 0);
        let end = one.len() - 22;
        let entry = end - 46 - name.len();
        let offset = u32::try_from(zip.len()).expect("small").to_le_bytes();
        zip.extend_from_slice(&one[..entry]);
        let mut entry = one[entry..end].to_vec();
        entry[42..46].copy_from_slice(&offset);
        entries.push((*name, entry));
    }
    entries.sort_by_key(|(name, _)| *name);
    let directory: Vec<u8> = entries.iter().flat_map(|(_, entry)| entry.clone()).collect();
    let count = u16::try_from(members.len()).expect("few").to_le_bytes();
    let numbers =
        [directory.len(), zip.len()].map(|number| u32::try_from(number).expect("small").to_le_bytes());
    zip.extend_from_slice(&directory);
    zip.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &numbers.concat(), &[0, 0]].concat());
    zip
}

/// An archive of RAR 4 with one stored member.
pub(crate) fn rar(name: &str, data: &[u8]) -> Vec<u8> {
    rar_with(&[(name, data)], 0)
}

/// The same with that many members.
pub(crate) fn rar_of(members: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<_> = (0..members.len()).map(|number| number.to_string()).collect();
    let members: Vec<_> =
        names.iter().zip(members).map(|(name, data)| (name.as_str(), data.as_slice())).collect();
    rar_with(&members, 0)
}

/// Marker, archive, files, end, as the technical note of RAR 4.20 has it. Bit 2 of `flags` says that the files are
/// encrypted.
pub(super) fn rar_with(members: &[(&str, &[u8])], flags: u16) -> Vec<u8> {
    let block = |body: &[u8]| [&crc32(body).to_le_bytes()[..2], body].concat();
    let mut rar = [b"Rar!\x1a\x07\0".as_slice(), &block(&[0x73, 0, 0, 13, 0, 0, 0, 0, 0, 0, 0])].concat();
    for (name, data) in members {
        let len = u32::try_from(data.len()).expect("small").to_le_bytes();
        let name_len = u16::try_from(name.len()).expect("short");
        let head = [
            &[0x74][..],
            &(0x8000 | flags).to_le_bytes(),
            &(32 + name_len).to_le_bytes(),
            &len,
            &len,
            &[3],
            &crc32(data).to_le_bytes(),
            // Its time, version 2.0, stored.
            &[0, 0, 0x21, 0x50, 20, 0x30],
            &name_len.to_le_bytes(),
            &[0x20, 0, 0, 0],
            name.as_bytes(),
        ];
        rar.extend_from_slice(&block(&head.concat()));
        rar.extend_from_slice(data);
    }
    rar.extend_from_slice(&block(&[0x7b, 0, 0x40, 7, 0]));
    rar
}

pub(super) fn nested(data: &[u8], depth: usize) -> Vec<u8> {
    (0..depth).fold(data.to_vec(), |inner, level| zip_with(&format!("{level}.zip"), &inner, 0))
}

pub(super) fn tar(data: &[u8]) -> Vec<u8> {
    let mut header = vec![0u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "a.com");
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{:011o}", data.len()));
    put(136, "00000000000");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let padding = vec![0; data.len().next_multiple_of(512) - data.len() + 1024];
    [header, data.to_vec(), padding].concat()
}

pub(super) fn ar(data: &[u8]) -> Vec<u8> {
    let header =
        format!("!<arch>\n{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "a.com/", 0, 0, 0, "100644", data.len());
    [header.as_bytes(), data].concat()
}

/// A PDF with an attached file.
pub(super) fn pdf(data: &[u8]) -> Vec<u8> {
    pdf_with("", data)
}

/// The same, of which that is the filter.
pub(super) fn pdf_with(filter: &str, data: &[u8]) -> Vec<u8> {
    let stream = format!("4 0 obj\n<</Type/EmbeddedFile{filter}/Length {}>>\nstream\n", data.len());
    let before = "%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[(a) 3 0 R]>>>>>>\nendobj\n\
                  2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\n\
                  3 0 obj\n<</Type/Filespec/F(a.com)/EF<</F 4 0 R>>>>\nendobj\n";
    let behind = "\nendstream\nendobj\ntrailer\n<</Root 1 0 R/Size 5>>\nstartxref\n0\n%%EOF\n";
    [before.as_bytes(), stream.as_bytes(), data, behind.as_bytes()].concat()
}

/// What a packer of that name, which Debian has, makes of it on its standard output.
pub(super) fn packed(program: &'static str, package: &str, data: &[u8]) -> Vec<u8> {
    let dir = icapstan_testkit::tempdir();
    let path = dir.path().join("a.com");
    fs::write(&path, data).expect("the folder is writable");
    let output =
        Command::new(need(program, package, package)).arg("-c").arg(&path).output().expect("it starts");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub(super) fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
