//! Chunked bodies (RFC 3507 section 4.4, RFC 2616 section 3.6.1).

use crate::common::{
    OK, ask_respmod, assert_204, assert_400, assert_block, assert_response_echo, assert_still_framed,
    respmod, session,
};
use icapstan_testkit::{
    Kind, MARKER_NAME, ReadError, chunked, chunked_by, clean_bytes, clean_text, eicar, marker,
};

#[test]
fn rfc3507_4_4_c071_c082_bodies_of_all_sizes_come_back_unchanged() {
    let mut icap = session();
    for size in [0, 1, 2, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1024 * 1024] {
        let body = clean_bytes(size, size as u64);
        let request = respmod().framed_body(chunked_by(&body, 50_000)).bytes();
        let response = icap.send_while(&request, |icap| icap.read_respmod());
        assert_response_echo(&response, OK, &body);
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_c071_a_body_beyond_the_size_limit_passes_with_its_reason() {
    let mut icap = session();
    let body = clean_bytes(16 * 1024 * 1024, 7);
    let request = respmod().framed_body(chunked_by(&body, 64 * 1024)).bytes();
    let response = icap.send_while(&request, |icap| icap.read_respmod());
    assert_response_echo(&response, OK, &body);
    let reason = response.get("X-Icapstan-Reason").unwrap_or_default();
    assert_eq!(reason, "non-scanned/size", "never silently");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_c072_any_legal_chunking_is_the_same_body() {
    let mut icap = session();
    let body = [clean_text(3000), marker(), clean_text(500)].concat();
    for size in [1, 2, 3, 7, 64, 1000, 4096] {
        icap.send(respmod().framed_body(chunked_by(&body, size)).bytes());
        assert_block(&icap.read_respmod(), MARKER_NAME);
    }
    icap.send(respmod().framed_body(chunked_by(&eicar(), 1)).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_c073_sizes_are_hexadecimal_numbers_that_fit() {
    let mut icap = session();
    for framed in [
        "A\r\n0123456789\r\n0\r\n\r\n",
        "a\r\n0123456789\r\n00\r\n\r\n",
        "000000000000000a\r\n0123456789\r\n0\r\n\r\n",
    ] {
        icap.send(respmod().allow_204().framed_body(framed).bytes());
        assert_204(&icap.read_respmod());
    }
    for line in [
        "0x5",
        "-1",
        "+5",
        " 5",
        "\t5",
        "FFFFFFFFFFFFFFFFF",
        "",
        "g",
        "5_0",
        "5 5",
        "5.",
        "00000000000000000000005",
        ";ieof",
        "\u{665}",
    ] {
        assert_400(
            &format!("{line:?}"),
            respmod().allow_204().framed_body(format!("{line}\r\nhello\r\n0\r\n\r\n")).bytes(),
        );
    }
}

#[test]
fn rfc3507_4_4_c074_white_space_may_follow_a_size() {
    let mut icap = session();
    for framed in
        ["5 \r\nhello\r\n0\r\n\r\n", "5\t;x\r\nhello\r\n0\r\n\r\n", "5  ; x=y\r\nhello\r\n0 \r\n\r\n"]
    {
        icap.send(respmod().framed_body(framed).bytes());
        assert_response_echo(&icap.read_respmod(), OK, b"hello");
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c075_unknown_extensions_are_ignored_and_bounded() {
    let mut icap = session();
    for extension in [
        ";foo",
        ";foo=bar",
        ";foo=bar;baz=\"q;\\\"x\"",
        "; foo = bar",
        ";use-original-body=4",
        ";a;b;c;d=e;f=\"\"",
        &format!(";x={}", "y".repeat(3000)),
    ] {
        icap.send(respmod().framed_body(format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n")).bytes());
        assert_response_echo(&icap.read_respmod(), OK, b"hello");
    }
    assert_still_framed(&mut icap);
    for size in [8 * 1024, 1024 * 1024] {
        let mut icap = session();
        let framed = format!("5;x={}\r\nhello\r\n0\r\n\r\n", "y".repeat(size));
        let response = icap.send_while(&respmod().framed_body(framed).bytes(), |icap| icap.read_respmod());
        assert_eq!(response.status, 400, "{size} bytes of extension");
        icap.expect_gone();
    }
}

#[test]
fn rfc3507_4_5_c076_ieof_is_seen_in_each_spelling() {
    let mut icap = session();
    for last in ["0;ieof", "0; ieof", "0 ; ieof", "0; IEOF", "0;\tieof", "0; x=y; ieof", "00; ieof"] {
        let framed = format!("5\r\nhello\r\n{last}\r\n\r\n");
        icap.send(respmod().field("Preview", "1024").framed_body(framed).bytes());
        assert_204(&icap.read_respmod());
    }
    for (last, found) in [("0; xieof", 100), ("0; ieofx", 100), ("0; x=\"ieof\"", 100)] {
        icap.send(
            respmod().field("Preview", "1024").framed_body(format!("5\r\nhello\r\n{last}\r\n\r\n")).bytes(),
        );
        let response = icap.read_respmod();
        assert_eq!(response.status, found, "{last} is no ieof");
        icap.send(chunked(b" world"));
        assert_response_echo(&icap.read_respmod(), OK, b"hello world");
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_5_c077_ieof_out_of_place_is_answered_400() {
    assert_400("without preview", respmod().allow_204().framed_body("5\r\nhello\r\n0; ieof\r\n\r\n").bytes());
    let previewed = respmod().field("Preview", "1024");
    assert_400("on a chunk", previewed.framed_body("5; ieof\r\nhello\r\n0\r\n\r\n").bytes());
    assert_400("on a chunk, without preview", respmod().framed_body("5; ieof\r\nhello\r\n0\r\n\r\n").bytes());

    let mut icap = session();
    icap.send(respmod().preview(b"hello").bytes());
    assert_eq!(icap.read_respmod().status, 100);
    icap.send("1\r\nx\r\n0; ieof\r\n\r\n");
    let response = icap.read_respmod();
    assert_eq!(response.status, 400, "after the preview");
    assert!(response.closes());
    icap.expect_closed();
}

#[test]
fn rfc3507_4_4_c078_data_ends_with_crlf() {
    for framed in [
        "3\r\nabcXX0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\r0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabc\n\r0\r\n\r\n",
    ] {
        assert_400(&format!("{framed:?}"), respmod().allow_204().framed_body(framed).bytes());
    }
}

#[test]
fn rfc3507_4_4_c079_bare_line_feeds_are_answered_400() {
    for framed in [
        "3\nabc\n0\n\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r\n0\n\r\n",
        "3\r\nabc\r\n0\r\nX-Sum: 1\n\r\n",
        "3;x\ny\r\nabc\r\n0\r\n\r\n",
        "3\r\r\nabc\r\n0\r\n\r\n",
    ] {
        assert_400(&format!("{framed:?}"), respmod().allow_204().framed_body(framed).bytes());
    }
}

#[test]
fn rfc3507_4_4_c080_trailers_are_read_bounded_and_frame_nothing() {
    let mut icap = session();
    for trailer in [
        "X-Sum: 1\r\n",
        "Encapsulated: null-body=0\r\nContent-Length: 1000\r\nPreview: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        &"X-A: b\r\n".repeat(100),
    ] {
        icap.send(respmod().framed_body(format!("5\r\nhello\r\n0\r\n{trailer}\r\n")).bytes());
        assert_response_echo(&icap.read_respmod(), OK, b"hello");
    }
    assert_still_framed(&mut icap);

    let endless = "X-A: b\r\n".repeat(200_000);
    let request = respmod().allow_204().framed_body(format!("5\r\nhello\r\n0\r\n{endless}\r\n")).bytes();
    let response = icap.send_while(&request, |icap| icap.read_respmod());
    assert_eq!(response.status, 400, "1.6 MB of trailers");
    icap.expect_gone();
}

#[test]
fn rfc3507_4_4_c081_a_body_cut_short_is_never_clean() {
    let whole = respmod().allow_204().body(b"harmless").bytes();
    // After the heads: inside a size, inside data, before CRLF, before the last chunk, before its end.
    let heads = whole.len() - chunked(b"harmless").len();
    for cut in heads..whole.len() {
        let mut icap = session();
        icap.send(&whole[..cut]);
        icap.end_sending();
        match icap.try_read(Kind::Respmod) {
            Ok(response) => {
                assert!(matches!(response.status, 400 | 408), "cut at {cut}: {}", response.shown());
            }
            Err(error) => {
                assert!(matches!(error, ReadError::Closed | ReadError::Reset), "cut at {cut}: {error}");
            }
        }
    }
    let previewed = respmod().preview(b"hello").bytes();
    let mut icap = session();
    icap.send(&previewed);
    assert_eq!(icap.read_respmod().status, 100);
    icap.send("5\r\n wor");
    icap.end_sending();
    match icap.try_read(Kind::Respmod) {
        Ok(response) => assert!(matches!(response.status, 400 | 408), "{}", response.shown()),
        Err(error) => assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{error}"),
    }
}

#[test]
fn rfc3507_4_4_c083_lengths_in_the_http_head_frame_nothing() {
    for length in ["1", "0", "9000000000000000000", "-1", "x", "1\r\nContent-Length: 2"] {
        let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let body = [clean_text(100_000), marker()].concat();
        let (response, mut icap) = ask_respmod(&respmod().response_head(&head).body(&body));
        assert_block(&response, MARKER_NAME);
        let body = clean_text(100_000);
        icap.send(respmod().response_head(&head).body(&body).bytes());
        assert_response_echo(&icap.read_respmod(), &head, &body);
        assert_still_framed(&mut icap);
    }
}

#[test]
fn rfc3507_4_4_one_huge_chunk_is_a_body_like_any_other() {
    let mut icap = session();
    let body = clean_bytes(5 * 1024 * 1024, 3);
    let request = respmod().allow_204().body(&body).bytes();
    let response = icap.send_while(&request, |icap| icap.read_respmod());
    assert_204(&response);
    let infected = [body, marker()].concat();
    let request = respmod().allow_204().body(&infected).bytes();
    let response = icap.send_while(&request, |icap| icap.read_respmod());
    assert_block(&response, MARKER_NAME);
    assert_still_framed(&mut icap);
}
