//! What nobody here can read, and what only looks so.

use super::build::{base64, pdf, pdf_with, tar, wrapped, zip, zip_of, zip_with};
use super::multipart::form;
use super::rows::{Row, download, upload};
use icapstan_testkit::{clean_bytes, clean_text, deflate, eicar, gzip};
use md5::{Digest, Md5};

/// In place of a password, or behind one that is shorter (ISO 32000-1, 7.6.3.3).
const PAD: [u8; 32] = *b"\x28\xbf\x4e\x5e\x4e\x75\x8a\x41\x64\x00\x4e\x56\xff\xfa\x01\x08\x2e\x2e\x00\xb6\xd0\x68\x3e\x80\x2f\x0c\xa9\xfe\x64\x53\x69\x7a";

/// What 7-Zip makes of a short text with a password, the headers too: 232 bytes.
const SEVEN_ZIP: &str = "\
    377abcaf271c0004d52d8c45a00000000000000028000000000000002e19a90cefe7bc91d91562ec2d85f33806b75594\
    09d3bddbb797e72d6af6398ebe84dcca826bcfdeb639b10a998e086eed8dbb14e0a27a0eda0088a220c5e8f07da872d5\
    1d41ecc12831c606230475d81542731254312c1452538d7163eee07c8807d097173c65f8bb4fef7cff37fbda3d8916e2\
    25841949838c51ff548ecfb6291462a5d90d97801fc7986e9e4ea11884e0f8a32af0faf9cf3eae514c4e7ada29c6a1c2\
    17063001097000070b0100012406f1070112530f62492658df36f8fb652822d1d8d767c10c690000";

pub(super) fn rows() -> Vec<Row> {
    let far = || sealed_pdf(&eicar(), "", "/Encrypt", 4000);
    let mail = |content: &[u8]| {
        let head = "From: a@o.test\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        [head.as_bytes(), wrapped(&base64(content), 76, "\r\n").as_bytes()].concat()
    };
    let mut rows =
        vec![download("PDF that the empty password opens", sealed_pdf(&eicar(), "", "/Encrypt", 0))];
    let unread = [
        download("PDF with a password", sealed_pdf(&eicar(), "secret", "/Encrypt", 0)),
        download("PDF whose Encrypt is far from its end", far()),
        download("PDF whose Encrypt is written with escapes", sealed_pdf(&eicar(), "", "/#45ncryp#74", 0)),
        download("PDF without %%EOF, encrypted", {
            let mut pdf = sealed_pdf(&eicar(), "", "/Encrypt", 0);
            pdf.truncate(pdf.len() - 6);
            pdf
        }),
        download(
            "encrypted PDF behind a picture",
            [b"GIF89a\x01\0\x01\0\0\0\0;".as_slice(), &far()].concat(),
        ),
        download("encrypted PDF in gzip", gzip(&far())).coding("gzip"),
        download("encrypted PDF in zip", zip(&far())),
        download("encrypted PDF in a mail", mail(&far())).content_type("message/rfc822"),
        upload("encrypted PDF in JSON", "application/json", format!("{{\"a\": \"{}\"}}", base64(&far()))),
        upload(
            "encrypted PDF in a form",
            "multipart/form-data; boundary=bnd",
            form("Content-Disposition: form-data; name=f; filename=a.pdf", far()),
        ),
        download("OOXML with a password", compound("EncryptedPackage", &clean_bytes(4096, 1))),
        download("OOXML with a password in zip", zip(&compound("EncryptedPackage", &clean_bytes(4096, 1)))),
        download("Word with a password", compound("WordDocument", &word(0x0100))),
        download("Excel with a password", compound("Workbook", &excel(0x2f))),
        download("PowerPoint with a password", compound("Current User", &powerpoint())),
        download("document under rights management", compound("\tDRMContent", &clean_bytes(4096, 1))),
        download("OpenDocument with a password", open_document("manifest:", "encryption-data")),
        download("OpenDocument with a password and other prefixes", open_document("m:", "encryption-data")),
        download("zip with AES", zip_aes()),
        download("zip with AES in zip", zip(&zip_aes())),
        download("7z with encrypted headers", unhex(SEVEN_ZIP)),
        download("7z with encrypted headers in zip", zip(&unhex(SEVEN_ZIP))),
        download("rar 5 with encrypted headers", rar_5()),
        download("encrypted by OpenPGP", open_pgp()),
        download("encrypted by OpenPGP in a mail", mail(&open_pgp())).content_type("message/rfc822"),
        download("encrypted by OpenPGP in a text behind a greeting", armoured("Dear all,\n\n")),
        download("encrypted by S/MIME", cms(3)),
    ];
    rows.extend(unread.into_iter().map(|row| row.not_scanned("encrypted")));
    rows.extend([
        download("zip, two of one name, the first one bad", zip_of(&[("a", &eicar()), ("a", b"some text")])),
        download("zip, two of one name, the second one bad", zip_of(&[("a", b"some text"), ("a", &eicar())])),
        download("zip whose members share bytes", shared_zip(2, 12)).not_scanned("malformed"),
        download("zip that is a bomb", shared_zip(1000, 9 << 20)).not_scanned("ratio, non-scanned/malformed"),
        download("zip that says it is large", shared_zip(1, 3 << 30)).not_scanned("ratio"),
    ]);
    rows
}

