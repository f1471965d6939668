//! What objects are found to be.

use crate::harness::{Bench, PATIENCE, context, eicar, names, object, text, zip_of};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::{Compression, Crc};
use icapstan_model::{
    Content, FailedReason, NonScannedReason, Object, Readiness, ScanContext, ScanPort, ScanProfile, Verdict,
};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

const TEST_FILES: &str = "/usr/share/clamav-testfiles";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn zlib(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// One uncompressed meta-block (RFC 7932 section 9.2) and an empty last one.
fn brotli(content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap();
    assert!(len <= 1 << 16);
    let header = ((len - 1) << 4) | (1 << 20);
    [&header.to_le_bytes()[..3], content, &[3]].concat()
}

/// One raw block (RFC 8878 section 3.1.1).
fn zstd(content: &[u8]) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap();
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &len.to_le_bytes()].concat();
    let block = ((len << 3) | 1).to_le_bytes();
    [&frame, &block[..3], content].concat()
}

#[tokio::test]
async fn eicar_is_infected_and_text_is_clean_in_memory_and_in_a_file() {
    let bench = Bench::start(|_| {}).await;
    assert_eq!(bench.scanner.readiness(), Readiness::Ready);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert!(bench.scan(b"just some text").await.is_clean());
    assert!(bench.scan(b"").await.is_clean());

    let report = bench.try_scan(&eicar(), context(), PATIENCE).await.unwrap();
    assert_eq!(report.sha256.unwrap(), icapstan_model::Sha256::of(&eicar()));
    assert!(report.engine.as_nanos() > 0);

    for (bytes, infected) in [(eicar(), true), (text(3 << 20, 1), false)] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let object = Object { len: bytes.len() as u64, content: Content::File(Arc::new(file)) };
        let epoch = bench.epoch();
        let report = bench.scanner.scan(object, context(), &epoch, Instant::now() + PATIENCE).await.unwrap();
        assert_eq!(!names(&report.findings).is_empty(), infected);
        assert_eq!(report.findings.is_clean(), !infected);
    }
    bench.end().await;
}

#[tokio::test]
async fn the_built_in_signatures_say_that_they_are_test_signatures_and_find_eicar_by_its_name() {
    let bench = Bench::start_built_in(|_| {}).await;
    let signatures = bench.epoch().signatures.clone();
    assert!(signatures.test_only);
    assert!(signatures.engine.starts_with("ClamAV "));
    assert_eq!(signatures.count, 3);
    assert!((bench.metric("icapstan_scanner_signatures_test_only", None) - 1.0).abs() < 0.1);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature"]);
    // libclamav left to itself looks at a normalised form of HTML only.
    let page = [b"<html>".as_slice(), &text(2000, 1), &eicar(), b"</html>"].concat();
    assert_eq!(names(&bench.scan(&page).await), ["Eicar-Test-Signature"]);
    bench.end().await;
}

#[tokio::test]
async fn eicar_is_found_under_every_content_coding_that_readers_undo() {
    let bench = Bench::start(|_| {}).await;
    // Deflated, so that no body signature can match the bytes on the wire.
    for (coding, body) in [
        ("gzip", gzip(&eicar())),
        ("deflate", zlib(&eicar())),
        ("gzip, br", brotli(&gzip(&eicar()))),
        ("deflate, zstd", zstd(&zlib(&eicar()))),
        ("br", brotli(&eicar())),
        ("zstd", zstd(&eicar())),
    ] {
        let mut context = context();
        context.content_encoding = coding.to_owned();
        let report = bench.try_scan(&body, context, PATIENCE).await.unwrap();
        assert_eq!(names(&report.findings), ["Eicar-Test-Signature.UNOFFICIAL"], "{coding}");
    }
    for body in [brotli(&gzip(b"harmless text")), zstd(&gzip(b"harmless text"))] {
        let mut context = context();
        context.content_encoding = if body[0] == 0x28 { "gzip, zstd" } else { "gzip, br" }.to_owned();
        assert!(bench.try_scan(&body, context, PATIENCE).await.unwrap().findings.is_clean());
    }
    let control = bench.scan(&zlib(&eicar())).await;
    assert!(names(&control).is_empty(), "without its label it cannot be found, so the label was followed");
    bench.end().await;
}

