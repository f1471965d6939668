//! Connections without end, and many requests that nobody finishes (groups 13 and 14).

use super::ground::{ground, infected, number};
use crate::common::{GET, assert_204, assert_block, respmod};
use icapstan_testkit::{IcapClient, Kind, Message, Standalone, eicar, eventually};
use std::net::TcpStream;

/// What `limits.sessions` leaves room for besides: those that wait, and OPTIONS (C-047).
const fn reserve(sessions: usize) -> usize {
    sessions / 8 + 64
}

/// Waits until the server has let go of all connections but `left`.
fn settled(server: &Standalone, left: f64) {
    eventually("connections end", || (server.metric("icapstan_icap_sessions", "") <= left).then_some(()));
}

#[test]
fn abuse_13_connections_over_every_limit_are_closed_and_nobody_else_is_hurt() {
    const SESSIONS: usize = 40;
    const TOO_MANY: usize = 30;
    let server =
        Standalone::with().in_one_process().config(&format!("limits: {{sessions: {SESSIONS}}}\n")).start();
    let refused = || server.metric("icapstan_icap_connections_refused_total", "");
    let idle = server.process().open_files();
    let mut within: Vec<_> = (0..SESSIONS).map(|_| IcapClient::connect(server.icap())).collect();
    let mut waiting: Vec<_> = (0..reserve(SESSIONS)).map(|_| IcapClient::connect(server.icap())).collect();
    // Whoever is in the midst of a request does not give way.
    let request = infected().bytes();
    let (start, rest) = request.split_at(request.len() - 3);
    for icap in &mut within {
        icap.send(start);
    }
    let mut beyond: Vec<_> = (0..TOO_MANY).map(|_| IcapClient::connect(server.icap())).collect();
    eventually("those beyond are refused", || (refused() >= number(TOO_MANY)).then_some(()));
    for icap in &mut beyond {
        icap.expect_gone();
    }
    let before = refused();
    assert!((before - number(TOO_MANY)).abs() < 0.5, "{before} refused");
    for (at, icap) in waiting.iter_mut().enumerate().step_by(7) {
        icap.send(Message::options("/respmod").bytes());
        assert_eq!(icap.read_options().status, 200, "the health check of client {at} that waits");
        icap.send(infected().bytes());
        let response = icap.read_respmod();
        assert!(response.status == 429 && response.closes(), "{at}: {}", response.shown());
        icap.expect_gone();
    }
    assert!(refused() > before, "429 is counted");
    for icap in within.iter_mut().step_by(7) {
        icap.send([rest, &respmod().allow_204().body(b"harmless").bytes()].concat());
        assert_block(&icap.read_respmod(), "eicar");
        assert_204(&icap.read_respmod());
    }
    drop((within, waiting, beyond));
    settled(&server, 0.0);
    eventually("descriptors are given back", || (server.process().open_files() <= idle).then_some(()));
    let mut icap = IcapClient::connect(server.icap());
    icap.send(infected().bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

#[test]
fn abuse_13_a_thousand_silent_connections_cost_little_and_leave_nothing() {
    const COUNT: usize = 1000;
    let ground = ground();
    settled(&ground, 0.0);
    let (files, before) = (ground.process().open_files(), ground.process().usage());
    let silent: Vec<_> = (0..COUNT)
        .map(|_| TcpStream::connect(ground.icap()).expect("within the limit of sessions"))
        .collect();
    let all = |count: f64| (ground.metric("icapstan_icap_sessions", "") >= count).then_some(());
    eventually("all are accepted", || all(number(COUNT)));
    ground.tries("a thousand silent connections", &[], || {});
    let after = ground.process().usage();
    let each = after.resident.saturating_sub(before.resident) / COUNT as u64;
    println!("{each} bytes for each idle connection");
    assert!(each < 16 * 1024, "{each} bytes for each idle connection");
    drop(silent);
    settled(&ground, 0.0);
    eventually("descriptors are given back", || (ground.process().open_files() <= files).then_some(()));
}

#[test]
fn abuse_13_connections_that_come_and_go_leave_nothing() {
    let ground = ground();
    settled(&ground, 0.0);
    let files = ground.process().open_files();
    let request = infected().bytes();
    let accepted = || ground.metric("icapstan_icap_connections_total", "");
    let before = accepted();
    ground.tries("a thousand short connections", &[], || {
        for turn in 0..1000 {
            let mut icap = IcapClient::connect(ground.icap());
            // Nothing, a part of a request, or one whose answer nobody takes.
            let _ = icap.try_send(&request[..(turn % 5) * request.len() / 4]);
        }
    });
    eventually("all were accepted", || (accepted() >= before + 1000.0).then_some(()));
    settled(&ground, 0.0);
    eventually("descriptors are given back", || (ground.process().open_files() <= files).then_some(()));
    let held = ground.metric("icapstan_gateway_memory_bytes", "");
    assert!(held.abs() < 0.5, "{held} bytes of bodies are held for nobody");
}

/// Each head is bounded, so many of them are; and what one round took the next one takes again.
#[test]
fn abuse_14_many_unfinished_heads_stay_within_their_bounds_and_leave_nothing() {
    const COUNT: usize = 48;
    let ground = ground();
    settled(&ground, 0.0);
    let groups = "a".repeat(60 * 1024);
    let big = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "a".repeat(250 * 1024));
    let message = Message::respmod("/respmod").request_head(GET).response_head(big);
    let bytes = message.field("X-Groups", &groups).allow_204().body(eicar()).bytes();
    // All but the end of the last encapsulated head.
    let (start, rest) = bytes.split_at(bytes.len() - 100);
    let mut peaks = Vec::new();
    for round in 0..6 {
        ground.process().forget_peak();
        let before = ground.process().usage().resident;
        let mut open: Vec<_> = (0..COUNT).map(|_| IcapClient::connect(ground.icap())).collect();
        for icap in &mut open {
            icap.send(start);
        }
        let sessions = || ground.metric("icapstan_icap_sessions", "");
        eventually("all were accepted", || (sessions() >= number(COUNT)).then_some(()));
        ground.tries("unfinished heads", &[], || {});
        let peak = ground.process().usage().peak_resident;
        let each = peak.saturating_sub(before) / COUNT as u64;
        println!("round {round}: {each} bytes for each head of {}", start.len());
        assert!(each < 1 << 20, "round {round}: {each} bytes for each head of {}", start.len());
        for icap in &mut open {
            icap.send(rest);
            assert_block(&icap.read(Kind::Respmod), "eicar");
        }
        drop(open);
        settled(&ground, 0.0);
        peaks.push(peak);
    }
    let grown = peaks[5].saturating_sub(peaks[1]);
    let one_round = (COUNT * start.len()) as u64;
    assert!(grown < one_round, "the memory of a round is not used again: {peaks:?}");
}
