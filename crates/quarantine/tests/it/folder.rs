//! A folder keeps its bounds, and nothing that happens to it stops who offers.

use crate::setup::{Setup, candidate};
use icapstan_api::ByteSize;
use icapstan_model::{Findings, Verdict};
use icapstan_quarantine::{Folder, Quarantine};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Says when it is dropped.
struct Told(Arc<AtomicBool>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn an_object_is_kept_as_it_is_and_nothing_of_it_shows() {
    let mut setup = Setup::new();
    let running = setup.start().unwrap();
    let mut infected = Findings::from(Verdict::Infected("X".into()));
    infected.add(Verdict::Macro("Y".into()));
    assert!(running.quarantine.wants(&infected));
    assert!(!running.quarantine.wants(&Verdict::Macro("Y".into()).into()));
    assert!(!running.quarantine.wants(&Findings::clean()) && !Quarantine::default().wants(&infected));
    let is_dropped = Arc::new(AtomicBool::new(false));
    let mut offered = candidate(b"evil bytes");
    offered.metadata.url = "http://secret.test/".to_owned();
    offered.hold = Some(Box::new(Told(Arc::clone(&is_dropped))));
    let id = running.quarantine.offer(offered).unwrap();
    setup.until("stored_total", None, 1);
    let begin = Instant::now();
    while !is_dropped.load(Ordering::Acquire) {
        assert!(begin.elapsed() < crate::setup::PATIENCE, "what is written is still held");
        std::thread::yield_now();
    }
    let (known, bytes) = setup.open(&id);
    assert_eq!(bytes, b"evil bytes");
    assert_eq!(
        (known.id.as_str(), known.url.as_str(), known.length),
        (id.as_str(), "http://secret.test/", 10)
    );
    assert_eq!(known.sha256, icapstan_model::Sha256::of(b"evil bytes").to_string());
    let path = setup.path().join(format!("{id}.age"));
    let sealed = fs::read(&path).unwrap();
    for word in [&b"evil"[..], b"secret", b"Eicar"] {
        assert!(!sealed.windows(word.len()).any(|window| window == word));
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(setup.path()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(setup.metric("stored_bytes_total", None), sealed.len() as u64);
    let folder = Folder::new(setup.path());
    assert!(folder.remove(&id).unwrap() && !folder.remove(&id).unwrap());
    assert!(running.guard.stop(Duration::from_secs(10)));
}

#[test]
fn the_oldest_go_when_there_are_too_many_or_too_large_ones() {
    let mut setup = Setup::new();
    setup.place().max_objects = 3;
    let running = setup.start().unwrap();
    for size in 1..=5 {
        running.quarantine.offer(candidate(&vec![1; size])).unwrap();
        setup.until("stored_total", None, size as u64);
    }
    let lengths: Vec<_> = setup.list().iter().map(|entry| setup.open(&entry.id).1.len()).collect();
    assert_eq!(lengths, [3, 4, 5]);
    assert_eq!(setup.metric("removed_total", Some("room")), 2);
    assert_eq!(setup.metric("objects", None), 3);
    assert!(running.guard.stop(Duration::from_secs(10)));
    // By their bytes, and those that are there already count.
    setup.place().max_size = ByteSize::mib(1);
    setup.place().max_objects = 1000;
    let running = setup.start().unwrap();
    assert_eq!(setup.metric("objects", None), 3);
    for count in 1..=4 {
        running.quarantine.offer(candidate(&vec![2; 400_000])).unwrap();
        setup.until("stored_total", None, count);
        let bytes: u64 = setup.list().iter().map(|entry| entry.size).sum();
        assert!(bytes <= 1 << 20 && bytes == setup.metric("bytes", None), "{bytes}");
    }
    assert_eq!(setup.list().len(), 2);
    // One that would never fit takes nobody's place.
    running.quarantine.offer(candidate(&vec![3; 2 << 20])).unwrap();
    setup.until("failed_total", Some("no-space"), 1);
    assert_eq!(setup.list().len(), 2);
    assert!(running.guard.stop(Duration::from_secs(10)));
}

#[test]
fn what_is_too_old_goes_and_what_a_crash_left_is_swept() {
    let mut setup = Setup::new();
    drop(setup.start().unwrap());
    let old = "20200101T000000.000000Z-0123456789abcdef";
    let others = [".lock", "notes.txt", ".x.part", "20200101T000000Z.age"];
    for name in [format!("{old}.age"), format!(".{old}.part")].iter().map(String::as_str).chain(others) {
        fs::write(setup.path().join(name), b"x").unwrap();
    }
    let running = setup.start().unwrap();
    assert_eq!(setup.metric("removed_total", Some("age")), 1);
    let mut names: Vec<_> = fs::read_dir(setup.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".lock", ".x.part", "20200101T000000Z.age", "notes.txt"]);
    drop(running);
}

#[test]
fn a_folder_has_one_writer() {
    let mut setup = Setup::new();
    let running = setup.start().unwrap();
    let error = icapstan_telemetry::chain(&setup.start().err().unwrap());
    assert!(error.contains("another process writes to the folder"), "{error}");
    drop(running);
    // Whoever is told that it ended finds the folder free.
    drop(setup.start().unwrap());
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let mut setup = Setup::new();
    setup.settings.max_object_size = ByteSize::kib(64);
    let running = setup.start().unwrap();
    assert!(running.quarantine.offer(candidate(&vec![1; 65_537])).is_none());
    assert_eq!(setup.metric("dropped_total", Some("too-large")), 1);
    running.quarantine.unreadable();
    assert_eq!(setup.metric("dropped_total", Some("no-object")), 1);
    let quarantine = running.quarantine.clone();
    assert!(running.guard.stop(Duration::from_secs(10)));
    assert!(quarantine.offer(candidate(b"x")).is_none());
    assert_eq!(setup.metric("dropped_total", Some("stopped")), 1);
}

#[test]
fn keys_and_folders_that_cannot_be_used_are_told_at_the_start() {
    let mut setup = Setup::new();
    let told = |setup: &mut Setup| icapstan_telemetry::chain(&setup.start().err().unwrap());
    let recipients = setup.settings.recipient_file.clone().unwrap();
    fs::write(&recipients, setup.identity.secret()).unwrap();
    let error = told(&mut setup);
    assert!(error.contains("recipientFile") && error.contains("a secret key"), "{error}");
    assert!(!error.contains(&setup.identity.secret()) && Quarantine::check(&setup.settings).is_err());
    fs::write(&recipients, setup.identity.recipient().to_string()).unwrap();
    Quarantine::check(&setup.settings).unwrap();
    setup.place().path = "/proc/nothing/kept".into();
    let error = told(&mut setup);
    assert!(error.contains("quarantine.folder") && error.contains("cannot be made"), "{error}");
}

/// A small file system of its own, in memory.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Nothing, loudly, where this user cannot mount one.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .output()
            .unwrap();
        if output.status.success() {
            return Some(Self(folder));
        }
        assert!(!rustix::process::geteuid().is_root(), "{}", String::from_utf8_lossy(&output.stderr));
        println!("SKIPPED: only root can mount a file system that is full");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_counted_leaves_nothing_behind_and_heals() {
    let Some(disk) = Disk::mount("1m") else { return };
    let mut setup = Setup::new();
    setup.place().path = disk.0.path().join("kept");
    let running = setup.start().unwrap();
    let filler = disk.0.path().join("filler");
    fs::write(&filler, vec![1; 700 << 10]).unwrap();
    assert!(running.quarantine.offer(candidate(&vec![2; 600_000])).is_some());
    setup.until("failed_total", Some("no-space"), 1);
    assert_eq!(fs::read_dir(setup.path()).unwrap().count(), 1, "the lock alone");
    fs::remove_file(filler).unwrap();
    let id = running.quarantine.offer(candidate(&vec![3; 600_000])).unwrap();
    setup.until("stored_total", None, 1);
    assert!(setup.open(&id).1 == vec![3; 600_000]);
    // A folder that is gone, too.
    fs::remove_dir_all(setup.path()).unwrap();
    running.quarantine.offer(candidate(b"x")).unwrap();
    setup.until("failed_total", Some("io"), 1);
    assert!(running.guard.stop(Duration::from_secs(10)));
}
