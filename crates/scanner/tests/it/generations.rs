//! New signatures, and what happens meanwhile.

use crate::harness::{Bench, PATIENCE, context, eicar, names, object, processes, signature, until};
use icapstan_model::{Readiness, ScanPort};
use icapstan_scanner::{Scanner, ScannerConfig, SignatureSource, StartError};
use prometheus::Registry;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const MARK: &[u8] = b"the text that the second set of signatures is for";

fn reloads(bench: &Bench, result: &str) -> f64 {
    bench.metric("icapstan_scanner_reloads_total", Some(result))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_signatures_under_load_lose_no_request_and_the_old_ones_serve_who_pinned_them() {
    let bench = Arc::new(Bench::start(|_| {}).await);
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..8_usize)
        .map(|client| {
            let (bench, stop, done) = (bench.clone(), stop.clone(), done.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if client % 2 == 0 {
                        assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
                    } else {
                        assert!(bench.scan(b"harmless text, again and again").await.is_clean());
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    until("load", || done.load(Ordering::Relaxed) > 100).await;
    let old = bench.epoch();
    assert!(bench.scan(MARK).await.is_clean());

    fs::write(bench.signatures.path().join("second.ndb"), signature("Second", MARK)).unwrap();
    let new = bench.epoch_where(|epoch| epoch.signatures.id != old.signatures.id).await;
    assert_eq!(new.signatures.count, old.signatures.count + 1);
    assert_eq!(names(&bench.scan(MARK).await), ["Second.UNOFFICIAL"]);
    let pinned = bench.scanner.scan(object(MARK), context(), &old, Instant::now() + PATIENCE).await.unwrap();
    assert!(pinned.findings.is_clean(), "who pinned the old signatures is judged by them");
    assert_eq!(bench.processes().0.len(), 2);

    drop(old);
    until("the old generation's end", || bench.processes().0.len() == 1 && bench.processes().1.len() == 2)
        .await;
    let before = done.load(Ordering::Relaxed);
    until("more load", || done.load(Ordering::Relaxed) > before + 100).await;
    stop.store(true, Ordering::Relaxed);
    for client in load {
        client.await.unwrap();
    }
    drop(new);
    Arc::into_inner(bench).unwrap().end().await;
}

#[tokio::test]
async fn a_broken_database_keeps_the_old_signatures_until_the_folder_changes_again() {
    let bench = Bench::start(|_| {}).await;
    let old = bench.epoch();
    let broken = bench.signatures.path().join("broken.ndb");
    fs::write(&broken, "this is no signature at all\n").unwrap();
    until("the failure", || reloads(&bench, "failed") > 0.5).await;
    assert_eq!(bench.epoch().signatures, old.signatures);
    assert_eq!(names(&bench.scan(&eicar()).await), ["Eicar-Test-Signature.UNOFFICIAL"]);
    assert_eq!(bench.scanner.readiness(), Readiness::Ready);
    assert_eq!(bench.processes().0.len(), 1, "nothing is left of the try");

    fs::write(&broken, signature("Second", MARK)).unwrap();
    bench.epoch_where(|epoch| epoch.signatures.id != old.signatures.id).await;
    assert!((reloads(&bench, "failed") - 1.0).abs() < 0.1, "it was not tried again meanwhile");
    assert_eq!(names(&bench.scan(MARK).await), ["Second.UNOFFICIAL"]);
    drop(old);
    bench.end().await;
}

#[tokio::test]
async fn a_reload_of_equal_content_changes_nothing_however_it_came_about() {
    let bench = Bench::start(|_| {}).await;
    let old = bench.epoch();
    bench.scanner.reload();
    until("the reload", || reloads(&bench, "unchanged") > 0.5).await;
    let file = bench.signatures.path().join("test.ndb");
    let content = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, content).unwrap();
    until("the reload", || reloads(&bench, "unchanged") > 1.5).await;
    assert!(Arc::ptr_eq(&old, &bench.epoch()));
    drop(old);
    bench.end().await;
}

#[tokio::test]
async fn a_swapped_link_as_of_a_config_map_brings_new_signatures() {
    let bench = Bench::start(|_| {}).await;
    let (folder, old) = (bench.signatures.path(), bench.epoch().signatures.id);
    fs::create_dir(folder.join("..v2")).unwrap();
    fs::write(folder.join("..v2/second.ndb"), signature("Second", MARK)).unwrap();
    symlink("..v2", folder.join("..data")).unwrap();
    symlink("..data/second.ndb", folder.join("second.ndb")).unwrap();
    let second = bench.epoch_where(|epoch| epoch.signatures.id != old).await.signatures.id;
    assert_eq!(names(&bench.scan(MARK).await), ["Second.UNOFFICIAL"]);

    fs::create_dir(folder.join("..v3")).unwrap();
    fs::write(folder.join("..v3/second.ndb"), signature("Third", MARK)).unwrap();
    symlink("..v3", folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    bench.epoch_where(|epoch| epoch.signatures.id != second).await;
    assert_eq!(names(&bench.scan(MARK).await), ["Third.UNOFFICIAL"]);
    bench.end().await;
}

#[tokio::test]
async fn without_signatures_nothing_is_ready_until_some_come() {
    let (signatures, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = SignatureSource::Folder(signatures.path().to_owned());
    let mut config = ScannerConfig::new(crate::harness::worker(), source);
    config.temp_dir = Some(temp.path().to_owned());
    config.poll_interval = std::time::Duration::from_millis(50);
    let scanner = Scanner::start(config, &Registry::new()).await.unwrap();
    until(
        "the reason",
        || matches!(scanner.readiness(), Readiness::NotReady(text) if text.contains("no signature files")),
    )
    .await;
    assert!(scanner.epoch().is_none());
    fs::write(signatures.path().join("test.ndb"), signature("Eicar", &eicar())).unwrap();
    until("readiness", || scanner.readiness() == Readiness::Ready).await;
    scanner.shutdown().await;
    assert!(matches!(scanner.readiness(), Readiness::NotReady(_)));
}

#[tokio::test]
async fn what_is_no_worker_is_refused_at_the_start_or_makes_nothing_ready() {
    let config = ScannerConfig::new("/nonexistent/worker".into(), SignatureSource::BuiltIn);
    let error = Scanner::start(config, &Registry::new()).await.err().unwrap();
    assert!(matches!(error, StartError::Worker { .. }));

    let temp = tempfile::tempdir().unwrap();
    let mut config = ScannerConfig::new("/bin/false".into(), SignatureSource::BuiltIn);
    config.temp_dir = Some(temp.path().to_owned());
    let scanner = Scanner::start(config, &Registry::new()).await.unwrap();
    until(
        "the reason",
        || matches!(scanner.readiness(), Readiness::NotReady(text) if text.contains("cannot be loaded")),
    )
    .await;
    scanner.shutdown().await;
}

#[tokio::test]
async fn a_scanner_that_is_dropped_leaves_no_process_and_no_file() {
    let bench = Bench::start(|_| {}).await;
    assert!(!bench.processes().1.is_empty());
    let temp = bench.temp;
    drop(bench.scanner);
    until("neither a process nor a file", || {
        processes(temp.path()) == (Vec::new(), Vec::new()) && fs::read_dir(temp.path()).unwrap().count() == 0
    })
    .await;
}

#[tokio::test]
async fn as_the_first_process_of_a_container_it_leaves_no_dead_process_behind() {
    // What the kernel does for the first process it also does for one that asks for it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    let bench = Bench::start(|_| {}).await;
    let mut seen = bench.processes().1;
    let old = bench.epoch().signatures.id;
    fs::write(bench.signatures.path().join("second.ndb"), signature("Second", MARK)).unwrap();
    bench.epoch_where(|epoch| epoch.signatures.id != old).await;
    until("the old generation's end", || bench.processes().0.len() == 1).await;
    seen.extend(bench.processes().1);
    bench.end().await;
    assert!(seen.len() >= 4);
    for pid in seen {
        let path = format!("/proc/{pid}");
        until("its entry is gone", || !fs::exists(&path).unwrap()).await;
    }
}
