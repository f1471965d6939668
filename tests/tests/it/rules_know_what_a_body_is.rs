//! Rules may ask what a body is: by its first bytes, behind its content codings, never by what is said of it.

use crate::common::{GET, PUT, assert_204, assert_refused};
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Standalone, brotli, clean_bytes, clean_text, gzip,
};

const CONFIG: &str = "
policies:
- name: default
  rules:
  - {name: pictures, verdict: ANY, when: {types: ['image/*']}, action: {block: refused}}
  - {name: pages, verdict: CLEAN, mode: REQ, when: {types: [text/html]}, action: {block: refused}}
  - {name: unknown, verdict: CLEAN, mode: REQ, when: {types: [application/octet-stream]}, action: {block: refused}}
";

/// Begins like a PNG.
fn picture(len: usize) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", clean_bytes(len, 5).as_slice()].concat()
}

fn download(fields: &str) -> Message {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    Message::respmod("/respmod").request_head(GET).response_head(head).allow_204()
}

fn ask(icap: &mut IcapClient, message: &Message) -> IcapResponse {
    icap.send(message.bytes());
    icap.read_respmod()
}

#[test]
fn a_body_is_what_its_bytes_are_and_not_what_is_said_of_it() {
    let server = Standalone::with().config(CONFIG).start();
    let mut icap = IcapClient::connect(server.icap());
    let refused = ask(&mut icap, &download("Content-Type: text/html\r\n").body(picture(900)));
    assert_refused(&refused);
    assert_eq!(refused.get("X-Icapstan-Reason"), Some("rule"));
    assert_204(&ask(&mut icap, &download("Content-Type: image/png\r\n").body(clean_text(900))));
    // Behind its codings.
    for (coding, body) in [
        ("gzip", gzip(&picture(9000))),
        ("br", brotli(&picture(9000))),
        ("gzip, br", brotli(&gzip(&picture(9000)))),
        // Named, but never applied.
        ("x-unheard-of", picture(9000)),
    ] {
        let fields = format!("Content-Encoding: {coding}\r\n");
        assert_refused(&ask(&mut icap, &download(&fields).body(body)));
    }
    assert_204(&ask(&mut icap, &download("Content-Encoding: gzip\r\n").body(gzip(&clean_text(9000)))));
    // In a preview, in a spool file, and of a body that is longer than what is scanned.
    assert_refused(&ask(&mut icap, &download("").whole_in_preview(&picture(700))));
    assert_refused(&ask(&mut icap, &download("").body(picture(2_000_000))));
    let large = download("Content-Length: 99999999\r\n").preview(&picture(4000));
    assert_refused(&ask(&mut icap, &large));
}

#[test]
fn of_no_body_of_too_little_and_of_pieces_nothing_is_told() {
    let server = Standalone::with().config(CONFIG).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_204(&ask(&mut icap, &download("")));
    // A preview with too little of a body that is too large to be scanned.
    let passed = ask(&mut icap, &download("Content-Length: 99999999\r\n").preview(&picture(100)));
    assert_eq!((passed.status, passed.get("X-Icapstan-Reason")), (204, Some("non-scanned/size")));
    let piece = ask(&mut icap, &download("Content-Range: bytes 0-915/2000\r\n").body(picture(900)));
    assert_eq!((piece.status, piece.get("X-Icapstan-Reason")), (204, Some("non-scanned/partial-content")));
    // Nothing is known of it, and that is no type.
    icap.send(Message::reqmod("/reqmod").request_head(GET).allow_204().bytes());
    assert_204(&icap.read_reqmod());
}

#[test]
fn what_is_not_made_out_is_octets_and_html_is_html() {
    let server = Standalone::with().config(CONFIG).start();
    let mut icap = IcapClient::connect(server.icap());
    for (body, refused) in [
        (clean_bytes(900, 8), true),
        (b"\xef\xbb\xbf <!doctype html><p>x".to_vec(), true),
        (b"<script>1</script>\0\x01".to_vec(), true),
        (b"GIF89a=1;alert(1)//".to_vec(), false),
        (b"{}".to_vec(), false),
    ] {
        icap.send(Message::reqmod("/reqmod").request_head(PUT).allow_204().body(&body).bytes());
        let response = icap.read_reqmod();
        if refused { assert_refused(&response) } else { assert_204(&response) }
    }
}
