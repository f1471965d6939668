use super::*;
use icapstan_api::ByteSize;
use prometheus::Registry;
use proptest::prelude::*;

const OLD: Option<GenerationId> = Some(GenerationId([1; 32]));
const NEW: Option<GenerationId> = Some(GenerationId([2; 32]));
const TTL: Duration = Duration::from_mins(30);
const START: u64 = 1_700_000_000_000;

fn infected() -> Verdict {
    Verdict::Infected("Worm".into())
}

fn replica(size: ByteSize) -> Arc<Replica> {
    let settings = BlockedUrls { max_size: size, ttl: TTL, ..BlockedUrls::default() };
    Replica::new(&settings, CacheMetrics::register(&Registry::new()).unwrap())
}

fn default() -> Arc<Replica> {
    replica(BlockedUrls::default().max_size)
}

fn record(url: &str, at: u64, generation: Option<GenerationId>, is_removed: bool) -> Record {
    let entry = Entry::new("", url, &infected(), generation).unwrap();
    let id = entry.id();
    Record { id, at, ttl: TTL, entry: (!is_removed).then(|| Arc::new(entry)) }
}

fn sleep(time: Duration) -> impl Future<Output = ()> {
    tokio::time::advance(time)
}

#[tokio::test(start_paused = true)]
async fn an_entry_counts_for_its_time_from_the_last_detection_and_for_its_signatures() {
    let urls = default();
    assert!(!urls.any() && urls.get("", "http://a/", OLD).is_none());
    urls.detected("", "http://a/", &infected(), OLD);
    sleep(TTL / 2).await;
    urls.detected("", "http://a/", &infected(), OLD);
    assert!(urls.any());
    sleep(Duration::from_millis(1_799_999)).await;
    assert_eq!(urls.get("", "http://a/", OLD), Some(infected()));
    assert_eq!(urls.get("", "http://a/", NEW), None);
    assert_eq!(urls.get("", "http://a/", None), None);
    assert_eq!(urls.get("", "http://a/?x", OLD), None);
    assert_eq!(urls.get("acme", "http://a/", OLD), None, "tenants see nothing of each other");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(urls.get("", "http://a/", OLD), None);
    assert!(!urls.any(), "what is over is forgotten");
}

#[tokio::test(start_paused = true)]
async fn only_detections_are_remembered() {
    use icapstan_model::{FailedReason, NonScannedReason};
    let urls = default();
    for verdict in
        [Verdict::Clean, Verdict::Failed(FailedReason::Time), Verdict::NonScanned(NonScannedReason::Depth)]
    {
        assert!(!urls.detected("", "http://a/", &verdict, OLD));
    }
    assert!(!urls.any());
    for verdict in [infected(), Verdict::Phishing("X".into()), Verdict::Macro("X".into())] {
        assert!(urls.detected("", "http://a/", &verdict, OLD));
        assert_eq!(urls.get("", "http://a/", OLD), Some(verdict));
    }
    let off = BlockedUrls { enabled: false, ..BlockedUrls::default() };
    let off = Replica::new(&off, CacheMetrics::register(&Registry::new()).unwrap());
    assert!(!off.detected("", "http://a/", &infected(), OLD) && !off.any());
}

#[tokio::test(start_paused = true)]
async fn it_never_grows_beyond_its_bound_and_the_oldest_go() {
    let urls = replica(ByteSize::kib(256));
    for n in 0..3000 {
        sleep(Duration::from_millis(1)).await;
        urls.detected("", &format!("http://a/{n}/{}", "x".repeat(400)), &infected(), OLD);
        urls.detected("", "http://always/", &infected(), OLD);
        assert!(urls.ledger.lock().bytes() <= 256 << 10);
    }
    let kept = urls.ledger.lock().entries();
    assert!((100..400).contains(&kept), "{kept}");
    assert_eq!(urls.shards.iter().map(|shard| shard.read().len()).sum::<usize>(), kept);
    assert!(urls.get("", "http://always/", OLD).is_some());
    let url = |n: usize| format!("http://a/{n}/{}", "x".repeat(400));
    assert!(urls.get("", &url(2999), OLD).is_some() && urls.get("", &url(0), OLD).is_none());
}

