//! 206 (draft-icap-ext-partial-content-07): off unless switched on.

use crate::common::{OK, assert_204, assert_response_echo, assert_still_framed, respmod, session};
use icapstan_testkit::{chunked, eicar};

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