/// What is none of that.
pub(super) fn clean() -> Vec<Row> {
    let text = b"some text that is longer than five bytes";
    vec![
        download("PDF that the empty password opens", sealed_pdf(text, "", "/Encrypt", 0)),
        download("PDF about encryption", {
            let about = b"the key /Encrypt, as in (/Encrypt is 5 0 R), says so";
            pdf(&[about.as_slice(), &clean_text(4000)].concat())
        }),
        download("Word without a password", compound("WordDocument", &word(0))),
        download("Excel without a password", compound("Workbook", &excel(0x42))),
        download("OpenDocument without a password", open_document("manifest:", "file-entry")),
        download("signed by S/MIME", cms(2)),
        download("key of OpenPGP", [b"\x99\x01\x0d\x04".as_slice(), &clean_bytes(265, 1)].concat()),
        download("zip, two of one name", zip_of(&[("a", text), ("a", b"other text")])),
        download("zip behind a tar file", [tar(text), zip(text)].concat()),
        download("zlib", deflate(text)),
        download("text about OpenPGP", "A message\n-----BEGIN PGP MESSAGE-----\nis how one begins.\n"),
        download("zip behind a script", [b"#!/bin/sh\nexit 0\n".as_slice(), &zip(text)].concat()),
        download("zip whose members are ordered otherwise", {
            zip_of(&[("b", text), ("a", text), ("META-INF/", b"")])
        }),
    ]
}

/// Such a message in armour, behind that.
fn armoured(front: &str) -> String {
    let lines = wrapped(&base64(&open_pgp()), 64, "\n");
    format!("{front}-----BEGIN PGP MESSAGE-----\n\n{lines}\n-----END PGP MESSAGE-----\n")
}

/// A PDF with an attached file, encrypted by RC4 with 40 bits (ISO 32000-1, 7.6.2 and 7.6.3). The key in the
/// trailer is spelled so, and so many bytes stand behind it.
fn sealed_pdf(data: &[u8], password: &str, key_name: &str, padding: usize) -> Vec<u8> {
    sealed_pdf_with("/Filter/FlateDecode", &deflate(data), password, key_name, padding)
}

