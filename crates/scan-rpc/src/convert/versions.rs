//! Processes of different versions: what a later one says besides changes nothing, what an earlier one leaves out
//! is what it always was, and what nobody here knows is never a clean scan.

use super::*;
use bytes::{Buf, Bytes};
use proptest::prelude::*;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// Which fields of a message are messages, and what these are made of.
struct Shape(&'static [(u32, &'static Self)]);

const FLAT: Shape = Shape(&[]);
/// `ScanHeader`: its profile.
const HEADER: Shape = Shape(&[(8, &FLAT)]);
/// `ScanResponse`: verdicts, and the load.
const RESPONSE: Shape = Shape(&[(1, &FLAT), (7, &FLAT)]);
/// `State`: a scanner with its signatures and its load, or a gateway.
const STATE: Shape = Shape(&[(6, &Shape(&[(1, &FLAT), (2, &FLAT)])), (7, &FLAT)]);

/// A field of a later version.
#[derive(Clone, Debug)]
enum Later {
    Number(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Vec<u8>),
}

fn any_later() -> impl Strategy<Value = (u32, Later)> {
    let value = prop_oneof![
        any::<u64>().prop_map(Later::Number),
        any::<u32>().prop_map(Later::Fixed32),
        any::<u64>().prop_map(Later::Fixed64),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(Later::Bytes),
    ];
    // None of the messages has so many fields today.
    (100..500_u32, value)
}

impl Later {
    fn put(&self, number: u32, message: &mut Vec<u8>) {
        match self {
            Self::Number(value) => {
                encode_key(number, WireType::Varint, message);
                encode_varint(*value, message);
            }
            Self::Fixed32(value) => {
                encode_key(number, WireType::ThirtyTwoBit, message);
                message.extend_from_slice(&value.to_le_bytes());
            }
            Self::Fixed64(value) => {
                encode_key(number, WireType::SixtyFourBit, message);
                message.extend_from_slice(&value.to_le_bytes());
            }
            Self::Bytes(value) => put_bytes(number, value, message),
        }
    }
}

fn put_bytes(number: u32, value: &[u8], message: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(value.len() as u64, message);
    message.extend_from_slice(value);
}

/// `message` as a later version would write it: with these fields before, between and behind those of today, and so in
/// each message within.
fn later(message: &[u8], shape: &Shape, fields: &[(u32, Later)]) -> Vec<u8> {
    let mut written = Vec::new();
    let mut rest = Bytes::copy_from_slice(message);
    let mut next = fields.iter().cycle();
    let mut add = |written: &mut Vec<u8>| {
        if let Some((number, field)) = next.next() {
            field.put(*number, written);
        }
    };
    add(&mut written);
    while rest.has_remaining() {
        let (number, wire) = decode_key(&mut rest).unwrap();
        match wire {
            WireType::LengthDelimited => {
                let len = usize::try_from(decode_varint(&mut rest).unwrap()).unwrap();
                let value = rest.split_to(len);
                match shape.0.iter().find(|(field, _)| *field == number) {
                    Some((_, inner)) => put_bytes(number, &later(&value, inner, fields), &mut written),
                    None => put_bytes(number, &value, &mut written),
                }
            }
            WireType::Varint => {
                encode_key(number, wire, &mut written);
                encode_varint(decode_varint(&mut rest).unwrap(), &mut written);
            }
            other => panic!("there is no field of the wire type {other:?} today"),
        }
        add(&mut written);
    }
    written
}

/// What is read of `message` as a later version writes it.
fn of_later<M: Message + Default>(message: &M, shape: &Shape, fields: &[(u32, Later)]) -> M {
    let written = later(&message.encode_to_vec(), shape, fields);
    if !fields.is_empty() {
        assert!(written.len() > message.encoded_len());
    }
    M::decode(&*written).unwrap()
}

fn whole_header() -> scan::ScanHeader {
    let context = ScanContext {
        mode: Mode::Respmod,
        content_encoding: "gzip".to_owned(),
        content_types: vec!["text/plain".to_owned(), "text/html".to_owned()],
        partial: true,
        profile: Arc::default(),
        trace: None,
    };
    scan::ScanHeader {
        gateway: "one".to_owned(),
        priority: scan::Priority::Background.into(),
        any_generation: true,
        ..header(7, &context, GenerationId([1; 32]))
    }
}

fn load() -> scan::Load {
    scan::Load { jobs: 1, bytes: 2, wait_us: 3, workers: 4, busy: 5 }
}

fn answer(verdict: Verdict) -> scan::ScanResponse {
    let report =
        ScanReport { sha256: Some(Sha256([9; 32])), ..ScanReport::unscanned(Findings::from(verdict)) };
    response(&report, GenerationId([1; 32]), load())
}

fn state() -> fleet::State {
    let set = SignatureSet {
        id: GenerationId([3; 32]),
        count: 7,
        test_only: true,
        engine: "ClamAV 1.4.3".to_owned(),
        released: Some(UNIX_EPOCH),
    };
    fleet::State {
        name: "scanner-1".to_owned(),
        version: "1".to_owned(),
        incarnation: 1,
        verdict_version: 2,
        draining: true,
        plan_generation: 3,
        not_ready: "starting".to_owned(),
        role: Some(fleet::state::Role::Scanner(fleet::Scanner {
            held: vec![signatures_message(&set), signatures_message(&set)],
            load: Some(load()),
            trouble: "none".to_owned(),
            backlog_us: 5,
            zone: "a".to_owned(),
            revisions: vec![fleet::Revision {
                digest: vec![1],
                stage: 4,
                failure: 5,
                detail: "x".to_owned(),
            }],
            mirrored: Some(fleet::Mirrored { digest: vec![1], compared: 7, ..fleet::Mirrored::default() }),
        })),
    }
}

