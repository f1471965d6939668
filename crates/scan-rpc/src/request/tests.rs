use super::*;
use icapstan_proto::scan::ScanRequest;
use proptest::prelude::*;

fn header() -> ScanHeader {
    ScanHeader {
        length: 300,
        generation: vec![7; 32],
        content_types: vec!["text/plain".to_owned()],
        gateway: "one".to_owned(),
        ..ScanHeader::default()
    }
}

/// All items of `stream`, which arrives in pieces of such lengths.
fn read(stream: &[u8], pieces: &[usize]) -> Result<(Option<ScanHeader>, Vec<u8>, bool), Malformed> {
    let mut reader = RequestReader::default();
    let (mut found, mut data) = (None, Vec::new());
    let mut rest = stream;
    let mut pieces = pieces.iter().cycle();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(*pieces.next().unwrap_or(&rest.len())));
        rest = after;
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(item) = reader.next(&mut piece)? {
            match item {
                Item::Header(header) => assert!(found.replace(*header).is_none()),
                Item::Data(bytes) => data.extend_from_slice(&bytes),
            }
        }
        assert!(piece.is_empty());
    }
    Ok((found, data, reader.is_at_end()))
}

proptest! {
    #[test]
    fn what_is_written_is_what_a_library_writes_and_is_read_from_any_pieces(
        data in proptest::collection::vec(any::<u8>(), 0..3000),
        cut in any::<prop::sample::Index>(),
        pieces in proptest::collection::vec(1..2000_usize, 1..8),
    ) {
        let header = header();
        let cut = cut.index(data.len() + 1);
        let (head, tail) = data.split_at(cut);
        let mut ours = first(&header, head.len()).to_vec();
        ours.extend_from_slice(head);
        let message = ScanRequest { header: Some(header.clone()), data: Bytes::copy_from_slice(head) };
        let mut library = framing::framed(&message).to_vec();
        if !tail.is_empty() {
            ours.extend_from_slice(&next(tail.len()));
            ours.extend_from_slice(tail);
            let message = ScanRequest { header: None, data: Bytes::copy_from_slice(tail) };
            library.extend_from_slice(&framing::framed(&message));
        }
        prop_assert_eq!(&ours, &library);
        prop_assert_eq!(read(&ours, &pieces), Ok((Some(header), data, true)));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_pieces_make_no_difference(
        stream in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            (proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)).prop_map(|changes| {
                let mut stream = first(&header(), 300).to_vec();
                stream.extend_from_slice(&[9; 300]);
                for (at, byte) in changes {
                    let at = at.index(stream.len());
                    stream[at] = byte;
                }
                stream
            }),
        ],
        pieces in proptest::collection::vec(1..50_usize, 1..8),
    ) {
        prop_assert_eq!(read(&stream, &pieces), read(&stream, &[]));
    }

    #[test]
    fn what_is_cut_off_is_not_whole(cut in any::<prop::sample::Index>()) {
        let mut stream = first(&header(), 300).to_vec();
        stream.extend_from_slice(&[9; 300]);
        let cut = cut.index(stream.len());
        let (_, data, is_at_end) = read(&stream[..cut], &[]).unwrap();
        prop_assert!(!is_at_end || data.is_empty(), "{} bytes of {}", cut, stream.len());
        prop_assert!(!is_at_end);
    }
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    let mut message = Vec::new();
    encode_key(15, WireType::Varint, &mut message);
    encode_varint(u64::MAX, &mut message);
    encode_key(16, WireType::SixtyFourBit, &mut message);
    message.extend_from_slice(&[1; 8]);
    let of_today = ScanRequest { header: Some(header()), data: Bytes::from_static(b"abc") };
    of_today.encode(&mut message).unwrap();
    encode_key(17, WireType::ThirtyTwoBit, &mut message);
    message.extend_from_slice(&[1; 4]);
    encode_key(18, WireType::LengthDelimited, &mut message);
    encode_varint(3, &mut message);
    message.extend_from_slice(b"xyz");
    let mut stream = BytesMut::new();
    framing::put_prefix(&mut stream, message.len());
    stream.extend_from_slice(&message);
    assert_eq!(read(&stream, &[1]), Ok((Some(header()), b"abc".to_vec(), true)));
}

#[test]
fn the_header_comes_once_and_first_and_data_no_longer_than_it_may_be() {
    let data = || ScanRequest { header: None, data: Bytes::from_static(b"x") };
    assert_eq!(read(&framing::framed(&data()), &[]), Err(Malformed::Order));
    assert_eq!(read(&framing::framed(&ScanRequest::default()), &[]), Err(Malformed::Order));
    let twice = [first(&header(), 0), first(&header(), 0)].concat();
    assert_eq!(read(&twice, &[]), Err(Malformed::Order));
    let mut long = first(&header(), 0).to_vec();
    long.extend_from_slice(&next(MAX_DATA + 1));
    assert_eq!(read(&long, &[]), Err(Malformed::TooLong));
    let mut compressed = first(&header(), 0).to_vec();
    compressed[0] = 1;
    assert_eq!(read(&compressed, &[]), Err(Malformed::Compressed));
    assert_eq!(read(&[0, 0xff, 0xff, 0xff, 0xff], &[]), Err(Malformed::TooLong));
}
