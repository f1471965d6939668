//! Whatever befalls the processes that scan, their answers are right or have a reason, and the next ones
//! are right (C-134).

use crate::common::{assert_block, assert_refused, respmod};
use icapstan_testkit::{
    IcapClient, IcapResponse, Process, Standalone, clean_bytes, eicar, eventually, skipped,
};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The processes that load signatures and fork, of which each that scans has one, and those that they forked.
pub(crate) struct Family {
    pub(crate) zygotes: Vec<u32>,
    pub(crate) workers: Vec<u32>,
}

/// Workers that do nothing, so that scans take as long as this lives.
pub(crate) struct Frozen(Vec<u32>);

/// Ends what goes on until this is set, also when a test fails.
struct Over<'a>(&'a AtomicBool);

// === impl Family ===

impl Family {
    /// Of a server each process of which that scans has one of each at least.
    pub(crate) fn of(server: &Standalone) -> Self {
        let families: Vec<_> = server.scanning().into_iter().map(Self::of_process).collect();
        Self {
            zygotes: families.iter().flat_map(|family| family.zygotes.clone()).collect(),
            workers: families.into_iter().flat_map(|family| family.workers).collect(),
        }
    }

    /// Of a process that scans.
    pub(crate) fn of_process(process: &Process) -> Self {
        eventually("there are workers", || {
            let all = process.descendants();
            let zygote = *all.iter().find(|pid| parent(**pid) == Some(process.pid()))?;
            let workers: Vec<u32> = all.into_iter().filter(|pid| parent(*pid) == Some(zygote)).collect();
            (!workers.is_empty()).then_some(Self { zygotes: vec![zygote], workers })
        })
    }
}

// === impl Frozen ===

impl Frozen {
    /// Stops all workers of a server each process of which that scans has so many, and the one for small objects.
    pub(crate) fn all_workers(server: &Standalone, workers: usize) -> Self {
        Self(server.scanning().into_iter().flat_map(|process| stopped(process, workers)).collect())
    }

    /// The same of a process that scans.
    pub(crate) fn all_of(process: &Process, workers: usize) -> Self {
        Self(stopped(process, workers))
    }
}

fn stopped(process: &Process, workers: usize) -> Vec<u32> {
    let all = eventually("all workers are there", || {
        let all = Family::of_process(process).workers;
        (all.len() == workers + 1).then_some(all)
    });
    signal("STOP", &all);
    all
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("CONT", &self.0);
    }
}

// === impl Over ===

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

pub(crate) fn signal(name: &str, pids: &[u32]) {
    for pid in pids {
        // One that has ended meanwhile was killed by the end of its parent.
        let _ = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status();
    }
}

/// What came before is to be scanned all the same: these tests are about scans.
const SCANS: &str = "verdictCache: {enabled: false}\n";

/// EICAR with what makes it an object that nobody has seen.
fn bad(serial: u64) -> Vec<u8> {
    [eicar(), format!(" {serial}").into_bytes()].concat()
}

fn ask(icap: &mut IcapClient, body: &[u8]) -> IcapResponse {
    let request = respmod().allow_204().body(body).bytes();
    icap.send_while(&request, |icap| icap.read_respmod())
}

fn reason(response: &IcapResponse) -> String {
    response.get("X-Icapstan-Reason").unwrap_or_default().to_owned()
}

/// Waits until clean and bad are told apart again. Until then nothing bad is clean.
fn heals(icap: &mut IcapClient, serial: u64) {
    eventually("clean and bad are told apart", || {
        let response = ask(icap, &bad(serial));
        assert_refused(&response);
        let found = response.head.has("X-Virus-ID");
        (found && ask(icap, &clean_bytes(1000, serial)).status == 204).then_some(())
    });
}

#[test]
fn an_ancestor_killed_under_load_changes_no_verdict() {
    let server = Standalone::with().config(SCANS).start();
    let over = AtomicBool::new(false);
    let right = AtomicUsize::new(0);
    thread::scope(|scope| {
        let clients: Vec<_> = (1..=4_u64)
            .map(|client| {
                let (server, over, right) = (&server, &over, &right);
                scope.spawn(move || {
                    let mut icap = IcapClient::connect(server.icap());
                    let mut serial = client << 32;
                    while !over.load(Ordering::Relaxed) {
                        serial += 1;
                        let response = ask(&mut icap, &bad(serial));
                        assert_refused(&response);
                        right.fetch_add(response.head.has("X-Virus-ID").into(), Ordering::Relaxed);
                        let response = ask(&mut icap, &clean_bytes(2000, serial));
                        if response.status == 204 {
                            right.fetch_add(1, Ordering::Relaxed);
                        } else {
                            assert_refused(&response);
                            assert!(reason(&response).starts_with("failed/"), "{}", reason(&response));
                        }
                    }
                })
            })
            .collect();
        let ends = Over(&over);
        for _ in 0..3 {
            // However long the machine takes for it, there is load before each of them.
            let begin = right.load(Ordering::Relaxed);
            eventually("objects are being scanned", || {
                let ended = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (ended || right.load(Ordering::Relaxed) >= begin + 20).then_some(())
            });
            let before = Family::of(&server).zygotes;
            signal("KILL", &before);
            eventually("another one has taken its place", || {
                let ready = server.admin_get("/readyz").is_some_and(|response| response.status == 200);
                let now = Family::of(&server).zygotes;
                (ready && now.iter().all(|zygote| !before.contains(zygote))).then_some(())
            });
        }
        drop(ends);
        for client in clients {
            client.join().expect("each answer is right or has its reason");
        }
    });
    heals(&mut IcapClient::connect(server.icap()), 1);
    assert!(!server.process().has_ended());
}

