//! Objects that take more than there is, and a machine that has less than is needed.

use crate::harness::{Bench, PATIENCE, context, eicar, names, text, until};
use flate2::Compression;
use flate2::write::GzEncoder;
use icapstan_model::{FailedReason, Readiness, ScanPort, Verdict};
use rustix::process::Signal;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const EICAR: &str = "Eicar-Test-Signature.UNOFFICIAL";

/// A small file system of its own, in memory.
struct Disk(tempfile::TempDir);

// === impl Disk ===

impl Disk {
    /// Nothing, loudly, where this user cannot mount one.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        let output = command.output().unwrap();
        if output.status.success() {
            return Some(Self(folder));
        }
        assert!(!rustix::process::geteuid().is_root(), "{}", String::from_utf8_lossy(&output.stderr));
        println!("SKIPPED: only root can mount a file system that is full");
        None
    }

    /// Leaves no byte free.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.0.path().join("filler");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&vec![1; 64 << 10]).is_ok() {}
        while file.write_all(&[1; 64]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Objects of which one sees nothing without unpacking, and all of which are bad.
fn bad(seed: u64) -> Vec<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&[text(4 << 20, seed), eicar()].concat()).unwrap();
    let mail = format!(
        "From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"B\"\r\n\r\n--B\r\nContent-Type: text/plain; name=\"a\"\r\n\r\n\
         {}\r\n{}\r\n--B--\r\n",
        seed,
        String::from_utf8(eicar()).unwrap()
    );
    vec![encoder.finish().unwrap(), mail.into_bytes(), [eicar(), seed.to_string().into_bytes()].concat()]
}

/// One worker with its files on the disk.
async fn on(disk: &Path) -> Bench {
    let disk = disk.to_owned();
    Bench::start(move |config| {
        config.workers = 1;
        config.in_flight = 2;
        config.temp_dir = Some(disk);
        config.temp_share = 16 << 20;
    })
    .await
}

