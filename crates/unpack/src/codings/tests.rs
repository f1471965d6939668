//! Tests of the content codings, by promise.

mod limits;
mod streams;

use super::*;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

fn budget() -> Budget {
    Budget {
        max_output: 64 << 20,
        max_ratio: 2000,
        deadline: Instant::now() + Duration::from_mins(1),
        max_codings: 5,
        cancelled: Arc::default(),
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(data: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn brotli(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &data[..], &mut out, &params).unwrap();
    out
}

fn zstd_with(data: &[u8], level: i32, checksum: bool, window_log: u32) -> Vec<u8> {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
    encoder.include_checksum(checksum).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    zstd_with(data, 3, true, 20)
}

/// A block header of zstd: kind 0 is raw, 1 run length, 2 compressed.
fn block_header(size: usize, kind: u32, last: bool) -> [u8; 3] {
    let header = (u32::try_from(size).unwrap() << 3) | (kind << 1) | u32::from(last);
    *header.to_le_bytes().first_chunk().unwrap()
}

fn encode(coding: Coding, data: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => gzip(data),
        Coding::Deflate => zlib(data),
        Coding::Brotli => brotli(data),
        Coding::Zstd => zstd(data),
        Coding::Compress | Coding::Unknown => unreachable!("nothing encodes these"),
    }
}

fn run_with(data: &[u8], codings: &Codings, budget: &Budget) -> Decoded {
    let mut create = || -> io::Result<File> { panic!("this must stay in memory") };
    let mut spill = Spill { threshold: usize::MAX, create: &mut create };
    decode(Input::Memory(data), codings, budget, &mut spill).unwrap()
}

fn run(data: &[u8], codings: &[Coding]) -> Decoded {
    run_with(data, &Codings::new(codings), &budget())
}

fn bytes(output: &Output, input: &[u8]) -> Vec<u8> {
    match output {
        Output::Same => input.to_vec(),
        Output::Memory(bytes) => bytes.clone(),
        Output::File { .. } => panic!("this must stay in memory"),
    }
}

#[track_caller]
fn complete(data: &[u8], codings: &[Coding]) -> Vec<u8> {
    match run(data, codings) {
        Decoded::Complete { output, first_len: None, .. } => bytes(&output, data),
        other => panic!("not complete: {other:?}"),
    }
}

#[track_caller]
fn incomplete(data: &[u8], codings: &[Coding]) -> (Vec<u8>, Defect) {
    match run(data, codings) {
        Decoded::Incomplete { output, defect, .. } => (bytes(&output, data), defect),
        other @ Decoded::Complete { .. } => panic!("taken for complete: {other:?}"),
    }
}

/// Text that compresses, but not too well.
fn text(len: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_u32;
    let words = ["icap ", "scan ", "body ", "chunk ", "preview ", "\r\n", "0123 "];
    let mut out = Vec::with_capacity(len + 16);
    while out.len() < len {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        out.extend_from_slice(words[(state >> 24) as usize % words.len()].as_bytes());
        out.push(state.to_be_bytes()[1]);
    }
    out.truncate(len);
    out
}

#[test]
fn header_values_become_chains() {
    use Coding::*;
    let cases: [(&str, &[Coding]); 17] = [
        ("", &[]),
        ("identity", &[]),
        ("gzip", &[Gzip]),
        ("GZip", &[Gzip]),
        ("x-gzip", &[Gzip]),
        (" deflate\t", &[Deflate]),
        ("br", &[Brotli]),
        ("zstd", &[Zstd]),
        ("x-compress", &[Compress]),
        ("compress", &[Compress]),
        ("deflate, gzip", &[Deflate, Gzip]),
        ("identity,gzip", &[Gzip]),
        (",, gzip ,,br,", &[Gzip, Brotli]),
        ("UTF-8", &[Unknown]),
        ("gzip;q=1", &[Unknown]),
        ("gzip br", &[Unknown]),
        ("aws-chunked,gzip", &[Unknown, Gzip]),
    ];
    for (value, expected) in cases {
        assert_eq!(Codings::parse(value).as_slice(), expected, "{value:?}");
    }
    assert!(Codings::parse("identity, ,").is_identity());
}

#[test]
fn fixed_vectors_decode() {
    // Byte for byte, so that encoders and decoders of one crate cannot agree on a mistake.
    let gz = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    let zlib = b"\x78\x9c\xcb\x48\xcd\xc9\xc9\x07\x00\x06\x2c\x02\x15";
    let raw = b"\xcb\x48\xcd\xc9\xc9\x07\x00";
    let br = b"\x0b\x02\x80hello\x03";
    let zst = b"\x28\xb5\x2f\xfd\x20\x05\x29\x00\x00hello";
    assert_eq!(complete(gz, &[Coding::Gzip]), b"hello");
    assert_eq!(complete(zlib, &[Coding::Deflate]), b"hello");
    assert_eq!(complete(raw, &[Coding::Deflate]), b"hello");
    assert_eq!(complete(br, &[Coding::Brotli]), b"hello");
    assert_eq!(complete(zst, &[Coding::Zstd]), b"hello");
}

#[test]
fn all_chains_of_three_are_undone() {
    let data = text(5000);
    for first in ALL {
        for second in ALL {
            for third in ALL {
                let body = encode(third, &encode(second, &encode(first, &data)));
                assert_eq!(complete(&body, &[first, second, third]), data);
            }
        }
    }
}

#[test]
fn no_coding_gives_the_input_itself() {
    assert!(matches!(run(b"plain", &[]), Decoded::Complete { output: Output::Same, .. }));
}

#[test]
fn an_empty_body_is_complete_under_any_coding() {
    for coding in ALL {
        assert_eq!(complete(b"", &[coding]), b"");
    }
}

#[test]
fn an_unknown_coding_stops_the_chain_where_it_stands() {
    let data = text(500);
    let body = gzip(&data);
    assert_eq!(incomplete(&body, &[Coding::Unknown, Coding::Gzip]), (data, Defect::UnknownCoding));
    for opaque in [Coding::Unknown, Coding::Compress] {
        let decoded = run(&body, &[Coding::Gzip, opaque]);
        let Decoded::Incomplete { output: Output::Same, defect, .. } = decoded else {
            panic!("something was undone: {decoded:?}");
        };
        assert_eq!(defect, Defect::UnknownCoding);
    }
}

#[test]
fn wrong_labels_are_malformed_and_show_what_was_given() {
    let data = b"<html>no coding at all</html>";
    for coding in ALL {
        let (output, defect) = incomplete(data, &[coding]);
        // Raw deflate may read a few bytes into anything.
        assert!(matches!(defect, Defect::Malformed | Defect::Truncated), "{coding:?}: {defect}");
        assert!(coding == Coding::Deflate || output == data, "{coding:?}");
    }
    for (label, actual) in
        [(Coding::Gzip, Coding::Zstd), (Coding::Zstd, Coding::Gzip), (Coding::Gzip, Coding::Deflate)]
    {
        let body = encode(actual, &text(900));
        assert_eq!(incomplete(&body, &[label]), (body.clone(), Defect::Malformed));
    }
}

#[test]
fn a_coding_named_twice_but_applied_once_gives_the_content() {
    let data = text(700);
    assert_eq!(incomplete(&gzip(&data), &[Coding::Gzip, Coding::Gzip]), (data.clone(), Defect::Malformed));
    assert_eq!(incomplete(&brotli(&data), &[Coding::Gzip, Coding::Brotli]), (data, Defect::Malformed));
}

#[test]
fn files_are_read_by_position_and_output_spills_into_a_file() {
    let data = text(300_000);
    for coding in ALL {
        let mut body = tempfile::tempfile().unwrap();
        let encoded = encode(coding, &data);
        body.write_all(&encoded).unwrap();
        body.write_all(b"not part of the input").unwrap();
        let mut calls = 0;
        let mut create = || {
            calls += 1;
            tempfile::tempfile()
        };
        let mut spill = Spill { threshold: 100_000, create: &mut create };
        let input = Input::File { file: &body, len: encoded.len() as u64 };
        let decoded = decode(input, &Codings::new(&[coding]), &budget(), &mut spill).unwrap();
        let Decoded::Complete { output: Output::File { file, len }, .. } = decoded else {
            panic!("{decoded:?}");
        };
        assert_eq!(len, data.len() as u64);
        assert_eq!(calls, 1);
        let mut read = vec![0; data.len()];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut read, 0).unwrap();
        assert_eq!(read, data);
        assert_eq!(file.metadata().unwrap().len(), len);
    }
}

