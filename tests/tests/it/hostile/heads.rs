//! Encapsulated heads that readers disagree about (group 5), and ICAP heads that are too much (group 14).

use super::ground::{ground, infected};
use crate::common::{OK, assert_block, assert_refused, assert_still_framed, respmod};
use icapstan_testkit::{IcapClient, Kind, Message, eicar};

/// Heads come from origins and browsers: they are neither repaired nor a reason to refuse service, and
/// frame nothing here.
#[test]
fn abuse_5_heads_that_readers_disagree_about_come_back_as_they_were_and_hide_nothing() {
    let ground = ground();
    for fields in [
        "Content-Length: 8\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Content-Length: 8\r\nContent-Length: 0\r\n",
        "Content-Length: +8\r\n",
        "Content-Length: 8, 9\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x8\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Content-Length:\r\n 8\r\n",
        "X-A: b\r\n folded\r\n\tagain\r\n",
        "X-A: b\rContent-Length: 0\r\n",
        "X-A: b\nContent-Length: 0\r\n",
        "X-A: b\nTransfer-Encoding: chunked\r\n",
        "X-A: b\nConnection: close\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0cchunked\r\n",
        "X-A: b\0c\r\n",
        "no colon at all\r\n",
        ": no name\r\n",
        "X-\u{e9}: \u{ff}\r\n",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let request = format!("PUT http://o.test/x HTTP/1.1\r\nHost: o.test\r\n{fields}\r\n");
        let download = respmod().response_head(&response);
        let upload = Message::reqmod("/reqmod").request_head(&request);
        ground.tries(&format!("{fields:?}"), &[], || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send([download.clone().body(b"harmless").bytes(), download.body(eicar()).bytes()].concat());
            let echo = icap.read_respmod();
            assert_eq!((echo.status, echo.body_data()), (200, b"harmless".as_slice()), "{}", echo.shown());
            let head = echo.response_head.as_ref().expect("an echo has a head");
            assert_eq!(String::from_utf8_lossy(&head.bytes), response);
            assert_block(&icap.read_respmod(), "eicar");
            icap.send([upload.clone().body(b"harmless").bytes(), upload.body(eicar()).bytes()].concat());
            let echo = icap.read_reqmod();
            assert_eq!((echo.status, echo.body_data()), (200, b"harmless".as_slice()), "{}", echo.shown());
            let head = echo.request_head.as_ref().expect("an echo has a head");
            assert_eq!(String::from_utf8_lossy(&head.bytes), request);
            assert_block(&icap.read(Kind::Reqmod), "eicar");
            assert_still_framed(&mut icap);
        });
    }
    // A body that is not what its transfer coding says: who undoes it and who does not see other things.
    let coded = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\nContent-Length: 8\r\n\r\n";
    let mut icap = IcapClient::connect(ground.icap());
    icap.send(respmod().response_head(coded).body(b"harmless").bytes());
    let refused = icap.read_respmod();
    assert_refused(&refused);
    assert_eq!(refused.get("X-Icapstan-Reason"), Some("non-scanned/malformed"));
}

#[test]
fn abuse_14_heads_that_are_too_much_are_refused_and_cost_nothing() {
    let ground = ground();
    ground.process().forget_peak();
    let before = ground.process().usage();
    let many = (0..100_000).fold(infected(), |message, n| message.field(&format!("X-{n}"), "b"));
    let few = (0..300).fold(infected(), |message, n| message.field(&format!("X-{n}"), "b"));
    let big = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "a".repeat(8 << 20));
    for (what, message, status, error) in [
        (
            "one field of 8 MiB",
            infected().field("X-Big", &"a".repeat(8 << 20)),
            400,
            "\"icap-head-too-large\"",
        ),
        ("a name of 8 MiB", infected().field(&"a".repeat(8 << 20), "b"), 400, "\"icap-head-too-large\""),
        ("100,000 fields", many, 400, "\"icap-head-too-large\""),
        ("300 fields", few, 400, "\"icap-head-too-large\""),
        (
            "a request line of 8 MiB",
            infected().request_line(&format!("RESPMOD icap://h/{} ICAP/1.0", "a".repeat(8 << 20))),
            414,
            "\"request-line-too-long\"",
        ),
        ("a head of 8 MiB", respmod().response_head(big).body(eicar()), 400, "\"http-head-too-large\""),
    ] {
        ground.refuses(what, &message.bytes(), status, error);
    }
    let after = ground.process().usage();
    assert!(after.peak_resident < before.resident + (24 << 20), "{before:?} {after:?}");
}

/// Groups of a user take tens of KiB in the field (draft-stecher-icap-subid-00).
#[test]
fn abuse_14_heads_that_are_large_with_reason_are_served() {
    let ground = ground();
    let groups = "R3JvdXA,".repeat(60 * 1024 / 8);
    let cookies = format!("HTTP/1.1 200 OK\r\n{}\r\n", "Set-Cookie: a=b; Path=/\r\n".repeat(9000));
    assert!(cookies.len() > 200 * 1024);
    let mut icap = IcapClient::connect(ground.icap());
    for head in [OK, &cookies] {
        let message = respmod().response_head(head).field("X-Authenticated-Groups", &groups);
        icap.send(message.body(eicar()).bytes());
        assert_block(&icap.read_respmod(), "eicar");
    }
    assert_still_framed(&mut icap);
}
