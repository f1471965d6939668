//! An object that kills its workers has two of them at most, and who leaves has none (C-134).

use crate::common::{assert_204, assert_refused, respmod};
use crate::worker_faults::{Family, signal};
use icapstan_testkit::{IcapClient, IcapResponse, Standalone, clean_bytes, eventually, tempdir};
use serde_json::Value;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Takes libclamav a few tenths of a second. No other object here has this length.
pub(crate) const MARKED: usize = 9_000_011;

fn ask(icap: &mut IcapClient, body: &[u8]) -> IcapResponse {
    let request = respmod().allow_204().body(body).bytes();
    icap.send_while(&request, |icap| icap.read_respmod())
}

/// Whether a worker has an object of this length.
fn has_object(pid: u32, len: u64) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| {
        let is_object = fs::read_link(file.path())
            .is_ok_and(|to| to.to_string_lossy().starts_with("/memfd:icapstan-object"));
        is_object && fs::metadata(file.path()).is_ok_and(|metadata| metadata.len() == len)
    })
}

/// Ends workers that have the marked object, as if they crashed of it, while `work` goes on.
pub(crate) fn while_it_kills<T>(server: &Standalone, work: impl FnOnce() -> T) -> T {
    while_object_kills(&|| Family::of(server).workers, MARKED, work)
}

/// Ends those of some processes that have an object of this length, while `work` goes on.
pub(crate) fn while_object_kills<T>(
    processes: &(impl Fn() -> Vec<u32> + Sync),
    len: usize,
    work: impl FnOnce() -> T,
) -> T {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut killed = Vec::new();
            while !over.load(Ordering::Relaxed) {
                for pid in processes() {
                    if !killed.contains(&pid) && has_object(pid, len as u64) {
                        signal("ABRT", &[pid]);
                        killed.push(pid);
                    }
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn an_object_that_two_workers_died_of_is_refused_without_a_third_one_and_says_so() {
    let dir = tempdir();
    let (access, crashes) = (dir.path().join("access.log"), dir.path().join("crashes"));
    let config = format!(
        "log: {{format: json, access: {}}}\nscanner: {{workers: 1, crashReports: {{folder: {}}}}}\n",
        access.display(),
        crashes.display()
    );
    let mut server = Standalone::with().in_one_process().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let bad = clean_bytes(MARKED, 1);
    let first = while_it_kills(&server, || ask(&mut icap, &bad));
    let deaths = || server.metric("icapstan_scanner_worker_deaths_total", "cause=\"crash\"");
    assert!((deaths() - 2.0).abs() < 0.1, "{}", deaths());
    let second = ask(&mut icap, &bad);
    for response in [&first, &second] {
        assert_refused(response);
        assert_eq!(response.get("X-Icapstan-Reason"), Some("failed/crash"));
    }
    assert!((deaths() - 2.0).abs() < 0.1);
    let answered = server.metric("icapstan_scanner_poison_answers_total", "reason=\"crash\"");
    assert!((answered - 1.0).abs() < 0.1, "{answered}");
    assert_204(&ask(&mut icap, &clean_bytes(MARKED, 2)));
    eventually("both reports are there", || {
        (fs::read_dir(&crashes).is_ok_and(|files| files.count() == 2)).then_some(())
    });
    let told = server.process().logs().text();
    let told = told.lines().filter(|line| line.contains("A worker died of an object"));
    assert_eq!(told.filter(|line| line.contains("\"signal\":6")).count(), 2);
    server.terminate();
    assert!(server.wait_exit().success());
    let text = fs::read_to_string(&access).expect("there is an access log");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let caches: Vec<_> = lines.iter().filter_map(|line| line["cache"].as_str()).collect();
    assert_eq!(caches, ["poison"]);
}

#[test]
fn a_client_that_resets_its_connection_frees_its_worker_within_a_tenth_of_a_second() {
    let server = Standalone::with().config("scanner: {workers: 1}\nverdictCache: {enabled: false}\n").start();
    let mut icap = IcapClient::connect(server.icap());
    // Too large for the worker that is kept for small ones.
    let other = clean_bytes(100_000, 1);
    let mut timed = || {
        let begun = Instant::now();
        assert_204(&ask(&mut icap, &other));
        begun.elapsed()
    };
    let alone = (0..5).map(|_| timed()).max().expect("there are some");
    let long = respmod().allow_204().body(clean_bytes(10_000_000, 2)).bytes();
    let busy = || server.metric("icapstan_scanner_workers", "state=\"busy\"") > 0.5;
    let behind: Vec<_> = (0..5)
        .map(|_| {
            let mut leaving = IcapClient::connect(server.icap());
            leaving.send(&long);
            eventually("it is being scanned", || busy().then_some(()));
            leaving.reset();
            timed()
        })
        .collect();
    println!("{alone:?} alone, {behind:?} behind one that left");
    let best = *behind.iter().min().expect("there are some");
    // The best of them: others may use the machine.
    assert!(best < alone + Duration::from_millis(100), "{behind:?}");
    assert!(server.metric("icapstan_scanner_worker_deaths_total", "cause=\"cancelled\"") > 0.5);
}
