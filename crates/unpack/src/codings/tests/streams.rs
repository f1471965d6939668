//! Streams that break off, that are broken, that follow each other, and that can be read two ways.

use super::*;

#[test]
fn every_truncation_is_noticed_and_gives_a_prefix() {
    let data = text(3000);
    let bodies = [
        (Coding::Gzip, gzip(&data)),
        (Coding::Deflate, zlib(&data)),
        (Coding::Deflate, raw_deflate(&data, 6)),
        (Coding::Deflate, raw_deflate(&data, 0)),
        (Coding::Brotli, brotli(&data)),
        (Coding::Zstd, zstd(&data)),
        (Coding::Zstd, zstd_with(&data, 19, false, 10)),
    ];
    for (coding, body) in bodies {
        assert_eq!(complete(&body, &[coding]), data);
        for len in 1..body.len() {
            let cut = &body[..len];
            let (output, defect) = incomplete(cut, &[coding]);
            assert_eq!(defect, Defect::Truncated, "{coding:?} cut at {len} of {}", body.len());
            // With nothing decoded, the input comes back.
            assert!(data.starts_with(&output) || output == cut, "{coding:?} cut at {len}");
        }
    }
}

#[test]
fn a_truncated_stream_gives_all_that_came_before_its_end() {
    let data = text(200_000);
    for (coding, body, at_least) in [
        (Coding::Gzip, gzip(&data), 195_000),
        (Coding::Deflate, zlib(&data), 195_000),
        (Coding::Brotli, brotli(&data), 195_000),
        // Only whole blocks, of 128 KiB at most, can be decoded.
        (Coding::Zstd, zstd(&data), 128 * 1024),
    ] {
        let (output, defect) = incomplete(&body[..body.len() - 20], &[coding]);
        assert_eq!(defect, Defect::Truncated);
        assert!(output.len() >= at_least, "{coding:?}: {}", output.len());
        assert!(data.starts_with(&output));
    }
}

#[test]
fn a_missing_checksum_loses_no_content() {
    let data = text(5000);
    for (coding, body) in
        [(Coding::Gzip, gzip(&data)), (Coding::Deflate, zlib(&data)), (Coding::Zstd, zstd(&data))]
    {
        for missing in 1..=4 {
            assert_eq!(
                incomplete(&body[..body.len() - missing], &[coding]),
                (data.clone(), Defect::Truncated)
            );
        }
    }
}

