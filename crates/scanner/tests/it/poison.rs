//! Objects that take workers' lives or all of their time: equal ones, and always new ones.

use crate::harness::{
    Bench, Killer, PATIENCE, context, eicar, long_zip, names, object, signature, text, until,
};
use crate::log::warnings_with;
use icapstan_model::{
    FailedReason, Findings, Origin, ScanContext, ScanPort, ScanProfile, ScanReport, Verdict,
};
use rustix::process::Signal;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EICAR: &str = "Eicar-Test-Signature.UNOFFICIAL";

/// Takes the engine long enough to be caught at it.
const CAUGHT: usize = 10_000_019;

async fn report(bench: &Bench, bytes: &[u8]) -> ScanReport {
    bench.try_scan(bytes, context(), PATIENCE).await.unwrap()
}

fn is_crash(findings: &Findings) -> bool {
    *findings.strongest() == Verdict::Failed(FailedReason::Crash)
}

fn near(value: f64, expected: u32) -> bool {
    (value - f64::from(expected)).abs() < 0.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_two_workers_died_of_costs_no_third_one_and_what_is_told_has_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let reports = folder.path().join("crashes");
    let settings = reports.clone();
    let bench = Bench::start(|config| {
        config.workers = 2;
        config.crash_reports.folder = Some(settings);
    })
    .await;
    let bad = text(CAUGHT, 1);
    let killer = Killer::start(&bench, CAUGHT, Signal::ABORT);
    assert!(is_crash(&report(&bench, &bad).await.findings));
    assert_eq!(killer.stop(), 2);
    assert!(near(bench.deaths("crash"), 2) && near(bench.metric("icapstan_scanner_retries_total", None), 1));

    let again = report(&bench, &bad).await;
    assert!(is_crash(&again.findings));
    assert_eq!((again.origin, again.engine), (Origin::Poison, Duration::ZERO));
    assert!(near(bench.metric("icapstan_scanner_poison_answers_total", Some("crash")), 1));
    assert!(near(bench.metric("icapstan_scanner_poison_entries", None), 1));
    assert!(
        near(bench.metric("icapstan_scanner_findings_total", Some("crash")), 2),
        "it counts as what it is"
    );
    assert!(report(&bench, &text(CAUGHT, 2)).await.findings.is_clean(), "another of its length");
    let form = ScanContext { content_types: vec!["text/html".to_owned()], ..context() };
    let read_otherwise = bench.try_scan(&bad, form, PATIENCE).await.unwrap();
    assert!(read_otherwise.findings.is_clean());
    assert!(near(bench.deaths("crash"), 2));

    until("both reports", || fs::read_dir(&reports).is_ok_and(|files| files.count() == 2)).await;
    until("both were written", || {
        near(bench.metric("icapstan_scanner_crash_reports_total", Some("written")), 2)
    })
    .await;
    let mut told: Vec<_> = fs::read_dir(&reports)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    told.sort_by_key(|text| text.contains("\"isolated\": true"));
    let told: Vec<serde_json::Value> = told.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    for (report, isolated) in told.iter().zip([false, true]) {
        assert_eq!(report["worker"]["signal"], 6, "{report}");
        assert_eq!(report["worker"]["isolated"], isolated);
        assert_eq!(report["object"]["length"], CAUGHT);
        assert_eq!(report["object"]["type"], "text/plain");
        assert_eq!(report["object"]["digest"], told[0]["object"]["digest"]);
        assert_eq!(report["object"].as_object().unwrap().len(), 4, "nothing else of it: {report}");
    }

    // Other signatures may do better.
    let last = bench.epoch().signatures.id;
    fs::write(bench.signatures.path().join("more.ndb"), signature("More", b"something else entirely"))
        .unwrap();
    bench.epoch_where(|epoch| epoch.signatures.id != last).await;
    assert!(report(&bench, &bad).await.findings.is_clean());
    until("the old ones are forgotten", || near(bench.metric("icapstan_scanner_poison_entries", None), 0))
        .await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_by_something_else_is_not_the_fault_of_its_object() {
    let bench = Arc::new(Bench::start(|config| config.workers = 2).await);
    let object = text(CAUGHT, 3);
    let killer = Killer::once(&bench, CAUGHT, Signal::KILL);
    assert!(report(&bench, &object).await.findings.is_clean());
    assert_eq!(killer.stop(), 1);
    until("the one that had it alone is gone", || near(bench.deaths("isolated"), 1)).await;
    assert!(near(bench.metric("icapstan_scanner_poison_entries", None), 0));
    assert!(report(&bench, &object).await.findings.is_clean());
    Arc::into_inner(bench).unwrap().end().await;
}

/// Takes libclamav longer than the half second that it gets.
async fn slow(bench: &Bench, bytes: &[u8]) -> ScanReport {
    let timeout = Duration::from_millis(500);
    let profile = ScanProfile { timeout, ..ScanProfile::default() };
    bench.try_scan(bytes, ScanContext { profile: Arc::new(profile), ..context() }, timeout).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_a_worker_was_busy_with_all_its_time_is_given_up_at_once_the_next_time() {
    let bench = Bench::start(|config| config.workers = 1).await;
    let long = long_zip(1);
    let first = slow(&bench, &long).await;
    assert_eq!(*first.findings.strongest(), Verdict::Failed(FailedReason::Time));
    assert_eq!(first.origin, Origin::Scan);
    let begun = Instant::now();
    let second = slow(&bench, &long).await;
    println!("the second time: {:?}", begun.elapsed());
    assert_eq!((second.findings.strongest(), second.origin), (first.findings.strongest(), Origin::Poison));
    assert!(near(bench.metric("icapstan_scanner_poison_answers_total", Some("time")), 1));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_had_waited_for_most_of_its_time_is_not_remembered() {
    let bench = Arc::new(Bench::start(|config| config.workers = 1).await);
    until("one idle worker", || bench.workers("idle") > 0.5).await;
    let pid = bench.processes().1[0];
    Bench::signal(pid, Signal::STOP);
    let first = {
        let bench = bench.clone();
        tokio::spawn(async move { report(&bench, &text(100_000, 1)).await })
    };
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    let long = long_zip(2);
    let begun = Instant::now();
    let second = {
        let bench = bench.clone();
        tokio::spawn(async move { slow(&bench, &long).await })
    };
    until("more than half of its time is over", || begun.elapsed() > Duration::from_millis(300)).await;
    Bench::signal(pid, Signal::CONT);
    assert!(first.await.unwrap().findings.is_clean());
    // On a slow machine its time is over before it begins.
    if let Ok(second) = second.await {
        assert_eq!(*second.findings.strongest(), Verdict::Failed(FailedReason::Time));
        assert_eq!(second.origin, Origin::Scan);
    }
    assert!(near(bench.metric("icapstan_scanner_poison_entries", None), 0));
    Arc::into_inner(bench).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ever_new_objects_that_kill_their_workers_leave_some_for_others_and_are_let_go_in_the_end() {
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 4;
            config.spare_workers = 1;
        })
        .await,
    );
    let over = Arc::new(AtomicBool::new(false));
    let killer = Killer::start(&bench, CAUGHT, Signal::ABORT);
    let attackers: Vec<_> = (0..4_u64)
        .map(|attacker| {
            let (bench, over) = (bench.clone(), over.clone());
            tokio::spawn(async move {
                let (mut crashed, mut refused) = (0_u32, 0_u32);
                let mut bad = text(CAUGHT, attacker);
                while !over.load(Ordering::Relaxed) {
                    let number = format!("{attacker:08}{:08}", crashed + refused);
                    bad[..16].copy_from_slice(number.as_bytes());
                    match bench.try_scan(&bad, context(), Duration::from_secs(8)).await {
                        Ok(report) => {
                            assert!(matches!(report.findings.strongest(), Verdict::Failed(_)), "{report:?}");
                            crashed += 1;
                        }
                        Err(_) => refused += 1,
                    }
                }
                (crashed, refused)
            })
        })
        .collect();
    let open = || bench.metric("icapstan_scanner_breaker_open", None) > 0.5;
    until("so many crashes", open).await;
    let note = bench.scanner.note().unwrap();
    assert!(note.contains("text/plain"), "{note}");
    // What does not look like them is served meanwhile, cheap or dear.
    let mut took = Vec::new();
    let before = bench.deaths("crash");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        let at = Instant::now();
        assert_eq!(names(&bench.scan(&eicar()).await), [EICAR]);
        assert!(bench.scan(&text(100_000, took.len() as u64)).await.is_clean());
        took.push(at.elapsed());
    }
    let rate = (bench.deaths("crash") - before) / begun.elapsed().as_secs_f64();
    took.sort();
    let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
    println!("{} pairs, median {median:?}, most {most:?}; {rate:.1} crashes a second", took.len());
    assert!(rate < 5.0, "{rate} crashes a second");
    assert!(open());
    over.store(true, Ordering::Relaxed);
    for attacker in attackers {
        println!("crashed and refused: {:?}", attacker.await.unwrap());
    }
    killer.stop();
    until("it closes by itself", || !open()).await;
    assert_eq!(bench.scanner.note(), None);
    assert!(bench.scan(&text(CAUGHT, 99)).await.is_clean());
    Arc::into_inner(bench).unwrap().end().await;
}

