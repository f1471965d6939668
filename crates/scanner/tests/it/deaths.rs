//! Workers that die, hang, or are no longer waited for.

use crate::harness::{Bench, PATIENCE, context, eicar, names, text, until};
use icapstan_model::{FailedReason, Readiness, Refusal, ScanContext, ScanPort, ScanProfile, Verdict};
use rustix::process::Signal;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Stops the only worker, so that the next scan is under way as long as the test wants.
async fn stop_worker(bench: &Bench) -> i32 {
    until("one idle worker", || bench.workers("idle") > 0.5).await;
    let (_, workers) = bench.processes();
    let [pid] = workers[..] else { panic!("one worker, not {workers:?}") };
    Bench::signal(pid, Signal::STOP);
    pid
}

async fn one_worker() -> Arc<Bench> {
    Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 2;
            config.cancel_grace = Duration::from_millis(100);
        })
        .await,
    )
}

fn scan_aside(bench: &Arc<Bench>, bytes: Vec<u8>, timeout: Duration) -> tokio::task::JoinHandle<Verdict> {
    let bench = bench.clone();
    tokio::spawn(async move {
        let report = bench.try_scan(&bytes, context(), timeout).await.unwrap();
        report.findings.strongest().clone()
    })
}

async fn end(bench: Arc<Bench>) {
    Arc::into_inner(bench).expect("all scans have ended").end().await;
}

#[tokio::test]
async fn an_object_whose_worker_is_killed_is_scanned_again_whatever_its_size() {
    let bench = one_worker().await;
    let pid = stop_worker(&bench).await;
    let scan = scan_aside(&bench, eicar(), PATIENCE);
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    Bench::signal(pid, Signal::KILL);
    assert_eq!(scan.await.unwrap().threat().unwrap().as_str(), "Eicar-Test-Signature.UNOFFICIAL");
    assert!((bench.metric("icapstan_scanner_retries_total", None) - 1.0).abs() < 0.1);

    let pid = stop_worker(&bench).await;
    let scan = scan_aside(&bench, text(2 << 20, 1), PATIENCE);
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    let killed = Instant::now();
    Bench::signal(pid, Signal::KILL);
    assert_eq!(scan.await.unwrap(), Verdict::Clean);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    println!("from the kill to the next verdict: {:?}", killed.elapsed());
    assert!((bench.deaths("crash") - 2.0).abs() < 0.1);
    end(bench).await;
}

#[tokio::test]
async fn a_worker_that_hangs_is_killed_at_the_deadline_and_the_next_scan_is_right() {
    let bench = one_worker().await;
    let pid = stop_worker(&bench).await;
    let begin = Instant::now();
    let timeout = Duration::from_millis(300);
    let verdict = scan_aside(&bench, text(100_000, 1), timeout).await.unwrap();
    assert_eq!(verdict, Verdict::Failed(FailedReason::Time));
    assert!(begin.elapsed() >= timeout && begin.elapsed() < timeout + Duration::from_secs(2));
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert!((bench.deaths("deadline") - 1.0).abs() < 0.1);
    assert!(!bench.processes().1.contains(&pid));
    end(bench).await;
}

#[tokio::test]
async fn a_scan_that_cannot_begin_before_its_deadline_is_refused() {
    let bench = one_worker().await;
    stop_worker(&bench).await;
    let scan = scan_aside(&bench, text(100_000, 1), Duration::from_secs(5));
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    let refused = bench.try_scan(b"some other text", context(), Duration::from_millis(100)).await;
    assert_eq!(refused.unwrap_err(), Refusal::Hopeless);
    assert_eq!(scan.await.unwrap(), Verdict::Failed(FailedReason::Time));
    end(bench).await;
}

#[tokio::test]
async fn one_more_than_the_queue_holds_is_refused_at_once() {
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 1;
            config.queue_length = 1;
        })
        .await,
    );
    stop_worker(&bench).await;
    let first = scan_aside(&bench, text(100_000, 1), Duration::from_secs(4));
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    let second = scan_aside(&bench, text(100_000, 2), PATIENCE);
    until("the next one waits", || bench.metric("icapstan_scanner_waiting", None) > 0.5).await;
    let begin = Instant::now();
    let third = bench.try_scan(b"some other text", context(), PATIENCE).await;
    assert_eq!(third.unwrap_err(), Refusal::QueueFull);
    assert!(begin.elapsed() < Duration::from_secs(1));
    assert_eq!(first.await.unwrap(), Verdict::Failed(FailedReason::Time));
    assert_eq!(second.await.unwrap(), Verdict::Clean);
    end(bench).await;
}