#[test]
fn a_worker_that_hangs_is_killed_and_its_object_is_refused() {
    let config = format!("{SCANS}policies:\n  - {{name: default, scan: {{timeout: 1s}}}}\n");
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    heals(&mut icap, 1);
    let hung = Family::of(&server).workers;
    signal("STOP", &hung);
    let begin = Instant::now();
    let response = ask(&mut icap, &bad(2));
    assert_refused(&response);
    assert_eq!(reason(&response), "failed/time");
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(4), "{took:?}");
    eventually("the hanging ones are replaced as they are used", || {
        let response = ask(&mut icap, &bad(3));
        assert_refused(&response);
        response.head.has("X-Virus-ID").then_some(())
    });
    // Those that were not used are still there.
    signal("CONT", &hung);
    heals(&mut icap, 4);
}

#[test]
fn a_script_that_takes_all_memory_and_a_mail_without_end_are_refused() {
    let policy = "policies:\n  - {name: default, scan: {timeout: 3s}}\nscanner: {workers: 1, memory: 64Mi}\n";
    let server = Standalone::with().config(&format!("{SCANS}{policy}")).start();
    let mut icap = IcapClient::connect(server.icap());
    let script =
        [&b"<html><script>"[..], &b"var a=\"x\"+".repeat(800_000), b"\"\";</script></html>"].concat();
    let response = ask(&mut icap, &script);
    assert_refused(&response);
    assert!(reason(&response).starts_with("failed/"), "{}", reason(&response));
    heals(&mut icap, 1);

    let head = b"From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"B\"\r\n\r\n";
    let part = b"--B\r\nContent-Type: text/plain\r\n\r\nhello\r\n";
    let mail = [&head[..], &part.repeat(200_000), b"--B--\r\n"].concat();
    let begin = Instant::now();
    let response = ask(&mut icap, &mail);
    assert_refused(&response);
    assert!(reason(&response).starts_with("failed/"), "{}", reason(&response));
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    heals(&mut icap, 2);
}

#[test]
fn small_objects_are_answered_while_every_ordinary_worker_is_busy_with_large_ones() {
    let server = Standalone::with().config("scanner: {workers: 1}\n").start();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in 0..3_u64 {
            let (server, over) = (&server, &over);
            scope.spawn(move || {
                let mut icap = IcapClient::connect(server.icap());
                let mut serial = client << 32;
                while !over.load(Ordering::Relaxed) {
                    serial += 1;
                    // Takes libclamav more than half a second on the fastest machines.
                    let response = ask(&mut icap, &clean_bytes(10_000_000, serial));
                    assert!(response.status == 204 || response.status == 200);
                }
            });
        }
        eventually("a large one is being scanned", || {
            (server.metric("icapstan_scanner_workers", "state=\"busy\"") > 0.5).then_some(())
        });
        let mut icap = IcapClient::connect(server.icap());
        let mut took: Vec<Duration> = (0..15)
            .map(|serial| {
                let begin = Instant::now();
                assert_block(&ask(&mut icap, &bad(serial)), "eicar");
                begin.elapsed()
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        took.sort();
        println!("{took:?}");
        assert!(took[took.len() / 2] < Duration::from_millis(500), "{took:?}");
    });
}

#[test]
fn workers_have_no_rights_that_scanning_does_not_take() {
    if skipped("sandbox") {
        return;
    }
    let server = Standalone::with().config(SCANS).start();
    heals(&mut IcapClient::connect(server.icap()), 1);
    for pid in Family::of(&server).workers {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the worker is there");
        for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "Threads:\t1"] {
            assert!(status.contains(line), "{line} is not in {status}");
        }
        // The log, wherever it leads, is not among them.
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).expect("the worker is there").flatten() {
            let leads = fs::read_link(entry.path()).expect("it is open").to_string_lossy().into_owned();
            let harmless = ["/dev/null", "socket:", "pipe:"].iter().any(|kind| leads.starts_with(kind));
            assert!(harmless, "{} of worker {pid} leads to {leads}", entry.path().display());
        }
    }
    let warned = server.process().logs().text().contains("does not keep workers from");
    assert!(!warned, "{}", server.process().logs().text());
}
