//! What becomes of pieces of objects: marked by default, else whole objects are asked for, or none pass.

use crate::common::{assert_refused, respmod};
use icapstan_testkit::http::Request;
use icapstan_testkit::{IcapClient, Message, Origin, Reply, Squid, Standalone, clean_text, marker, skipped};

const PIECE: &str = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-19/100\r\n\r\n";
const GET_PIECE: &str =
    "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\nRange: bytes=10-19\r\nIf-Range: \"a\"\r\nX-A: b\r\n\r\n";

fn server(ranges: &str) -> Standalone {
    Standalone::with().config(&format!("policies: [{{name: default, ranges: {ranges}}}]")).start()
}

#[test]
fn pieces_are_marked_by_default() {
    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::reqmod("/reqmod").request_head(GET_PIECE).allow_204().bytes());
    assert_eq!(icap.read_reqmod().status, 204, "who asks for a piece may have it");
    icap.send(respmod().response_head(PIECE).allow_204().body("0123456789").bytes());
    let response = icap.read_respmod();
    assert_eq!(
        (response.status, response.get("X-Icapstan-Reason")),
        (204, Some("non-scanned/partial-content"))
    );
}

#[test]
fn requests_for_pieces_become_requests_for_all_of_it() {
    let server = server("strip");
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::reqmod("/reqmod").request_head(GET_PIECE).allow_204().bytes());
    let response = icap.read_reqmod();
    assert_eq!(response.status, 200, "it is changed, so that 204 would not do: {}", response.shown());
    let head = response.request_head.as_ref().expect("the request goes on");
    assert_eq!(
        String::from_utf8_lossy(&head.bytes),
        "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\nX-A: b\r\n\r\n"
    );
    for untouched in [
        GET_PIECE.replace("Range: bytes=10-19\r\nIf-Range: \"a\"\r\n", ""),
        GET_PIECE.replace("GET", "PATCH"),
    ] {
        icap.send(Message::reqmod("/reqmod").request_head(untouched).allow_204().bytes());
        assert_eq!(icap.read_reqmod().status, 204);
    }
    icap.send(respmod().response_head(PIECE).allow_204().body("0123456789").bytes());
    let marked = icap.read_respmod();
    assert_eq!((marked.status, marked.get("X-Icapstan-Reason")), (204, Some("non-scanned/partial-content")));
}

#[test]
fn pieces_are_blocked_at_their_heads_where_that_is_wanted() {
    let server = server("block");
    let mut icap = IcapClient::connect(server.icap());
    let large = vec![b'x'; 11 << 20];
    for body in [&b"0123456789"[..], &large] {
        icap.send(respmod().response_head(PIECE).allow_204().preview(&body[..10]).bytes());
        let response = icap.read_respmod();
        assert_refused(&response);
        assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/partial-content"));
        icap = IcapClient::connect(server.icap());
    }
    icap.send(respmod().allow_204().body("0123456789").bytes());
    assert_eq!(icap.read_respmod().status, 204, "what is whole");
}

#[test]
fn a_rule_may_let_pieces_pass() {
    let config = "policies:\n  - name: default\n    ranges: block\n    rules:\n      \
                  - {verdict: NON_SCANNED, reason: partial-content, when: {hosts: [o.test]}, action: log}\n";
    let server = Standalone::with().config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().response_head(PIECE).allow_204().body("0123456789").bytes());
    assert_eq!(icap.read_respmod().status, 204);
    let other = "GET http://p.test/x HTTP/1.1\r\nHost: p.test\r\n\r\n";
    icap.send(respmod().request_head(other).response_head(PIECE).allow_204().body("0123456789").bytes());
    assert_refused(&icap.read_respmod());
}

/// A marker that is cut in two is in neither piece.
#[test]
fn squid_gets_whole_objects_for_those_who_ask_for_pieces() {
    if skipped("squid") {
        return;
    }
    let server = server("strip");
    let (origin, squid) = (Origin::start(), Squid::start(server.icap()));
    let text = clean_text(5000);
    let url = origin.put("/clean", Reply::bytes(text.clone()));
    let piece = |url: &str| Request::get(url).field("Range", "bytes=1000-2000").through(squid.proxy());
    let response = piece(&url);
    assert_eq!((response.status, response.body == text), (200, true), "all of it");
    assert!(!origin.seen("/clean").is_empty());
    for seen in origin.seen("/clean") {
        assert!(!seen.head.has("Range"), "{:?}", seen.head);
    }
    let at = 2000 - marker().len() / 2;
    let bad = [&text[..at], &marker(), &text[at..]].concat();
    let url = origin.put("/bad", Reply::bytes(bad));
    assert_eq!(piece(&url).status, 403);
    squid.assert_no_icap_error();
}