/// The kernel ends workers with their ancestor, whatever they have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_whose_worker_ended_with_its_ancestor_is_no_suspect() {
    let bench = Arc::new(Bench::start(|config| config.workers = 2).await);
    until("both are idle", || bench.workers("idle") > 1.5).await;
    let (zygotes, workers) = bench.processes();
    for pid in workers {
        Bench::signal(pid, Signal::STOP);
    }
    let bad = text(100_000, 7);
    let scans: Vec<_> = (0..2)
        .map(|_| {
            let (bench, bad) = (bench.clone(), bad.clone());
            tokio::spawn(async move { report(&bench, &bad).await })
        })
        .collect();
    until("both are busy", || bench.workers("busy") > 1.5).await;
    Bench::signal(zygotes[0], Signal::KILL);
    for scan in scans {
        let report = scan.await.unwrap();
        assert!(report.findings.is_clean() || matches!(report.findings.strongest(), Verdict::Failed(_)));
        assert_eq!(report.origin, Origin::Scan);
    }
    assert!(near(bench.metric("icapstan_scanner_poison_entries", None), 0));
    let deadline = Instant::now() + PATIENCE;
    while !report(&bench, &bad).await.findings.is_clean() {
        assert!(Instant::now() < deadline);
    }
    Arc::into_inner(bench).unwrap().end().await;
}

