//! The port as gateways see it, before a scanner that does what a test says.

mod shared;

use super::metrics::{Cause, Obstacle, VerdictMetrics};
use super::port::CachedPort;
use bytes::Bytes;
use icapstan_api::VerdictCache;
use icapstan_model::{
    Content, Epoch, FailedReason, Findings, GenerationId, Mode, NonScannedReason, Object, Origin, Readiness,
    Refusal, ScanContext, ScanFuture, ScanPort, ScanProfile, ScanReport, Sha256, SignatureSet, Verdict,
};
use parking_lot::Mutex;
use prometheus::Registry;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

type Outcome = Result<ScanReport, Refusal>;

/// Scans as it is told.
struct Told {
    /// What comes of a scan, by its number from 0 on.
    outcome: Box<dyn Fn(usize) -> Outcome + Send + Sync>,
    /// A scan takes one to end.
    leave: Semaphore,
    begun: AtomicUsize,
    /// Those that were given up before their end.
    dropped: AtomicUsize,
    generation: Mutex<GenerationId>,
}

/// Counts a scan that does not come to its end.
struct Dropped<'a>(&'a AtomicUsize);

/// The port, and what is behind it.
struct Stage {
    port: Arc<CachedPort>,
    told: Arc<Told>,
    metrics: VerdictMetrics,
}

impl Stage {
    /// Scans that end at once, with these outcomes.
    fn new(outcome: impl Fn(usize) -> Outcome + Send + Sync + 'static) -> Self {
        let stage = Self::held(outcome);
        stage.told.leave.add_permits(Semaphore::MAX_PERMITS);
        stage
    }

    /// Scans that end when they are let go.
    fn held(outcome: impl Fn(usize) -> Outcome + Send + Sync + 'static) -> Self {
        let told = Arc::new(Told {
            outcome: Box::new(outcome),
            leave: Semaphore::new(0),
            begun: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            generation: Mutex::new(GenerationId([1; 32])),
        });
        let metrics = VerdictMetrics::register(&Registry::new()).unwrap();
        let settings = VerdictCache::default();
        let port = CachedPort::new(told.clone(), &settings, metrics.clone(), 1000, None).unwrap();
        Self { port: Arc::new(port), told, metrics }
    }

    async fn scan(&self, content: &str) -> Outcome {
        self.scan_as(object(content), context(), 60).await
    }

    async fn scan_as(&self, object: Object, context: ScanContext, seconds: u64) -> Outcome {
        let epoch = self.port.epoch().unwrap();
        let deadline = Instant::now() + Duration::from_secs(seconds);
        self.port.scan(object, context, &epoch, deadline).await
    }

    fn scans(&self) -> usize {
        self.told.begun.load(Ordering::SeqCst)
    }

    fn given_up(&self) -> usize {
        self.told.dropped.load(Ordering::SeqCst)
    }
}

impl ScanPort for Told {
    fn epoch(&self) -> Option<Arc<Epoch>> {
        Some(epoch(*self.generation.lock()))
    }

    fn scan<'a>(
        &'a self,
        _object: Object,
        _context: ScanContext,
        _epoch: &'a Arc<Epoch>,
        _deadline: Instant,
    ) -> ScanFuture<'a> {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let dropped = Dropped(&self.dropped);
            self.leave.acquire().await.unwrap().forget();
            std::mem::forget(dropped);
            (self.outcome)(number)
        })
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn epoch(id: GenerationId) -> Arc<Epoch> {
    let signatures =
        SignatureSet { id, count: 1, test_only: false, engine: "engine".to_owned(), released: None };
    Arc::new(Epoch::new(signatures, None))
}

fn object(content: &str) -> Object {
    Object { content: Content::Memory(Bytes::copy_from_slice(content.as_bytes())), len: content.len() as u64 }
}

