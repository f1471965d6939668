//! The endpoint answers whatever happens to the rest of the process.

use crate::client::get;
use icapstan_telemetry::{AdminServer, Ready, Registry};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

fn start(readiness: impl Fn() -> Ready + Send + Sync + 'static) -> AdminServer {
    let version = || serde_json::json!({"version": "1.2.3"});
    let addr = ([127, 0, 0, 1], 0).into();
    AdminServer::start(addr, Arc::new(Registry::new()), Arc::new(readiness), Arc::new(version)).unwrap()
}

#[test]
fn all_paths_answer_while_each_thread_of_another_runtime_is_blocked() {
    const WORKERS: usize = 2;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).build().unwrap();
    let all_blocked = Arc::new(Barrier::new(WORKERS + 1));
    let release = Arc::new(Barrier::new(WORKERS + 1));
    for _ in 0..WORKERS {
        let (all_blocked, release) = (Arc::clone(&all_blocked), Arc::clone(&release));
        runtime.spawn(async move {
            all_blocked.wait();
            release.wait();
        });
    }
    all_blocked.wait();

    let server = start(Ready::new);
    for path in ["/livez", "/readyz", "/metrics", "/version"] {
        let start = Instant::now();
        assert_eq!(get(server.local_addr(), path).status, 200, "{path}");
        assert!(start.elapsed() < Duration::from_secs(1), "{path}: {:?}", start.elapsed());
    }
    release.wait();
}

#[test]
fn a_readiness_that_hangs_is_not_ready_and_holds_up_nothing_else() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = start(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    });
    let addr = server.local_addr();
    let probes: Vec<_> = (0..8).map(|_| std::thread::spawn(move || get(addr, "/readyz?verbose"))).collect();
    for _ in 0..5 {
        let start = Instant::now();
        assert_eq!(get(addr, "/livez").status, 200);
        assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    }
    for probe in probes {
        let answer = probe.join().unwrap();
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (503, "[-] readiness: no answer within a second\n")
        );
    }
    assert!(calls.load(Ordering::SeqCst) <= 4, "questions that hang are bounded");
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_readiness_that_panics_is_not_ready_and_is_asked_again() {
    let calls = AtomicUsize::new(0);
    let server = start(move || {
        let call = calls.fetch_add(1, Ordering::SeqCst);
        assert!(call >= 8, "a fault of the process");
        Ready::new()
    });
    for _ in 0..8 {
        let answer = get(server.local_addr(), "/readyz");
        assert_eq!((answer.status, answer.body.as_str()), (503, "[-] readiness: the question broke\n"));
    }
    assert_eq!(get(server.local_addr(), "/readyz").status, 200);
}
