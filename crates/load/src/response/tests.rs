use super::*;
use proptest::prelude::*;

/// What a stream holds, with the data of each answer in one piece.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    heads: Vec<Head>,
    bodies: Vec<Vec<u8>>,
    ended: usize,
}

fn read(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Seen, Malformed> {
    let mut reader = ResponseReader::default();
    let mut seen = Seen::default();
    for piece in pieces {
        let mut rest = piece.as_ref();
        loop {
            let (used, event) = reader.step(rest)?;
            rest = &rest[used..];
            match event {
                None if rest.is_empty() => break,
                None => assert!(used > 0, "no progress"),
                Some(Event::Head(head)) => {
                    seen.heads.push(head);
                    seen.bodies.push(vec![]);
                }
                Some(Event::Data(data)) => seen.bodies.last_mut().unwrap().extend_from_slice(data),
                Some(Event::End) => seen.ended += 1,
            }
        }
    }
    Ok(seen)
}

const STREAM: &[u8] = b"ICAP/1.0 100 Continue\r\n\r\n\
    ICAP/1.0 204 No Content\r\nISTag: \"A\"\r\nEncapsulated: null-body=0\r\n\r\n\
    ICAP/1.0 200 OK\r\nX-Violations-Found: 1\r\n\tfolded\r\nencapsulated: res-hdr=0, res-body=32\r\n\r\n\
    HTTP/1.1 403 Forbidden\r\nA: b\r\n\r\n\
    5\r\nhello\r\n0B ;name=\"v\"\r\n, wide\r\nwor\r\n2\r\nld\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n\
    ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, null-body=18\r\n\r\nGET / HTTP/1.1\r\n\r\n\
    ICAP/1.0 206 Partial\r\nEncapsulated: res-body=0\r\n\r\n3\r\nabc\r\n0; use-original-body=7\r\n\r\n\
    ICAP/1.0 503\r\nConnection: x, Close\r\n\r\n";

fn expected() -> Seen {
    let bodies: [&[u8]; 6] = [b"", b"", b"hello, wide\r\nworld", b"", b"abc", b""];
    let heads = vec![
        Head { status: 100, ..Head::default() },
        Head { status: 204, ..Head::default() },
        Head {
            status: 200,
            message: Some(Message::Response),
            http_status: Some(403),
            has_body: true,
            http_len: 32,
            ..Head::default()
        },
        Head { status: 200, message: Some(Message::Request), http_len: 18, ..Head::default() },
        Head { status: 206, message: Some(Message::Response), has_body: true, ..Head::default() },
        Head { status: 503, closes: true, ..Head::default() },
    ];
    Seen { heads, bodies: bodies.map(<[u8]>::to_vec).to_vec(), ended: 6 }
}

#[test]
fn answers_are_the_same_at_every_split() {
    for at in 0..=STREAM.len() {
        assert_eq!(read([&STREAM[..at], &STREAM[at..]]), Ok(expected()), "split at {at}");
    }
}

#[test]
fn answers_are_the_same_in_pieces_of_every_length() {
    for len in 1..=STREAM.len() {
        assert_eq!(read(STREAM.chunks(len)), Ok(expected()), "pieces of {len}");
    }
}

#[test]
fn what_is_no_answer_is_refused() {
    let cases: [(&[u8], Malformed); 16] = [
        (b"HTTP/1.1 200 OK\r\n\r\n", Malformed::StatusLine),
        (b"ICAP/1.0 20 OK\r\n\r\n", Malformed::StatusLine),
        (b"ICAP/1.0 2000 OK\r\n\r\n", Malformed::StatusLine),
        (b"ICAP/1.0 +20 OK\r\n\r\n", Malformed::StatusLine),
        (b"ICAP/1.0 200 OK\r\nno field\r\n\r\n", Malformed::Field),
        (b"ICAP/1.0 200 OK\r\nA: b\nC: d\r\nE\r\n\r\n", Malformed::Field),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-body\r\n\r\n", Malformed::Encapsulated),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, req-body=9\r\n\r\n", Malformed::Encapsulated),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=2, res-body=9\r\n\r\n", Malformed::Encapsulated),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0\r\n\r\n", Malformed::Encapsulated),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=4\r\n\r\nabcd", Malformed::HttpHead),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, null-body=8\r\n\r\nSMTP\r\n\r\n", Malformed::HttpHead),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\nz\r\n", Malformed::Chunk),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n1\na\r\n", Malformed::Chunk),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n1\r\nab\r\n", Malformed::Chunk),
        (b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n00000000000000001\r\n", Malformed::Chunk),
    ];
    for (bytes, error) in cases {
        assert_eq!(read([bytes]), Err(error), "{}", String::from_utf8_lossy(bytes));
        assert_eq!(read(bytes.chunks(1)), Err(error), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn heads_and_trailers_have_bounds() {
    let endless = |start: &str| [start.as_bytes(), &vec![b'a'; 2 * MAX_HEAD]].concat();
    assert_eq!(read([endless("ICAP/1.0 200 OK\r\nA: ")]), Err(Malformed::HeadTooLong));
    assert_eq!(read(endless("ICAP/1.0 200 OK\r\nA: ").chunks(1000)), Err(Malformed::HeadTooLong));
    let body = "ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n";
    assert_eq!(read([endless(&format!("{body}0\r\nA: "))]), Err(Malformed::Chunk));
    assert_eq!(read([endless(&format!("{body}0;"))]), Err(Malformed::Chunk));
}

#[test]
fn an_answer_is_not_over_before_its_last_byte() {
    let answer = b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    for end in 0..answer.len() {
        assert_eq!(read([&answer[..end]]).unwrap().ended, 0, "{end}");
    }
    assert_eq!(read([answer]).unwrap().ended, 1);
}

proptest! {
    #[test]
    fn every_body_survives_every_chunking(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8),
        piece in 1_usize..700,
    ) {
        let mut bytes = b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=0\r\n\r\n".to_vec();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let seen = read(bytes.chunks(piece)).unwrap();
        prop_assert_eq!(&seen.bodies[0], &chunks.concat());
        prop_assert_eq!(seen.ended, 1);
    }

    #[test]
    fn no_bytes_break_the_reader(
        bytes in proptest::collection::vec(any::<u8>(), 0..200), keep in 0..STREAM.len(), piece in 1_usize..50,
    ) {
        let _ = read([&STREAM[..keep], &bytes].concat().chunks(piece));
    }
}