fn context() -> ScanContext {
    ScanContext {
        mode: Mode::Respmod,
        content_encoding: String::new(),
        content_types: Vec::new(),
        partial: false,
        profile: Arc::new(ScanProfile::default()),
        trace: None,
    }
}

fn report(verdicts: &[Verdict]) -> ScanReport {
    let mut findings = Findings::clean();
    for verdict in verdicts {
        findings.add(verdict.clone());
    }
    let took = Duration::from_millis(7);
    let sha256 = (!verdicts.is_empty()).then_some(Sha256([3; 32]));
    ScanReport { sha256, waited: took, engine: took, ..ScanReport::unscanned(findings) }
}

#[expect(clippy::unnecessary_wraps, reason = "one of the outcomes that a scan may have")]
fn clean(_: usize) -> Outcome {
    Ok(report(&[]))
}

#[tokio::test]
async fn what_is_certain_is_told_again_and_all_else_is_looked_at_anew() {
    let threats = [Verdict::Infected("A".into()), Verdict::Phishing("B".into()), Verdict::Macro("C".into())];
    let mut certain = vec![vec![], threats.to_vec()];
    certain.extend(threats.iter().map(|threat| vec![threat.clone()]));
    for verdicts in certain {
        let expected = report(&verdicts);
        let given = expected.clone();
        let stage = Stage::new(move |_| Ok(given.clone()));
        let first = stage.scan("x").await.unwrap();
        assert_eq!((first.origin, first.engine), (Origin::Scan, expected.engine));
        let second = stage.scan("x").await.unwrap();
        assert_eq!(
            (second.origin, second.engine, second.waited),
            (Origin::Cache, Duration::ZERO, Duration::ZERO)
        );
        assert_eq!((&second.findings, second.sha256), (&expected.findings, expected.sha256));
        assert_eq!((stage.scans(), stage.metrics.hits.get(), stage.metrics.misses.get()), (1, 1, 1));
        assert_eq!((stage.metrics.entries.get(), stage.metrics.inserted.get()), (1, 1));
        assert!(stage.metrics.bytes.get() >= 256);
    }

    let non_scanned = NonScannedReason::ALL.map(|reason| (Verdict::NonScanned(reason), Obstacle::NonScanned));
    let failed = FailedReason::ALL.map(|reason| (Verdict::Failed(reason), Obstacle::Failed));
    for (verdict, obstacle) in non_scanned.into_iter().chain(failed) {
        for verdicts in [vec![verdict.clone()], vec![threats[0].clone(), verdict.clone()]] {
            let given = report(&verdicts);
            let stage = Stage::new(move |_| Ok(given.clone()));
            for _ in 0..2 {
                assert_eq!(stage.scan("x").await.unwrap().origin, Origin::Scan, "{verdicts:?}");
            }
            assert_eq!((stage.scans(), stage.metrics.uncacheable.get(obstacle)), (2, 2), "{verdicts:?}");
            assert_eq!(stage.metrics.inserted.get(), 0);
        }
    }
    let stage = Stage::new(|_| Err(Refusal::Hopeless));
    for _ in 0..2 {
        assert_eq!(stage.scan("x").await.unwrap_err(), Refusal::Hopeless);
    }
    assert_eq!((stage.scans(), stage.metrics.uncacheable.get(Obstacle::Refused)), (2, 2));
}

#[tokio::test]
async fn objects_that_are_read_in_another_way_share_no_verdict() {
    let stage = Stage::new(clean);
    let coded = |coding: &str| ScanContext { content_encoding: coding.to_owned(), ..context() };
    let typed = |value: &str| ScanContext { content_types: vec![value.to_owned()], ..context() };
    let profile = Arc::new(ScanProfile { max_depth: 1, ..ScanProfile::default() });
    let contexts = [
        context(),
        ScanContext { mode: Mode::Reqmod, ..context() },
        coded("gzip"),
        coded("br"),
        typed("multipart/form-data; boundary=a"),
        typed("multipart/form-data; boundary=b"),
        typed("text/html"),
        ScanContext { profile, ..context() },
    ];
    for _ in 0..2 {
        for context in &contexts {
            stage.scan_as(object("x"), context.clone(), 60).await.unwrap();
        }
    }
    assert_eq!((stage.scans(), stage.metrics.hits.get()), (contexts.len(), contexts.len() as u64));
}

