//! Nobody is refused for the sake of a connection that nobody uses; one that is in use is never taken
//! (C-129, C-140).

use crate::common::{assert_204, respmod};
use icapstan_testkit::{IcapClient, Message, Standalone, eventually};
use std::time::Duration;

fn harmless() -> Vec<u8> {
    respmod().allow_204().body(b"harmless").bytes()
}

#[track_caller]
fn ask(icap: &mut IcapClient) {
    icap.send(harmless());
    assert_204(&icap.read_respmod());
}

fn counts(server: &Standalone) -> [f64; 2] {
    ["icapstan_icap_connections_gave_way_total", "icapstan_icap_connections_refused_total"]
        .map(|name| server.metric(name, ""))
}

#[track_caller]
fn assert_counts(server: &Standalone, gave_way: f64, refused: f64) {
    let found = counts(server);
    let same = (found[0] - gave_way).abs() < 0.5 && (found[1] - refused).abs() < 0.5;
    assert!(same, "gave way and were refused: {found:?}, not {gave_way} and {refused}");
}

#[test]
fn the_longest_idle_connection_closes_in_order_for_a_new_one() {
    let server = Standalone::with().in_one_process().config("limits: {sessions: 4}\n").start();
    let mut open: Vec<_> = (0..4).map(|_| IcapClient::connect(server.icap())).collect();
    for icap in &mut open {
        ask(icap);
    }
    // Nobody is closed without need.
    for icap in &mut open {
        assert!(icap.is_silent_for(Duration::from_millis(400)));
    }
    assert_counts(&server, 0.0, 0.0);
    // OPTIONS needs no session.
    let mut new = IcapClient::connect(server.icap());
    new.send(Message::options("/respmod").bytes());
    assert_eq!(new.read_options().status, 200);
    assert_counts(&server, 0.0, 0.0);
    ask(&mut new);
    assert_counts(&server, 1.0, 0.0);
    open.remove(0).expect_closed();
    for icap in &mut open {
        ask(icap);
    }
    assert!(new.is_silent_for(Duration::from_millis(400)));
    assert_counts(&server, 1.0, 0.0);
    let mut further: Vec<_> = (0..4).map(|_| IcapClient::connect(server.icap())).collect();
    for icap in &mut further {
        ask(icap);
    }
    new.expect_closed();
    for mut icap in open {
        icap.expect_closed();
    }
    assert_counts(&server, 5.0, 0.0);
}

#[test]
fn connections_without_a_request_give_way_too() {
    let server = Standalone::with().in_one_process().config("limits: {sessions: 2}\n").start();
    // More than are even listened to: two, and 64 in reserve.
    let mut silent: Vec<_> = (0..66).map(|_| IcapClient::connect(server.icap())).collect();
    for icap in &mut silent[..3] {
        assert!(icap.is_silent_for(Duration::from_millis(400)));
    }
    let open = || server.metric("icapstan_icap_sessions", "");
    eventually("all are open", || (open() >= 65.5).then_some(()));
    for _ in 0..5 {
        ask(&mut IcapClient::connect(server.icap()));
        // One that has just been served does not give way, also when its client is gone and nobody has noticed.
        eventually("its end is noticed", || (open() <= 66.5).then_some(()));
    }
    let [gave_way, _] = counts(&server);
    assert!(gave_way >= 1.5, "a seat and a session");
    assert_counts(&server, gave_way, 0.0);
}

#[test]
fn a_connection_in_the_midst_of_a_request_is_never_taken() {
    let server = Standalone::with().in_one_process().config("limits: {sessions: 2}\n").start();
    let request = harmless();
    let mut held: Vec<_> = [20, request.len() - 5]
        .into_iter()
        .map(|sent| {
            let mut icap = IcapClient::connect(server.icap());
            ask(&mut icap);
            icap.send(&request[..sent]);
            (icap, sent)
        })
        .collect();
    eventually("both are being read", || {
        let of = |state| server.metric("icapstan_icap_session_states", state);
        (of("state=\"head\"") + of("state=\"request\"") >= 1.5).then_some(())
    });
    for (icap, _) in &mut held {
        assert!(icap.is_silent_for(Duration::from_millis(400)));
    }
    let mut new = IcapClient::connect(server.icap());
    new.send(&request);
    let response = new.read_respmod();
    assert_eq!((response.status, response.get("X-Icapstan-Reason")), (429, Some("sessions")));
    new.expect_closed();
    assert_counts(&server, 0.0, 1.0);
    for (icap, sent) in &mut held {
        icap.send(&request[*sent..]);
        assert_204(&icap.read_respmod());
    }
}
