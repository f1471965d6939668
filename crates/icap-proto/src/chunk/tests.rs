use super::*;
use proptest::prelude::*;

/// Decodes `input` fed in pieces of `piece` bytes: the body, `ieof`, and what was left over.
fn decode(input: &[u8], piece: usize) -> Result<(Vec<u8>, bool, usize), DecodeError> {
    let limits = Limits::default();
    let mut decoder = ChunkDecoder::default();
    let (mut body, mut at) = (Vec::new(), 0);
    let mut end = piece.min(input.len());
    loop {
        let (used, chunk) = decoder.step(&input[at..end], &limits)?;
        at += used;
        match chunk {
            Chunk::Data(data) => body.extend_from_slice(data),
            Chunk::End { ieof, .. } => return Ok((body, ieof, input.len() - at)),
            Chunk::Pending if end == input.len() => panic!("the input has no end"),
            Chunk::Pending => {
                assert_eq!(at, end, "pending means that all was used");
                end = (end + piece).min(input.len());
            }
        }
    }
}

fn unended(input: &[u8]) -> bool {
    let limits = Limits::default();
    let mut decoder = ChunkDecoder::default();
    let mut at = 0;
    loop {
        match decoder.step(&input[at..], &limits) {
            Ok((_, Chunk::Pending)) => return true,
            Ok((used, Chunk::Data(_))) => at += used,
            _ => return false,
        }
    }
}

#[test]
fn rfc3507_4_4_any_legal_chunking_gives_the_same_body() {
    for input in [
        &b"5\r\nhello\r\n0\r\n\r\n"[..],
        b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        b"00000005\r\nhello\r\n000\r\n\r\n",
        b"5 \r\nhello\r\n0\t\r\n\r\n",
        b"5\t;x\r\nhello\r\n0\r\n\r\n",
        b"5;foo=bar;baz=\"q;\\\"x\"\r\nhello\r\n0\r\n\r\n",
        b"5 ; a = b ; c\r\nhello\r\n0\r\nX-Sum: 1\r\nEncapsulated: null-body=0\r\n\r\n",
    ] {
        for piece in 1..=input.len() {
            assert_eq!(decode(input, piece), Ok((b"hello".to_vec(), false, 0)), "{input:?} by {piece}");
        }
    }
    assert_eq!(decode(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", 99).unwrap().0.len(), 20);
}

#[test]
fn rfc3507_4_5_ieof_is_seen_in_every_spelling() {
    for last in ["0;ieof", "0; ieof", "0 ; ieof", "0;IEOF", "0;x=1; ieof", "00; ieof ;y"] {
        let input = format!("3\r\nabc\r\n{last}\r\n\r\n");
        for piece in 1..=input.len() {
            assert_eq!(decode(input.as_bytes(), piece), Ok((b"abc".to_vec(), true, 0)), "{last} by {piece}");
        }
    }
    for last in ["0;ieo", "0;x=ieof", "0;x=\"; ieof\"", "0;ieof=1"] {
        let input = format!("{last}\r\n\r\n");
        assert_eq!(decode(input.as_bytes(), 99), Ok((vec![], false, 0)), "{last}");
    }
}

#[test]
fn chunk_lines_that_are_none_are_refused() {
    for line in [
        "",
        "g",
        "0x10",
        "+5",
        "-1",
        " 5",
        "5 5",
        "5;",
        "5;;a",
        "5; =x",
        "5;a=",
        "5;a=\"x",
        "5;a=\"\\",
        "FFFFFFFFFFFFFFFFF",
        "00000000000000005",
        "5\r",
        "5;a\x01",
        "5,6",
        "1_0",
        "5;a b",
    ] {
        let input = format!("{line}\r\nhello\r\n0\r\n\r\n");
        for piece in 1..=input.len() {
            assert_eq!(decode(input.as_bytes(), piece), Err(DecodeError::Chunk), "{line:?} by {piece}");
        }
    }
    assert_eq!(decode(b"3; ieof\r\nabc\r\n", 99), Err(DecodeError::Ieof));
}

#[test]
fn line_ends_and_the_bytes_behind_data_are_checked() {
    for input in [
        &b"3\nabc\n0\n\n"[..],
        b"3\r\nabcXX",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc\rX",
        b"3\r\r\nabc\r\n",
        b"0\r\n\n",
        b"\n",
        b"0\n\r\n",
    ] {
        for piece in 1..=input.len() {
            assert_eq!(decode(input, piece), Err(DecodeError::Chunk), "{input:?} by {piece}");
        }
    }
    for trailer in ["no colon", "OPTIONS icap://h/x ICAP/1.0", " folded: x", "a: b\rc: d"] {
        let input = format!("0\r\n{trailer}\r\n\r\n");
        assert_eq!(decode(input.as_bytes(), 7), Err(DecodeError::Trailer), "{trailer}");
    }
}

#[test]
fn lines_and_trailers_are_bounded() {
    let limits = Limits::default();
    let long = [b"5;".to_vec(), vec![b'a'; limits.chunk_line]].concat();
    for piece in [1, 1000, 10_000] {
        assert_eq!(decode(&long, piece), Err(DecodeError::ChunkLineTooLong));
    }
    let fields = b"X: y\r\n".repeat(limits.trailer / 6 + 4);
    assert_eq!(decode(&[b"0\r\n".to_vec(), fields].concat(), 5000), Err(DecodeError::TrailerTooLarge));
}

#[test]
fn a_body_cut_anywhere_has_no_end() {
    let whole = b"5;x=\"y\"\r\nhello\r\n0\r\nX: y\r\n\r\n";
    for end in 0..whole.len() {
        assert!(unended(&whole[..end]), "cut at {end}");
    }
    assert!(!unended(whole));
}

#[test]
fn what_follows_the_end_is_left_alone() {
    assert_eq!(decode(b"0\r\n\r\nOPTIONS", 99), Ok((vec![], false, 7)));
}

proptest! {
    #[test]
    fn every_body_survives_every_chunking_and_segmentation(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 0..8),
        piece in 1usize..300,
        ieof in any::<bool>(),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
        }
        wire.extend_from_slice(if ieof { b"0; ieof\r\n\r\n" } else { b"0\r\n\r\n" });
        prop_assert_eq!(decode(&wire, piece), Ok((chunks.concat(), ieof, 0)));
    }

    #[test]
    fn no_bytes_make_it_panic(input in proptest::collection::vec(any::<u8>(), 0..300)) {
        unended(&input);
    }
}
