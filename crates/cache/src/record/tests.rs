use super::*;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000_000;

fn key() -> SealKey {
    SealKey::new(&[7; 32], "icapstan:").unwrap()
}

fn record(url: &str, generation: Option<GenerationId>) -> Record {
    let entry = Entry::new("acme", url, &Verdict::Infected("Worm".into()), generation).unwrap();
    Record { id: entry.id(), at: NOW, ttl: Duration::from_mins(30), entry: Some(Arc::new(entry)) }
}

fn sealed(body: &[u8]) -> Vec<u8> {
    super::sealed(body, &key()).unwrap()
}

#[test]
fn what_was_written_is_read() {
    for verdict in [Verdict::Infected("A".into()), Verdict::Phishing("B".into()), Verdict::Macro("C".into())]
    {
        for generation in [None, Some(GenerationId([9; 32]))] {
            let url = format!("http://o.test/{}", "x".repeat(MAX_URL - 14));
            let entry = Entry::new(&"t".repeat(MAX_TENANT), &url, &verdict, generation).unwrap();
            let ttl = Duration::from_mins(30);
            let record = Record { id: entry.id(), at: NOW, ttl, entry: Some(Arc::new(entry)) };
            let bytes = encode(&record, &key());
            assert!(bytes.len() <= MAX_RECORD);
            assert_eq!(decode(&record.id.0, &bytes, &key(), NOW), Ok(record));
        }
    }
    let removed = Record { entry: None, ..record("http://o.test/", None) };
    assert_eq!(decode(&removed.id.0, &encode(&removed, &key()), &key(), NOW), Ok(removed));
}

#[test]
fn each_kind_of_lie_has_its_name() {
    let record = record("http://o.test/", None);
    let (id, bytes) = (record.id.0, encode(&record, &key()));
    let said = |id: &[u8], bytes: &[u8], now| decode(id, bytes, &key(), now).map(|_| ());
    assert_eq!(said(&id, &bytes, NOW), Ok(()));
    assert_eq!(said(&id, &vec![1; MAX_RECORD + 1], NOW), Err(Unbelieved::Oversized));
    assert_eq!(said(&id, b"", NOW), Err(Unbelieved::Malformed));
    assert_eq!(said(&id, &[0; 200], NOW), Err(Unbelieved::Malformed));
    assert_eq!(said(&id, &[1; 200], NOW), Err(Unbelieved::Forged));
    assert_eq!(said(&Id::of("other", "http://o.test/").0, &bytes, NOW), Err(Unbelieved::Misplaced));
    assert_eq!(said(b"short", &bytes, NOW), Err(Unbelieved::Misplaced));
    assert_eq!(said(&id, &bytes, NOW - SKEW - 1), Err(Unbelieved::Future));
    assert_eq!(said(&id, &bytes, NOW - SKEW), Ok(()));
    assert_eq!(said(&id, &bytes, NOW + 1_800_000), Err(Unbelieved::Expired));
    assert_eq!(said(&id, &bytes, NOW + 1_799_999), Ok(()));
    // Of another prefix, or of who has another key.
    for other in [SealKey::new(&[7; 32], "other:").unwrap(), SealKey::new(&[8; 32], "icapstan:").unwrap()] {
        assert_eq!(decode(&id, &bytes, &other, NOW), Err(Unbelieved::Forged));
    }
}

#[test]
fn the_key_alone_does_not_make_a_record() {
    let good = record("http://o.test/", None);
    let bytes = encode(&good, &key());
    let body = &bytes[..bytes.len() - SEAL];
    let said = |body: &[u8]| decode(&good.id.0, &sealed(body), &key(), NOW);
    assert_eq!(said(body), Ok(good.clone()));
    for end in 0..body.len() {
        assert_eq!(said(&body[..end]), Err(Unbelieved::Malformed), "{end}");
    }
    assert_eq!(said(&[body, b"x"].concat()), Err(Unbelieved::Malformed));
    let with = |at: usize, byte: u8| {
        let mut body = body.to_vec();
        body[at] = byte;
        said(&body)
    };
    assert_eq!(with(9, 0xff), Err(Unbelieved::Malformed), "a day at most");
    assert_eq!(with(13, 4), Err(Unbelieved::Malformed), "no such verdict");
    assert_eq!(with(13, REMOVED), Err(Unbelieved::Malformed), "removals have no more");
    assert_eq!(with(14, good.id.0[0] ^ 1), Err(Unbelieved::Misplaced));
    assert_eq!(with(46, 2), Err(Unbelieved::Malformed), "a generation is there or not");
    assert_eq!(with(body.len() - 1, b'#'), Err(Unbelieved::Malformed), "no such URL is remembered");
    let threat = body.windows(4).position(|window| window == b"Worm").unwrap();
    assert_eq!(with(threat, b';'), Err(Unbelieved::Malformed), "names are inert");
}

proptest! {
    #[test]
    fn no_change_is_believed(at in 0_usize..200, bit in 0_u8..8, has_generation: bool) {
        let record = record("http://o.test/", has_generation.then_some(GenerationId([1; 32])));
        let mut bytes = encode(&record, &key());
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&record.id.0, &bytes, &key(), NOW).is_err());
    }

    #[test]
    fn what_is_read_is_written_the_same(body in proptest::collection::vec(any::<u8>(), 0..300), start in 0_usize..120) {
        // Begins as a record does, so that some are read.
        let whole = encode(&record("http://o.test/", None), &key());
        let body = [&whole[..start.min(whole.len() - SEAL)], &body].concat();
        let bytes = sealed(&body);
        let id = record("http://o.test/", None).id;
        if let Ok(record) = decode(&id.0, &bytes, &key(), NOW) {
            prop_assert_eq!(encode(&record, &key()), bytes);
        }
    }
}
