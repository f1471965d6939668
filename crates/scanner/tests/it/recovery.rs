//! What was lost while it ran, and how it comes back.

use crate::harness::{Bench, PATIENCE, context, eicar, names, object, signature, text, until};
use crate::log::warnings_with;
use icapstan_model::{FailedReason, Readiness, ScanPort, Verdict};
use icapstan_scanner::{Scanner, ScannerConfig, SignatureSource};
use prometheus::Registry;
use rustix::process::Signal;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Recovery takes seconds, on a machine that is busy with other tests as well.
const SECONDS: Duration = Duration::from_secs(20);

/// Waits until EICAR is found. Meanwhile nothing is clean.
async fn heals(bench: &Bench, name: &str) {
    let begin = Instant::now();
    loop {
        let found = bench.scan(&eicar()).await;
        assert!(!found.is_clean());
        if names(&found) == [name] && bench.scanner.readiness() == Readiness::Ready {
            println!("after {:?}", begin.elapsed());
            return;
        }
        assert!(begin.elapsed() < SECONDS, "{found:?}, {:?}", bench.scanner.readiness());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Ends all processes of the scanner at once.
fn kill_all(bench: &Bench) {
    for zygote in bench.processes().0 {
        Bench::signal(zygote, Signal::KILL);
    }
}

async fn without_workers(bench: &Bench) {
    until("no worker", || {
        matches!(bench.scanner.readiness(), Readiness::NotReady(text) if text == "no worker is in service")
    })
    .await;
}

#[tokio::test]
async fn with_the_temporary_folder_and_then_the_ancestor_gone_scans_work_again_within_seconds() {
    for built_in in [false, true] {
        let (bench, name) = if built_in {
            (Bench::start_built_in(|_| {}).await, "Eicar-Test-Signature")
        } else {
            (Bench::start(|_| {}).await, "Eicar-Test-Signature.UNOFFICIAL")
        };
        let signatures = bench.epoch().signatures.clone();
        for entry in fs::read_dir(bench.temp.path()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        let (ancestors, _) = bench.processes();
        kill_all(&bench);
        until("the ancestor's end", || !bench.processes().0.contains(&ancestors[0])).await;
        heals(&bench, name).await;
        assert_eq!(bench.epoch().signatures, signatures);
        // Another run that starts there takes the folder for a living one's.
        let mut config = ScannerConfig::new(crate::harness::worker(), SignatureSource::BuiltIn);
        config.temp_dir = Some(bench.temp.path().to_owned());
        config.workers = 1;
        config.in_flight = 1;
        let other = Scanner::start(config, &Registry::new()).await.unwrap();
        other.shutdown().await;
        assert_eq!(fs::read_dir(bench.temp.path()).unwrap().count(), 1);
        heals(&bench, name).await;
        bench.end().await;
    }
}

#[tokio::test]
async fn signatures_that_were_away_when_the_ancestor_died_are_in_use_again_within_seconds() {
    let bench = Bench::start(|_| {}).await;
    let old = bench.epoch();
    let away = tempfile::tempdir_in(bench.signatures.path()).unwrap();
    let file = bench.signatures.path().join("test.ndb");
    fs::rename(&file, away.path().join("test.ndb")).unwrap();
    kill_all(&bench);
    without_workers(&bench).await;
    let failed = bench.scan(&eicar()).await;
    assert_eq!(*failed.strongest(), Verdict::Failed(FailedReason::NoScanner));
    until("a try that failed", || bench.metric("icapstan_scanner_reloads_total", Some("failed")) > 0.5).await;
    fs::rename(away.path().join("test.ndb"), &file).unwrap();
    heals(&bench, "Eicar-Test-Signature.UNOFFICIAL").await;
    let pinned = bench.scanner.scan(object(&eicar()), context(), &old, Instant::now() + PATIENCE).await;
    assert_eq!(
        names(&pinned.unwrap().findings),
        ["Eicar-Test-Signature.UNOFFICIAL"],
        "who pinned them is served"
    );
    until("one ancestor", || bench.processes().0.len() == 1).await;
    drop(old);
    bench.end().await;
}

#[tokio::test]
async fn when_the_program_of_the_workers_was_away_for_a_while_scans_work_again_within_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("worker");
    fs::copy(crate::harness::worker(), &program).unwrap();
    let bench = Bench::start(|config| config.worker.clone_from(&program)).await;
    let reloads = |result| bench.metric("icapstan_scanner_reloads_total", Some(result));
    let away = folder.path().join("away");
    fs::rename(&program, &away).unwrap();
    kill_all(&bench);
    without_workers(&bench).await;
    until("several tries that failed", || reloads("failed") > 1.5).await;
    bench.scanner.reload();
    until("the wish", || reloads("failed") > 2.5).await;
    assert!(reloads("unchanged") < 0.5, "without workers they are not in use");
    fs::rename(&away, &program).unwrap();
    heals(&bench, "Eicar-Test-Signature.UNOFFICIAL").await;
    bench.end().await;
}

#[tokio::test]
async fn generations_that_are_held_for_ever_end_after_a_grace_unless_a_scan_uses_them() {
    let bench = Arc::new(
        Bench::start(|config| {
            config.workers = 1;
            config.in_flight = 1;
            config.generation_grace = Duration::from_millis(300);
        })
        .await,
    );
    let mut held = vec![bench.epoch()];
    let stopped = bench.processes().1;
    Bench::signal(stopped[0], Signal::STOP);
    let scan = {
        let (bench, epoch) = (bench.clone(), held[0].clone());
        tokio::spawn(async move {
            let object = object(&text(100_000, 1));
            bench.scanner.scan(object, context(), &epoch, Instant::now() + PATIENCE).await.unwrap().findings
        })
    };
    until("it is being scanned", || bench.workers("busy") > 0.5).await;
    for name in ["Second", "Third", "Fourth"] {
        let last = held.last().unwrap().signatures.id;
        let file = bench.signatures.path().join(format!("{name}.ndb"));
        fs::write(file, signature(name, name.repeat(20).as_bytes())).unwrap();
        held.push(bench.epoch_where(|epoch| epoch.signatures.id != last).await);
    }
    assert_eq!(names(&bench.scan("Fourth".repeat(20).as_bytes()).await), ["Fourth.UNOFFICIAL"]);
    assert!((bench.metric("icapstan_scanner_generations", None) - 3.0).abs() < 0.1);
    let late = |epoch| bench.scanner.scan(object(&eicar()), context(), epoch, Instant::now() + PATIENCE);
    let found = late(&held[1]).await.unwrap().findings;
    assert_eq!(*found.strongest(), Verdict::Failed(FailedReason::NoScanner), "its generation has ended");
    assert_eq!(names(&late(&held[2]).await.unwrap().findings), ["Eicar-Test-Signature.UNOFFICIAL"]);
    Bench::signal(stopped[0], Signal::CONT);
    assert!(scan.await.unwrap().is_clean(), "the oldest was being used");
    held.clear();
    until("the others' end", || bench.processes().0.len() == 1).await;
    assert!((bench.metric("icapstan_scanner_generations", None) - 1.0).abs() < 0.1);
    Arc::into_inner(bench).unwrap().end().await;
}

#[tokio::test]
async fn without_room_for_temporary_files_it_is_not_ready_and_says_what_is_needed() {
    let (signatures, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
    let source = SignatureSource::Folder(signatures.path().to_owned());
    let mut config = ScannerConfig::new(crate::harness::worker(), source);
    // Without signatures none of them is started.
    config.workers = 4096;
    config.spare_workers = 4096;
    config.in_flight = 4096;
    config.temp_dir = Some(temp.path().to_owned());
    let scanner = Scanner::start(config, &Registry::new()).await.unwrap();
    let Readiness::NotReady(text) = scanner.readiness() else { panic!("it is ready") };
    assert!(text.starts_with("temp folder /dev/shm/"), "{text}");
    assert!(text.ends_with("MiB free, 524288 are needed"), "{text}");
    scanner.shutdown().await;
}

#[tokio::test]
async fn a_signature_folder_that_is_removed_is_told_once_each_time() {
    let bench = Bench::start(|_| {}).await;
    let folder = bench.signatures.path();
    let told = warnings_with(folder.to_str().unwrap());
    let away = tempfile::tempdir().unwrap();
    for times in 1..3 {
        let new_place = away.path().join("signatures");
        fs::create_dir(&new_place).unwrap();
        fs::copy(folder.join("test.ndb"), new_place.join("test.ndb")).unwrap();
        fs::remove_dir_all(folder).unwrap();
        until("the warning", || told.load(Ordering::Relaxed) == times).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(told.load(Ordering::Relaxed), times, "not at every look");
        assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
        let before = bench.metric("icapstan_scanner_reloads_total", Some("unchanged"));
        fs::create_dir(folder).unwrap();
        fs::copy(new_place.join("test.ndb"), folder.join("test.ndb")).unwrap();
        until("it is seen again", || {
            bench.metric("icapstan_scanner_reloads_total", Some("unchanged")) > before + 0.5
        })
        .await;
        fs::remove_dir_all(new_place).unwrap();
    }
    bench.end().await;
}
