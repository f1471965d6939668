//! The records in a real Redis: what is written, what is kept, what goes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use icapstan_api::{BlockedUrls, ByteSize, RedisSettings};
use icapstan_cache::{CacheMetrics, Finder, Put, Replica, Share, exact_url, finder};
use icapstan_model::{GenerationId, ThreatName, Verdict};
use icapstan_testkit::{Redis, TempDir, eventually, skipped, tempdir};
use prometheus::Registry;
use std::sync::Arc;
use std::time::Duration;

const TTL: Duration = Duration::from_mins(30);

struct Place {
    redis: Redis,
    settings: RedisSettings,
    blocked: BlockedUrls,
    _dir: TempDir,
}

fn place(max_size: ByteSize) -> Place {
    let (redis, dir) = (Redis::start(), tempdir());
    let key = dir.path().join("key");
    std::fs::write(&key, [b'k'; 40]).unwrap();
    let settings =
        RedisSettings { url: Some(redis.url()), mac_key_file: Some(key), ..RedisSettings::default() };
    Place { redis, settings, blocked: BlockedUrls { max_size, ..BlockedUrls::default() }, _dir: dir }
}

impl Place {
    fn finder(&self) -> Finder {
        finder(&self.blocked, &self.settings).unwrap().unwrap()
    }

    fn number(&self, command: &str, key: &str) -> i64 {
        self.redis.ask(&[command, &format!("{{icapstan:blocked-urls}}:{key}")])[0].parse().unwrap()
    }

    fn replica(&self) -> (Arc<Replica>, Share) {
        let metrics = CacheMetrics::register(&Registry::new()).unwrap();
        let replica = Replica::new(&self.blocked, metrics.clone());
        let share = Share::start(&self.blocked, &self.settings, &replica, &metrics).unwrap().unwrap();
        (replica, share)
    }
}

fn urls(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| exact_url(format!("http://o.test/{number}")).unwrap()).collect()
}

#[tokio::test]
async fn everything_is_bounded_and_has_an_end() {
    if skipped("redis") {
        return;
    }
    let place = place(ByteSize::kib(64));
    let (finder, threat) = (place.finder(), ThreatName::from("X"));
    for hundred in 0..10 {
        let puts = finder.add("", &urls(hundred * 100..hundred * 100 + 100), &threat, TTL).await.unwrap();
        assert!(puts.iter().all(|put| *put == Put::Kept));
    }
    // 256 is what there is room for; the rest goes with the next writes.
    for number in 1000..1004 {
        finder.add("", &urls(number..number + 1), &threat, TTL).await.unwrap();
    }
    assert_eq!((place.number("HLEN", "entries"), place.number("ZCARD", "ends")), (257, 256));
    assert!(place.number("XLEN", "news") < 256 + 200);
    for key in ["entries", "ends", "news"] {
        assert!((1..=3_000_000).contains(&place.number("PTTL", key)), "{key}");
    }
    let listed = finder.list().await.unwrap();
    assert_eq!((listed.entries.len(), listed.unbelieved.len()), (256, 0));
    assert!(listed.entries.iter().any(|shown| shown.entry.url() == "http://o.test/1003"));
}

#[tokio::test]
async fn what_is_over_is_tidied_away() {
    if skipped("redis") {
        return;
    }
    let place = place(ByteSize::mib(1));
    let (finder, threat) = (place.finder(), ThreatName::from("X"));
    finder.add("", &urls(0..50), &threat, Duration::from_secs(1)).await.unwrap();
    eventually("it is over", || {
        let time: Vec<u64> = place.redis.ask(&["TIME"]).iter().map(|part| part.parse().unwrap()).collect();
        let last = place.redis.ask(&["ZRANGE", "{icapstan:blocked-urls}:ends", "-1", "-1", "WITHSCORES"]);
        let end: u64 = last.last().unwrap().parse().unwrap();
        (time[0] * 1000 + time[1] / 1000 > end).then_some(())
    });
    assert_eq!(place.number("HLEN", "entries"), 51);
    assert!(finder.list().await.unwrap().entries.is_empty());
    finder.add("", &urls(99..100), &threat, TTL).await.unwrap();
    assert_eq!((place.number("HLEN", "entries"), place.number("ZCARD", "ends")), (2, 1));
}

#[tokio::test]
async fn what_is_removed_and_added_again_is_there() {
    if skipped("redis") {
        return;
    }
    let place = place(ByteSize::mib(1));
    let (finder, urls) = (place.finder(), urls(0..1));
    for name in ["X", "Y", "Z"] {
        // Else it would be what was added last, if that was in the same millisecond.
        let threat = ThreatName::from(name);
        assert_eq!(finder.add("acme", &urls, &threat, TTL).await.unwrap(), [Put::Kept]);
        assert_eq!(finder.list().await.unwrap().entries[0].entry.tenant(), "acme");
        assert_eq!(finder.remove("acme", &urls).await.unwrap(), [Put::Kept]);
        assert!(finder.list().await.unwrap().entries.is_empty());
        // Of another tenant there is nothing to be removed.
        finder.add("acme", &urls, &threat, TTL).await.unwrap();
        finder.remove("", &urls).await.unwrap();
        assert_eq!(finder.list().await.unwrap().entries.len(), 1);
    }
}

#[test]
fn many_at_once_reach_the_other_and_who_ends_leaves_no_thread() {
    if skipped("redis") {
        return;
    }
    let place = place(ByteSize::mib(8));
    let generation = Some(GenerationId([1; 32]));
    let ((one, share), (two, other)) = (place.replica(), place.replica());
    eventually("they share", || {
        (share.standing().note().is_none() && other.standing().note().is_none()).then_some(())
    });
    let verdict = Verdict::Infected("X".into());
    for url in urls(0..3000) {
        assert!(one.detected("", &url, &verdict, generation));
    }
    for url in urls(0..3000) {
        eventually("the other one knows", || two.get("", &url, generation));
    }
    assert_eq!(place.number("HLEN", "entries"), 3001);
    drop((share, other));
    let named = |entry: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(entry.ok()?.path().join("comm")).ok()
    };
    let threads = std::fs::read_dir("/proc/self/task").unwrap().filter_map(named);
    assert_eq!(threads.filter(|name| name.starts_with("icapstan-redis")).count(), 0);
}