/// Waits until what is bad is found again. Until then it is never clean.
async fn heals(bench: &Bench) {
    let begin = Instant::now();
    for round in 0.. {
        let mut all = true;
        for object in bad(1000 + round) {
            let found = bench.scan(&object).await;
            assert!(!found.is_clean());
            all &= names(&found) == [EICAR];
        }
        if all {
            return;
        }
        assert!(begin.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_script_that_takes_more_memory_than_a_worker_has_fails_with_a_reason() {
    let bench = Bench::start(|config| {
        config.workers = 1;
        config.in_flight = 1;
        config.worker_memory = 64 << 20;
    })
    .await;
    let script =
        [&b"<html><script>"[..], &b"var a=\"x\"+".repeat(800_000), b"\"\";</script></html>"].concat();
    let found = bench.scan(&script).await;
    assert!(matches!(found.strongest(), Verdict::Failed(_)), "{found:?}");
    println!("{found:?}, {} crashes", bench.deaths("crash"));
    assert_eq!(names(&bench.scan(&eicar()).await), [EICAR]);
    bench.end().await;
}

#[tokio::test]
async fn a_mail_of_two_hundred_thousand_parts_is_given_up_at_its_deadline() {
    let bench = Bench::start(|config| {
        config.workers = 1;
        config.in_flight = 1;
        // Its end is an endless loop then.
        config.worker_memory = 80 << 20;
    })
    .await;
    let head = b"From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"B\"\r\n\r\n";
    let part = b"--B\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
    let mail = [&head[..], &part.repeat(200_000), b"--B--\r\n"].concat();
    let (begin, timeout) = (Instant::now(), Duration::from_secs(2));
    let found = bench.try_scan(&mail, context(), timeout).await.unwrap().findings;
    // On a fast machine it may have too many files before it has taken too long.
    let reasons = [FailedReason::Time, FailedReason::TempSpace].map(Verdict::Failed);
    assert!(reasons.contains(found.strongest()), "{found:?}");
    assert!(begin.elapsed() < timeout + Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!((bench.deaths("deadline") + bench.deaths("temp-share") - 1.0).abs() < 0.1);
    assert_eq!(names(&bench.scan(&eicar()).await), [EICAR]);
    bench.end().await;
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_clean_and_what_is_bad_is_found_when_there_is_room_again() {
    let Some(disk) = Disk::mount("128m") else { return };
    let bench = on(disk.0.path()).await;
    heals(&bench).await;
    let filler = disk.fill();
    for object in bad(1).into_iter().chain([text(2000, 1)]) {
        let found = bench.scan(&object).await;
        assert_eq!(*found.strongest(), Verdict::Failed(FailedReason::TempSpace));
    }
    let Readiness::NotReady(reason) = bench.scanner.readiness() else { panic!("it is ready") };
    assert!(reason.contains("MiB free"), "{reason}");
    fs::remove_file(filler).unwrap();
    heals(&bench).await;
    assert_eq!(bench.scanner.readiness(), Readiness::Ready);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_others_fill_up_and_empty_while_objects_are_scanned_makes_nothing_clean() {
    let Some(disk) = Disk::mount("128m") else { return };
    let disk = Arc::new(disk);
    let bench = on(disk.0.path()).await;
    let over = Arc::new(AtomicBool::new(false));
    let others = {
        let (disk, over) = (disk.clone(), over.clone());
        tokio::task::spawn_blocking(move || {
            while !over.load(Ordering::Relaxed) {
                fs::remove_file(disk.fill()).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        })
    };
    let (end_at, mut found_again, mut failed) = (Instant::now() + Duration::from_secs(4), 0, 0);
    let mut seed = 0;
    while Instant::now() < end_at {
        seed += 1;
        for object in bad(seed) {
            let found = bench.scan(&object).await;
            assert!(!found.is_clean(), "{found:?}");
            *(if names(&found).is_empty() { &mut failed } else { &mut found_again }) += 1;
        }
    }
    over.store(true, Ordering::Relaxed);
    others.await.unwrap();
    println!("{found_again} detections, {failed} failures");
    assert!(failed > 0, "it was never full");
    heals(&bench).await;
    bench.end().await;
}

#[tokio::test]
async fn in_folders_that_cannot_be_written_nothing_is_clean_until_they_can_be_again() {
    let Some(disk) = Disk::mount("128m") else { return };
    let bench = on(disk.0.path()).await;
    let mut folders = Vec::new();
    for run in fs::read_dir(disk.0.path()).unwrap() {
        let run = run.unwrap().path();
        let inside = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path());
        folders.extend(inside.filter(|path| path.is_dir()));
        folders.push(run);
    }
    // Nobody, not even root, makes or removes anything in them then.
    let change = |flag: &str| {
        let output = Command::new("chattr").arg(flag).args(&folders).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    change("+i");
    for object in bad(2) {
        let found = bench.scan(&object).await;
        assert!(matches!(found.strongest(), Verdict::Failed(_)), "{found:?}");
    }
    change("-i");
    heals(&bench).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ancestor_killed_again_and_again_under_load_changes_no_verdict() {
    let bench = Arc::new(Bench::start(|_| {}).await);
    let over = Arc::new(AtomicBool::new(false));
    let right = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..4_u64)
        .map(|client| {
            let (bench, over, right) = (bench.clone(), over.clone(), right.clone());
            tokio::spawn(async move {
                let (mut failed, mut round) = (0_u64, client << 32);
                while !over.load(Ordering::Relaxed) {
                    round += 1;
                    let is_bad = round.is_multiple_of(2);
                    let length = usize::try_from(round % 5).unwrap() * 9_000 + 100;
                    let tail = text(length, round);
                    let object = if is_bad { [eicar(), tail].concat() } else { tail };
                    let found = bench.scan(&object).await;
                    match found.strongest() {
                        Verdict::Failed(_) => {
                            failed += 1;
                            continue;
                        }
                        Verdict::Clean => assert!(!is_bad),
                        _ => assert!(is_bad && names(&found) == [EICAR], "{found:?}"),
                    }
                    right.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        })
        .collect();
    for round in 0..3 {
        let (zygotes, _) = bench.processes();
        Bench::signal(zygotes[0], Signal::KILL);
        until("another ancestor with workers", || {
            let (now, workers) = bench.processes();
            now.len() == 1
                && now != zygotes
                && workers.len() == 2
                && bench.scanner.readiness() == Readiness::Ready
        })
        .await;
        // Scans go on with the new workers before the next kill, however slow this machine is.
        let before = right.load(Ordering::Relaxed);
        until("right verdicts of the new workers", || right.load(Ordering::Relaxed) >= before + 30).await;
        println!("round {round}");
    }
    over.store(true, Ordering::Relaxed);
    let mut failed = 0;
    for client in clients {
        failed += client.await.unwrap();
    }
    println!("{} right verdicts, {failed} failures", right.load(Ordering::Relaxed));
    assert_eq!(names(&bench.scan(&eicar()).await), [EICAR]);
    Arc::into_inner(bench).unwrap().end().await;
}
