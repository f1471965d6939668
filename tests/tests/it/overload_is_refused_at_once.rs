//! What is beyond the sessions, the queue and the memory is refused at once, each with its status; OPTIONS
//! is answered throughout; and all is as before when the load is over (C-047, C-135, C-140).

use crate::common::{GET, OK, PUT, assert_204, respmod};
use crate::worker_faults::Frozen;
use icapstan_testkit::{
    IcapClient, IcapResponse, Kind, Message, Standalone, chunked_by, clean_bytes, eventually,
};
use std::time::{Duration, Instant};

/// A download that is to be scanned, each another one; too large for the worker that is kept for small
/// ones.
fn download(serial: u64) -> Vec<u8> {
    respmod().allow_204().body(clean_bytes(70_000, serial)).bytes()
}

/// Begins scans, one on each of so many new connections.
fn begin(server: &Standalone, count: u64) -> Vec<IcapClient> {
    let begun = (0..count).map(|serial| {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(download(serial));
        icap
    });
    begun.collect()
}

/// The refusals among those that were begun, which have their answers already; and those that wait.
fn refused(begun: Vec<IcapClient>) -> (Vec<(IcapResponse, IcapClient)>, Vec<IcapClient>) {
    let (mut refused, mut waiting) = (Vec::new(), Vec::new());
    for mut icap in begun {
        if icap.is_silent_for(Duration::from_millis(20)) {
            waiting.push(icap);
        } else {
            refused.push((icap.read_respmod(), icap));
        }
    }
    (refused, waiting)
}

/// Asks for OPTIONS on a new and on a kept connection, in turn.
fn assert_options_at_once(server: &Standalone) {
    const ASKED: usize = 40;
    let mut kept = IcapClient::connect(server.icap());
    let ask = |at: usize| {
        let begun = Instant::now();
        let mut fresh = at.is_multiple_of(2).then(|| IcapClient::connect(server.icap()));
        let icap = fresh.as_mut().unwrap_or(&mut kept);
        icap.send(Message::options("/respmod").bytes());
        assert_eq!(icap.read_options().status, 200, "it is everybody's health check");
        begun.elapsed()
    };
    let mut times: Vec<_> = (0..ASKED).map(ask).collect();
    times.sort_unstable();
    assert!(times[ASKED / 2] < Duration::from_millis(50), "{times:?}");
}

fn assert_reason(response: &IcapResponse, status: u16, reason: &str) {
    let found = (response.status, response.get("X-Icapstan-Reason"));
    assert_eq!(found, (status, Some(reason)), "{}", response.shown());
}

/// The worked example of the reference: 4 cores, 140 connections, a queue of 200, 100 sessions.
#[test]
fn of_140_connections_with_scans_100_are_served_and_40_refused() {
    let config = "limits: {sessions: 100, queueLength: 200}\nscanner: {workers: 4, inFlight: 8}\n\
                  policies:\n  - {name: default, scan: {timeout: 5m}}\n";
    let server = Standalone::with().in_one_process().config(config).start();
    let frozen = Frozen::all_workers(&server, 4);
    let begun = begin(&server, 140);
    let sum = |name| server.metric(name, "");
    eventually("all have their place or their answer", || {
        let refused = sum("icapstan_icap_connections_refused_total");
        (refused >= 39.5 && sum("icapstan_scanner_waiting") >= 91.5).then_some(())
    });
    assert!(sum("icapstan_scanner_waiting") < 92.5, "the other eight are under way");
    assert_options_at_once(&server);
    let (refused, waiting) = refused(begun);
    assert_eq!((refused.len(), waiting.len()), (40, 100));
    for (response, mut icap) in refused {
        assert_reason(&response, 429, "sessions");
        assert!(response.closes(), "{}", response.shown());
        icap.expect_closed();
    }
    assert_options_at_once(&server);
    drop(frozen);
    for mut icap in waiting {
        assert_204(&icap.read_respmod());
    }
    let again = begin(&server, 90);
    for mut icap in again {
        assert_204(&icap.read_respmod());
    }
    assert!((sum("icapstan_icap_connections_refused_total") - 40.0).abs() < 0.5, "nobody else was refused");
}