/// The same with an attached file that is filtered so.
fn sealed_pdf_with(filter: &str, data: &[u8], password: &str, key_name: &str, padding: usize) -> Vec<u8> {
    let owner = [0x4f; 32];
    let id = [0x49; 16];
    let padded = [password.as_bytes(), &PAD].concat();
    let hash = Md5::digest([&padded[..32], &owner, &(-4i32).to_le_bytes(), &id].concat());
    let key = &hash[..5];
    let user = rc4(key, &PAD);
    // Of object 4, generation 0.
    let of_object = Md5::digest([key, &[4, 0, 0, 0, 0]].concat());
    let plain = pdf_with(filter, &rc4(&of_object[..10], data));
    let end = plain.windows(7).rposition(|word| word == b"trailer").expect("it has one");
    let trailer = format!(
        "5 0 obj\n<</Filter/Standard/V 1/R 2/P -4/O<{}>/U<{}>>>\nendobj\ntrailer\n<</Root 1 0 R/Size 6/ID[<{}><{}>]{key_name} 5 0 R>>\n{}\nstartxref\n0\n%%EOF\n",
        icapstan_testkit::hex(&owner),
        icapstan_testkit::hex(&user),
        icapstan_testkit::hex(&id),
        icapstan_testkit::hex(&id),
        "%".repeat(padding),
    );
    [&plain[..end], trailer.as_bytes()].concat()
}

fn rc4(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut state: [u8; 256] = std::array::from_fn(|index| u8::try_from(index).expect("below 256"));
    let mut j = 0u8;
    for i in 0..256 {
        j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
        state.swap(i, j.into());
    }
    let (mut i, mut j) = (0u8, 0u8);
    let mut next = || {
        i = i.wrapping_add(1);
        j = j.wrapping_add(state[usize::from(i)]);
        state.swap(i.into(), j.into());
        state[usize::from(state[usize::from(i)].wrapping_add(state[usize::from(j)]))]
    };
    data.iter().map(|byte| byte ^ next()).collect()
}

/// A compound file with one stream of 4 KiB: header, table of sectors, directory, stream ([MS-CFB] 2.2 to 2.6).
pub(crate) fn compound(name: &str, stream: &[u8]) -> Vec<u8> {
    assert_eq!(stream.len(), 4096);
    let mut header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    header.extend([0; 16]);
    header.extend([0x3e, 0, 3, 0, 0xfe, 0xff, 9, 0, 6, 0]);
    header.extend([0; 10]);
    // One sector of the table; the directory in sector 1; no small streams; no further tables.
    for number in [1, 1, 0, 4096, 0xffff_fffe, 0, 0xffff_fffe, 0, 0u32] {
        header.extend(number.to_le_bytes());
    }
    header.resize(512, 0xff);
    let mut table: Vec<u32> = vec![0xffff_fffd, 0xffff_fffe];
    table.extend((3..10).chain([0xffff_fffe]));
    table.resize(128, u32::MAX);
    let entry = |name: &str, kind: u8, child: u32, start: u32, len: u32| {
        let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let name_len = u16::try_from(entry.len() + 2).expect("short");
        entry.resize(64, 0);
        entry.extend(name_len.to_le_bytes());
        entry.extend([kind, 1]);
        entry.extend([u32::MAX, u32::MAX, child].map(u32::to_le_bytes).concat());
        entry.resize(116, 0);
        entry.extend([start, len, 0].map(u32::to_le_bytes).concat());
        entry
    };
    let mut directory = entry("Root Entry", 5, 1, 0xffff_fffe, 0);
    directory.extend(entry(name, 2, u32::MAX, 2, 4096));
    directory.resize(512, 0);
    let table: Vec<u8> = table.into_iter().flat_map(u32::to_le_bytes).collect();
    [header, table, directory, stream.to_vec()].concat()
}

fn stream(start: &[u8]) -> Vec<u8> {
    let mut stream = start.to_vec();
    stream.resize(4096, 0);
    stream
}

/// The file information block with those flags ([MS-DOC] 2.5.2).
pub(crate) fn word(flags: u16) -> Vec<u8> {
    stream(&[&[0xec, 0xa5, 0xc1, 0, 0, 0, 9, 4, 0, 0][..], &flags.to_le_bytes()].concat())
}

