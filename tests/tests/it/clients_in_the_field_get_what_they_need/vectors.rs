//! Fifteen requests, byte for byte as clients write them.

use crate::common::{
    Session, assert_204, assert_block, assert_request_echo, assert_response_echo, assert_still_framed,
    session,
};
use icapstan_testkit::{IcapResponse, Kind, chunked, chunked_by, clean_bytes, eicar};

const GET: &str = "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
const KNOWN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 68\r\n\r\n";
const UNKNOWN: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n";

/// 68 bytes that are no threat.
fn spaces() -> Vec<u8> {
    vec![b' '; 68]
}

/// The icap head, the two HTTP heads, the framed body.
fn message(icap: &str, heads: &[&str], framed: &[u8]) -> Vec<u8> {
    [icap.as_bytes(), heads.concat().as_bytes(), framed].concat()
}

fn ieof(body: &[u8]) -> Vec<u8> {
    [b"44\r\n".as_slice(), body, b"\r\n0; ieof\r\n\r\n"].concat()
}

#[track_caller]
fn ask(kind: Kind, request: &[u8]) -> (IcapResponse, Session) {
    let mut icap = session();
    let response = icap.send_while(request, |icap| icap.read(kind));
    (response, icap)
}

#[test]
fn a1_squid_get_with_preview_and_no_body() {
    assert_eq!(GET.len(), 46);
    let request = format!(
        "REQMOD icap://h:1344/req ICAP/1.0\r\nHost: h:1344\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Encapsulated: req-hdr=0, null-body=46\r\nPreview: 0\r\nAllow: 204, trailers\r\n\r\n{GET}"
    );
    let mut icap = session();
    icap.send(request);
    assert_204(&icap.read_reqmod());
    assert_still_framed(&mut icap);
}

#[test]
fn a2_squid_connect() {
    let connect = "CONNECT o.test:443 HTTP/1.1\r\nHost: o.test:443\r\n\r\n";
    assert_eq!(connect.len(), 49);
    let request = format!(
        "REQMOD icap://h:1344/req ICAP/1.0\r\nHost: h:1344\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Encapsulated: req-hdr=0, null-body=49\r\nPreview: 0\r\nAllow: 204, trailers\r\n\r\n{connect}"
    );
    let mut icap = session();
    icap.send(request);
    assert_204(&icap.read_reqmod());
    assert_still_framed(&mut icap);
}

const A3: &str = "RESPMOD icap://h:1344/resp ICAP/1.0\r\nHost: h:1344\r\nEncapsulated: req-hdr=0, res-hdr=46, res-body=125\r\n\
                  Preview: 68\r\nAllow: 204, 206, trailers\r\n\r\n";

#[test]
fn a3_squid_response_whole_in_the_preview() {
    assert_eq!(46 + KNOWN.len(), 125);
    let (response, _icap) = ask(Kind::Respmod, &message(A3, &[GET, KNOWN], &ieof(&eicar())));
    assert_block(&response, "eicar");
    let (response, mut icap) = ask(Kind::Respmod, &message(A3, &[GET, KNOWN], &ieof(&spaces())));
    assert_204(&response);
    assert_still_framed(&mut icap);
}

#[test]
fn a4_squid_response_longer_than_the_preview() {
    assert_eq!(46 + UNKNOWN.len(), 105);
    for (allow, final_status) in [("204, 206, trailers", 204), ("206, trailers", 200)] {
        let head = format!(
            "RESPMOD icap://h:1344/resp ICAP/1.0\r\nHost: h:1344\r\n\
             Encapsulated: req-hdr=0, res-hdr=46, res-body=105\r\nPreview: 68\r\nAllow: {allow}\r\n\r\n"
        );
        let preview = [b"44\r\n".as_slice(), &spaces(), b"\r\n0\r\n\r\n"].concat();
        let (response, mut icap) = ask(Kind::Respmod, &message(&head, &[GET, UNKNOWN], &preview));
        assert_eq!(response.status, 100);
        icap.send("1\r\nX\r\n0\r\n\r\n");
        let response = icap.read_respmod();
        assert_eq!(response.status, final_status, "Allow: {allow}");
        if final_status == 200 {
            assert_response_echo(&response, UNKNOWN, &[spaces(), b"X".to_vec()].concat());
        }
        assert_still_framed(&mut icap);
    }
}