#[test]
fn a_file_shorter_than_told_is_an_error() {
    let file = tempfile::tempfile().unwrap();
    let mut create = tempfile::tempfile;
    let mut spill = Spill { threshold: 10, create: &mut create };
    let input = Input::File { file: &file, len: 5 };
    let error = decode(input, &Codings::new(&[Coding::Gzip]), &budget(), &mut spill).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn no_room_for_output_is_an_error() {
    let mut create = || Err(io::ErrorKind::StorageFull.into());
    let mut spill = Spill { threshold: 10, create: &mut create };
    let body = gzip(&text(100));
    let result = decode(Input::Memory(&body), &Codings::new(&[Coding::Gzip]), &budget(), &mut spill);
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn the_first_bytes_show_the_coding() {
    let data = text(2000);
    assert_eq!(sniff(&gzip(&data)), Some(Coding::Gzip));
    assert_eq!(sniff(&zstd(&data)), Some(Coding::Zstd));
    assert_eq!(sniff(&zlib(&data)), Some(Coding::Deflate));
    assert_eq!(sniff(b"\x50\x2a\x4d\x18\0\0\0\0"), Some(Coding::Zstd));
    assert_eq!(sniff(b"<!DOCTYPE html>"), None);
    assert_eq!(sniff(b""), None);
    assert!(looks_like_gzip(b"\x1f\x8b\x08"));
    assert!(!looks_like_gzip(b"\x1f\x8b"));
    assert!(!looks_like_gzip(b"\x1f\x8b\x08\xe0"));
    assert!(!looks_like_zlib(b"\x78"));
    assert!(!looks_like_zlib(b"\x78\x9d"));
    assert!(!looks_like_zlib(b"x-"));
    assert!(!looks_like_zstd(b"\x28\xb5\x2f"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decoding_inverts_encoding(
        data in proptest::collection::vec(any::<u8>(), 0..20_000),
        chain in proptest::collection::vec(proptest::sample::select(&ALL[..]), 1..4),
    ) {
        let body = chain.iter().fold(data.clone(), |body, &coding| encode(coding, &body));
        prop_assert_eq!(complete(&body, &chain), data);
    }

    #[test]
    fn decoding_inverts_encoding_of_text(len in 0usize..200_000, level in 1i32..19, window in 10u32..23) {
        let data = text(len);
        prop_assert_eq!(&complete(&zstd_with(&data, level, level % 2 == 0, window), &[Coding::Zstd]), &data);
        prop_assert_eq!(&complete(&raw_deflate(&data, level.cast_unsigned() / 2), &[Coding::Deflate]), &data);
    }

    #[test]
    fn random_bytes_never_panic(
        data in proptest::collection::vec(any::<u8>(), 0..3000),
        chain in proptest::collection::vec(proptest::sample::select(&ALL[..]), 1..3),
    ) {
        let _ = run(&data, &chain);
        let _ = sniff(&data);
    }

    #[test]
    fn any_header_value_parses(value in ".{0,300}") {
        let _ = Codings::parse(&value);
    }
}