/// Who sends an object that kills its workers, and is gone before they die, has two of them as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_whose_client_left_is_remembered_and_told_of_if_its_worker_dies_a_moment_later() {
    const LENGTH: usize = 100_413;
    let told = warnings_with(&format!("length={LENGTH} "));
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 2;
            config.cancel_grace = PATIENCE;
        })
        .await,
    );
    let bad = text(LENGTH, 1);
    for deaths in 1..=2 {
        until("one idle worker", || bench.workers("idle") > 0.5).await;
        let pid = bench.processes().1[0];
        Bench::signal(pid, Signal::STOP);
        let scan = {
            let (bench, bad) = (bench.clone(), bad.clone());
            tokio::spawn(async move { report(&bench, &bad).await })
        };
        until("it is being scanned", || bench.workers("busy") > 0.5).await;
        scan.abort();
        assert!(scan.await.unwrap_err().is_cancelled());
        Bench::signal(pid, Signal::KILL);
        until("it is told of", || told.load(Ordering::Relaxed) == deaths).await;
        until("it is remembered", || near(bench.metric("icapstan_scanner_poison_entries", None), 1)).await;
    }
    // The first one might have been unlucky. The second one had nothing else.
    until("it is answered without a worker", || near(bench.deaths("crash"), 2)).await;
    let (again, deadline) = (|| report(&bench, &bad), Instant::now() + PATIENCE);
    while again().await.origin != Origin::Poison {
        assert!(Instant::now() < deadline);
    }
    assert!(is_crash(&again().await.findings));
    assert!(report(&bench, &text(LENGTH, 2)).await.findings.is_clean(), "another one of its length");
    Arc::into_inner(bench).unwrap().end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_frees_its_worker_within_a_tenth_of_a_second() {
    let bench = Arc::new(Bench::start(|config| config.workers = 1).await);
    let small = text(100_000, 1);
    let mut alone = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        assert!(bench.scan(&small).await.is_clean());
        alone.push(begun.elapsed());
    }
    let long = long_zip(1);
    let mut behind = Vec::new();
    for number in 0..5_u32 {
        let large = object(&long);
        let scan = {
            let bench = bench.clone();
            tokio::spawn(async move {
                let epoch = bench.epoch();
                bench.scanner.scan(large, context(), &epoch, Instant::now() + PATIENCE).await.map(drop)
            })
        };
        until("it is being scanned", || bench.workers("busy") > 0.5).await;
        scan.abort();
        assert!(scan.await.unwrap_err().is_cancelled());
        let begun = Instant::now();
        assert!(bench.scan(&small).await.is_clean());
        behind.push(begun.elapsed());
        assert!(near(bench.deaths("cancelled"), number + 1), "it was far from its end");
    }
    println!("{alone:?} alone, {behind:?} behind one whose client left");
    // The best of them: others may use the machine.
    let limit = *alone.iter().max().unwrap() + Duration::from_millis(100);
    assert!(*behind.iter().min().unwrap() < limit);
    Arc::into_inner(bench).unwrap().end().await;
}