#[test]
fn a5_squid_large_body_that_may_not_be_answered_204() {
    let head = "RESPMOD icap://h:1344/resp ICAP/1.0\r\nHost: h:1344\r\n\
                Encapsulated: req-hdr=0, res-hdr=46, res-body=105\r\nAllow: trailers\r\n\r\n";
    let body = clean_bytes(10 * 1024 * 1024, 5);
    let request = message(head, &[GET, UNKNOWN], &chunked_by(&body, 64 * 1024));
    let (response, mut icap) = ask(Kind::Respmod, &request);
    assert_response_echo(&response, UNKNOWN, &body);
    assert_still_framed(&mut icap);
}

#[test]
fn a6_squid_response_to_head() {
    let request_head = "HEAD http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
    let response_head = "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n";
    assert_eq!((request_head.len(), request_head.len() + response_head.len()), (47, 89));
    for (allow, status) in [("204, trailers", 204), ("trailers", 200)] {
        let head = format!(
            "RESPMOD icap://h:1344/resp ICAP/1.0\r\nHost: h:1344\r\n\
             Encapsulated: req-hdr=0, res-hdr=47, null-body=89\r\nAllow: {allow}\r\n\r\n"
        );
        let (response, mut icap) = ask(Kind::Respmod, &message(&head, &[request_head, response_head], b""));
        assert_eq!(response.status, status);
        if status == 200 {
            assert_response_echo(&response, response_head, b"");
            assert!(response.body.is_none());
        }
        assert_still_framed(&mut icap);
    }
}

fn a7(extra: &str) -> String {
    format!(
        "RESPMOD icap://h/resp ICAP/1.0\r\nHost: h\r\nX-Client-IP: 192.0.2.1\r\nX-Client-Port: 40000\r\n\
         Encapsulated: req-hdr=0, res-hdr=46, res-body=125\r\n{extra}\r\n"
    )
}

#[test]
fn a7_g3_small_body_without_preview_is_echoed() {
    let head = a7("");
    let (response, mut icap) = ask(Kind::Respmod, &message(&head, &[GET, KNOWN], &chunked(&spaces())));
    assert_response_echo(&response, KNOWN, &spaces());
    assert_still_framed(&mut icap);
    let (response, _icap) = ask(Kind::Respmod, &message(&head, &[GET, KNOWN], &chunked(&eicar())));
    assert_block(&response, "eicar");
}

#[test]
fn a8_g3_preview_never_ends_with_ieof() {
    let head = a7("Preview: 68\r\n");
    let (response, mut icap) = ask(Kind::Respmod, &message(&head, &[GET, KNOWN], &chunked(&spaces())));
    assert_eq!(response.status, 100);
    icap.send("0\r\n\r\n");
    // After 100 this client takes nothing but 200.
    assert_response_echo(&icap.read_respmod(), KNOWN, &spaces());
    assert_still_framed(&mut icap);
}

#[test]
fn a9_g3_options() {
    let mut icap = session();
    icap.send("OPTIONS icap://h/resp ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n\r\n");
    let response = icap.read_options();
    assert!(response.head.bytes.len() <= 8192);
    let allow = response.get("Allow").expect("204 is offered");
    assert!(allow.split(',').all(|item| item.trim().parse::<u16>().is_ok()), "{allow}");
    assert!(response.get("Methods").is_some_and(|methods| methods.split(',').any(|m| m.trim() == "RESPMOD")));
    assert_eq!(response.get("Encapsulated"), Some("null-body=0"));
}

