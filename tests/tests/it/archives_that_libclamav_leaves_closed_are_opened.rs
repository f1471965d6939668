//! RAR, zip files with zstd and others are opened by a process of their own, and whatever befalls that process, its
//! objects are refused and the next ones are right.

use crate::common::{assert_block, assert_refused, respmod};
use crate::detection_matrix::build::{rar, zip, zip_packed};
use crate::worker_faults::signal;
use crate::workers_that_die_or_are_left_cost_little::while_object_kills;
use icapstan_testkit::{
    IcapClient, IcapResponse, Standalone, clean_bytes, clean_text, eicar, eventually, tempdir, zstd,
};
use serde_json::Value;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// What came before is to be scanned all the same.
const SCANS: &str = "verdictCache: {enabled: false}\n";

fn ask(icap: &mut IcapClient, body: &[u8]) -> IcapResponse {
    let request = respmod().allow_204().body(body).bytes();
    icap.send_while(&request, |icap| icap.read_respmod())
}

fn reason(response: &IcapResponse) -> &str {
    response.get("X-Icapstan-Reason").unwrap_or_default()
}

/// The processes that take containers apart.
fn unpackers(server: &Standalone) -> Vec<u32> {
    let mut all = server.descendants();
    all.retain(|pid| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|argument| argument == b"unpack-worker")
    });
    all
}

fn unpacker(server: &Standalone) -> u32 {
    eventually("there is one", || unpackers(server).first().copied())
}

fn outcome(server: &Standalone, outcome: &str) -> f64 {
    server.metric("icapstan_scanner_unpacked_total", &format!("outcome=\"{outcome}\""))
}

#[test]
fn a_process_is_started_for_the_first_of_them_and_serves_the_next_ones() {
    let server = Standalone::with().in_one_process().config(SCANS).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_eq!(ask(&mut icap, &zip(b"a text that libclamav sees")).status, 204);
    assert!(unpackers(&server).is_empty(), "nobody needed one");
    let clean = ask(&mut icap, &rar("a.txt", b"a text that only a process of its own sees"));
    assert_eq!((clean.status, reason(&clean)), (204, ""));
    let pid = unpacker(&server);
    let large = rar("large", &clean_text(3 << 20));
    assert_eq!(ask(&mut icap, &large).status, 204);
    assert_eq!(unpackers(&server), [pid]);
    assert_block(&ask(&mut icap, &rar("a.com", &eicar())), "eicar");
    assert_eq!((outcome(&server, "whole"), outcome(&server, "partly")), (2.0, 0.0));
    // A member is called by the way to it.
    eventually("the log tells it", || server.process().logs().text().contains("rar/a.com").then_some(()));
}

#[test]
fn one_that_is_killed_costs_a_second_try_and_no_object() {
    let server = Standalone::with().in_one_process().config(SCANS).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_eq!(ask(&mut icap, &rar("a", b"some text")).status, 204);
    let pid = unpacker(&server);
    signal("STOP", &[pid]);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut icap = IcapClient::connect(server.icap());
            // It is not to blame for that, so it is opened once more, and what it holds is found.
            ask(&mut icap, &rar("b.com", &eicar()))
        });
        eventually("it has the archive", || {
            (server.metric("icapstan_scanner_unpack_workers_busy", "") > 0.5).then_some(())
        });
        signal("KILL", &[pid]);
        assert_block(&asking.join().expect("it is answered"), "eicar");
    });
    assert_eq!(ask(&mut icap, &rar("c", b"a third text")).status, 204);
    let deaths = |cause: &str| {
        server.metric("icapstan_scanner_unpack_worker_deaths_total", &format!("cause=\"{cause}\""))
    };
    // The second one found something in a member, so that nobody waited for the end of the archive.
    assert_eq!((deaths("crash"), outcome(&server, "crash")), (1.0, 1.0));
    let retries = server.metric("icapstan_scanner_retries_total", "");
    let remembered = server.metric("icapstan_scanner_poison_entries", "");
    assert_eq!((retries, remembered), (1.0, 0.0), "it was not to blame");
}

