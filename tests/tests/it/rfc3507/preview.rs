//! Previews, `100 Continue` and 204 (RFC 3507 sections 4.5 and 4.6).

use crate::common::{
    GET, OK, PUT, ask_reqmod, ask_respmod, assert_204, assert_400, assert_block, assert_error_and_close,
    assert_request_echo, assert_response_echo, assert_still_framed, reqmod, respmod, session,
};
use icapstan_testkit::{
    IcapClient, MARKER_NAME, Message, chunked, chunked_by, clean_bytes, clean_text, eicar, marker,
};
use std::time::Duration;

/// Long enough to tell a server that answers from one that waits for more.
const A_MOMENT: Duration = Duration::from_millis(500);

#[test]
fn rfc3507_4_5_c084_a_preview_gets_one_answer_without_further_input() {
    let mut icap = session();
    icap.send(respmod().preview(&clean_bytes(1024, 1)).bytes());
    let response = icap.read_respmod();
    assert_eq!(response.status, 100, "a part of an object is not clean by itself");
    icap.send("0\r\n\r\n");
    assert_eq!(icap.read_respmod().status, 200);
    icap.send(respmod().preview(&[eicar(), clean_text(956)].concat()).bytes());
    match icap.read_respmod() {
        response if response.status == 100 => {
            icap.send("0\r\n\r\n");
            assert_block(&icap.read_respmod(), "eicar");
        }
        response => assert_block(&response, "eicar"),
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c085_a_preview_of_nothing_is_followed_by_the_body() {
    let mut icap = session();
    icap.send(respmod().preview(b"").bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send(chunked(b"harmless"));
    assert_response_echo(&icap.read_respmod(), OK, b"harmless");
    icap.send(respmod().preview(b"").bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send(chunked(&eicar()));
    assert_block(&icap.read_respmod(), "eicar");
    icap.send(respmod().whole_in_preview(b"").bytes());
    assert_204(&icap.read_respmod());
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c086_a_preview_of_no_body_is_answered_at_once() {
    let (response, mut icap) = ask_reqmod(&reqmod().field("Preview", "0").field("Allow", "204, trailers"));
    assert_204(&response);
    icap.send(reqmod().field("Preview", "0").bytes());
    assert_204(&icap.read_reqmod());
    icap.send(respmod().field("Preview", "4096").bytes());
    assert_204(&icap.read_respmod());
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c087_c089_a_short_preview_is_legal_with_and_without_ieof() {
    let mut icap = session();
    let short = respmod().field("Preview", "4096");
    icap.send(short.clone().body(b"ten bytes!").bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send("0\r\n\r\n");
    assert_response_echo(&icap.read_respmod(), OK, b"ten bytes!");
    // After ieof there is never a 100: the client would refuse one where it expects the final answer.
    icap.send(short.clone().framed_body("a\r\nten bytes!\r\n0; ieof\r\n\r\n").bytes());
    assert_204(&icap.read_respmod());
    let mut whole = chunked(&eicar());
    whole.truncate(whole.len() - 4);
    whole.extend_from_slice(b"; ieof\r\n\r\n");
    icap.send(short.framed_body(whole).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c088_a_preview_longer_than_announced_is_taken_up_to_a_limit() {
    let mut icap = session();
    let body = clean_bytes(100, 2);
    icap.send(respmod().field("Preview", "4").body(&body).bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send(chunked(b"more"));
    assert_response_echo(&icap.read_respmod(), OK, &[body, b"more".to_vec()].concat());

    for announced in ["999999999999", "99999999999999999999999"] {
        let whole = "a\r\nten bytes!\r\n0; ieof\r\n\r\n";
        icap.send(respmod().field("Preview", announced).framed_body(whole).bytes());
        assert_204(&icap.read_respmod());
    }

    for announced in ["4", "4294967295", "999999999999"] {
        let mut icap = session();
        let endless =
            respmod().field("Preview", announced).framed_body(chunked_by(&clean_bytes(1024 * 1024, 3), 8192));
        let response = icap.send_while(&endless.bytes(), |icap| icap.read_respmod());
        assert_eq!(response.status, 400, "1 MiB before the end of a preview of {announced}");
        assert!(response.closes());
        icap.expect_gone();
    }
}

#[test]
fn rfc3507_4_5_c090_nothing_is_said_before_the_preview_is_complete() {
    let mut icap = session();
    let request = respmod().preview(&clean_bytes(1024, 4)).bytes();
    let (start, last) = request.split_at(request.len() - "0\r\n\r\n".len());
    icap.send(start);
    assert!(icap.is_silent_for(A_MOMENT), "100 came before the whole preview");
    icap.send(last);
    assert_eq!(icap.read_respmod().status, 100);
}

#[test]
fn rfc3507_4_5_c091_the_body_is_the_preview_and_the_rest() {
    let mut icap = session();
    let start = clean_bytes(1024, 5);
    icap.send(respmod().preview(&start).bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send("1\r\nX\r\n0\r\n\r\n");
    assert_response_echo(&icap.read_respmod(), OK, &[start, b"X".to_vec()].concat());

    // A threat that begins in the preview and ends after it, at each place.
    let body = [clean_text(30), marker()].concat();
    for at in 25..body.len() {
        icap.send(respmod().preview(&body[..at]).bytes());
        assert_eq!(icap.read_respmod().status, 100, "cut at {at}");
        icap.send(chunked(&body[at..]));
        assert_block(&icap.read_respmod(), MARKER_NAME);
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c092_204_answers_a_preview_whether_or_not_it_was_allowed() {
    let (response, mut icap) = ask_respmod(&respmod().whole_in_preview(b"harmless"));
    assert_204(&response);
    icap.send(reqmod().request_head(PUT).whole_in_preview(b"harmless").bytes());
    assert_204(&icap.read_reqmod());
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_6_c093_outside_a_preview_204_must_be_allowed() {
    let (response, mut icap) = ask_respmod(&respmod().body(b"harmless"));
    assert_response_echo(&response, OK, b"harmless");
    icap.send(respmod().allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
    icap.send(reqmod().request_head(PUT).body(b"harmless").bytes());
    assert_request_echo(&icap.read_reqmod(), PUT, b"harmless");
    icap.send(reqmod().bytes());
    assert_request_echo(&icap.read_reqmod(), GET, b"");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_6_c094_after_100_204_must_be_allowed() {
    let mut icap = session();
    icap.send(respmod().preview(b"harm").bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send(chunked(b"less"));
    assert_response_echo(&icap.read_respmod(), OK, b"harmless");
    icap.send(respmod().allow_204().preview(b"harm").bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send(chunked(b"less"));
    assert_204(&icap.read_respmod());
    assert_still_framed(&mut icap);
}

/// `trailers` says what a client can read, and asks for nothing (C-108).
#[test]
fn rfc3507_4_6_c095_allow_is_a_list_of_whole_words() {
    let mut icap = session();
    for allow in ["204", "206, 204", "204,206", " 204 , trailers", "trailers,204", "204, 206, trailers"] {
        icap.send(respmod().field("Allow", allow).body(b"harmless").bytes());
        assert_204(&icap.read_respmod());
    }
    for allow in ["2040", "1204", "x204", "20 4", "trailers", "206", "206, trailers", "204x, 206", "\"204\""]
    {
        icap.send(respmod().field("Allow", allow).body(b"harmless").bytes());
        let response = icap.read_respmod();
        assert_response_echo(&response, OK, b"harmless");
    }
    icap.send(respmod().field("Allow", "trailers").field("Allow", "204").body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c096_a_preview_that_is_no_number_is_answered_400() {
    for value in ["abc", "-1", "+4", "0x4", "4 4", "4, 8", "1e3"] {
        assert_400(value, respmod().field("Preview", value).body(b"harmless").bytes());
    }
}

#[test]
fn rfc3507_4_6_c097_nothing_follows_a_204() {
    let mut icap = session();
    let clean = respmod().allow_204().body(b"harmless").bytes();
    icap.send(clean.repeat(20));
    for _ in 0..20 {
        assert_204(&icap.read_respmod());
    }
    icap.send(Message::options("/respmod").field("Connection", "close").bytes());
    assert_eq!(icap.read_options().status, 200);
    icap.expect_closed();
}

#[test]
fn rfc3507_4_5_c098_there_is_one_100_and_it_is_a_head_alone() {
    let mut icap = session();
    icap.send(respmod().preview(b"harm").bytes());
    let response = icap.read_respmod();
    assert_eq!((response.status, response.head.first_line.as_str()), (100, "ICAP/1.0 100 Continue"));
    icap.send(chunked_by(&clean_bytes(300_000, 6), 1000));
    let response = icap.read_respmod();
    assert_eq!(response.status, 200, "no second 100");
    assert_eq!(response.body_data().len(), 300_004);
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_3_3_c100_an_error_reaches_a_client_that_is_still_sending() {
    for size in [100_000, 8 * 1024 * 1024] {
        let mut icap = session();
        let request =
            Message::respmod("/nope").request_head(GET).response_head(OK).body(clean_bytes(size, 7)).bytes();
        let response = icap.send_while(&request, |icap| icap.read_respmod());
        assert_eq!(response.status, 404, "{size} bytes");
        assert!(response.closes());
        icap.expect_gone();
    }
}

#[test]
fn rfc3507_4_3_3_c100_an_error_is_not_lost_to_a_client_that_reads_late() {
    let mut icap = session();
    // Writes all of it before it reads: a server that closes at once would reset the connection.
    icap.send(
        Message::respmod("/nope").request_head(GET).response_head(OK).body(clean_bytes(300_000, 8)).bytes(),
    );
    let response = icap.read_respmod();
    assert_error_and_close(&mut icap, &response, 404);
}

#[test]
fn rfc3507_4_5_c101_a_threat_in_the_preview_is_blocked_whatever_follows() {
    let mut icap = session();
    let start = [eicar(), clean_text(4096 - 68)].concat();
    icap.send(respmod().preview(&start).bytes());
    let response = icap.read_respmod();
    if response.status == 100 {
        icap.send(chunked(&clean_text(1024 * 1024 - 4096)));
        assert_block(&icap.read_respmod(), "eicar");
    } else {
        assert_block(&response, "eicar");
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c099_c137_a_client_that_leaves_in_the_middle_harms_nobody() {
    let server = crate::common::server();
    let request = respmod().preview(&clean_bytes(1024, 9)).bytes();
    for cut in [1, 30, 60, request.len() - 700, request.len() - 3, request.len()] {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(&request[..cut]);
        drop(icap);
    }
    let mut icap = IcapClient::connect(server.icap());
    icap.send(&request);
    assert_eq!(icap.read_respmod().status, 100);
    icap.send("ff\r\nsome");
    drop(icap);
    let mut icap = session();
    icap.send(respmod().allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_respmod());
}

#[test]
fn rfc3507_4_5_two_zero_chunks_after_a_preview_are_not_taken_for_a_body_and_a_request() {
    // What one client in the field sends for `Preview: 0`.
    let mut icap = session();
    icap.send(respmod().field("Preview", "0").framed_body("0\r\n\r\n0\r\n\r\n").bytes());
    let response = icap.read_respmod();
    // The second one ends the empty rest of the body that a 100 asks for.
    assert_eq!(response.status, 100);
    assert_response_echo(&icap.read_respmod(), OK, b"");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_a_body_that_comes_before_its_100_is_still_the_body() {
    let mut icap = session();
    icap.send([respmod().preview(b"harm").bytes(), chunked(b"less")].concat());
    assert_eq!(icap.read_respmod().status, 100);
    assert_response_echo(&icap.read_respmod(), OK, b"harmless");
    assert_still_framed(&mut icap);
}
