use super::*;
use proptest::prelude::*;

fn any_profile() -> impl Strategy<Value = ScanProfile> {
    (any::<(u64, u64, u32, u32, u32)>(), any::<[bool; 7]>(), 0..4_usize).prop_map(
        |(numbers, flags, level)| {
            let (max_object_size, max_total_size, timeout, max_depth, max_files) = numbers;
            let [packed, archives, mail, mail_databases, phishing, macros, cache] = flags;
            let levels = [
                HeuristicLevel::Off,
                HeuristicLevel::Shallow,
                HeuristicLevel::Medium,
                HeuristicLevel::Detail,
            ];
            ScanProfile {
                max_object_size,
                max_total_size,
                timeout: Duration::from_micros(timeout.into()),
                max_depth,
                max_files,
                unpack: Unpack { packed, archives, mail, mail_databases },
                heuristics: levels[level],
                phishing,
                macros,
                cache,
            }
        },
    )
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Clean),
        (0..NonScannedReason::ALL.len()).prop_map(|i| Verdict::NonScanned(NonScannedReason::ALL[i])),
        (0..FailedReason::ALL.len()).prop_map(|i| Verdict::Failed(FailedReason::ALL[i])),
        ".{0,20}".prop_map(|name| Verdict::Infected(ThreatName::from(name.as_str()))),
        ".{0,20}".prop_map(|name| Verdict::Phishing(ThreatName::from(name.as_str()))),
        ".{0,20}".prop_map(|name| Verdict::Macro(ThreatName::from(name.as_str()))),
    ]
}

proptest! {
    #[test]
    fn a_request_means_the_same_on_both_sides(
        len in any::<u64>(),
        content_encoding in ".{0,20}",
        content_types in proptest::collection::vec(".{0,20}", 0..4),
        profile in any_profile(),
        id in any::<[u8; 32]>(),
        flags in any::<(bool, bool)>(),
    ) {
        let (partial, is_request) = flags;
        let mode = if is_request { Mode::Reqmod } else { Mode::Respmod };
        let context = ScanContext { mode, content_encoding, content_types, partial, profile: Arc::new(profile), trace: None };
        let asked = asked(header(len, &context, GenerationId(id))).unwrap();
        prop_assert_eq!((asked.len, asked.generation, asked.any), (len, GenerationId(id), false));
        prop_assert_eq!(format!("{:?}", asked.context), format!("{context:?}"));
    }

    #[test]
    fn an_answer_means_the_same_on_both_sides(
        verdicts in proptest::collection::vec(any_verdict(), 1..10),
        sha256 in proptest::option::of(any::<[u8; 32]>()),
        times in any::<(u32, u32)>(),
    ) {
        let mut findings = Findings::clean();
        for verdict in verdicts {
            findings.add(verdict);
        }
        let said = ScanReport {
            sha256: sha256.map(Sha256),
            waited: Duration::from_micros(times.0.into()),
            engine: Duration::from_micros(times.1.into()),
            ..ScanReport::unscanned(findings)
        };
        let (asked, other) = (GenerationId([1; 32]), GenerationId([2; 32]));
        let heard = report(&response(&said, asked, scan::Load::default()), asked).unwrap();
        prop_assert_eq!(format!("{heard:?}"), format!("{said:?}"));
        let heard = report(&response(&said, other, scan::Load::default()), asked).unwrap();
        prop_assert_eq!(heard.decided_by, Some(other));
    }
}

#[test]
fn signatures_are_told_to_the_second() {
    for released in [
        None,
        Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000)),
        Some(UNIX_EPOCH - Duration::from_secs(5)),
    ] {
        let set = SignatureSet {
            id: GenerationId([3; 32]),
            count: 7,
            test_only: true,
            engine: "ClamAV 1.4.3".to_owned(),
            released,
        };
        assert_eq!(signatures_of(&signatures_message(&set)), Ok(set));
    }
    let far = fleet::Signatures { generation: vec![0; 32], released: Some(i64::MIN), ..Default::default() };
    signatures_of(&far).unwrap();
}

#[test]
fn what_is_left_out_is_never_taken_for_a_clean_scan() {
    let whole =
        response(&ScanReport::unscanned(Findings::clean()), GenerationId([1; 32]), scan::Load::default());
    let id = GenerationId([1; 32]);
    assert!(report(&whole, id).unwrap().findings.is_clean());
    let without = |change: fn(&mut scan::ScanResponse)| {
        let mut message = whole.clone();
        change(&mut message);
        report(&message, id)
    };
    assert_eq!(without(|message| message.verdicts.clear()).unwrap_err(), Invalid("verdicts"));
    assert_eq!(without(|message| message.generation.clear()).unwrap_err(), Invalid("generation"));
    assert_eq!(without(|message| message.sha256 = vec![1]).unwrap_err(), Invalid("sha256"));
    for kind in [0, 99] {
        let mut message = whole.clone();
        message.verdicts[0].kind = kind;
        let findings = report(&message, id).unwrap().findings;
        assert_eq!(findings.strongest(), &Verdict::Failed(FailedReason::EngineError), "{kind}");
    }
    for kind in [scan::VerdictKind::NonScanned, scan::VerdictKind::Failed] {
        let mut message = whole.clone();
        message.verdicts.push(scan::Verdict {
            kind: kind.into(),
            reason: "of-tomorrow".to_owned(),
            ..Default::default()
        });
        let findings = report(&message, id).unwrap().findings;
        assert_eq!(findings.strongest(), &Verdict::Failed(FailedReason::EngineError), "{kind:?}");
    }
    // An empty answer is what a message of zeros is.
    assert!(report(&scan::ScanResponse::default(), id).is_err());
}

#[test]
fn a_request_that_leaves_something_out_is_none() {
    let context = ScanContext {
        mode: Mode::Reqmod,
        content_encoding: String::new(),
        content_types: Vec::new(),
        partial: false,
        profile: Arc::default(),
        trace: None,
    };
    let whole = header(1, &context, GenerationId([1; 32]));
    assert!(asked(whole.clone()).is_ok());
    let without = |change: fn(&mut scan::ScanHeader)| {
        let mut message = whole.clone();
        change(&mut message);
        asked(message).unwrap_err()
    };
    assert_eq!(without(|message| message.mode = 0), Invalid("mode"));
    assert_eq!(without(|message| message.mode = 9), Invalid("mode"));
    assert_eq!(without(|message| message.profile = None), Invalid("profile"));
    assert_eq!(without(|message| message.generation = vec![0; 31]), Invalid("generation"));
    assert_eq!(without(|message| message.profile.as_mut().unwrap().heuristics = 0), Invalid("heuristics"));
    let many =
        |message: &mut scan::ScanHeader| message.content_types = vec![String::new(); MAX_CONTENT_TYPES + 1];
    assert_eq!(without(many), Invalid("content_types"));
}