#[test]
fn an_archive_that_two_of_them_died_of_is_refused_without_a_third_one_and_says_so() {
    let dir = tempdir();
    let crashes = dir.path().join("crashes");
    let config = format!(
        "{SCANS}log: {{format: json}}\nscanner: {{crashReports: {{folder: {}}}}}\n",
        crashes.display()
    );
    let server = Standalone::with().in_one_process().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let archive = |seed: u64| {
        let members: Vec<_> = (0..300).map(|member| clean_bytes(101, 1000 * seed + member)).collect();
        crate::detection_matrix::build::rar_of(&members)
    };
    let bad = archive(1);
    let first = while_object_kills(&|| unpackers(&server), bad.len(), || ask(&mut icap, &bad));
    let second = ask(&mut icap, &bad);
    for response in [&first, &second] {
        assert_refused(response);
        assert_eq!(reason(response), "failed/crash");
    }
    let answered = server.metric("icapstan_scanner_poison_answers_total", "reason=\"crash\"");
    assert_eq!((outcome(&server, "crash"), answered), (2.0, 1.0));
    assert_eq!(ask(&mut icap, &archive(2)).status, 204, "another one of its length");
    eventually("both reports are there", || {
        fs::read_dir(&crashes).is_ok_and(|files| files.count() == 2).then_some(())
    });
    let told = eventually("both are told", || {
        let text = server.process().logs().text();
        let told: Vec<_> = text
            .lines()
            .filter(|line| line.contains("A worker died of an object"))
            .map(str::to_owned)
            .collect();
        (told.len() == 2).then_some(told)
    });
    for (line, isolated) in told.iter().zip([false, true]) {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let text = line.to_string();
        assert!(text.contains("\"engine\":\"unpack-worker\"") && text.contains("\"signal\":6"), "{text}");
        assert!(text.contains(&format!("\"isolated\":{isolated}")), "{text}");
    }
}

#[test]
fn one_that_hangs_is_killed_at_the_deadline_and_its_object_is_refused() {
    let config = format!("{SCANS}policies:\n  - {{name: default, scan: {{timeout: 1s}}}}\n");
    let server = Standalone::with().in_one_process().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_eq!(ask(&mut icap, &rar("a", b"some text")).status, 204);
    let hung = unpacker(&server);
    signal("STOP", &[hung]);
    let begin = Instant::now();
    let response = ask(&mut icap, &rar("b", b"some other text"));
    assert_refused(&response);
    assert_eq!(reason(&response), "failed/time");
    assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    eventually("it is gone", || (!unpackers(&server).contains(&hung)).then_some(()));
    eventually("another one takes its place", || {
        (ask(&mut icap, &rar("c", b"more")).status == 204).then_some(())
    });
    assert_block(&ask(&mut icap, &rar("a.com", &eicar())), "eicar");
    assert!(outcome(&server, "deadline") >= 1.0);
}

#[test]
fn without_such_processes_it_is_said_that_nobody_looked() {
    let server = Standalone::with().config(&format!("{SCANS}scanner: {{unpackWorkers: 0}}\n")).start();
    let mut icap = IcapClient::connect(server.icap());
    for body in [rar("a.com", &eicar()), zstd(&eicar())] {
        let response = ask(&mut icap, &body);
        assert!(reason(&response).contains("non-scanned/unsupported"), "{}", reason(&response));
    }
    assert!(unpackers(&server).is_empty());
}

#[test]
fn depth_count_and_size_hold_across_all_of_it() {
    let policy = "policies:\n  - {name: default, scan: {maxDepth: 3, maxFiles: 20, maxObjectSize: 2Mi}}\n";
    let server = Standalone::with().config(&format!("{SCANS}{policy}")).start();
    let mut icap = IcapClient::connect(server.icap());
    let nested = |depth: u32| (0..depth).fold(eicar(), |inner, level| rar(&format!("{level}.rar"), &inner));
    assert_block(&ask(&mut icap, &nested(3)), "eicar");
    let deep = ask(&mut icap, &nested(5));
    assert_refused(&deep);
    assert_eq!(reason(&deep), "non-scanned/depth");
    let mixed = rar("a.zip", &zip_packed("a.zst", 93, &zstd(&zstd(&eicar())), &zstd(&eicar())));
    assert_block(&ask(&mut icap, &mixed), "eicar");

    let many = |count: u64| {
        let members: Vec<_> = (0..count).map(|seed| clean_bytes(100, seed)).collect();
        crate::detection_matrix::build::rar_of(&members)
    };
    assert_eq!(ask(&mut icap, &many(15)).status, 204);
    let response = ask(&mut icap, &many(40));
    assert_refused(&response);
    assert_eq!(reason(&response), "non-scanned/count");

    let bomb = ask(&mut icap, &zstd(&vec![0; 100 << 20]));
    assert_refused(&bomb);
    assert_eq!(reason(&bomb), "non-scanned/ratio");
    let quine = rar("bomb.zst", &zstd(&vec![0; 100 << 20]));
    let response = ask(&mut icap, &quine);
    assert_refused(&response);
    assert_eq!(reason(&response), "non-scanned/ratio");
}