#[test]
fn what_the_queue_does_not_hold_is_refused_before_its_body_and_the_connection_goes_on() {
    let config = "limits: {queueLength: 5}\nscanner: {workers: 2, inFlight: 4}\n\
                  policies:\n  - {name: default, scan: {timeout: 5m}}\n";
    let server = Standalone::with().in_one_process().config(config).start();
    let frozen = Frozen::all_workers(&server, 2);
    let waiting = begin(&server, 9);
    eventually("the queue is full", || (server.metric("icapstan_scanner_waiting", "") >= 4.5).then_some(()));
    let body = clean_bytes(100_000, 7);
    let head = OK.replace("\r\n\r\n", "\r\nContent-Length: 100000\r\n\r\n");
    let offered = respmod().response_head(head).preview(&body[..4096]);
    let mut icap = IcapClient::connect(server.icap());
    for _ in 0..3 {
        // With room, 100 would be answered.
        icap.send(offered.bytes());
        assert_reason(&icap.read_respmod(), 500, "queue-full");
        icap.send(download(99));
        let response = icap.read_respmod();
        assert_reason(&response, 500, "queue-full");
        assert!(!response.closes(), "nothing of the body is left to come: {}", response.shown());
    }
    icap.send(Message::reqmod("/reqmod").request_head(GET).allow_204().bytes());
    assert_204(&icap.read_reqmod());
    assert_options_at_once(&server);
    drop(frozen);
    for mut icap in waiting {
        assert_204(&icap.read_respmod());
    }
    icap.send(offered.bytes());
    assert_eq!(icap.read(Kind::Respmod).status, 100, "there is room again");
    icap.send(chunked_by(&body[4096..], 10_000));
    assert_eq!(icap.read_respmod().status, 200);
    let counted = server.metric("icapstan_gateway_refusals_total", "cause=\"queue-full\"");
    assert!((counted - 6.0).abs() < 0.5, "{counted}");
}

#[test]
fn each_refusal_has_the_status_that_the_configuration_names() {
    let config = "limits:\n  sessions: 8\n  queueLength: 1\n  memory: 1Mi\n  refusals: {sessions: 503, queue: 429, memory: 500}\n\
                  scanner: {workers: 1, inFlight: 1}\n\
                  policies:\n  - {name: default, scan: {timeout: 5m, maxObjectSize: 1Mi}}\n";
    let server = Standalone::with().in_one_process().config(config).start();
    let frozen = Frozen::all_workers(&server, 1);
    let mut waiting = begin(&server, 2);
    eventually("the queue is full", || (server.metric("icapstan_scanner_waiting", "") >= 0.5).then_some(()));
    let mut icap = IcapClient::connect(server.icap());
    icap.send(download(9));
    assert_reason(&icap.read_respmod(), 429, "queue-full");
    // The next power of two for it, beside what others have, is more than there is.
    let upload =
        Message::reqmod("/reqmod").request_head(PUT).framed_body(chunked_by(&clean_bytes(900_000, 1), 9000));
    let response = icap.send_while(&upload.bytes(), |icap| icap.read_reqmod());
    assert_reason(&response, 500, "memory");
    drop(icap);
    eventually("only those that wait are left", || {
        (server.metric("icapstan_icap_sessions", "") < 2.5).then_some(())
    });
    let half = respmod().allow_204().body(b"harmless").bytes();
    let mut more: Vec<_> = (0..6).map(|_| IcapClient::connect(server.icap())).collect();
    for icap in &mut more {
        icap.send(&half[..half.len() - 10]);
    }
    eventually("all sessions are in use", || {
        (server.metric("icapstan_icap_session_states", "state=\"request\"") >= 7.5).then_some(())
    });
    let mut beyond = IcapClient::connect(server.icap());
    beyond.send(download(10));
    assert_reason(&beyond.read_respmod(), 503, "sessions");
    drop(frozen);
    for icap in &mut waiting {
        assert_204(&icap.read_respmod());
    }
}

#[test]
fn max_connections_is_what_all_processes_behind_one_address_take() {
    for (setting, field) in [
        ("limits: {sessions: 7, advertisedSessions: 40}\n", Some("40")),
        ("limits: {sessions: 7, advertisedSessions: none}\n", None),
    ] {
        let server = Standalone::with().config(setting).start();
        let mut icap = IcapClient::connect(server.icap());
        icap.send(Message::options("/respmod").bytes());
        assert_eq!(icap.read_options().get("Max-Connections"), field);
    }
}
