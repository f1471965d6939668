use super::*;
use icapstan_model::{Mode, ThreatName, Verdict};
use prometheus::IntGauge;
use std::sync::Arc;

fn poison(entries: u32, ttl: Duration) -> Poison {
    shared_through(entries, ttl, None)
}

fn shared_through(entries: u32, ttl: Duration, share: Option<Arc<dyn PoisonShare>>) -> Poison {
    let settings = Settings { ttl, entries, ..Settings::default() };
    let secrets = Secrets::new(share.as_deref()).unwrap();
    Poison::new(&settings, secrets, IntGauge::new("e", "e").unwrap(), share)
}

/// Tells all at once, as it would by way of Redis.
#[derive(Debug, Default)]
struct Told(Mutex<HashMap<[u8; 32], (u64, PoisonMark)>>);

impl PoisonShare for Told {
    fn secret(&self) -> [u8; 32] {
        [7; 32]
    }

    fn knows_length(&self, len: u64) -> bool {
        self.0.lock().values().any(|(known, _)| *known == len)
    }

    fn recall(&self, key: &[u8; 32]) -> Option<PoisonMark> {
        self.0.lock().get(key).map(|(_, mark)| mark.clone())
    }

    fn remember(&self, key: &[u8; 32], len: u64, mark: PoisonMark) {
        self.0.lock().insert(*key, (len, mark));
    }
}

fn object(bytes: &[u8]) -> Object {
    Object { content: Content::Memory(bytes.to_vec().into()), len: bytes.len() as u64 }
}