#[tokio::test]
async fn pieces_large_objects_and_those_of_policies_that_say_so_are_not_looked_up() {
    let stage = Stage::new(clean);
    let profile = |profile| ScanContext { profile: Arc::new(profile), ..context() };
    let large = VerdictCache::default().max_object_size.bytes() + 1;
    let roomy = profile(ScanProfile { max_object_size: u64::MAX, ..ScanProfile::default() });
    let silent = profile(ScanProfile { cache: false, ..ScanProfile::default() });
    for (object, context, obstacle) in [
        (object("x"), ScanContext { partial: true, ..context() }, Obstacle::Partial),
        (object("x"), silent, Obstacle::Policy),
        (Object { len: large, ..object("x") }, roomy, Obstacle::Size),
        (Object { len: 20 << 20, ..object("x") }, context(), Obstacle::Size),
        (Object { len: 2, ..object("x") }, context(), Obstacle::Unread),
    ] {
        let (scans, before) = (stage.scans(), stage.metrics.uncacheable.get(obstacle));
        for _ in 0..2 {
            stage.scan_as(object.clone(), context.clone(), 60).await.unwrap();
        }
        let counted = stage.metrics.uncacheable.get(obstacle) - before;
        assert_eq!((stage.scans() - scans, counted), (2, 2), "{obstacle:?}");
    }
    assert_eq!(stage.metrics.inserted.get(), 0);
}

#[tokio::test]
async fn it_does_not_matter_where_the_bytes_are() {
    let stage = Stage::new(clean);
    let text = "some text ".repeat(50_000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    stage.scan(&text).await.unwrap();
    let object = Object { content: Content::File(file.into()), len: text.len() as u64 };
    assert_eq!(stage.scan_as(object, context(), 60).await.unwrap().origin, Origin::Cache);
    assert_eq!(stage.scans(), 1);
}

#[tokio::test]
async fn other_signatures_look_again_and_the_old_ones_are_forgotten() {
    let stage = Stage::new(clean);
    let old = stage.port.epoch().unwrap();
    for content in ["x", "y"] {
        stage.scan(content).await.unwrap();
    }
    *stage.told.generation.lock() = GenerationId([2; 32]);
    assert_eq!(stage.scan("x").await.unwrap().origin, Origin::Scan);
    assert_eq!(stage.scan("x").await.unwrap().origin, Origin::Cache);
    assert_eq!(stage.metrics.evicted.get(Cause::Generation), 2);
    assert_eq!(stage.metrics.entries.get(), 1);
    // A transaction that began before still has its signatures, and leaves nothing.
    let deadline = Instant::now() + Duration::from_mins(1);
    for _ in 0..2 {
        let late = stage.port.scan(object("x"), context(), &old, deadline).await.unwrap();
        assert_eq!(late.origin, Origin::Scan);
    }
    assert_eq!(stage.metrics.uncacheable.get(Obstacle::Superseded), 2);
    assert_eq!(stage.scan("x").await.unwrap().origin, Origin::Cache);
}

#[tokio::test]
async fn without_it_the_scanner_is_asked_itself() {
    let told = Stage::new(clean).told;
    let settings = VerdictCache { enabled: false, ..VerdictCache::default() };
    let inner = told as Arc<dyn ScanPort>;
    let metrics = VerdictMetrics::register(&Registry::new()).unwrap();
    let port = CachedPort::before(Arc::clone(&inner), &settings, metrics, None).unwrap();
    assert!(Arc::ptr_eq(&port, &inner));
}
