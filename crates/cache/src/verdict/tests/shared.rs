//! Equal objects that come at the same time.

use super::*;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `is_so`.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("not: {what}"));
}

impl Stage {
    fn spawn(self: &Arc<Self>) -> JoinHandle<Outcome> {
        let stage = Arc::clone(self);
        tokio::spawn(async move { stage.scan("x").await })
    }

    /// One that scans, and so many that wait for it.
    async fn crowd(self: &Arc<Self>, others: usize) -> (JoinHandle<Outcome>, Vec<JoinHandle<Outcome>>) {
        let first = self.spawn();
        until("the first one scans", || self.scans() == 1).await;
        let others: Vec<_> = (0..others).map(|_| self.spawn()).collect();
        until("the others wait", || self.metrics.shared.get() == others.len() as u64).await;
        (first, others)
    }
}

async fn answer(task: JoinHandle<Outcome>) -> Outcome {
    timeout(PATIENCE, task).await.expect("nobody waits for ever").expect("nobody panics")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_at_once_are_one_scan() {
    let stage = Arc::new(Stage::held(|_| Ok(report(&[Verdict::Infected("A".into())]))));
    let (first, others) = stage.crowd(499).await;
    stage.told.leave.add_permits(1);
    let first = answer(first).await.unwrap();
    for other in others {
        let other = answer(other).await.unwrap();
        assert_eq!((other.origin, other.engine), (Origin::Shared, Duration::ZERO));
        assert_eq!((&other.findings, other.sha256), (&first.findings, first.sha256));
    }
    assert_eq!((stage.scans(), stage.metrics.misses.get(), stage.metrics.inserted.get()), (1, 1, 1));
    assert_eq!(stage.scan("x").await.unwrap().origin, Origin::Cache);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_come_while_a_scan_lands_begin_no_other() {
    let stage = Arc::new(Stage::new(clean));
    for round in 0..200 {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let stage = Arc::clone(&stage);
                tokio::spawn(async move { stage.scan(&format!("x{round}")).await })
            })
            .collect();
        for task in tasks {
            answer(task).await.unwrap();
        }
    }
    assert_eq!(stage.scans(), 200);
}

#[tokio::test]
async fn a_scan_goes_on_when_who_began_it_leaves() {
    let stage = Arc::new(Stage::held(clean));
    let (first, others) = stage.crowd(3).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(stage.given_up(), 0);
    // Whoever comes now joins it too.
    let late = stage.spawn();
    until("it waits", || stage.metrics.shared.get() == 4).await;
    stage.told.leave.add_permits(1);
    for other in others.into_iter().chain([late]) {
        assert_eq!(answer(other).await.unwrap().origin, Origin::Shared);
    }
    assert_eq!((stage.scans(), stage.given_up()), (1, 0));
}

#[tokio::test]
async fn a_scan_that_nobody_waits_for_ends() {
    let stage = Arc::new(Stage::held(clean));
    let alone = stage.spawn();
    until("it scans", || stage.scans() == 1).await;
    alone.abort();
    until("it has ended", || stage.given_up() == 1).await;

    let stage = Arc::new(Stage::held(clean));
    let (first, others) = stage.crowd(2).await;
    first.abort();
    others[0].abort();
    assert!(first.await.is_err());
    // While one waits it goes on.
    tokio::task::yield_now().await;
    assert_eq!(stage.given_up(), 0);
    others[1].abort();
    until("it has ended", || stage.given_up() == 1).await;
    // And the next one begins anew.
    let next = stage.spawn();
    until("it scans", || stage.scans() == 2).await;
    stage.told.leave.add_permits(1);
    assert_eq!(answer(next).await.unwrap().origin, Origin::Scan);
}

#[tokio::test]
async fn what_befell_one_is_tried_again_once_for_each_who_waited() {
    let failures: [fn(usize) -> Outcome; 3] = [
        |_| Err(Refusal::Hopeless),
        |_| Ok(report(&[Verdict::Failed(FailedReason::Crash)])),
        |_| Ok(report(&[Verdict::Infected("A".into()), Verdict::Failed(FailedReason::Time)])),
    ];
    for failure in failures {
        // All fail.
        let stage = Arc::new(Stage::held(failure));
        let (first, others) = stage.crowd(3).await;
        stage.told.leave.add_permits(100);
        for task in others.into_iter().chain([first]) {
            let own = answer(task).await;
            assert!(own.is_err() || own.unwrap().origin == Origin::Scan);
        }
        assert_eq!((stage.scans(), stage.metrics.retried.get()), (4, 3));
        assert_eq!(stage.metrics.inserted.get(), 0);
        // Only the first one does.
        let stage = Arc::new(Stage::held(move |number| if number == 0 { failure(0) } else { clean(0) }));
        let (first, others) = stage.crowd(3).await;
        stage.told.leave.add_permits(100);
        for task in others {
            assert!(answer(task).await.unwrap().findings.is_clean());
        }
        assert!(!answer(first).await.is_ok_and(|report| report.findings.is_clean()));
    }
}

#[tokio::test]
async fn what_was_not_looked_at_for_a_reason_is_told_to_all() {
    let stage = Arc::new(Stage::held(|_| Ok(report(&[Verdict::NonScanned(NonScannedReason::Encrypted)]))));
    let (first, others) = stage.crowd(3).await;
    stage.told.leave.add_permits(100);
    for task in others.into_iter().chain([first]) {
        assert_eq!(
            *answer(task).await.unwrap().findings.strongest(),
            Verdict::NonScanned(NonScannedReason::Encrypted)
        );
    }
    assert_eq!(stage.scans(), 1);
}

#[tokio::test]
async fn a_scan_that_panics_leaves_nobody_waiting() {
    let stage =
        Arc::new(Stage::held(|number| if number == 0 { panic!("as the test wants") } else { clean(0) }));
    let (first, others) = stage.crowd(3).await;
    stage.told.leave.add_permits(100);
    assert!(first.await.unwrap_err().is_panic());
    for other in others {
        assert!(answer(other).await.unwrap().findings.is_clean());
    }
    // Also when it has changed hands.
    let stage =
        Arc::new(Stage::held(|number| if number == 0 { panic!("as the test wants") } else { clean(0) }));
    let (first, others) = stage.crowd(3).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    stage.told.leave.add_permits(100);
    for other in others {
        assert!(answer(other).await.unwrap().findings.is_clean());
    }
}

#[tokio::test]
async fn whoever_waits_is_answered_by_its_own_deadline() {
    let stage = Arc::new(Stage::held(clean));
    let (first, _) = stage.crowd(0).await;
    let late = timeout(PATIENCE, stage.scan_as(object("x"), context(), 1)).await.unwrap().unwrap();
    assert_eq!(*late.findings.strongest(), Verdict::Failed(FailedReason::Time));
    // The other one goes on.
    stage.told.leave.add_permits(1);
    assert!(answer(first).await.unwrap().findings.is_clean());
    assert_eq!(stage.scans(), 1);
}

#[tokio::test]
async fn more_than_can_be_shared_are_scanned_alone() {
    let mut stage = Stage::held(clean);
    let settings = VerdictCache::default();
    stage.port =
        Arc::new(CachedPort::new(stage.told.clone(), &settings, stage.metrics.clone(), 0, None).unwrap());
    stage.told.leave.add_permits(100);
    assert_eq!(stage.scan("x").await.unwrap().origin, Origin::Scan);
    assert_eq!(stage.metrics.uncacheable.get(Obstacle::Flights), 1);
    assert_eq!(stage.scan("x").await.unwrap().origin, Origin::Cache);
}
