//! Workers that die or take too long cost a retry or a refusal with its reason, never a wrong "clean" (C-134).

use crate::common::{assert_204, assert_block, assert_refused, respmod};
use icapstan_testkit::{IcapClient, Standalone, clean_bytes, eicar, eventually};
use std::thread;

#[test]
fn workers_that_are_killed_never_make_an_infected_object_clean() {
    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    for round in 0..5 {
        assert!(!server.descendants().is_empty(), "nobody scans");
        thread::scope(|scope| {
            let killer = scope.spawn(|| server.kill_descendants());
            for turn in 0..20_u64 {
                // New each time, so that no cached verdict answers.
                let body = [eicar(), vec![b' '; usize::try_from(turn).expect("small") + round]].concat();
                icap.send(respmod().allow_204().body(body).bytes());
                assert_refused(&icap.read_respmod());
            }
            killer.join().expect("it does not panic");
        });
        eventually("clean objects are clean again", || {
            icap.send(respmod().allow_204().body(clean_bytes(1000, round as u64)).bytes());
            let response = icap.read_respmod();
            if response.status == 204 {
                assert_204(&response);
                return Some(());
            }
            assert_refused(&response);
            let reason = response.get("X-Icapstan-Reason").unwrap_or_default().to_owned();
            assert!(reason.starts_with("failed/"), "{reason}");
            None
        });
        icap.send(respmod().allow_204().body(eicar()).bytes());
        assert_block(&icap.read_respmod(), "eicar");
    }
    assert!(!server.process().has_ended());
}

#[test]
fn a_scan_that_takes_too_long_is_refused_with_its_reason() {
    let config = "policies:\n  - {name: default, scan: {timeout: 100ms}}\n";
    let server = Standalone::with().config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    // Takes libclamav more than half a second on the fastest machines.
    let request = respmod().allow_204().body(clean_bytes(10_000_000, 1)).bytes();
    let response = icap.send_while(&request, |icap| icap.read_respmod());
    assert_refused(&response);
    assert_eq!(response.get("X-Icapstan-Reason"), Some("failed/time"));
    assert!(!response.head.has("X-Infection-Found"), "nothing was found: {}", response.shown());
    // Whoever comes next finds workers that work.
    eventually("small objects are scanned in time", || {
        icap.send(respmod().allow_204().body(clean_bytes(100, 2)).bytes());
        (icap.read_respmod().status == 204).then_some(())
    });
}

#[test]
fn a_policy_that_fails_open_says_that_it_did() {
    let config = "policies:\n  - {name: default, failOpen: true, scan: {timeout: 100ms}}\n";
    let server = Standalone::with().config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    let request = respmod().allow_204().body(clean_bytes(10_000_000, 1)).bytes();
    let response = icap.send_while(&request, |icap| icap.read_respmod());
    assert_eq!((response.status, response.get("X-Icapstan-Reason")), (204, Some("failed/time")));
    let response = eventually("a small object is scanned in time", || {
        icap.send(respmod().allow_204().body(eicar()).bytes());
        let response = icap.read_respmod();
        let is_late = response.get("X-Icapstan-Reason") == Some("failed/time");
        (!is_late).then_some(response)
    });
    assert_block(&response, "eicar");
}
