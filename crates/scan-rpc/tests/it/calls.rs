//! What a scanner says over the network is what it says.

use crate::rig::{Scanner, connected, context, metric, object, remote, scan, strongest, until};
use bytes::Bytes;
use icapstan_model::{Content, FailedReason, Object, Readiness, Refusal, ScanPort, Verdict};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn bad(len: usize) -> (Vec<u8>, String) {
    let mut bytes = b"bad".to_vec();
    bytes.extend((3..len.max(3)).map(|at| u8::try_from(at % 251).unwrap()));
    let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
    (bytes, format!("a/b+c/d.7.{sum}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_any_size_arrive_as_they_are() {
    let scanner = Scanner::start(Some(7));
    let (remote, registry) = connected(&[&scanner]).await;
    for len in [3, 100, 16_000, 70_000, 1 << 20, (1 << 20) + 1, 5 << 20] {
        let (bytes, name) = bad(len);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let stored = Object { content: Content::File(Arc::new(file)), len: bytes.len() as u64 };
        for object in [object(bytes), stored] {
            let Verdict::Infected(found) = strongest(scan(&remote, object).await) else { panic!("{len}") };
            assert_eq!(found.as_str(), name, "{len} bytes");
        }
    }
    let report = scan(&remote, object("good")).await.unwrap();
    assert!(report.findings.is_clean() && report.decided_by.is_none());
    assert!(scan(&remote, object(Bytes::new())).await.unwrap().findings.is_clean());
    assert_eq!(metric(&registry, "icapstan_scan_client_calls_total", Some("answered")), 16);
    assert_eq!(metric(&scanner.registry, "icapstan_scan_server_requests_total", Some("answered")), 16);
    until(|| scanner.server.busy().jobs() == 0 && scanner.server.busy().bytes() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_each_have_their_own_answer() {
    let scanners = [Scanner::start(Some(7)), Scanner::start(Some(7)), Scanner::start(Some(7))];
    let (remote, _) = connected(&scanners.iter().collect::<Vec<_>>()).await;
    let remote = Arc::new(remote);
    let tasks: Vec<_> = (0..300)
        .map(|number| {
            let remote = Arc::clone(&remote);
            tokio::spawn(async move {
                let (bytes, name) = bad(number * 97);
                let Verdict::Infected(found) = strongest(scan(&remote, object(bytes)).await) else {
                    panic!("{number}")
                };
                assert_eq!(found.as_str(), name);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(scanners.iter().all(|scanner| scanner.begun() > 20), "each had its share");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_ends_the_scan() {
    let scanner = Scanner::start(Some(7));
    let (remote, registry) = connected(&[&scanner]).await;
    let epoch = remote.epoch().unwrap();
    let waiting = remote.scan(object("wait"), context(), &epoch, Instant::now() + Duration::from_mins(1));
    let waiting = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            _ = waiting => panic!("nobody let it go on"),
            () = until(|| scanner.engine.under_way.load(Ordering::SeqCst) == 1) => {}
        }
    });
    waiting.await.unwrap();
    let left = Instant::now();
    until(|| scanner.engine.under_way.load(Ordering::SeqCst) == 0).await;
    println!("{:?} after the client left", left.elapsed());
    assert_eq!(metric(&registry, "icapstan_scan_client_calls_total", Some("cancelled")), 1);
    until(|| metric(&scanner.registry, "icapstan_scan_server_requests_total", Some("cancelled")) == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlines_reach_the_scanner_and_hold_here() {
    let scanner = Scanner::start(Some(7));
    let (remote, _) = connected(&[&scanner]).await;
    let epoch = remote.epoch().unwrap();
    let begin = Instant::now();
    let report = remote.scan(object("wait"), context(), &epoch, begin + Duration::from_millis(200)).await;
    // Whoever is first: the scanner's engine ends at the deadline too.
    assert!(begin.elapsed() >= Duration::from_millis(190), "{:?}", begin.elapsed());
    drop(report.unwrap());
    until(|| scanner.engine.under_way.load(Ordering::SeqCst) == 0).await;
    let report = remote.scan(object("x"), context(), &epoch, begin).await;
    assert_eq!(strongest(report), Verdict::Failed(FailedReason::Time));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_without_room_is_passed_over_and_refusals_come_through() {
    let full = Scanner::start(Some(7));
    let (remote, registry) = connected(&[&full]).await;
    assert_eq!(scan(&remote, object("full")).await.unwrap_err(), Refusal::QueueFull);
    assert_eq!(metric(&registry, "icapstan_scan_client_retries_total", None), 0, "there is no other");
    let small = Scanner::start_at(crate::rig::listener(), Some(7), |config| config.memory = 1 << 10);
    let large = Scanner::start(Some(7));
    let (remote, registry) = connected(&[&small, &large]).await;
    let begin = Instant::now();
    while small.begun() == 0 {
        assert!(scan(&remote, object(vec![1; 100])).await.unwrap().findings.is_clean());
        assert!(begin.elapsed() < crate::rig::PATIENCE, "it gets its part");
    }
    let before = small.begun();
    // Larger than all the memory of one: another is asked.
    for _ in 0..3 {
        assert!(scan(&remote, object(vec![1; 2 << 10])).await.unwrap().findings.is_clean());
    }
    assert_eq!(small.begun(), before);
    assert!(metric(&registry, "icapstan_scan_client_calls_total", Some("answered")) >= 4);
    let (remote, _) = connected(&[&small]).await;
    assert_eq!(
        strongest(scan(&remote, object(vec![1; 2 << 10])).await),
        Verdict::Failed(FailedReason::Memory)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_scanner_there_is_an_answer_at_once() {
    let closed = crate::rig::listener();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let (remote, registry) = remote(&[address]);
    assert!(remote.epoch().is_none());
    until(
        || matches!(remote.readiness(), Readiness::NotReady(why) if why.contains("cannot be connected to")),
    )
    .await;
    let epoch = crate::rig::epoch(7);
    let begin = Instant::now();
    let report = remote.scan(object("x"), context(), &epoch, begin + Duration::from_mins(1)).await;
    assert_eq!(strongest(report), Verdict::Failed(FailedReason::NoScanner));
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(metric(&registry, "icapstan_scan_client_no_scanner_total", None), 1);
}