/// The beginning of a workbook, and a record of that kind ([MS-XLS] 2.4.21, 2.4.117).
fn excel(record: u16) -> Vec<u8> {
    let begin = [9, 8, 16, 0, 0, 6, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    stream(&[&begin[..], &record.to_le_bytes(), &[2, 0, 0xb0, 4, 10, 0, 0, 0]].concat())
}

/// The record of the user with the token of encryption ([MS-PPT] 2.3.2).
fn powerpoint() -> Vec<u8> {
    stream(&[0, 0, 0xf6, 0x0f, 0x20, 0, 0, 0, 0x14, 0, 0, 0, 0xdf, 0xc4, 0xd1, 0xf3])
}

/// With an element in the manifest that may say that content is encrypted.
fn open_document(prefix: &str, element: &str) -> Vec<u8> {
    let namespace = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0";
    let xmlns = prefix.trim_end_matches(':');
    let manifest = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{prefix}manifest xmlns:{xmlns}=\"{namespace}\">\
         <{prefix}file-entry {prefix}full-path=\"content.xml\" {prefix}media-type=\"text/xml\">\
         <{prefix}{element} {prefix}checksum=\"x\"/></{prefix}file-entry></{prefix}manifest>"
    );
    zip_of(&[
        ("mimetype", b"application/vnd.oasis.opendocument.text"),
        ("content.xml", &clean_bytes(90, 1)),
        ("META-INF/manifest.xml", manifest.as_bytes()),
    ])
}

/// Method 99 stands for AES (`WinZip`, "AES Encryption Information").
fn zip_aes() -> Vec<u8> {
    let mut zip = zip_with("a.com", &clean_bytes(90, 1), 1);
    let central = zip.windows(4).position(|mark| mark == b"PK\x01\x02").expect("it has one");
    for method in [8, central + 10] {
        zip[method] = 99;
    }
    zip
}

/// The header of encryption is all that there is to see (RAR 5.0 archive format).
fn rar_5() -> Vec<u8> {
    let body = [&[0x21, 4, 0, 0, 0, 15][..], &clean_bytes(28, 1)].concat();
    let crc = super::build::crc32(&body).to_le_bytes();
    [b"Rar!\x1a\x07\x01\0".as_slice(), &crc, &body, &clean_bytes(96, 2)].concat()
}

/// By a password, then for integrity (RFC 9580, 5.3 and 5.13).
fn open_pgp() -> Vec<u8> {
    let password = [0x8c, 13, 4, 9, 3, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0xff];
    [&password[..], &[0xd2, 91, 1], &clean_bytes(90, 1)].concat()
}

/// Content of that type of PKCS #7: 2 is signed, 3 enveloped (RFC 5652, 4 to 6).
fn cms(kind: u8) -> Vec<u8> {
    [b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07".as_slice(), &[kind, 0xa0, 0x80], &clean_bytes(90, 1)]
        .concat()
}

/// A member that the directory names so often, and says to be so large.
pub(crate) fn shared_zip(times: u16, unpacked: u32) -> Vec<u8> {
    let zip = zip(b"some content");
    let at = zip.windows(4).position(|mark| mark == b"PK\x01\x02").expect("it has one");
    let (mut entry, mut end) = (zip[at..zip.len() - 22].to_vec(), zip[zip.len() - 22..].to_vec());
    // Deflated, so that it may well be larger than what is there.
    let mut member = zip[..at].to_vec();
    (member[8], entry[10]) = (8, 8);
    entry[24..28].copy_from_slice(&unpacked.to_le_bytes());
    let directory = entry.repeat(times.into());
    for count in [8, 10] {
        end[count..count + 2].copy_from_slice(&times.to_le_bytes());
    }
    end[12..16].copy_from_slice(&u32::try_from(directory.len()).expect("small").to_le_bytes());
    [member, directory, end].concat()
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    text.as_bytes().chunks(2).map(|digits| pair(digits).expect("it is hexadecimal")).collect()
}