#[tokio::test(start_paused = true)]
async fn merges_and_clocks_that_jump_give_nothing_more_time() {
    let urls = default();
    let clock = RedisClock::says(START);
    let seen = record("http://a/", START - 1_000_000, OLD, false);
    assert_eq!(urls.merge(&seen, clock), Merged::New);
    for back in [0, 500_000, 999_000] {
        sleep(Duration::from_secs(200)).await;
        // The next Redis says that it is earlier.
        assert_eq!(urls.merge(&seen, RedisClock::says(START - back)), Merged::Known);
    }
    assert!(urls.get("", "http://a/", OLD).is_some());
    sleep(Duration::from_millis(200_001)).await;
    assert_eq!(urls.get("", "http://a/", OLD), None, "1,800 s are over, of which 1,000 were over before");
    assert_eq!(urls.merge(&seen, RedisClock::says(START + 800_000)), Merged::Over);
    assert_eq!(urls.merge(&record("http://b/", START + 50_000, OLD, false), clock), Merged::New);
    sleep(TTL).await;
    assert_eq!(urls.get("", "http://b/", OLD), None, "from the future, and no longer for that");
}

#[tokio::test(start_paused = true)]
async fn the_shorter_time_counts_for_entries_and_the_longer_one_for_removals() {
    let urls = default();
    let clock = RedisClock::says(START);
    let long = Record { ttl: TTL * 4, ..record("http://long/", START, None, false) };
    let short = Record { ttl: TTL / 4, ..record("http://short/", START, None, false) };
    let gone = Record { ttl: TTL / 4, ..record("http://gone/", START, None, true) };
    for record in [&long, &short, &gone] {
        assert_eq!(urls.merge(record, clock), Merged::New);
    }
    sleep(TTL / 4).await;
    assert!(urls.get("", "http://short/", OLD).is_none() && urls.get("", "http://long/", OLD).is_some());
    assert_eq!(urls.merge(&record("http://gone/", START - 1, None, false), clock), Merged::Older);
    sleep(TTL).await;
    assert!(urls.get("", "http://long/", OLD).is_none());
}

#[tokio::test(start_paused = true)]
async fn what_was_found_while_redis_was_away_is_as_old_as_it_is() {
    let urls = default();
    urls.detected("", "http://a/", &infected(), OLD);
    urls.detected("", "http://b/", &infected(), OLD);
    sleep(Duration::from_secs(100)).await;
    let clock = RedisClock::says(START);
    let untold = urls.untold(clock, 10);
    assert_eq!(untold.iter().map(|record| record.at).collect::<Vec<_>>(), [START - 100_000; 2]);
    // Meanwhile an administrator removed one of them.
    let removed = record("http://a/", START - 50_000, None, true);
    assert_eq!(urls.merge(&removed, clock), Merged::New);
    assert!(urls.get("", "http://a/", OLD).is_none() && urls.get("", "http://b/", OLD).is_some());
    let untold = urls.untold(clock, 10);
    assert_eq!(untold.len(), 1);
    urls.told(&untold[0], clock);
    assert!(urls.untold(clock, 10).is_empty());
    // Found again, it counts again.
    urls.detected("", "http://a/", &infected(), OLD);
    assert!(urls.get("", "http://a/", OLD).is_some());
    assert_eq!(urls.untold(clock, 10).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_administrators_block_holds_for_all_signatures() {
    let urls = default();
    urls.merge(&record("http://a/", START, None, false), RedisClock::says(START));
    for generation in [OLD, NEW, None] {
        assert_eq!(urls.get("", "http://a/", generation), Some(infected()));
    }
}

proptest! {
    /// All that hear the same believe the same, in whatever order and how often they hear it.
    #[test]
    fn replicas_agree(
        said in proptest::collection::vec((0_u8..4, 0_u64..5, 0_u8..3, any::<bool>()), 1..24),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let records: Vec<_> = said
            .iter()
            .map(|(url, at, generation, is_removed)| {
                let generation = [OLD, NEW, None][usize::from(*generation)];
                record(&format!("http://{url}/"), START + at, generation, *is_removed)
            })
            .collect();
        let clock = RedisClock::says(START + 10);
        let (one, two) = (default(), default());
        for record in &records {
            one.merge(record, clock);
        }
        for index in &order {
            two.merge(index.get(&records), clock);
        }
        for record in records.iter().rev() {
            two.merge(record, clock);
        }
        let sorted = |replica: &Replica| {
            let mut records = replica.records(clock);
            records.sort_by_key(|record| record.id);
            records
        };
        prop_assert_eq!(sorted(&one), sorted(&two));
        for record in sorted(&one) {
            let strongest = records.iter().filter(|other| other.id == record.id).map(Record::rank).max();
            prop_assert!(strongest == Some(record.rank()));
        }
    }
}
