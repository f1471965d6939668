//! Other protocols on the ICAP port, and requests that a browser was made to send (groups 10 and 11).

use super::ground::{Moves, PROMPT, ground, hidden};
use icapstan_testkit::{IcapClient, Kind, ReadError, clean_bytes};

/// Any word of the counter: by how the bytes arrive, `not-icap` at the first or `request-line` at the
/// end of the line.
const NO_REQUEST: &str = "";

/// What a TLS client says first (RFC 8446 section 4.1.2), as far as it goes.
fn client_hello() -> Vec<u8> {
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &clean_bytes(508, 1)].concat()
}

/// The header of version 2 of the PROXY protocol, for TCP over IPv4.
fn proxy_v2() -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".as_slice(), &[192, 0, 2, 1, 192, 0, 2, 2, 0x80, 0, 5, 0x40]]
        .concat()
}

/// No trust is taken from a PROXY header that nobody asked for (C-152), and TLS has no place on this
/// port (C-151).
#[test]
fn abuse_10_c151_c152_other_protocols_are_refused_at_their_first_line() {
    let ground = ground();
    for (what, bytes) in [
        ("TLS", client_hello()),
        ("SSL 2", b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10".to_vec()),
        ("PROXY version 2", proxy_v2()),
        ("NULs", vec![0; 100]),
        ("RDP", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0".to_vec()),
        ("SMB", b"\0\0\0\x2f\xffSMBr\0\0\0\0".to_vec()),
        ("UTF-16", "OPTIONS".encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("a byte order mark", b"\xef\xbb\xbfOPTIONS icap://h/respmod ICAP/1.0\r\n\r\n".to_vec()),
        ("a blank first", b" OPTIONS icap://h/respmod ICAP/1.0\r\n\r\n".to_vec()),
        ("one long word", [&[b'A'; 100][..], b"\r\n"].concat()),
        ("PROXY version 1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()),
        ("HTTP/1", b"GET / HTTP/1.1\r\n".to_vec()),
        ("HTTP/0.9", b"GET /\r\n".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("SMTP", b"EHLO h\r\n".to_vec()),
        ("Redis", b"*1\r\n$4\r\nPING\r\n".to_vec()),
        ("clamd", b"zINSTREAM\0\0\0\0\x05hello\0\0\0\0".to_vec()),
        ("LF alone", b"OPTIONS icap://h/respmod ICAP/1.0\n".to_vec()),
    ] {
        ground.refuses(what, &bytes, 400, NO_REQUEST);
    }
    ground.refuses("another version", b"OPTIONS icap://h/respmod ICAP/0.9\r\n", 505, "\"version\"");
}

/// A browser that was made to POST a request sends its own first line before it: that ends the
/// connection, and the rest is not searched for a request.
#[test]
fn abuse_11_a_request_inside_of_http_is_never_reached() {
    let ground = ground();
    let smuggled = String::from_utf8(hidden()).expect("ASCII");
    let size = smuggled.len();
    for (what, bytes) in [
        ("a form", format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n")),
        ("chunks", format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n")),
        ("a head without an end", "POST / HTTP/1.1\r\nX-A: b\r\n".to_owned()),
        ("a preflight", "OPTIONS / HTTP/1.1\r\nOrigin: http://o.test\r\n\r\n".to_owned()),
        ("an absolute target", "OPTIONS icap://h/respmod HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        ("a WebSocket", "GET /x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_owned()),
        ("a tunnel", "CONNECT h:1344 HTTP/1.1\r\nHost: h:1344\r\n\r\n".to_owned()),
        ("Gopher", "x\r\n".to_owned()),
        ("FTP", "USER x\r\nPASS y\r\n".to_owned()),
        ("empty lines first", "\r\n\r\nPOST / HTTP/1.1\r\n\r\n".to_owned()),
    ] {
        ground.refuses(what, bytes.as_bytes(), 400, NO_REQUEST);
        // The smuggled part in a segment of its own, which the server may have closed on already.
        let moves = [
            Moves("icapstan_icap_malformed_requests_total", NO_REQUEST, 1.0),
            Moves("icapstan_icap_requests_total", "method=\"OPTIONS\"", 0.0),
        ];
        ground.tries(what, &moves, || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.patience(PROMPT);
            icap.send(&bytes);
            let answer = icap.try_read(Kind::Options);
            assert!(
                answer.as_ref().is_ok_and(|answer| answer.status == 400 && answer.closes()),
                "{what}: {answer:?}"
            );
            let _ = icap.try_send(&smuggled);
            icap.expect_gone();
        });
    }
}

/// Whoever says nothing that could become a request is not kept until a deadline.
#[test]
fn abuse_10_what_cannot_become_a_request_is_not_waited_for() {
    let ground = ground();
    for bytes in [&client_hello()[..6], b"\0", b"{", b"<?xml", b"\x7f"] {
        let moves = [Moves("icapstan_icap_malformed_requests_total", "\"not-icap\"", 1.0)];
        ground.tries(&format!("{bytes:?}"), &moves, || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.patience(PROMPT);
            icap.send(bytes);
            match icap.try_read(Kind::Options) {
                Ok(response) => assert_eq!(response.status, 400),
                Err(error) => assert!(matches!(error, ReadError::Closed | ReadError::Reset), "{error}"),
            }
            icap.expect_gone();
        });
    }
}