#[tokio::test]
async fn a_client_that_goes_away_frees_the_worker_whether_it_finishes_or_not() {
    let bench = one_worker().await;
    stop_worker(&bench).await;
    let scan = scan_aside(&bench, text(1000, 1), PATIENCE);
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    scan.abort();
    assert!(scan.await.unwrap_err().is_cancelled());
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert!((bench.deaths("cancelled") - 1.0).abs() < 0.1);

    // One that goes on in time is used again.
    let pid = stop_worker(&bench).await;
    let scan = scan_aside(&bench, text(1000, 1), PATIENCE);
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    scan.abort();
    Bench::signal(pid, Signal::CONT);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    until("one idle worker", || bench.workers("idle") > 0.5).await;
    end(bench).await;
}

#[tokio::test]
async fn what_takes_long_though_it_looks_cheap_waits_with_the_dear_ones() {
    let bench = one_worker().await;
    // It takes longer than anything cheap.
    let pid = stop_worker(&bench).await;
    let begin = Instant::now();
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert!(begin.elapsed() < PATIENCE / 4, "it was not waited for as for a dear object");
    assert!((bench.deaths("deadline") - 1.0).abs() < 0.1, "worker {pid} was given up");
    end(bench).await;
}

#[tokio::test]
async fn dear_objects_whose_clients_leave_never_take_the_worker_for_cheap_ones() {
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 4;
            config.spare_workers = 1;
            config.cancel_grace = PATIENCE;
        })
        .await,
    );
    until("both workers are idle", || bench.workers("idle") > 1.5).await;
    let pids = bench.processes().1;
    for pid in &pids {
        Bench::signal(*pid, Signal::STOP);
    }
    let first = scan_aside(&bench, text(100_000, 1), PATIENCE);
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // Its worker has not finished yet, so the next one waits for that and does not take the other.
    let second = scan_aside(&bench, text(100_000, 2), PATIENCE);
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(bench.workers("busy") < 1.5);
    }
    for pid in &pids {
        Bench::signal(*pid, Signal::CONT);
    }
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    second.await.unwrap();
    end(bench).await;
}