proptest! {
    #[test]
    fn what_later_gateways_ask_for_besides_is_passed_over(
        fields in proptest::collection::vec(any_later(), 1..5),
    ) {
        let said = whole_header();
        let heard = of_later(&said, &HEADER, &fields);
        prop_assert_eq!(&heard, &said);
        prop_assert_eq!(format!("{:?}", asked(heard)), format!("{:?}", asked(said)));
    }

    #[test]
    fn what_later_scanners_answer_besides_changes_no_verdict(
        fields in proptest::collection::vec(any_later(), 1..5),
        is_clean in any::<bool>(),
    ) {
        let found = Verdict::Infected(ThreatName::from("Eicar"));
        let said = answer(if is_clean { Verdict::Clean } else { found });
        let heard = of_later(&said, &RESPONSE, &fields);
        prop_assert_eq!(&heard, &said);
        let id = GenerationId([1; 32]);
        prop_assert_eq!(format!("{:?}", report(&heard, id)), format!("{:?}", report(&said, id)));
        prop_assert_eq!(report(&heard, id).unwrap().findings.is_clean(), is_clean);
    }

    #[test]
    fn what_later_processes_say_of_themselves_besides_is_passed_over(
        fields in proptest::collection::vec(any_later(), 1..5),
    ) {
        let said = state();
        prop_assert_eq!(&of_later(&said, &STATE, &fields), &said);
        let role = Some(fleet::state::Role::Gateway(fleet::Gateway {
            in_flight: 1,
            bytes: 2,
            generation: vec![3],
            istags: [("respmod".to_owned(), "ICS-1".to_owned())].into(),
            ..fleet::Gateway::default()
        }));
        let said = fleet::State { role, ..said };
        prop_assert_eq!(&of_later(&said, &STATE, &fields), &said);
        let said = fleet::WatchRequest { interval_ms: 250 };
        prop_assert_eq!(&of_later(&said, &FLAT, &fields), &said);
    }

    #[test]
    fn words_that_nobody_here_knows_are_never_a_clean_scan(
        number in prop_oneof![7..i32::MAX, i32::MIN..0],
        at in 0..3_usize,
    ) {
        let id = GenerationId([1; 32]);
        let mut message = answer(Verdict::Clean);
        let unknown = scan::Verdict { kind: number, ..scan::Verdict::default() };
        let clean = message.verdicts[0].clone();
        message.verdicts = vec![clean; 2];
        message.verdicts.insert(at, unknown);
        let findings = report(&message, id).unwrap().findings;
        prop_assert!(!findings.is_clean());
        prop_assert_eq!(findings.strongest(), &Verdict::Failed(FailedReason::EngineError));
        // Whose scan it was does not matter for what it found.
        let message = scan::ScanResponse { origin: number, ..answer(Verdict::Infected(ThreatName::from("x"))) };
        prop_assert!(!report(&message, id).unwrap().findings.is_clean());

        // Of a request they are refused where they decide what is looked at.
        prop_assert_eq!(asked(scan::ScanHeader { mode: number, ..whole_header() }).unwrap_err(), Invalid("mode"));
        let mut header = whole_header();
        header.profile.as_mut().unwrap().heuristics = number;
        prop_assert_eq!(asked(header).unwrap_err(), Invalid("heuristics"));
        // Else somebody waits for the answer.
        let waits = asked(scan::ScanHeader { priority: number, ..whole_header() }).unwrap();
        prop_assert!(!waits.is_background);
    }
}

#[test]
fn what_earlier_processes_do_not_say_is_what_it_always_was() {
    // Those that know nothing of names and priorities.
    let early =
        scan::ScanHeader { gateway: String::new(), priority: 0, any_generation: false, ..whole_header() };
    let asked = asked(early).unwrap();
    assert!(!asked.is_background && !asked.any);
    // Those that tell no load, no times, no digest.
    let id = GenerationId([1; 32]);
    let early = scan::ScanResponse {
        load: None,
        waited_us: 0,
        engine_us: 0,
        sha256: Vec::new(),
        ..answer(Verdict::Infected(ThreatName::from("x")))
    };
    let found = report(&early, id).unwrap();
    assert_eq!(found.findings.strongest(), &Verdict::Infected(ThreatName::from("x")));
    assert_eq!(found.sha256, None);
    // Those that have no words for why.
    let mut early = answer(Verdict::NonScanned(NonScannedReason::ALL[0]));
    early.verdicts[0].reason.clear();
    let findings = report(&early, id).unwrap().findings;
    assert_eq!(findings.strongest(), &Verdict::Failed(FailedReason::EngineError));
}

#[test]
fn messages_within_messages_are_tried_too() {
    let field = [(100, Later::Bytes(b"here".to_vec()))];
    let count = |message: &[u8], shape| {
        let written = later(message, shape, &field);
        written.windows(4).filter(|window| *window == b"here").count()
    };
    for (message, shape, within) in [
        (whole_header().encode_to_vec(), &HEADER, 1),
        (answer(Verdict::Clean).encode_to_vec(), &RESPONSE, 2),
        (state().encode_to_vec(), &STATE, 4),
    ] {
        assert_eq!(later(&message, shape, &[]), message, "nothing else is changed");
        // One more at the beginning of each, besides those behind its fields.
        let (all, outside) = (count(&message, shape), count(&message, &FLAT));
        assert!(all >= outside + within, "{all} and {outside}");
    }
}
