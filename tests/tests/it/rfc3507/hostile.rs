//! Bytes that are no ICAP, and requests made to confuse: each costs one connection at most.

use crate::common::{GET, OK, PUT, assert_204, assert_400, assert_still_framed, reqmod, respmod, session};
use icapstan_testkit::{IcapClient, Kind, Message, ReadError, clean_bytes};

/// The connection ends, with 400 at most, and nothing that was hidden in the bytes is answered.
#[track_caller]
fn assert_ended(what: &str, bytes: &[u8]) {
    let mut icap = session();
    let answer = icap.send_while(bytes, |icap| icap.try_read(Kind::Options));
    match answer {
        Ok(response) => assert!(
            matches!(response.status, 400 | 414 | 501 | 505) && response.closes(),
            "{what}: {}",
            response.shown()
        ),
        Err(error) => assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{what}: {error}"),
    }
    icap.expect_gone();
}

#[test]
fn abuse_10_other_protocols_end_the_connection() {
    let hidden = "OPTIONS icap://h/respmod ICAP/1.0\r\nHost: h\r\n\r\n";
    for (what, start) in [
        ("HTTP GET", "GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("HTTP POST with a request inside", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 48\r\n\r\n"),
        ("SSH", "SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
        ("PROXY", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\r\n"),
        ("chunk", "0\r\n\r\n"),
    ] {
        assert_ended(what, format!("{start}{hidden}").as_bytes());
    }
}

#[test]
fn abuse_10_c151_binary_ends_the_connection() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    assert_ended("TLS", &[hello.as_slice(), &clean_bytes(600, 1)].concat());
    assert_ended("NULs", &vec![0; 100_000]);
    for seed in 0..20 {
        let mut bytes = clean_bytes(100_000, seed);
        bytes.extend_from_slice(b"\r\n\r\n");
        assert_ended("random bytes", &bytes);
    }
}

#[test]
fn abuse_9_a_request_inside_a_request_is_not_answered() {
    let hidden = String::from_utf8(Message::options("/respmod").bytes()).expect("ASCII");
    let mut icap = session();
    for framed in [
        "5\r\nhello\r\n0\r\nX-Sum: 1\r\nOPTIONS: icap\r\n\r\n".to_owned(),
        format!("{:x};x=\"OPTIONS icap://h/respmod ICAP/1.0\"\r\n{hidden}\r\n0\r\n\r\n", hidden.len()),
    ] {
        icap.send(respmod().allow_204().framed_body(framed).bytes());
        assert_204(&icap.read_respmod());
        assert_still_framed(&mut icap);
    }
}

#[test]
fn abuse_5_smuggling_heads_come_back_as_they_were() {
    let mut icap = session();
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "X-A: b\r\n folded\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        icap.send(respmod().response_head(&head).body(b"hello").bytes());
        match icap.read_respmod() {
            response if response.status == 200 => {
                let echoed = response.response_head.as_ref().expect("an echo has a head");
                assert_eq!(String::from_utf8_lossy(&echoed.bytes), head, "not repaired");
            }
            // A head that readers disagree about may be refused instead.
            response => {
                assert!(response.status == 400 && response.closes());
                icap.expect_closed();
                icap = session();
            }
        }
    }
}

#[test]
fn abuse_27_a_preview_that_lies_about_the_whole_is_what_it_holds() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n";
    let mut icap = session();
    icap.send(respmod().response_head(head).field("Preview", "4096").framed_body("0; ieof\r\n\r\n").bytes());
    let response = icap.read_respmod();
    assert!(matches!(response.status, 200 | 204), "{}", response.shown());
    assert_still_framed(&mut icap);
}

#[test]
fn abuse_1_body_bytes_are_never_read_as_a_head() {
    let (first, second) = (GET.len(), GET.len() + OK.len());
    for value in [
        format!("req-hdr=0, res-hdr={first}, res-body={}", second + 10),
        format!("req-hdr=0, res-hdr={}, res-body={second}", first + 10),
        format!("req-hdr=0, res-hdr={first}, res-body={}", second - 10),
        format!("res-hdr=0, res-body={first}"),
    ] {
        assert_400(&value, respmod().allow_204().body(clean_bytes(100, 1)).encapsulated(&value).bytes());
    }
    // Declared, but no chunk comes: the next request is taken for one.
    let declared = Message::reqmod("/reqmod")
        .request_head(PUT)
        .encapsulated(&format!("req-hdr=0, req-body={}", PUT.len()));
    assert_400("no chunks", [declared.bytes(), reqmod().bytes()].concat());
}

#[test]
fn abuse_13_hundreds_of_silent_connections_do_not_hold_up_a_request() {
    let server = crate::common::server();
    let silent: Vec<_> = (0..300).map(|_| IcapClient::connect(server.icap())).collect();
    let mut icap = session();
    icap.send(respmod().allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
    drop(silent);
}
