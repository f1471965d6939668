//! Scanners that end, die, or say nothing.

use crate::rig::{Scanner, connected, metric, object, remote, scan, strongest, until};
use icapstan_model::{FailedReason, Readiness, ScanPort, Verdict};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_scanner_had_goes_to_another_once() {
    let scanners = [Scanner::start(Some(7)), Scanner::start(Some(7))];
    let (remote, registry) = connected(&[&scanners[0], &scanners[1]]).await;
    let remote = Arc::new(remote);
    let own = Arc::clone(&remote);
    let scan = tokio::spawn(async move { scan(&own, object("wait")).await });
    let under_way = |scanner: &Scanner| scanner.engine.under_way.load(Ordering::SeqCst);
    until(|| scanners.iter().map(under_way).sum::<usize>() == 1).await;
    let [first, second] = scanners;
    let (dying, living) = if under_way(&first) == 1 { (first, second) } else { (second, first) };
    drop(dying);
    until(|| under_way(&living) == 1).await;
    living.engine.go_on.notify_one();
    assert!(scan.await.unwrap().unwrap().findings.is_clean());
    assert_eq!(metric(&registry, "icapstan_scan_client_retries_total", Some("lost")), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_two_scanners_were_lost_with_gets_no_third() {
    let scanners: Vec<_> = (0..3).map(|_| Scanner::start(Some(7))).collect();
    let (remote, _) = connected(&scanners.iter().collect::<Vec<_>>()).await;
    let remote = Arc::new(remote);
    let own = Arc::clone(&remote);
    let scan = tokio::spawn(async move { scan(&own, object("wait")).await });
    let mut living = scanners;
    for _ in 0..2 {
        let has_it = |scanner: &Scanner| scanner.engine.under_way.load(Ordering::SeqCst) == 1;
        until(|| living.iter().any(has_it)).await;
        living.retain(|scanner| !has_it(scanner));
    }
    assert_eq!(living.len(), 1);
    assert_eq!(strongest(scan.await.unwrap()), Verdict::Failed(FailedReason::NoScanner));
    assert_eq!(living[0].begun(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_that_ends_in_order_loses_nothing() {
    let ending = Scanner::start(Some(7));
    let staying = Scanner::start(Some(7));
    let (remote, registry) = connected(&[&ending, &staying]).await;
    let remote = Arc::new(remote);
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (remote, is_over) = (Arc::clone(&remote), Arc::clone(&is_over));
            tokio::spawn(async move {
                let mut scans = 0;
                while !is_over.load(Ordering::SeqCst) {
                    assert!(scan(&remote, object(vec![1; 5000])).await.unwrap().findings.is_clean());
                    scans += 1;
                }
                scans
            })
        })
        .collect();
    until(|| ending.begun() > 50 && staying.begun() > 50).await;
    assert!(ending.server.stop(Duration::from_secs(20)).await, "all that was under way ended");
    let (at_ending, at_staying) = (ending.begun(), staying.begun());
    until(|| staying.begun() > at_staying + 100).await;
    is_over.store(true, Ordering::SeqCst);
    for task in tasks {
        assert!(task.await.unwrap() > 0);
    }
    assert_eq!(ending.begun(), at_ending);
    assert_eq!(metric(&registry, "icapstan_scan_client_calls_total", Some("lost")), 0);
    assert_eq!(metric(&registry, "icapstan_scan_client_no_scanner_total", None), 0);
    until(|| remote.note().is_some_and(|note| note.contains("1 of 2 scanners"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_that_comes_back_is_asked_again() {
    let listener = crate::rig::listener();
    let address = listener.local_addr().unwrap();
    let scanner = Scanner::start_at(listener, Some(7), |_| {});
    let (remote, _) = connected(&[&scanner]).await;
    drop(scanner);
    until(|| matches!(remote.readiness(), Readiness::NotReady(_))).await;
    // Its signatures are still those that answers name.
    assert!(remote.epoch().is_some());
    // The one before lets go of the port a little later.
    let mut listener = None;
    until(|| {
        listener = std::net::TcpListener::bind(address).ok();
        listener.is_some()
    })
    .await;
    let listener = listener.expect("just waited for");
    let scanner = Scanner::start_at(listener, Some(7), |_| {});
    until(|| remote.readiness() == Readiness::Ready).await;
    assert!(scan(&remote, object("x")).await.unwrap().findings.is_clean());
    assert_eq!(scanner.begun(), 1);
}

/// Passes bytes on while it is told so.
struct Valve {
    address: std::net::SocketAddr,
    open: watch::Sender<bool>,
}

impl Valve {
    async fn before(to: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (open, is_open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut is_open = is_open.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    loop {
                        tokio::select! {
                            _ = copy_bidirectional(&mut client, &mut server) => return,
                            shut = is_open.wait_for(|is_open| !is_open) => if shut.is_err() { return },
                        }
                        if is_open.wait_for(|is_open| *is_open).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, open }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_a_scanner_from_which_nothing_is_heard() {
    let (silent, other) = (Scanner::start(Some(7)), Scanner::start(Some(7)));
    let valve = Valve::before(silent.address()).await;
    let (remote, registry) = remote(&[valve.address, other.address()]);
    until(|| remote.readiness() == Readiness::Ready && remote.note().is_none()).await;
    valve.open.send(false).unwrap();
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    while metric(&registry, "icapstan_scan_client_silent_total", None) == 0 {
        let asked = Instant::now();
        assert!(scan(&remote, object("x")).await.unwrap().findings.is_clean());
        slowest = slowest.max(asked.elapsed());
        assert!(begin.elapsed() < crate::rig::PATIENCE);
    }
    println!("the slowest took {slowest:?}; it was left alone after {:?}", begin.elapsed());
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let begun = other.begun();
    for _ in 0..20 {
        assert!(scan(&remote, object("x")).await.unwrap().findings.is_clean());
    }
    assert_eq!(other.begun(), begun + 20, "all go to the other one");
    valve.open.send(true).unwrap();
    until(|| remote.note().is_none()).await;
    let begun = silent.begun();
    let begin = Instant::now();
    while silent.begun() == begun {
        assert!(scan(&remote, object("x")).await.unwrap().findings.is_clean());
        assert!(begin.elapsed() < crate::rig::PATIENCE, "it gets scans again");
    }
}
