//! 206 (draft-icap-ext-partial-content-07): off unless switched on.

use crate::common::{
    OK, assert_204, assert_block, assert_response_echo, assert_still_framed, respmod, session,
};
use icapstan_testkit::{IcapClient, Message, Standalone, chunked, eicar};

#[test]
fn draft_partial_content_c102_c103_without_the_feature_no_answer_is_206() {
    let mut icap = session();
    for allow in ["206", "204, 206", "206, trailers", "trailers"] {
        let message = respmod().field("Allow", allow);
        let allowed = allow.contains("204");

        icap.send(message.clone().whole_in_preview(b"harmless").bytes());
        assert_204(&icap.read_respmod());

        icap.send(message.clone().body(b"harmless").bytes());
        let response = icap.read_respmod();
        if allowed {
            assert_204(&response);
        } else {
            assert_response_echo(&response, OK, b"harmless");
        }

        icap.send(message.clone().preview(b"harm").bytes());
        assert_eq!(icap.read_respmod().status, 100);
        icap.send(chunked(b"less"));
        let response = icap.read_respmod();
        if allowed {
            assert_204(&response);
        } else {
            assert_response_echo(&response, OK, b"harmless");
        }

        icap.send(message.body(eicar()).bytes());
        let response = icap.read_respmod();
        assert_eq!(response.status, 200);
        assert!(response.body.is_some_and(|body| body.use_original_body.is_none()), "C-105");
    }
    assert_still_framed(&mut icap);
}

#[test]
fn draft_partial_content_c103_to_c107_with_the_feature_unchanged_bodies_are_not_sent_back() {
    let server = Standalone::with()
        .config(
            "services:\n  - {path: /respmod, modes: [RESPMOD], scan: content, allow204: false, allow206: true}\n",
        )
        .start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options("/respmod").bytes());
    assert_eq!(icap.read_options().get("Allow"), Some("206"), "C-102");

    let message = respmod().field("Allow", "206");
    icap.send(message.clone().whole_in_preview(b"harmless").bytes());
    let response = icap.read_respmod();
    assert_eq!(response.status, 206, "{}", response.shown());
    assert!(response.response_head.is_some_and(|head| head.bytes == OK.as_bytes()), "the head as it came");
    let body = response.body.expect("a 206 has a body part");
    assert_eq!((body.data.len(), body.use_original_body), (0, Some(0)), "all of it is the original");

    // After 100 only those may get it who allow 204 as well.
    for (allow, expected) in [("206", 200), ("204, 206", 206)] {
        icap.send(respmod().field("Allow", allow).preview(b"harm").bytes());
        assert_eq!(icap.read_respmod().status, 100);
        icap.send(chunked(b"less"));
        assert_eq!(icap.read_respmod().status, expected, "{allow}");
    }
    icap.send(message.whole_in_preview(&eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    assert_still_framed(&mut icap);
}