#[test]
fn a_truncated_raw_block_of_zstd_gives_its_bytes() {
    let noise: Vec<u8> = (0..1000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let mut body = b"\x28\xb5\x2f\xfd\x00\x58".to_vec();
    body.extend_from_slice(&block_header(1000, 0, true));
    body.extend_from_slice(&noise);
    assert_eq!(complete(&body, &[Coding::Zstd]), noise);
    assert_eq!(
        incomplete(&body[..body.len() - 300], &[Coding::Zstd]),
        (noise[..700].to_vec(), Defect::Truncated)
    );
}

#[test]
fn prefixes_of_one_to_sixty_four_bytes_are_harmless() {
    let data = text(100_000);
    for coding in ALL {
        let body = encode(coding, &data);
        for len in 1..=64 {
            let (output, defect) = incomplete(&body[..len], &[coding]);
            assert_eq!(defect, Defect::Truncated, "{coding:?} {len}");
            assert!(data.starts_with(&output) || output == body[..len]);
        }
    }
}

#[test]
fn a_flipped_byte_never_gives_other_content_as_complete() {
    let data = text(600);
    // Those with a checksum. A gzip header may change without any harm.
    for (coding, body) in [(Coding::Gzip, gzip(&data)), (Coding::Zstd, zstd(&data))] {
        for at in 0..body.len() {
            for mask in [1, 0x80, 0xff] {
                let mut broken = body.clone();
                broken[at] ^= mask;
                if let Decoded::Complete { output, .. } = run(&broken, &[coding]) {
                    let output = bytes(&output, &broken);
                    // A frame may turn into one that is skipped.
                    assert!(output == data || output.is_empty(), "{coding:?} byte {at}");
                }
            }
        }
    }
}

#[test]
fn broken_streams_give_what_came_before_the_break() {
    let data = text(200_000);
    for coding in ALL {
        let mut body = encode(coding, &data);
        let at = body.len() * 9 / 10;
        body[at..at + 8].fill(0xff);
        if let Decoded::Incomplete { output, .. } = run(&body, &[coding]) {
            let output = bytes(&output, &body);
            let common = output.iter().zip(&data).take_while(|(a, b)| a == b).count();
            assert!(common > 100_000, "{coding:?}: {common} of {}", output.len());
        } else {
            // Without a checksum, brotli and raw deflate cannot always tell.
            assert_eq!(coding, Coding::Brotli);
        }
    }
}

#[test]
fn wrong_checksums_are_malformed_but_all_content_is_there() {
    let data = text(1000);
    for (coding, mut body, from_end) in [
        (Coding::Gzip, gzip(&data), 8),
        (Coding::Gzip, gzip(&data), 1),
        (Coding::Deflate, zlib(&data), 1),
        (Coding::Zstd, zstd(&data), 1),
    ] {
        let at = body.len() - from_end;
        body[at] ^= 1;
        assert_eq!(incomplete(&body, &[coding]), (data.clone(), Defect::Malformed), "{coding:?}");
    }
}

#[test]
fn the_payload_in_a_second_member_or_frame_is_seen() {
    let (first, second) = (text(400), b"the payload".to_vec());
    let joined = [first.clone(), second.clone()].concat();
    for coding in [Coding::Gzip, Coding::Zstd] {
        let body = [encode(coding, &first), encode(coding, &second)].concat();
        let decoded = run(&body, &[coding]);
        let Decoded::Complete { output, first_len: Some(first_len), .. } = decoded else {
            panic!("{decoded:?}");
        };
        assert_eq!(bytes(&output, &body), joined);
        assert_eq!(first_len, first.len() as u64);
    }
}

#[test]
fn members_without_content_join_nothing() {
    let data = text(400);
    for coding in [Coding::Gzip, Coding::Zstd] {
        let empty = encode(coding, b"");
        for body in [[encode(coding, &data), empty.clone()], [empty.clone(), encode(coding, &data)]] {
            assert_eq!(complete(&body.concat(), &[coding]), data);
        }
    }
}

#[test]
fn several_members_below_another_coding_are_malformed_but_undone() {
    let data = text(4000);
    let inner = brotli(&data);
    let (front, back) = inner.split_at(inner.len() / 2);
    let body = [gzip(front), gzip(back)].concat();
    assert_eq!(incomplete(&body, &[Coding::Brotli, Coding::Gzip]), (data, Defect::Malformed));
}

#[test]
fn what_follows_a_stream_is_told() {
    let data = text(400);
    for coding in ALL {
        let body = [encode(coding, &data), b"MZ trailing".to_vec()].concat();
        assert_eq!(incomplete(&body, &[coding]), (data.clone(), Defect::TrailingData), "{coding:?}");
    }
    let body = [gzip(&data), b"\x1f\x8bno member".to_vec()].concat();
    assert_eq!(incomplete(&body, &[Coding::Gzip]), (data.clone(), Defect::TrailingData));
    let body = [gzip(&data), vec![0; 1000], b"x".to_vec()].concat();
    assert_eq!(incomplete(&body, &[Coding::Gzip]), (data, Defect::TrailingData));
}

#[test]
fn what_follows_a_lower_stream_is_told_too() {
    let data = text(400);
    let body = [gzip(&brotli(&data)), b"MZ".to_vec()].concat();
    assert_eq!(incomplete(&body, &[Coding::Brotli, Coding::Gzip]), (data, Defect::TrailingData));
}

#[test]
fn zeros_fill_up_behind_gzip() {
    let data = text(400);
    let body = [gzip(&data), vec![0; 100_000]].concat();
    assert_eq!(complete(&body, &[Coding::Gzip]), data);
}

#[test]
fn skippable_frames_are_passed_over() {
    let data = text(400);
    let skippable = [b"\x5f\x2a\x4d\x18\x00\x50\x00\x00".to_vec(), vec![7; 0x5000]].concat();
    let body = [skippable.clone(), zstd(&data), skippable.clone()].concat();
    assert_eq!(complete(&body, &[Coding::Zstd]), data);
    assert_eq!(incomplete(&body[..body.len() - 1], &[Coding::Zstd]), (data, Defect::Truncated));
    assert_eq!(complete(&skippable, &[Coding::Zstd]), b"");
}

#[test]
fn a_frame_of_another_size_than_it_claims_is_malformed() {
    // Claims 6 bytes, holds 5.
    let body = b"\x28\xb5\x2f\xfd\x20\x06\x29\x00\x00hello";
    assert_eq!(incomplete(body, &[Coding::Zstd]), (b"hello".to_vec(), Defect::Malformed));
}

#[test]
fn a_frame_with_a_dictionary_is_an_unknown_coding() {
    let body = b"\x28\xb5\x2f\xfd\x21\x07\x05\x29\x00\x00hello";
    assert_eq!(incomplete(body, &[Coding::Zstd]).1, Defect::UnknownCoding);
}

#[test]
fn raw_deflate_that_looks_like_zlib_is_read_as_raw() {
    // A stored block whose padding bits and length make up the bytes 78 9c.
    let data = [7u8; 0x9c];
    let body = [&b"\x78\x9c\x00\x63\xff"[..], &data, b"\x03\x00"].concat();
    assert!(looks_like_zlib(&body));
    assert_eq!(complete(&body, &[Coding::Deflate]), data);
    for len in 1..body.len() {
        incomplete(&body[..len], &[Coding::Deflate]);
    }
}

#[test]
fn deflate_that_reads_both_ways_is_never_complete() {
    // As above, but what zlib makes of it is a stored block of 0xff63 bytes.
    let data = [&b"\x9c\x00"[..], &[b'A'; 0x9a]].concat();
    let body = [&b"\x78\x9c\x00\x63\xff"[..], &data, b"\x03\x00"].concat();
    let (output, defect) = incomplete(&body, &[Coding::Deflate]);
    assert_eq!(defect, Defect::Truncated);
    assert!(output.starts_with(b"AAAA"));
}

#[test]
fn short_raw_deflate_is_told_from_zlib() {
    for len in 0..40 {
        let data = text(len);
        for level in 0..=9 {
            assert_eq!(complete(&raw_deflate(&data, level), &[Coding::Deflate]), data);
        }
        assert_eq!(complete(&zlib(&data), &[Coding::Deflate]), data);
    }
}

#[test]
fn gzip_headers_with_all_fields_are_read() {
    let data = text(300);
    let body = flate2::GzBuilder::new()
        .filename("a".repeat(100_000))
        .comment("b".repeat(100_000))
        .extra(vec![9; 60_000])
        .mtime(77)
        .write(Vec::new(), Compression::fast());
    let mut body = body;
    body.write_all(&data).unwrap();
    assert_eq!(complete(&body.finish().unwrap(), &[Coding::Gzip]), data);
}

/// A gzip member with these flags and what they announce.
fn gzip_with(flags: u8, announced: &[u8], data: &[u8]) -> Vec<u8> {
    let mut body = gzip(data);
    body[3] = flags;
    body.splice(10..10, announced.iter().copied());
    body
}

#[track_caller]
fn skipped(body: &[u8], codings: &[Coding]) -> bool {
    match run(body, codings) {
        Decoded::Complete { skipped, .. } => skipped,
        other @ Decoded::Incomplete { .. } => panic!("not complete: {other:?}"),
    }
}

#[test]
fn bytes_that_a_coding_passes_over_are_told() {
    let data = text(400);
    let plain = gzip(&data);
    let frame = [b"\x5a\x2a\x4d\x18\x06\x00\x00\x00hidden".as_slice(), &zstd(&data)].concat();
    let hiding = [
        gzip_with(4, b"\x06\x00hidden", &data),
        gzip_with(8, b"hidden\0", &data),
        gzip_with(16, b"hidden\0", &data),
        [plain.clone(), gzip_with(16, b"hidden\0", b"")].concat(),
    ];
    for body in &hiding {
        assert!(skipped(body, &[Coding::Gzip]), "{body:?}");
        assert!(skipped(&zlib(body), &[Coding::Gzip, Coding::Deflate]), "below another one");
        assert_eq!(complete(body, &[Coding::Gzip]), data);
    }
    assert!(skipped(&frame, &[Coding::Zstd]));
    assert!(skipped(&[zstd(&data), frame[..14].to_vec()].concat(), &[Coding::Zstd]), "at the end");
    assert!(skipped(&brotli(&data), &[Coding::Brotli]), "metadata cannot be told");

    for (coding, body) in [
        (Coding::Gzip, plain.clone()),
        (Coding::Gzip, [plain.as_slice(), &[0; 512]].concat()),
        (Coding::Deflate, zlib(&data)),
        (Coding::Zstd, zstd(&data)),
        (Coding::Zstd, [b"\x50\x2a\x4d\x18\x00\x00\x00\x00".as_slice(), &zstd(&data)].concat()),
    ] {
        assert!(!skipped(&body, &[coding]), "{coding:?}");
    }
}

proptest! {
    #[test]
    fn the_flags_of_every_member_are_seen_however_the_input_is_cut(members in proptest::collection::vec(any::<bool>(), 1..5)) {
        let mut body = Vec::new();
        for named in &members {
            body.extend(if *named { gzip_with(8, b"name\0", b"") } else { gzip(b"") });
        }
        // Stored blocks of one byte.
        let mut cut = Vec::new();
        for (at, byte) in body.iter().enumerate() {
            cut.extend([u8::from(at + 1 == body.len()), 1, 0, 0xfe, 0xff, *byte]);
        }
        prop_assert_eq!(
            skipped(&cut, &[Coding::Gzip, Coding::Deflate]),
            members.iter().any(|named| *named)
        );
    }
}
