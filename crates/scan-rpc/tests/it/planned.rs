//! Where a plan says what objects are judged by, they are judged by that or not at all.

use crate::rig::{PATIENCE, Scanner, configuration, context, epoch, metric, object, strongest, until};
use icapstan_model::{FailedReason, GenerationId, Readiness, ScanPort, Verdict};
use icapstan_scan_rpc::{ClientMetrics, RemoteScanners};
use prometheus::Registry;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn planned(scanners: &[&Scanner]) -> (RemoteScanners, Registry) {
    let registry = Registry::new();
    let metrics = ClientMetrics::register(&registry).unwrap();
    let addresses: Vec<_> = scanners.iter().map(|scanner| scanner.address()).collect();
    (RemoteScanners::start_planned(configuration(&addresses), metrics), registry)
}

async fn scanned_by(remote: &RemoteScanners, id: u8) -> Verdict {
    let deadline = Instant::now() + PATIENCE;
    strongest(remote.scan(object("bad"), context(), &epoch(id), deadline).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plan_decides_and_not_most_scanners() {
    let scanners = [Scanner::start(Some(1)), Scanner::start(Some(1)), Scanner::start(Some(2))];
    let (remote, _) = planned(&scanners.iter().collect::<Vec<_>>());
    let has = |id| remote.signatures(GenerationId([id; 32])).is_some();
    until(|| remote.note().is_none() && has(1) && has(2)).await;
    assert!(remote.epoch().is_none(), "no plan has said anything");
    assert!(matches!(remote.readiness(), Readiness::NotReady(_)));
    for id in [2, 1, 2] {
        remote.judge_by(&epoch(id));
        assert_eq!(remote.readiness(), Readiness::Ready);
        assert_eq!(remote.epoch().unwrap().signatures.id.0[0], id);
    }
    for id in [1, 2, 1, 2] {
        for _ in 0..10 {
            let verdict = scanned_by(&remote, id).await;
            let name = verdict.threat().expect("it was scanned").as_str().to_owned();
            assert!(name.contains(&format!(".{id}.")), "{name}: of the signatures that were asked for");
        }
    }
    remote.judge_by(&epoch(3));
    assert!(matches!(remote.readiness(), Readiness::NotReady(why) if why.contains("no scanner has")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_has_is_waited_for_a_moment_and_then_failed() {
    let scanner = Scanner::start(Some(1));
    let (remote, registry) = planned(&[&scanner]);
    until(|| remote.signatures(GenerationId([1; 32])).is_some()).await;
    let begun = Instant::now();
    assert_eq!(scanned_by(&remote, 2).await, Verdict::Failed(FailedReason::NoScanner));
    assert!(begun.elapsed() >= Duration::from_millis(1900), "{:?}", begun.elapsed());
    assert_eq!((scanner.begun(), metric(&registry, "icapstan_scan_client_no_scanner_total", None)), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_to_have_it_in_this_moment_is_asked() {
    let scanner = Scanner::start(Some(1));
    let (remote, _) = planned(&[&scanner]);
    until(|| remote.signatures(GenerationId([1; 32])).is_some()).await;
    let remote = Arc::new(remote);
    let asking = Arc::clone(&remote);
    let scan = tokio::spawn(async move { scanned_by(&asking, 2).await });
    scanner.engine.epochs.send_replace(Some(epoch(2)));
    let verdict = scan.await.unwrap();
    assert!(verdict.threat().is_some_and(|name| name.as_str().contains(".2.")), "{verdict:?}");
}