#[test]
fn a10_nextcloud_upload() {
    let put = "PUT /f.bin HTTP/1.0\r\nHost: nextcloud\r\n\r\n";
    assert_eq!(put.len(), 40);
    let head = "REQMOD icap://h/req ICAP/1.0\r\nAllow: 204\r\nX-Client-IP: \r\nEncapsulated: req-hdr=0, req-body=40\r\n\
                Transfer-Encoding: chunked\r\nHost: h\r\nUser-Agent: NC-AV-CLIENT\r\nConnection: close\r\n\r\n";
    let (response, mut icap) = ask(Kind::Reqmod, &message(head, &[put], &chunked(&eicar())));
    assert_block(&response, "eicar");
    assert!(response.closes());
    icap.expect_closed();
    let (response, mut icap) = ask(Kind::Reqmod, &message(head, &[put], &chunked(&spaces())));
    assert_204(&response);
    assert!(response.closes());
    icap.expect_closed();

    let get = put.replace("PUT", "GET");
    let ok = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n";
    assert_eq!(get.len() + ok.len(), 78);
    let head = head.replace("REQMOD icap://h/req", "RESPMOD icap://h/resp");
    let head = head.replace("req-hdr=0, req-body=40", "req-hdr=0, res-hdr=40, res-body=78");
    let (response, mut icap) = ask(Kind::Respmod, &message(&head, &[&get, ok], &chunked(&eicar())));
    assert_block(&response, "eicar");
    icap.expect_closed();
}

#[test]
fn a11_e2guardian_one_chunk_of_ten_mebibytes() {
    let (get, ok) = ("GET http://o.test/x HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n");
    assert_eq!((get.len(), get.len() + ok.len()), (32, 51));
    let head = "RESPMOD icap://h/resp ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n\
                Encapsulated: req-hdr=0, res-hdr=32, res-body=51\r\n\r\n";
    let body = clean_bytes(0xa0_0000, 11);
    let framed = chunked(&body);
    assert!(framed.starts_with(b"a00000\r\n"));
    let (response, mut icap) = ask(Kind::Respmod, &message(head, &[get, ok], &framed));
    assert_204(&response);
    assert_still_framed(&mut icap);
}

#[test]
fn a12_rspamd_options_and_a_body_without_heads() {
    let mut icap = session();
    icap.send("OPTIONS icap://h/resp ICAP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nEncapsulated: null-body=0\r\n\r\n");
    let response = icap.read_options();
    assert!(response.status == 200 && !response.closes());
    let head = "RESPMOD icap://h/resp ICAP/1.0\r\nHost: h\r\nAllow: 204\r\nEncapsulated: res-body=0\r\n\r\n";
    icap.send(message(head, &[], &chunked(&eicar())));
    assert_block(&icap.read_respmod(), "eicar");
    icap.send(message(head, &[], &chunked(&spaces())));
    assert_204(&icap.read_respmod());
}

#[test]
fn a13_smoke_test_of_another_vendor() {
    let head = format!(
        "GET /TesT/Wmuf_w HTTP/1.1\r\nHost: www.bug.qainfo.ru\r\nUser-Agent: {}\r\n\r\n",
        "x".repeat(44)
    );
    assert_eq!(head.len(), 112);
    let icap_head = "REQMOD icap://127.0.0.1/req ICAP/1.0\r\nHost: 127.0.0.1\r\nEncapsulated: req-hdr=0, null-body=112\r\n\r\n";
    let (response, mut icap) = ask(Kind::Reqmod, &message(icap_head, &[&head], b""));
    assert_request_echo(&response, &head, b"");
    assert_eq!(response.get("Encapsulated"), Some("req-hdr=0, null-body=112"));
    assert_still_framed(&mut icap);
}

#[test]
fn a14_netapp_writes_spaces_between_the_offsets() {
    let head = A3.replace("req-hdr=0, res-hdr=46, res-body=125", "req-hdr=0 res-hdr=46 res-body=125");
    let (response, _icap) = ask(Kind::Respmod, &message(&head, &[GET, KNOWN], &ieof(&eicar())));
    assert_block(&response, "eicar");
    let (response, mut icap) = ask(Kind::Respmod, &message(&head, &[GET, KNOWN], &ieof(&spaces())));
    assert_204(&response);
    assert_still_framed(&mut icap);
}

#[test]
fn a15_a_block_page_is_framed_to_the_byte() {
    let (response, mut icap) = ask(Kind::Respmod, &message(&a7(""), &[GET, KNOWN], &chunked(&eicar())));
    assert_block(&response, "eicar");
    let head = response.response_head.as_ref().expect("checked");
    assert_eq!(
        response.get("Encapsulated"),
        Some(format!("res-hdr=0, res-body={}", head.bytes.len()).as_str())
    );
    assert_still_framed(&mut icap);
}
