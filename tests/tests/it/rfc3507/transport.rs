//! Connections, start lines, URIs (RFC 3507 sections 4.1 to 4.3).

use crate::common::{
    ask_options, ask_respmod, assert_204, assert_400, assert_block, assert_error_and_close,
    assert_still_framed, respmod, session,
};
use icapstan_testkit::{Kind, Message, ReadError, clean_bytes, eicar};

#[test]
fn rfc3507_4_1_c001_two_requests_in_one_segment_are_answered_in_their_order() {
    let mut icap = session();
    let infected = respmod().allow_204().body(eicar()).bytes();
    let clean = respmod().allow_204().body(b"harmless").bytes();
    icap.send([infected.clone(), clean.clone(), infected].concat());
    assert_block(&icap.read_respmod(), "eicar");
    assert_204(&icap.read_respmod());
    assert_block(&icap.read_respmod(), "eicar");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_1_c002_bytes_that_come_early_are_the_next_request() {
    let mut icap = session();
    let options = Message::options("/respmod").bytes();
    icap.send([options.clone(), respmod().allow_204().body(b"harmless").bytes(), options].concat());
    assert_eq!(icap.read_options().status, 200);
    assert_204(&icap.read_respmod());
    assert_eq!(icap.read_options().status, 200);
}

#[test]
fn rfc3507_4_3_2_c003_a_request_line_has_three_parts_and_an_absolute_uri() {
    assert_400("no absolute URI", "OPTIONS /respmod ICAP/1.0\r\nHost: h\r\n\r\n");
    assert_400("no version", "OPTIONS icap://h/respmod\r\nHost: h\r\n\r\n");
    assert_400("four parts", "OPTIONS icap://h/respmod x ICAP/1.0\r\nHost: h\r\n\r\n");
    assert_400("no method", " icap://h/respmod ICAP/1.0\r\nHost: h\r\n\r\n");
    assert_400("one word", "OPTIONS\r\n\r\n");
    assert_400("another protocol", "OPTIONS icap://h/respmod HTTP/1.1\r\nHost: h\r\n\r\n");
}

#[test]
fn rfc3507_4_3_3_c004_other_versions_are_answered_505() {
    for version in ["ICAP/2.0", "ICAP/1.1"] {
        let mut icap = session();
        icap.send(
            Message::options("/respmod").request_line(&format!("OPTIONS icap://h/respmod {version}")).bytes(),
        );
        let response = icap.read_options();
        assert_eq!(response.status, 505, "{version}");
    }
}

#[test]
fn rfc3507_4_3_2_c005_unknown_methods_are_answered_501() {
    for method in ["FOOMOD", "FILEMOD", "LOG", "options", "GET"] {
        let message =
            Message::options("/respmod").request_line(&format!("{method} icap://h/respmod ICAP/1.0"));
        let (response, mut icap) = ask_options(&message.encapsulated("null-body=0"));
        assert_eq!(response.status, 501, "{method}");
        assert!(!response.closes(), "{method} had no body");
        assert_still_framed(&mut icap);
    }
}

#[test]
fn rfc3507_4_3_2_c006_every_service_answers_options() {
    let paths = ["/reqmod", "/req", "/respmod", "/resp", "/avscan", "/virus_scan", "/srv_clamav"];
    for path in paths {
        let (response, _icap) = ask_options(&Message::options(path));
        assert_eq!(response.status, 200, "{path}");
    }
}

#[test]
fn rfc3507_4_3_3_c007_a_method_that_the_service_lacks_is_answered_405() {
    let message = Message::reqmod("/respmod").request_head(crate::common::GET);
    let mut icap = session();
    icap.send(message.bytes());
    let response = icap.read_reqmod();
    assert_eq!(response.status, 405);
    assert!(!response.closes(), "the request had no body, so that the end of it is known");
    assert_still_framed(&mut icap);

    icap.send(message.body(b"a body").bytes());
    let response = icap.read_reqmod();
    assert_error_and_close(&mut icap, &response, 405);
}

#[test]
fn rfc3507_4_3_3_c008_an_unknown_service_is_answered_404() {
    let (response, mut icap) = ask_options(&Message::options("/nope"));
    assert_eq!(response.status, 404);
    assert!(!response.closes());
    assert_still_framed(&mut icap);

    icap.send(
        Message::respmod("/nope")
            .request_head(crate::common::GET)
            .response_head(crate::common::OK)
            .body(b"x")
            .bytes(),
    );
    let response = icap.read_respmod();
    assert_error_and_close(&mut icap, &response, 404);
}

#[test]
fn rfc3507_4_2_c009_any_name_of_the_host_is_its_own() {
    for host in ["127.0.0.1", "[::1]", "an.alias.test", "h:1344", "[2001:db8::1]:1344", "UPPER.test"] {
        let message =
            Message::options("/respmod").request_line(&format!("OPTIONS icap://{host}/respmod ICAP/1.0"));
        let (response, _icap) = ask_options(&message);
        assert_eq!(response.status, 200, "{host}");
    }
}

#[test]
fn rfc3507_4_2_c010_arguments_do_not_disturb_routing() {
    for uri in ["icap://h/respmod?allow204=on&mode=simple", "icap://h/respmod?", "icap://h/respmod?a=/reqmod"]
    {
        let message = Message::options("/respmod").request_line(&format!("OPTIONS {uri} ICAP/1.0"));
        let (response, _icap) = ask_options(&message);
        assert_eq!((response.status, response.get("Methods")), (200, Some("RESPMOD")), "{uri}");
    }
}

#[test]
fn rfc3507_4_2_c011_port_and_case_of_the_scheme_are_optional() {
    for uri in ["icap://h:1344/respmod", "ICAP://h/respmod", "icaps://h/respmod", "Icap://h:0/respmod"] {
        let message = Message::options("/respmod").request_line(&format!("OPTIONS {uri} ICAP/1.0"));
        let (response, _icap) = ask_options(&message);
        assert_eq!(response.status, 200, "{uri}");
    }
}

#[test]
fn rfc3507_4_2_c012_each_variant_of_a_path_has_its_answer() {
    let cases = [
        ("icap://h/respmod/", 200),
        ("icap://h//respmod", 200),
        ("icap://h/respmod//", 200),
        ("icap://h", 404),
        ("icap://h/", 404),
        ("icap://h?", 404),
        ("icap://h?x=/respmod", 404),
        ("icap://h/RESPMOD", 404),
        ("icap://h/respmod/x", 404),
        ("icap://h/%2e%2e/respmod", 404),
    ];
    for (uri, status) in cases {
        let message = Message::options("/respmod").request_line(&format!("OPTIONS {uri} ICAP/1.0"));
        let (response, mut icap) = ask_options(&message);
        assert_eq!(response.status, status, "{uri}");
        assert_still_framed(&mut icap);
    }
    for uri in ["icap://", "icap:", "http://h/respmod", "icap:///respmod", "://h/respmod", "*"] {
        assert_400(uri, format!("OPTIONS {uri} ICAP/1.0\r\nHost: h\r\n\r\n"));
    }
}

#[test]
fn rfc3507_4_1_c013_a_few_empty_lines_before_a_request_are_skipped() {
    let mut icap = session();
    let options = Message::options("/respmod").bytes();
    for count in [1, 2, 16] {
        icap.send([b"\r\n".repeat(count), options.clone()].concat());
        assert_eq!(icap.read_options().status, 200, "{count} empty lines");
    }
    icap.send([respmod().allow_204().body(b"harmless").bytes(), b"\r\n".to_vec(), options].concat());
    assert_204(&icap.read_respmod());
    assert_eq!(icap.read_options().status, 200, "an empty line after a body");
}

#[test]
fn rfc3507_4_1_c013_endless_empty_lines_end_the_connection() {
    let mut icap = session();
    let flood = [b"\r\n".repeat(10_000), Message::options("/respmod").bytes()].concat();
    icap.send_while(&flood, |icap| match icap.try_read(Kind::Options) {
        Ok(response) => assert_eq!(response.status, 400),
        Err(error) => assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{error}"),
    });
    icap.expect_gone();
}

#[test]
fn rfc3507_4_3_c014_a_long_request_line_is_answered_414_and_the_end() {
    for size in [9 * 1024, 1024 * 1024] {
        let mut icap = session();
        let request = format!("OPTIONS icap://h/{} ICAP/1.0\r\nHost: h\r\n\r\n", "a".repeat(size));
        let response = icap.send_while(request.as_bytes(), |icap| icap.read_options());
        assert_eq!(response.status, 414, "{size} bytes");
        assert!(response.closes());
        icap.expect_gone();
    }
    let message = Message::options("/respmod");
    let long = format!("OPTIONS icap://h/respmod?{} ICAP/1.0", "a".repeat(7 * 1024));
    let (response, _icap) = ask_options(&message.request_line(&long));
    assert_eq!(response.status, 200, "7 KiB are no attack");
}

#[test]
fn rfc3507_4_3_c014_long_heads_are_answered_400_and_the_end() {
    let big_field = |size| Message::options("/respmod").field("X-Big", &"a".repeat(size));
    let (response, _icap) = ask_options(&big_field(48 * 1024));
    assert_eq!(response.status, 200, "48 KiB fit");

    let many = (0..100_000).fold(Message::options("/respmod"), |message, _| message.field("X-A", "b"));
    for (what, message) in
        [("one field", big_field(80 * 1024)), ("1 MiB", big_field(1024 * 1024)), ("many", many)]
    {
        let mut icap = session();
        let response = icap.send_while(&message.bytes(), |icap| icap.read_options());
        assert_eq!(response.status, 400, "{what}");
        assert!(response.closes());
        icap.expect_gone();
    }
}

#[test]
fn rfc3507_4_4_c014_long_encapsulated_heads_are_answered_400_and_the_end() {
    let head = |size| format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "a".repeat(size));
    let fitting = respmod().response_head(head(100 * 1024)).allow_204().body(b"harmless");
    let (response, _icap) = ask_respmod(&fitting);
    assert_204(&response);

    let mut icap = session();
    let beyond = respmod().response_head(head(300 * 1024)).allow_204().body(b"harmless");
    let response = icap.send_while(&beyond.bytes(), |icap| icap.read_respmod());
    assert_eq!(response.status, 400);
    assert!(response.closes());
    icap.expect_gone();
}

#[test]
fn rfc3507_4_3_c015_bare_line_feeds_in_the_head_are_answered_400() {
    assert_400("LF only", "OPTIONS icap://h/respmod ICAP/1.0\nHost: h\n\n");
    assert_400("one LF", "OPTIONS icap://h/respmod ICAP/1.0\r\nHost: h\nX-A: b\r\n\r\n");
    assert_400("LF after the request line", "OPTIONS icap://h/respmod ICAP/1.0\nHost: h\r\n\r\n");
}

#[test]
fn rfc3507_4_1_heads_in_any_segmentation_are_the_same_request() {
    let mut icap = session();
    let request = Message::options("/respmod").field("X-A", "b").bytes();
    for at in 1..request.len() {
        icap.send_split(&request, at);
        assert_eq!(icap.read_options().status, 200, "split at {at}");
    }
    icap.send_bytewise(&request);
    assert_eq!(icap.read_options().status, 200);
    icap.send_bytewise(&respmod().allow_204().body(clean_bytes(50, 1)).bytes());
    assert_204(&icap.read_respmod());
}
