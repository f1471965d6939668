//! Without a Redis: the tests themselves answer, or nobody does.

use super::*;
use icapstan_model::{Findings, Sha256, Verdict};
use prometheus::Registry;
use std::future::pending;

const KEY: [u8; 32] = [5; 32];

struct Stage {
    fleet: Arc<FleetVerdicts>,
    asks: mpsc::Receiver<Ask>,
    puts: mpsc::Receiver<Put>,
}

fn stage() -> Stage {
    let secret = Secret::new(&[7; 32], "icapstan:").unwrap();
    let (asks, asked) = mpsc::channel(MAX_ASKS);
    let (puts, put) = mpsc::channel(MAX_PUTS);
    let breaker = Arc::new(Breaker::default());
    breaker.set_up(true);
    let fleet = FleetVerdicts {
        keys: [1; 32],
        seal: SealKey::of_verdicts(&secret),
        ttl: Duration::from_mins(1),
        patience: Duration::from_millis(5),
        breaker,
        asks,
        puts,
        metrics: FleetMetrics::register(&Registry::new()).unwrap(),
        standing: Standing::new(Topic("Verdicts", "verdicts")),
        _errand: Errand::start("nothing", async || pending().await).unwrap(),
    };
    Stage { fleet: Arc::new(fleet), asks: asked, puts: put }
}

fn later() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

impl Stage {
    fn count(&self, lookup: Lookup) -> u64 {
        self.fleet.metrics.lookups.get(lookup)
    }

    /// Looks up, and has the answer be this.
    async fn told(&mut self, key: [u8; 32], bytes: Option<Vec<u8>>) -> Option<Recalled> {
        let fleet = Arc::clone(&self.fleet);
        let (recalled, ()) = tokio::join!(fleet.recall(&key, later()), async {
            let ask = self.asks.recv().await.unwrap();
            assert_eq!(ask.key, key);
            ask.tell.send(bytes).unwrap();
        });
        recalled
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_its_patience_and_after_eight_nobody_waits() {
    let stage = stage();
    for _ in 0..8 {
        let begun = Instant::now();
        assert!(stage.fleet.recall(&KEY, later()).await.is_none());
        assert!(begun.elapsed() < Duration::from_millis(8));
    }
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(stage.fleet.recall(&KEY, later()).await.is_none());
    }
    assert_eq!((stage.count(Lookup::Late), stage.count(Lookup::Away)), (8, 100));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    stage.fleet.breaker.has_recovered();
    // Whose own time ends earlier waits no longer than that.
    let begun = Instant::now();
    assert!(stage.fleet.recall(&KEY, begun + Duration::from_millis(1)).await.is_none());
    assert!(begun.elapsed() < Duration::from_millis(4));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_wait_to_be_asked_or_written() {
    let mut stage = stage();
    let lookups: Vec<_> = (0..MAX_ASKS + 20)
        .map(|_| {
            let fleet = Arc::clone(&stage.fleet);
            tokio::spawn(async move { fleet.recall(&KEY, later()).await.is_some() })
        })
        .collect();
    for lookup in lookups {
        assert!(!lookup.await.unwrap());
    }
    assert_eq!((stage.count(Lookup::Busy), stage.count(Lookup::Late)), (20, MAX_ASKS as u64));
    // Whoever answers sees that nobody waits any more.
    assert!(stage.asks.recv().await.unwrap().tell.is_closed());

    let clean = ScanReport::unscanned(Findings::clean());
    (0..MAX_PUTS + 5).for_each(|_| stage.fleet.remember(&KEY, &clean));
    assert_eq!(stage.fleet.metrics.records.get(Fate::Dropped), 5);
    assert_eq!(stage.puts.len(), MAX_PUTS);
}

#[tokio::test]
async fn what_was_told_is_what_was_found_and_all_else_is_not_believed() {
    let mut stage = stage();
    let infected = ScanReport {
        sha256: Some(Sha256([9; 32])),
        ..ScanReport::unscanned(Verdict::Infected("A".into()).into())
    };
    stage.fleet.remember(&KEY, &infected);
    let put = stage.puts.recv().await.unwrap();
    assert_eq!((put.key, put.ttl), (KEY, Duration::from_mins(1)));
    let recalled = stage.told(KEY, Some(put.bytes.clone())).await.unwrap();
    assert_eq!((&recalled.report.findings, recalled.report.sha256), (&infected.findings, infected.sha256));
    assert_eq!(recalled.report.origin, Origin::Fleet);
    assert!(recalled.left <= Duration::from_mins(1));
    assert!(stage.told([6; 32], Some(put.bytes)).await.is_none(), "that of another object");
    assert!(stage.told(KEY, None).await.is_none());
    let counts = [Lookup::Hit, Lookup::Unbelieved, Lookup::Miss].map(|lookup| stage.count(lookup));
    assert_eq!(counts, [1, 1, 1]);

    // One that counts for longer elsewhere counts for no longer than others here.
    let long =
        VerdictRecord { at: now(), ttl: Duration::from_hours(2), findings: Findings::clean(), sha256: None };
    let bytes = encode_verdict(&long, &KEY, &stage.fleet.seal);
    assert!(stage.told(KEY, bytes).await.unwrap().left <= Duration::from_mins(1));
    // The connection breaks.
    let fleet = Arc::clone(&stage.fleet);
    let (recalled, ()) = tokio::join!(fleet.recall(&KEY, later()), async {
        drop(stage.asks.recv().await.unwrap());
    });
    assert!(recalled.is_none() && stage.count(Lookup::Failed) == 1);
    // What is not certain is not told.
    stage
        .fleet
        .remember(&KEY, &ScanReport::unscanned(Verdict::Failed(icapstan_model::FailedReason::Crash).into()));
    assert!(stage.puts.try_recv().is_err());
}
