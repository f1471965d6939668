//! Connections that stay, deadlines, errors (RFC 3507 sections 4.1, 4.3.3 and 6.2).

use crate::common::{
    GET, OK, assert_204, assert_block, assert_error_and_close, assert_response_echo, assert_still_framed,
    respmod, session,
};
use icapstan_testkit::{
    IcapClient, Kind, Message, ReadError, Standalone, clean_bytes, clean_text, eicar, eventually,
};

#[test]
fn rfc3507_4_1_c127_connections_stay_open_by_default() {
    let mut icap = session();
    for turn in 0..50 {
        let body = clean_text(turn * 37);
        icap.send(respmod().body(&body).bytes());
        let response = icap.read_respmod();
        assert_response_echo(&response, OK, &body);
        assert!(!response.closes());
    }
    icap.send(respmod().field("Connection", "keep-alive").allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_1_c127_c128_a_client_that_wants_to_close_is_told_so_and_followed() {
    for value in ["close", "Close", "keep-alive, close", "close,x", "TE , CLOSE"] {
        for (message, status) in [
            (respmod().allow_204().body(b"harmless"), 204),
            (respmod().body(b"harmless"), 200),
            (respmod().body(eicar()), 200),
            (respmod().whole_in_preview(b"harmless"), 204),
        ] {
            let mut icap = session();
            icap.send(message.field("Connection", value).bytes());
            let response = icap.read_respmod();
            assert_eq!(response.status, status);
            assert!(response.closes(), "{value}: {}", response.shown());
            icap.expect_closed();
        }
        let mut icap = session();
        icap.send(Message::options("/respmod").field("Connection", value).bytes());
        let response = icap.read_options();
        assert!(response.status == 200 && response.closes());
        icap.expect_closed();
    }
    let mut icap = session();
    icap.send(Message::options("/respmod").field("Connection", "closed, xclose").bytes());
    assert!(!icap.read_options().closes(), "another word");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_1_c128_the_last_request_of_a_connection_is_told_so() {
    let server = Standalone::with().config("keepAlive: {enabled: true, maxRequests: 3}\n").start();
    let mut icap = IcapClient::connect(server.icap());
    for turn in 1..=3 {
        icap.send(respmod().allow_204().body(b"harmless").bytes());
        let response = icap.read_respmod();
        assert_204(&response);
        assert_eq!(response.closes(), turn == 3, "request {turn} of 3");
    }
    icap.expect_closed();

    let server = Standalone::with().config("keepAlive: {enabled: false}\n").start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().allow_204().body(b"harmless").bytes());
    let response = icap.read_respmod();
    assert!(response.closes());
    icap.expect_closed();
}

#[test]
fn rfc3507_4_1_c129_c130_an_idle_connection_is_closed_without_a_word() {
    let server = Standalone::with().config("keepAlive: {enabled: true, idleTimeout: 1s}\n").start();
    let mut fresh = IcapClient::connect(server.icap());
    let mut used = IcapClient::connect(server.icap());
    used.send(respmod().allow_204().body(b"harmless").bytes());
    assert_204(&used.read_respmod());
    used.expect_closed();
    drop(used);
    // One that never asked anything is closed as well, whatever the deadline is called.
    fresh.expect_closed();
}

#[test]
fn rfc3507_4_3_3_c131_what_is_malformed_gets_its_answer_and_an_orderly_end() {
    for request in [
        "garbage\r\n\r\n",
        "RESPMOD icap://h/respmod ICAP/1.0\r\nHost: h\r\nEncapsulated: x\r\n\r\n",
        "RESPMOD icap://h/respmod ICAP/1.0\r\nHost: h\r\n\r\n",
        "RESPMOD icap://h/respmod ICAP/1.0\r\nHost: h\r\nEncapsulated: res-body=0\r\n\r\nxyz\r\n",
    ] {
        let mut icap = session();
        // Bytes behind the fault are not answered, and do not turn the end into a reset.
        icap.send([request.as_bytes(), &clean_bytes(20_000, 1)].concat());
        let response = icap.read_respmod();
        assert_error_and_close(&mut icap, &response, 400);
    }
}

#[test]
fn rfc3507_4_1_c137_clients_that_vanish_leave_nothing_behind() {
    let server = Standalone::start();
    let idle = || {
        let sockets = std::fs::read_dir(format!("/proc/{}/fd", server.process().pid())).expect("it runs");
        sockets
            .flatten()
            .filter(|entry| {
                std::fs::read_link(entry.path()).is_ok_and(|to| {
                    to.to_string_lossy().starts_with("socket:") || to.to_string_lossy().contains("memfd")
                })
            })
            .count()
    };
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
    drop(icap);
    let request = respmod().body(clean_bytes(200_000, 2)).bytes();
    let mut before = usize::MAX;
    eventually("connections are closed", || {
        let now = idle();
        let settled = now >= before;
        before = now;
        settled.then_some(())
    });
    for turn in 0..200 {
        let mut icap = IcapClient::connect(server.icap());
        let cut = 1 + turn * 997 % request.len();
        // The server may have answered an error and closed already.
        let _ = icap.try_send(&request[..cut]);
        if turn % 3 == 0 {
            let _ = icap.try_send(&request[cut..]);
        }
        drop(icap);
    }
    eventually("what 200 vanished clients held is freed", || (idle() <= before).then_some(()));
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

#[test]
fn rfc3507_4_1_c139_a_client_that_does_not_read_does_not_hold_up_others() {
    let server = crate::common::server();
    let request = respmod().body(clean_bytes(4 * 1024 * 1024, 3)).bytes();
    let mut stalled: Vec<_> = (0..4).map(|_| IcapClient::connect(server.icap())).collect();
    for icap in &mut stalled {
        icap.send(&request);
    }
    let mut icap = session();
    for _ in 0..20 {
        icap.send(respmod().allow_204().body(b"harmless").bytes());
        assert_204(&icap.read_respmod());
    }
    for icap in &mut stalled {
        assert_eq!(icap.read_respmod().body_data().len(), 4 * 1024 * 1024);
    }
}

#[test]
fn rfc3507_4_3_3_c130_a_request_that_never_ends_is_answered_408() {
    let config = "timeouts: {head: 1s, bodyIdle: 1s}\n";
    let server = Standalone::with().config(config).start();
    let message = Message::respmod("/respmod").request_head(GET).response_head(OK);
    let whole = message.clone().body(b"harmless").bytes();
    let heads = whole.len() - "8\r\nharmless\r\n0\r\n\r\n".len();
    for cut in [5, 40, heads - 10, heads, heads + 5] {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(&whole[..cut]);
        let response = icap.read_respmod();
        assert_error_and_close(&mut icap, &response, 408);
    }
    // C-099: the same while the rest of a body is awaited.
    let mut icap = IcapClient::connect(server.icap());
    icap.send(message.preview(b"harm").bytes());
    assert_eq!(icap.read_respmod().status, 100);
    match icap.try_read(Kind::Respmod) {
        Ok(response) => assert_error_and_close(&mut icap, &response, 408),
        Err(error) => assert_eq!(error, ReadError::Closed),
    }
}