#[tokio::test]
async fn slow_objects_never_take_the_worker_that_is_kept_for_cheap_ones() {
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 2;
            config.spare_workers = 1;
        })
        .await,
    );
    let slow = Duration::from_secs(8);
    let profile = ScanProfile { max_object_size: 64 << 20, ..ScanProfile::default() };
    let large: Vec<_> = (0..3)
        .map(|seed| {
            let bench = bench.clone();
            let context = ScanContext { profile: Arc::new(profile.clone()), ..context() };
            tokio::spawn(
                async move { bench.try_scan(&text(48 << 20, seed), context, slow).await.map(|_| ()) },
            )
        })
        .collect();
    until("a large one is being scanned", || bench.workers("busy") > 0.5).await;
    for _ in 0..20 {
        let begin = Instant::now();
        assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
    assert!(large.iter().any(|scan| !scan.is_finished()), "they were still under way");
    for scan in large {
        scan.abort();
        let _ = scan.await;
    }
    end(bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_storm_of_kills_and_cancelled_scans_nothing_is_lost_and_nothing_bad_is_clean() {
    let bench = Arc::new(Bench::start(|config| config.cancel_grace = Duration::from_millis(5)).await);
    let end_at = Instant::now() + Duration::from_secs(4);
    let clients: Vec<_> = (0..6_u64)
        .map(|client| {
            let bench = bench.clone();
            tokio::spawn(async move {
                let (mut found, mut round) = (0_u64, client);
                while Instant::now() < end_at {
                    round += 1;
                    // Some scans are given up at odd moments, down to none at all.
                    let patience = Duration::from_micros((round * 7919) % 2000);
                    let bad = [eicar(), text(usize::try_from(round % 7).unwrap() * 10_000, round)].concat();
                    let scan = bench.scan(&bad);
                    let report = if round.is_multiple_of(3) {
                        tokio::time::timeout(patience, scan).await.ok()
                    } else {
                        Some(scan.await)
                    };
                    if let Some(findings) = report {
                        assert!(!findings.is_clean());
                        found += u64::from(!names(&findings).is_empty());
                    }
                }
                found
            })
        })
        .collect();
    let mut killed = 0;
    while Instant::now() < end_at {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let (_, workers) = bench.processes();
        if let Some(pid) = workers.get(killed % 2) {
            // It may have ended by itself meanwhile.
            let _ =
                rustix::process::kill_process(rustix::process::Pid::from_raw(*pid).unwrap(), Signal::KILL);
            killed += 1;
        }
    }
    let mut found = 0;
    for client in clients {
        found += client.await.unwrap();
    }
    println!("{killed} kills, {found} detections");
    assert!(killed > 10 && found > 100);
    until("both workers are idle", || {
        let workers = ["idle", "busy", "proving"].map(|state| bench.workers(state));
        workers[0] > 1.5 && workers[1] + workers[2] < 0.5 && bench.processes().1.len() == 2
    })
    .await;
    assert!(bench.metric("icapstan_scanner_waiting", None).abs() < 0.1);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    end(bench).await;
}

#[tokio::test]
async fn a_worker_that_died_while_idle_costs_no_request() {
    let bench = one_worker().await;
    let pid = stop_worker(&bench).await;
    Bench::signal(pid, Signal::KILL);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    end(bench).await;
}

#[tokio::test]
async fn workers_are_replaced_after_their_number_of_scans() {
    let bench = Arc::new(Bench::start(|config| config.recycle_after = 5).await);
    for _ in 0..20 {
        assert!(bench.scan(b"some harmless text").await.is_clean());
    }
    until("recycled workers", || bench.deaths("recycled") > 2.5).await;
    end(bench).await;
}

#[tokio::test]
async fn after_many_crashes_the_common_ancestor_is_replaced_and_nothing_else_changes() {
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 1;
            config.crashes_per_layout = 2;
        })
        .await,
    );
    let (before, generation) = (bench.processes().0, bench.epoch().signatures.clone());
    // Where its program and its libraries lie.
    let layout = |zygote: i32| {
        let maps = fs::read_to_string(format!("/proc/{zygote}/maps")).unwrap();
        let first = |name: &str| {
            maps.lines().find(|line| line.ends_with(name)).unwrap().split('-').next().unwrap().to_owned()
        };
        (first("icapstan-clamav-worker"), first("[stack]"))
    };
    let old_layout = layout(before[0]);
    for _ in 0..2 {
        let pid = stop_worker(&bench).await;
        let scan = scan_aside(&bench, text(2 << 20, 1), PATIENCE);
        until("it is being scanned", || bench.workers("busy") > 0.5).await;
        Bench::signal(pid, Signal::KILL);
        assert_eq!(scan.await.unwrap(), Verdict::Clean);
    }
    until("another zygote alone", || {
        let (zygotes, workers) = bench.processes();
        zygotes.len() == 1 && zygotes != before && workers.len() == 1
    })
    .await;
    assert_eq!(bench.epoch().signatures, generation);
    assert_ne!(layout(bench.processes().0[0]), old_layout, "memory lies differently");
    assert!((bench.metric("icapstan_scanner_zygote_replacements_total", None) - 1.0).abs() < 0.1);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    end(bench).await;
}

#[tokio::test]
async fn when_the_ancestor_itself_dies_scans_fail_with_a_reason_and_then_work_again() {
    let bench = Arc::new(Bench::start(|_| {}).await);
    let (zygotes, _) = bench.processes();
    Bench::signal(zygotes[0], Signal::KILL);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = bench.scan(&eicar()).await;
        assert!(!found.is_clean());
        if !names(&found).is_empty() {
            break;
        }
        assert!(Instant::now() < deadline);
    }
    until("it is ready", || bench.scanner.readiness() == Readiness::Ready).await;
    end(bench).await;
}

#[tokio::test]
async fn the_end_of_an_idle_worker_is_noticed_though_nobody_asks_it_for_anything() {
    let bench = one_worker().await;
    let (_, workers) = bench.processes();
    Bench::signal(workers[0], Signal::KILL);
    until("another worker", || bench.deaths("crash") > 0.5 && bench.workers("idle") > 0.5).await;
    assert_ne!(bench.processes().1, workers);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    end(bench).await;
}

#[tokio::test]
async fn idle_workers_prove_themselves_now_and_then_and_those_that_cannot_are_replaced() {
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 1;
            config.proof_interval = Duration::from_millis(200);
        })
        .await,
    );
    let (_, workers) = bench.processes();
    // Without its folder a worker calls what is archived clean; only the proof can tell.
    for run in fs::read_dir(bench.temp.path()).unwrap() {
        for folder in fs::read_dir(run.unwrap().path()).unwrap().flatten() {
            if folder.file_name().to_str().unwrap().starts_with("worker") {
                fs::remove_dir(folder.path()).unwrap();
            }
        }
    }
    until("another worker", || bench.deaths("proof") > 0.5 && bench.workers("idle") > 0.5).await;
    assert_ne!(bench.processes().1, workers);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    end(bench).await;
}