/// An archive of one deflated file (APPNOTE.TXT 4.3).
fn zip(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    let packed = encoder.finish().unwrap();
    let mut crc = Crc::new();
    crc.update(content);
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let common = [
        &[20, 0, 0, 0, 8, 0, 0, 0, 0x21, 0][..],
        &crc.sum().to_le_bytes(),
        &len(&packed),
        &len(content),
        &[1, 0, 0, 0],
    ]
    .concat();
    let local = [b"PK\x03\x04", common.as_slice(), b"a", &packed].concat();
    let central = [b"PK\x01\x02\x14\0", common.as_slice(), &[0; 14], b"a"].concat();
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0".as_slice(), &len(&central), &len(&local), &[0, 0]].concat();
    [local, central, end].concat()
}

#[tokio::test]
async fn eicar_is_found_where_a_coding_passes_over_it() {
    let bench = Bench::start(|_| {}).await;
    let (hidden, shown) = (zip(&eicar()), b"harmless text".as_slice());
    let len = u16::try_from(hidden.len()).unwrap().to_le_bytes();
    let plain = gzip(shown);
    let mut extra = plain.clone();
    extra[3] = 4;
    extra.splice(10..10, [&len, hidden.as_slice()].concat());
    let mut comment = plain.clone();
    comment[3] = 16;
    // A comment ends with a zero, so that nothing packed fits in.
    comment.splice(10..10, [eicar(), vec![0]].concat());
    assert_eq!(names(&bench.scan(&hidden).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert!(bench.scan(&extra).await.is_clean(), "the engine leaves out an extra field");
    let skippable = [b"\x50\x2a\x4d\x18".as_slice(), &len, &[0, 0], &hidden, &zstd(shown)].concat();
    // Metadata of one meta-block (RFC 7932 section 9.2), with a window of 16 bits in front of it: bits 0 and
    // 1 are 0, the kind 0b011, one byte of length from bit 7 on.
    let bits = 0b0010_1100 | ((u16::try_from(hidden.len()).unwrap() - 1) << 7);
    assert!(hidden.len() <= 256);
    let block = (u32::try_from(shown.len()).unwrap() - 1) << 3 | 1 << 19;
    let metadata = [&bits.to_le_bytes(), hidden.as_slice(), &block.to_le_bytes()[..3], shown, &[3]].concat();
    for (coding, body) in [
        ("gzip", extra),
        ("gzip", comment),
        ("zstd", skippable),
        ("br", metadata.clone()),
        ("br, gzip", gzip(&metadata)),
    ] {
        let mut context = context();
        context.content_encoding = coding.to_owned();
        let found = bench.try_scan(&body, context, PATIENCE).await.unwrap().findings;
        assert_eq!(names(&found), ["Eicar-Test-Signature.UNOFFICIAL"], "{coding}");
    }
    bench.end().await;
}

#[tokio::test]
async fn eicar_is_found_in_parts_of_forms_plain_encoded_and_beside_small_fields() {
    let bench = Bench::start(|_| {}).await;
    let boundary = "multipart/form-data; boundary=xyz";
    let form = |header: &str, content: &[u8]| {
        let head = format!(
            "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nsmall\r\n--xyz\r\n{header}\r\n\r\n"
        );
        [head.as_bytes(), content, b"\r\n--xyz--\r\n"].concat()
    };
    let file = "Content-Disposition: form-data; name=\"f\"; filename=\"f.bin\"";
    let base64 = "WDVPIVAlQEFQWzRcUFpYNTQoUF4pN0NDKTd9JEVJQ0FSLVNUQU5EQVJE";
    let base64 = format!("{base64}LUFOVElWSVJVUy1URVNULUZJTEUhJEgrSCo=");
    let mut quoted = String::new();
    for byte in eicar() {
        write!(quoted, "={byte:02X}").unwrap();
    }
    for (header, content) in [
        (file.to_owned(), eicar()),
        (file.to_owned(), gzip(&eicar())),
        (format!("{file}\r\nContent-Transfer-Encoding: base64"), base64.into_bytes()),
        (format!("{file}\r\nContent-Transfer-Encoding: quoted-printable"), quoted.into_bytes()),
        ("Content-Disposition: form-data; name=\"b\"".to_owned(), eicar()),
    ] {
        let mut context = context();
        context.content_types = vec![boundary.to_owned()];
        let report = bench.try_scan(&form(&header, &content), context.clone(), PATIENCE).await.unwrap();
        assert_eq!(names(&report.findings), ["Eicar-Test-Signature.UNOFFICIAL"], "{header}");
        let report = bench.try_scan(&form(&header, b"nothing bad in here"), context, PATIENCE).await.unwrap();
        assert!(names(&report.findings).is_empty(), "{header}");
    }
    bench.end().await;
}

#[tokio::test]
async fn what_is_not_wholly_looked_at_has_its_reason() {
    let bench = Bench::start(|_| {}).await;
    let not = Verdict::NonScanned;
    let mut piece = context();
    piece.partial = true;
    let found = bench.try_scan(b"a piece of an object", piece, PATIENCE).await.unwrap().findings;
    assert_eq!(*found.strongest(), not(NonScannedReason::PartialContent));

    let mut small = context();
    small.profile = Arc::new(ScanProfile { max_object_size: 1000, ..ScanProfile::default() });
    let found = bench.try_scan(&text(1001, 1), small.clone(), PATIENCE).await.unwrap().findings;
    assert_eq!(*found.strongest(), not(NonScannedReason::Size));
    assert!(bench.try_scan(&text(1000, 1), small, PATIENCE).await.unwrap().findings.is_clean());

    // Formats that libclamav leaves out: what hides behind three bytes is found all the same.
    let song = [b"ID3".as_slice(), &text(100, 1)].concat();
    assert_eq!(*bench.scan(&song).await.strongest(), not(NonScannedReason::Unsupported));
    let hidden = [b"ID3".as_slice(), &eicar()].concat();
    assert_eq!(names(&bench.scan(&hidden).await), ["Eicar-Test-Signature.UNOFFICIAL"]);

    let deep = (0..9).fold(eicar(), |inner, _| gzip(&inner));
    let found = bench.scan(&deep).await;
    assert!(!found.is_clean(), "{found:?}");

    let epoch = bench.epoch();
    bench.scanner.shutdown().await;
    let late =
        bench.scanner.scan(object(b"after the end"), context(), &epoch, Instant::now() + PATIENCE).await;
    assert_eq!(*late.unwrap().findings.strongest(), Verdict::Failed(FailedReason::NoScanner));
    drop(epoch);
    bench.end().await;
}

#[tokio::test]
async fn every_file_of_clamavs_test_collection_is_infected_or_has_a_reason() {
    let bench = Bench::start_built_in(|_| {}).await;
    let files = fs::read_dir(TEST_FILES)
        .unwrap_or_else(|error| panic!("{TEST_FILES}: {error}; install the package clamav-testfiles"));
    let (mut seen, mut infected) = (0, 0);
    for entry in files {
        let path = entry.unwrap().path();
        let file = File::open(&path).unwrap();
        let object = Object { len: file.metadata().unwrap().len(), content: Content::File(Arc::new(file)) };
        let epoch = bench.epoch();
        let report = bench.scanner.scan(object, context(), &epoch, Instant::now() + PATIENCE).await.unwrap();
        assert!(!report.findings.is_clean(), "{}", path.display());
        seen += 1;
        infected += usize::from(!names(&report.findings).is_empty());
        if names(&report.findings).is_empty() {
            println!("{}: {:?}", path.display(), report.findings);
        }
    }
    println!("{infected} of {seen} infected");
    assert!(seen >= 40 && infected * 10 >= seen * 9, "{infected} of {seen}");
    bench.end().await;
}

/// It is `count` whatever it holds, so that nobody spends seconds on that; it is looked at as it stands.
#[tokio::test]
async fn a_zip_file_whose_directory_tells_of_too_many_members_is_not_opened() {
    let bench = Bench::start(|_| {}).await;
    let limited = |max_files| ScanContext {
        profile: Arc::new(ScanProfile { max_files, ..ScanProfile::default() }),
        ..context()
    };
    let count = Verdict::NonScanned(NonScannedReason::Count);
    let inside = zip_of(&eicar(), 60);
    let found = bench.try_scan(&inside, limited(100), PATIENCE).await.unwrap().findings;
    assert_eq!(names(&found), ["Eicar-Test-Signature.UNOFFICIAL"]);
    let found = bench.try_scan(&inside, limited(50), PATIENCE).await.unwrap().findings;
    assert_eq!(found.iter().collect::<Vec<_>>(), [&count]);
    let mut beside = zip_of(&text(100, 1), 60);
    // A comment of the file.
    let at = beside.len() - 2;
    beside[at..].copy_from_slice(&68_u16.to_le_bytes());
    beside.extend(eicar());
    let found = bench.try_scan(&beside, limited(50), PATIENCE).await.unwrap().findings;
    assert_eq!(names(&found), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert!(found.iter().any(|verdict| *verdict == count));
    bench.end().await;
}
