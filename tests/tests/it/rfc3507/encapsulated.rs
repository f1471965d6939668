//! `Encapsulated` and the heads it points at (RFC 3507 section 4.4).

use crate::common::{
    GET, OK, PUT, ask_reqmod, ask_respmod, assert_204, assert_400, assert_block, assert_refused,
    assert_request_echo, assert_response_echo, assert_still_framed, assert_unsuspected, replaced, reqmod,
    respmod, session,
};
use icapstan_testkit::{Kind, Message, chunked, eicar};

#[test]
fn rfc3507_4_4_1_c055_a_204_is_a_head_and_nothing_else() {
    let (response, mut icap) = ask_respmod(&respmod().allow_204().body(b"harmless"));
    assert_204(&response);
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_1_c056_each_form_of_reqmod_is_taken() {
    let (response, mut icap) = ask_reqmod(&reqmod());
    assert_request_echo(&response, GET, b"");
    icap.send(Message::reqmod("/reqmod").request_head(PUT).body(b"harmless").bytes());
    assert_request_echo(&icap.read_reqmod(), PUT, b"harmless");
    icap.send(Message::reqmod("/reqmod").allow_204().body(b"harmless").bytes());
    assert_204(&icap.read_reqmod());
    icap.send(Message::reqmod("/reqmod").allow_204().body(eicar()).bytes());
    assert_block(&icap.read_reqmod(), "eicar");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_1_c057_each_form_of_respmod_is_taken() {
    let empty = || Message::respmod("/respmod");
    let heads = [
        empty(),
        empty().request_head(GET),
        empty().response_head(OK),
        empty().request_head(GET).response_head(OK),
    ];
    let mut icap = session();
    for message in heads {
        let message = message.allow_204();
        icap.send(message.clone().body(b"harmless").bytes());
        assert_204(&icap.read_respmod());
        icap.send(message.clone().body(eicar()).bytes());
        assert_block(&icap.read_respmod(), "eicar");
        icap.send(message.bytes());
        assert_204(&icap.read_respmod());
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_1_c058_parts_of_the_wrong_kind_are_answered_400() {
    let cases = [
        ("REQMOD", "/reqmod", "res-hdr=0, res-body=46"),
        ("REQMOD", "/reqmod", "req-hdr=0, res-body=46"),
        ("REQMOD", "/reqmod", "req-hdr=0, opt-body=46"),
        ("RESPMOD", "/respmod", "req-hdr=0, req-body=46"),
        ("RESPMOD", "/respmod", "res-hdr=0, opt-body=46"),
        ("REQMOD", "/reqmod", "req-hdr=0, req-body=46, req-body=60"),
        ("REQMOD", "/reqmod", "req-hdr=0, req-body=46, null-body=60"),
        ("REQMOD", "/reqmod", "req-body=0, req-hdr=46"),
        ("REQMOD", "/reqmod", "req-hdr=0"),
        ("RESPMOD", "/respmod", "req-hdr=0, res-hdr=46"),
        ("REQMOD", "/reqmod", "req-hdr=0, body=46"),
        ("REQMOD", "/reqmod", "req-hdr=0, null-body"),
        ("REQMOD", "/reqmod", "req-hdr=0, null-body="),
        ("REQMOD", "/reqmod", "null-body"),
        ("REQMOD", "/reqmod", "="),
        ("REQMOD", "/reqmod", "req-hdr=0; null-body=46"),
        ("RESPMOD", "/respmod", "res-hdr=0, req-hdr=46, res-body=92"),
    ];
    for (method, path, value) in cases {
        let request = format!(
            "{method} icap://h{path} ICAP/1.0\r\nHost: h\r\nEncapsulated: {value}\r\n\r\n{GET}{GET}0\r\n\r\n"
        );
        assert_400(value, request);
    }
}

#[test]
fn rfc3507_4_4_1_c059_offsets_rise_from_zero() {
    for value in [
        "req-hdr=0, res-hdr=100, res-body=50",
        "req-hdr=10, res-hdr=46, res-body=100",
        "req-hdr=0, res-hdr=0, res-body=46",
        "req-hdr=0, res-hdr=46, res-body=46",
        "res-body=5",
        "req-hdr=46, res-hdr=0, res-body=100",
    ] {
        assert_400(value, respmod().body(b"harmless").encapsulated(value).bytes());
    }
    assert_400("null-body=1", Message::reqmod("/reqmod").encapsulated("null-body=1").bytes());
}

#[test]
fn rfc3507_4_4_1_c060_offsets_are_plain_decimals_within_the_limit() {
    for offset in [
        "-1",
        "+46",
        "0x2e",
        "4 6",
        "4e1",
        "46.0",
        "\"46\"",
        "2147483648",
        "4294967296",
        "4294967342",
        "9223372036854775808",
        "18446744073709551616",
        "18446744073709551662",
        &"9".repeat(100),
    ] {
        let value = format!("req-hdr=0, null-body={offset}");
        assert_400(&value, reqmod().encapsulated(&value).bytes());
    }
}

#[test]
fn rfc3507_4_4_2_c061_heads_end_exactly_at_the_next_offset() {
    let length = GET.len();
    for wrong in [length - 4, length - 2, length - 1] {
        let value = format!("req-hdr=0, req-body={wrong}");
        assert_400(&value, reqmod().body(b"harmless").encapsulated(&value).bytes());
        let value = format!("req-hdr=0, res-hdr={wrong}, res-body={}", length + OK.len());
        assert_400(&value, respmod().body(b"harmless").encapsulated(&value).bytes());
    }
    for wrong in [length + 1, length + 2, length + 4] {
        let value = format!("req-hdr=0, req-body={wrong}");
        assert_400(&value, reqmod().body(b"harmless").encapsulated(&value).bytes());
        let value = format!("req-hdr=0, res-hdr={wrong}, res-body={}", length + OK.len());
        assert_400(&value, respmod().body(b"harmless").encapsulated(&value).bytes());
    }
    let two_heads_in_one = format!("req-hdr=0, res-body={}", length + OK.len());
    assert_400(
        "a head with an empty line inside",
        respmod().body(b"harmless").encapsulated(&two_heads_in_one).bytes(),
    );
}

#[test]
fn rfc3507_4_4_2_c062_c070_heads_begin_with_their_line() {
    for head in [
        "\r\n\r\n",
        "garbage\r\n\r\n",
        "GET\r\n\r\n",
        "GET http://o.test/x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        ": x\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        assert_400(&format!("{head:?}"), reqmod().request_head(head).bytes());
    }
    for head in [
        "garbage\r\n\r\n",
        "200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        assert_400(&format!("{head:?}"), respmod().response_head(head).body(b"harmless").bytes());
    }
}

#[test]
fn rfc3507_4_4_1_c064_without_encapsulated_nothing_is_guessed() {
    assert_400("REQMOD", reqmod().without_encapsulated().bytes());
    assert_400("RESPMOD", respmod().body(b"harmless").without_encapsulated().bytes());
    assert_400("an empty one", respmod().body(b"harmless").encapsulated("").bytes());
}

#[test]
fn rfc3507_4_4_1_c065_c066_separators_and_case_are_free() {
    let (first, second) = (GET.len(), GET.len() + OK.len());
    for value in [
        format!("req-hdr=0, res-hdr={first}, res-body={second}"),
        format!("req-hdr=0,res-hdr={first},res-body={second}"),
        format!("req-hdr=0 ,\t res-hdr={first}  ,  res-body={second}"),
        format!("req-hdr=0 res-hdr={first} res-body={second}"),
        format!("Req-Hdr=0, RES-HDR={first}, res-Body={second}"),
    ] {
        let (response, mut icap) = ask_respmod(&respmod().allow_204().body(b"harmless").encapsulated(&value));
        assert_204(&response);
        assert_still_framed(&mut icap);
    }
    for value in [
        format!("req-hdr=0, req-hdr={first}, res-body={second}"),
        format!("res-hdr=0, Res-Hdr={first}, res-body={second}"),
    ] {
        assert_400(&value, respmod().body(b"harmless").encapsulated(&value).bytes());
    }
}

/// Heads are not chunked, bodies are (C-063).
#[test]
fn rfc3507_4_4_1_c067_c068_our_offsets_are_those_of_the_bytes() {
    // The client cuts the heads at our offsets, and refuses a head that does not end there.
    for size in [0, 1, 100, 5000] {
        let head = format!("HTTP/1.1 200 OK\r\nX-Pad: {}\r\n\r\n", "p".repeat(size));
        let (response, _icap) = ask_respmod(&respmod().response_head(&head).body(b"harmless"));
        assert_response_echo(&response, &head, b"harmless");
        let offset = head.len();
        assert_eq!(response.get("Encapsulated"), Some(format!("res-hdr=0, res-body={offset}").as_str()));
    }
    let (response, _icap) = ask_respmod(&respmod().body(eicar()));
    assert_block(&response, "eicar");
    assert!(
        response.encapsulated[0] == ("res-hdr".to_owned(), 0) && response.encapsulated[1].0 == "res-body"
    );
}

#[test]
fn rfc3507_4_4_1_c069_a_body_without_heads_is_answered_with_a_body() {
    let (response, mut icap) = ask_respmod(&Message::respmod("/respmod").body(b"harmless"));
    assert_unsuspected(&response);
    assert_eq!((response.status, response.body_data()), (200, b"harmless".as_slice()));
    assert_still_framed(&mut icap);
    icap.send(Message::reqmod("/reqmod").body(b"harmless").bytes());
    let response = icap.read_reqmod();
    assert_eq!((response.status, response.body_data()), (200, b"harmless".as_slice()));
    icap.send(Message::respmod("/respmod").body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

/// The heads of the examples in RFC 3507, and the block of bytes that each example says they take.
#[test]
fn rfc3507_4_8_3_the_examples_of_the_rfc_are_understood() {
    // 4.8.3, example 1: 170 bytes.
    let get = "GET / HTTP/1.1\r\nHost: www.origin-server.com\r\nAccept: text/html, text/plain\r\n\
               Accept-Encoding: compress\r\nCookie: ff39fk3jur@4ii0e02i\r\n\
               If-None-Match: \"xyzzy\", \"r2d2xxxx\"\r\n\r\n";
    assert_eq!(get.len(), 170);
    let message =
        Message::reqmod("/server?arg=87").request_head(get).encapsulated("req-hdr=0, null-body=170");
    let message = message.request_line("REQMOD icap://icap-server.net/reqmod?arg=87 ICAP/1.0");
    let (response, _icap) = ask_reqmod(&message);
    assert_request_echo(&response, get, b"");

    // 4.8.3, example 2: 147 bytes.
    let post = "POST /origin-resource/form.pl HTTP/1.1\r\nHost: www.origin-server.com\r\nAccept: text/html, text/plain\r\n\
                Accept-Encoding: compress\r\nPragma: no-cache\r\n\r\n";
    assert_eq!(post.len(), 147);
    let body = b"I am posting this information.";
    let message = Message::reqmod("/reqmod")
        .request_head(post)
        .framed_body(b"1e\r\nI am posting this information.\r\n0\r\n\r\n");
    let (response, _icap) = ask_reqmod(&message.encapsulated("req-hdr=0, req-body=147"));
    assert_request_echo(&response, post, body);

    // 4.9.3, example 4: 137 and 159 bytes.
    let get = "GET /origin-resource HTTP/1.1\r\nHost: www.origin-server.com\r\n\
               Accept: text/html, text/plain, image/gif\r\nAccept-Encoding: gzip, compress\r\n\r\n";
    assert_eq!(get.len(), 137);
    let ok = "HTTP/1.1 200 OK\r\nDate: Mon, 10 Jan 2000 09:52:22 GMT\r\nServer: Apache/1.3.6 (Unix)\r\n\
              ETag: \"63840-1ab7-378d415b\"\r\nContent-Type: text/html\r\nContent-Length: 51\r\n\r\n";
    assert_eq!(ok.len(), 159);
    let body = b"This is data that was returned by an origin server.";
    let message = Message::respmod("/respmod").request_head(get).response_head(ok);
    let message = message.framed_body([b"33\r\n".as_slice(), body, b"\r\n0\r\n\r\n"].concat());
    let (response, _icap) = ask_respmod(&message.encapsulated("req-hdr=0, res-hdr=137, res-body=296"));
    assert_response_echo(&response, ok, body);
}

#[test]
fn rfc3507_4_4_a_null_body_is_followed_by_nothing() {
    // 4.2 of the abuse list: a chunked body after null-body is the next request, and none.
    let mut icap = session();
    icap.send([reqmod().allow_204().bytes(), chunked(b"hidden")].concat());
    assert_204(&icap.read_reqmod());
    let response = icap.read_reqmod();
    assert_eq!(response.status, 400, "a chunk is no request line");
    assert!(response.closes());
    icap.expect_closed();
}

#[test]
fn rfc3507_4_4_heads_and_bodies_in_any_segmentation_are_the_same_request() {
    let mut icap = session();
    let framed = b"3;a=b\r\nhar\r\n5\r\nmless\r\n0\r\nX-Sum: 1\r\n\r\n";
    let request = respmod().allow_204().framed_body(framed).bytes();
    let infected = replaced(&request, framed, &chunked(&eicar()));
    for at in 1..request.len() {
        icap.send_split(&request, at);
        assert_204(&icap.read_respmod());
    }
    for at in (1..infected.len()).step_by(7) {
        icap.send_split(&infected, at);
        assert_block(&icap.read_respmod(), "eicar");
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_1_a_refusal_of_a_request_is_a_response() {
    let (response, _icap) = ask_reqmod(&Message::reqmod("/reqmod").request_head(PUT).body(eicar()));
    assert_refused(&response);
    let mut icap = session();
    icap.send(Message::reqmod("/avscan").request_head(PUT).body(eicar()).bytes());
    let response = icap.read(Kind::Reqmod);
    assert_block(&response, "eicar");
}
