use super::*;
use proptest::prelude::*;

/// `front`, followed by zeros.
fn binary(front: &[u8]) -> Vec<u8> {
    let mut bytes = front.to_vec();
    bytes.resize(PREFIX, 0);
    bytes
}

/// A local header of a zip file with data behind it.
fn zipped(name: &str, data: &[u8]) -> Vec<u8> {
    let mut header = b"PK\x03\x04\x14\0\x08\0\0\0\0\0\0\0".to_vec();
    header.resize(26, 0);
    header.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    header.extend([0, 0]);
    [&header, name.as_bytes(), data].concat()
}

fn program(place: u32, header: &[u8]) -> Vec<u8> {
    let mut bytes = binary(b"MZ\x90\0");
    bytes[60..64].copy_from_slice(&place.to_le_bytes());
    if let Some(room) = bytes.get_mut(place as usize..place as usize + header.len()) {
        room.copy_from_slice(header);
    }
    bytes
}

#[test]
fn common_formats_are_told_by_their_first_bytes() {
    for (first, expected) in [
        (binary(b"\xff\xd8\xff\xe0\0\x10JFIF"), "image/jpeg"),
        (binary(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "image/png"),
        (binary(b"GIF89a\x01\0\x01\0"), "image/gif"),
        (binary(b"RIFF\x10\0\0\0WEBPVP8 "), "image/webp"),
        (binary(b"\0\0\0\x20ftypavif\0\0\0\0avifmif1"), "image/avif"),
        (binary(b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2"), "video/mp4"),
        (binary(b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm"), "video/webm"),
        (binary(b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska"), "video/x-matroska"),
        (binary(b"ID3\x03\0\0\0\0\0\0"), "audio/mpeg"),
        (binary(b"OggS\0\x02"), "application/ogg"),
        (binary(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"), "application/pdf"),
        (b"%PDF-1.7\n1 0 obj".to_vec(), "application/pdf"),
        (b"{\\rtf1\\ansi x}".to_vec(), "application/rtf"),
        (binary(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "application/x-cfb"),
        (binary(b"\x7fELF\x02\x01\x01"), "application/x-executable"),
        (binary(b"7z\xbc\xaf\x27\x1c"), "application/x-7z-compressed"),
        (binary(b"Rar!\x1a\x07\x01\0"), "application/vnd.rar"),
        (binary(b"\x1f\x8b\x08\0"), "application/gzip"),
        (binary(b"wOF2\0\x01\0\0"), "font/woff2"),
        (binary(b"\x4c\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"), "application/x-ms-shortcut"),
        (b"#!/bin/sh\nid\n".to_vec(), "text/x-shellscript"),
        (binary(b"\x01\x02\x03\x04 nothing in particular"), UNKNOWN),
        (Vec::new(), UNKNOWN),
    ] {
        assert_eq!(
            media_type(&first),
            expected,
            "{:?}",
            String::from_utf8_lossy(&first[..first.len().min(16)])
        );
        assert!(is_known(expected));
    }
}

#[test]
fn programs_are_told_by_where_their_newer_header_is() {
    const WINDOWS: &str = "application/vnd.microsoft.portable-executable";
    assert_eq!(media_type(&program(0x80, b"PE\0\0")), WINDOWS);
    assert_eq!(media_type(&program(0x80, b"NE\0\0")), "application/x-dosexec");
    assert_eq!(media_type(&program(100_000, b"")), WINDOWS);
    assert_eq!(media_type(&program(u32::MAX, b"")), WINDOWS);
    assert_eq!(media_type(b"MZ\0"), "application/x-dosexec");
}

#[test]
fn zip_files_are_told_by_what_is_in_them() {
    let office = |third: &str| {
        [zipped("[Content_Types].xml", b"x"), zipped("_rels/.rels", b"x"), zipped(third, b"x")].concat()
    };
    let odt = b"application/vnd.oasis.opendocument.textPK\x03\x04";
    for (first, expected) in [
        (office("word/document.xml"), BY_OFFICE[0]),
        (office("xl/workbook.xml"), BY_OFFICE[1]),
        (office("ppt/presentation.xml"), BY_OFFICE[2]),
        (office("readme"), "application/zip"),
        (zipped("mimetype", odt), "application/vnd.oasis.opendocument.text"),
        (zipped("mimetype", b"application/epub+zipPK\x03\x04"), "application/epub+zip"),
        (zipped("mimetype", b"application/pdf"), "application/zip"),
        (zipped("META-INF/MANIFEST.MF", b""), "application/java-archive"),
        (zipped("AndroidManifest.xml", b""), "application/vnd.android.package-archive"),
        (zipped("sword/x", b""), "application/zip"),
    ] {
        assert_eq!(media_type(&first), expected);
        assert!(is_known(expected), "{expected}");
    }
}

const BY_OFFICE: [&str; 3] = [
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
];

#[test]
fn markup_is_told_however_it_is_encoded() {
    let wide = |text: &str, little: bool| -> Vec<u8> {
        let mark = if little { [0xff, 0xfe] } else { [0xfe, 0xff] };
        let units =
            text.encode_utf16().flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() });
        mark.into_iter().chain(units).collect()
    };
    let html = " \r\n<!doctype HTML>\n<p>\u{e4}\u{20ac}";
    for first in [
        html.as_bytes().to_vec(),
        format!("\u{feff}{html}").into_bytes(),
        wide(html, true),
        wide(html, false),
    ] {
        assert_eq!(media_type(&first), "text/html");
    }
    for (first, expected) in [
        ("<html>", "text/html"),
        ("<a href=x>", "text/html"),
        ("<!-- x -->", "text/html"),
        // What browsers take for HTML is HTML, whatever follows.
        ("<script>\0\u{1}", "text/html"),
        ("<abc>", "text/plain"),
        ("<?xml version='1.0'?><a/>", "text/xml"),
        ("<?xml version='1.0'?><!-- <svg> --><a/>", "text/xml"),
        ("<?xml version='1.0'?>\n<!DOCTYPE svg><svg:svg width='1'>", "image/svg+xml"),
        ("<svg xmlns='http://www.w3.org/2000/svg'>", "image/svg+xml"),
        ("<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>", "application/xhtml+xml"),
        ("function f() { return '<svg>' }", "text/plain"),
        ("{\"a\": 1}", "text/plain"),
        ("a,b\n1,2\n", "text/plain"),
        ("\u{4e16}\u{754c}", "text/plain"),
    ] {
        assert_eq!(media_type(first.as_bytes()), expected, "{first}");
    }
    assert_eq!(media_type(&wide("plain \u{4e16}", true)), "text/plain");
}

#[test]
fn what_is_all_text_is_no_picture_and_no_program() {
    for first in [&b"GIF89a=1;alert(1)//"[..], b"BM=1;alert(1)//", b"MZ is no program", b"ID3=1;", b"P2=1"] {
        assert_eq!(media_type(first), "text/plain", "{}", String::from_utf8_lossy(first));
    }
}

#[test]
fn known_types_are_in_order_and_other_names_of_them_are_found() {
    assert!(KNOWN.windows(2).all(|pair| pair[0] < pair[1]));
    let shaped =
        |known: &&str| known.split_once('/').is_some_and(|(top, sub)| !top.is_empty() && !sub.is_empty());
    assert!(KNOWN.iter().all(shaped));
    assert!(is_known("image/jpeg") && !is_known("image/jpg"));
    assert_eq!(also_called("image/jpg"), Some("image/jpeg"));
    assert_eq!(also_called("application/vnd.nothing-like-it"), None);
}

const FRONTS: &[&[u8]] = &[
    b"",
    b"PK\x03\x04",
    b"MZ",
    b"\x1a\x45\xdf\xa3\x42\x82",
    b"<?xml ",
    b"\xff\xfe",
    b"<",
    b"\0\0\0\x20ftyp",
];

#[test]
fn the_page_of_types_has_each_and_no_other() {
    let page = include_str!("../../../docs/types.md");
    let lists = page.split("\n## ").skip(1).flat_map(|part| {
        let (top, list) = part.split_once('\n').unwrap();
        list.split('`').skip(1).step_by(2).map(move |sub| format!("{top}/{sub}"))
    });
    assert_eq!(lists.collect::<Vec<_>>(), KNOWN);
}

proptest! {
    #[test]
    fn no_bytes_break_it_and_what_is_told_is_known(
        front in proptest::sample::select(FRONTS),
        rest in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let first = [front, &rest].concat();
        prop_assert!(is_known(media_type(&first)));
    }

    #[test]
    fn what_begins_as_html_is_html_whatever_follows(rest in proptest::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(media_type(&[b"<html>", &rest[..]].concat()), "text/html");
    }

    #[test]
    fn what_lies_behind_the_prefix_changes_nothing(rest in proptest::collection::vec(any::<u8>(), 0..50)) {
        let first = program(0x80, b"PE\0\0");
        prop_assert_eq!(media_type(&[first.clone(), rest].concat()), media_type(&first));
    }
}