fn context() -> ScanContext {
    ScanContext {
        mode: Mode::Respmod,
        content_encoding: String::new(),
        content_types: vec!["text/plain".to_owned()],
        partial: false,
        profile: Arc::new(ScanProfile::default()),
        trace: None,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn report() -> ScanReport {
    let mut findings = Findings::from(Verdict::Failed(FailedReason::Crash));
    findings.add(Verdict::Infected(ThreatName::from("Beside")));
    ScanReport { engine: Duration::from_secs(3), ..ScanReport::unscanned(findings) }
}

const GENERATION: GenerationId = GenerationId([1; 32]);

#[tokio::test]
async fn an_equal_object_read_in_the_same_way_is_known_and_no_other() {
    let poison = poison(10, Duration::from_mins(1));
    let (bad, context) = (object(b"abcdef"), context());
    let subject = Subject { object: &bad, context: &context, generation: GENERATION };
    assert!(poison.recall(subject, soon()).await.is_none());
    poison.remember(subject, Mark::Poison, &report()).await;
    let Some(Known::Poison(known)) = poison.recall(subject, soon()).await else { panic!("it is known") };
    assert_eq!((known.origin, known.engine), (Origin::Poison, Duration::ZERO));
    assert_eq!(known.findings, report().findings, "with all that was found beside");

    let others = [object(b"abcdeg"), object(b"abcdefg")];
    for object in &others {
        assert!(poison.recall(Subject { object, ..subject }, soon()).await.is_none());
    }
    let generation = GenerationId([2; 32]);
    assert!(poison.recall(Subject { generation, ..subject }, soon()).await.is_none());
    let changes: [fn(&mut ScanContext); 6] = [
        |context| context.mode = Mode::Reqmod,
        |context| context.content_encoding = "br".to_owned(),
        |context| context.content_types.push("text/html".to_owned()),
        |context| context.content_types.clear(),
        |context| context.partial = true,
        |context| Arc::make_mut(&mut context.profile).timeout += Duration::from_secs(1),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = context.clone();
        change(&mut other);
        let subject = Subject { context: &other, ..subject };
        assert!(poison.recall(subject, soon()).await.is_none(), "change {number}");
    }
}

#[tokio::test]
async fn what_one_process_learnt_of_an_object_all_know() {
    let told = Arc::new(Told::default());
    let minute = Duration::from_mins(1);
    let of_process = || shared_through(10, minute, Some(told.clone()));
    let (one, two) = (of_process(), of_process());
    let (bad, context) = (object(b"abcdef"), context());
    let subject = Subject { object: &bad, context: &context, generation: GENERATION };
    assert!(two.recall(subject, soon()).await.is_none());
    one.remember(subject, Mark::Suspect, &report()).await;
    assert!(matches!(two.recall(subject, soon()).await, Some(Known::Suspect)));
    two.remember(subject, Mark::Poison, &report()).await;
    for poison in [&one, &two] {
        let Some(Known::Poison(known)) = poison.recall(subject, soon()).await else { panic!("it is known") };
        assert_eq!((known.origin, &known.findings), (Origin::Poison, &report().findings));
    }
    let other = Subject { generation: GenerationId([2; 32]), ..subject };
    assert!(one.recall(other, soon()).await.is_none() && two.recall(other, soon()).await.is_none());
    two.remember(subject, Mark::Innocent, &report()).await;
    assert!(two.recall(subject, soon()).await.is_none());
    assert!(shared_through(0, minute, None).recall(subject, soon()).await.is_none());
}

#[tokio::test]
async fn a_suspect_becomes_poison_or_is_forgotten() {
    let poison = poison(10, Duration::from_mins(1));
    let (bad, context) = (object(&vec![7; 300 << 10]), context());
    let subject = Subject { object: &bad, context: &context, generation: GENERATION };
    poison.remember(subject, Mark::Suspect, &report()).await;
    assert!(matches!(poison.recall(subject, soon()).await, Some(Known::Suspect)));
    poison.remember(subject, Mark::Innocent, &report()).await;
    assert!(poison.recall(subject, soon()).await.is_none());
    assert_eq!(poison.count.load(Ordering::Relaxed), 0);
    poison.remember(subject, Mark::Suspect, &report()).await;
    poison.remember(subject, Mark::Poison, &report()).await;
    assert!(matches!(poison.recall(subject, soon()).await, Some(Known::Poison(_))));
    assert_eq!((poison.count.load(Ordering::Relaxed), poison.entries.get()), (1, 1));
}

#[tokio::test]
async fn the_oldest_give_way_and_none_outlives_its_time() {
    let poison = poison(3, Duration::from_mins(1));
    let (context, begun) = (context(), Instant::now());
    let mut keys = Vec::new();
    for number in 0..5_u8 {
        let bad = object(&[number; 9]);
        let subject = Subject { object: &bad, context: &context, generation: GENERATION };
        let key = poison.key(subject).await.unwrap();
        poison.put(key, 9, Known::Suspect, begun + Duration::from_secs(number.into()));
        keys.push(key);
    }
    let known =
        |at: Duration| keys.iter().map(|key| poison.known(key, begun + at).is_some()).collect::<Vec<_>>();
    assert_eq!(known(Duration::from_secs(5)), [false, false, true, true, true]);
    assert_eq!(poison.entries.get(), 3);
    assert_eq!(known(Duration::from_secs(63)), [false, false, false, false, true]);
    assert_eq!(known(Duration::from_mins(2)), [false; 5]);
    let state = poison.state.lock();
    assert!(state.entries.is_empty() && state.order.is_empty() && state.lengths.is_empty());
    assert_eq!(poison.entries.get(), 0);
}

#[tokio::test]
async fn with_no_entries_nothing_is_remembered_and_an_end_gives_the_gauge_back() {
    let (bad, context) = (object(b"abcdef"), context());
    let subject = Subject { object: &bad, context: &context, generation: GENERATION };
    let none = poison(0, Duration::from_mins(1));
    none.remember(subject, Mark::Poison, &report()).await;
    assert!(none.recall(subject, soon()).await.is_none());
    let some = poison(10, Duration::from_mins(1));
    some.remember(subject, Mark::Poison, &report()).await;
    let gauge = some.entries.clone();
    assert_eq!(gauge.get(), 1);
    drop(some);
    assert_eq!(gauge.get(), 0);
}
