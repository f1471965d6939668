//! ICAP header fields (RFC 3507 section 4.3).

use crate::common::{
    ask_options, ask_respmod, assert_204, assert_400, assert_block, assert_response_echo,
    assert_still_framed, respmod,
};
use icapstan_testkit::{IcapClient, Message, Standalone, eicar, hex, tempdir};
use std::fmt::Write;

const OPTIONS: &str = "OPTIONS icap://h/respmod ICAP/1.0\r\n";

#[test]
fn rfc3507_4_3_c016_names_have_no_case() {
    let bytes = respmod().body(b"harmless").bytes();
    let bytes = crate::common::replaced(&bytes, b"Encapsulated: ", b"aLLOW: 204\r\nENCAPSULATED: ");
    let mut icap = crate::common::session();
    icap.send(bytes);
    assert_204(&icap.read_respmod());
}

#[test]
fn rfc3507_4_3_2_c017_a_missing_host_is_tolerated() {
    let (response, _icap) = ask_options(&Message::options("/respmod").without("Host"));
    assert_eq!(response.status, 200);
    let (response, _icap) = ask_respmod(&respmod().without("Host").allow_204().body(b"harmless"));
    assert_204(&response);
}

#[test]
fn rfc3507_4_3_1_c018_transfer_encoding_in_the_icap_head_changes_nothing() {
    for coding in ["chunked", "identity", "gzip, chunked"] {
        let message = respmod().allow_204().field("Transfer-Encoding", coding);
        let (response, mut icap) = ask_respmod(&message.clone().body(b"harmless"));
        assert_204(&response);
        icap.send(message.bytes());
        assert_204(&icap.read_respmod());
        assert_still_framed(&mut icap);
    }
}

#[test]
fn rfc3507_4_3_c019_content_length_in_the_icap_head_changes_nothing() {
    for length in ["5", "0", "1000000000000"] {
        let message = respmod().field("Content-Length", length).allow_204();
        let (response, mut icap) = ask_respmod(&message.body(b"harmless"));
        assert_204(&response);
        assert_still_framed(&mut icap);
        icap.send(Message::options("/respmod").field("Content-Length", length).bytes());
        assert_eq!(icap.read_options().status, 200);
        assert_still_framed(&mut icap);
    }
}

#[test]
fn rfc3507_4_3_c020_unknown_fields_are_ignored() {
    let message = respmod().allow_204().field("X-Foo", "bar").field("Foo", "bar").field("!odd#$name", "x");
    let (response, mut icap) = ask_respmod(&message.body(b"harmless"));
    assert_204(&response);
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_3_c021_folded_lines_are_answered_400() {
    let bytes = respmod().allow_204().body(b"harmless").bytes();
    let folded = crate::common::replaced(&bytes, b"req-hdr=0, ", b"req-hdr=0,\r\n ");
    assert_400("Encapsulated in two lines", folded);
    assert_400("another field in two lines", format!("{OPTIONS}X-A: b\r\n\tc\r\nHost: h\r\n\r\n"));
    assert_400("a fold after the request line", format!("{OPTIONS} Host: h\r\n\r\n"));
}

#[test]
fn rfc3507_4_3_c022_fields_out_of_form_are_answered_400() {
    let cases = [
        ("white space before the colon", "Host : h\r\n"),
        ("tab before the colon", "Host\t: h\r\n"),
        ("no colon", "Host\r\n"),
        ("no name", ": h\r\n"),
        ("NUL in a value", "X-A: b\0c\r\n"),
        ("NUL in a name", "X\0A: b\r\n"),
        ("bare CR in a value", "X-A: b\rc\r\n"),
        ("CR CR LF", "X-A: b\r\r\n"),
        ("a control byte", "X-A: b\x01c\r\n"),
        ("DEL", "X-A: b\x7fc\r\n"),
        ("a space in a name", "X A: b\r\n"),
        ("a separator in a name", "X(A): b\r\n"),
    ];
    for (what, field) in cases {
        assert_400(what, format!("{OPTIONS}{field}Host: h\r\n\r\n"));
    }
    assert_400("white space before the colon of Encapsulated", {
        let bytes = respmod().allow_204().body(b"harmless").bytes();
        crate::common::replaced(&bytes, b"Encapsulated:", b"Encapsulated :")
    });
    assert_400("NUL in the request line", "OPTIONS icap://h/resp\0mod ICAP/1.0\r\nHost: h\r\n\r\n");
}

#[test]
fn rfc3507_4_3_c023_contradicting_fields_are_answered_400() {
    let message = respmod().allow_204().body(b"harmless");
    let encapsulated = |value: &str| message.clone().field("Encapsulated", value);
    assert_400("two Encapsulated", encapsulated("res-body=0").bytes());
    assert_400("two Encapsulated", encapsulated("req-hdr=0, null-body=46").bytes());
    let other_case = message.clone().field("ENCAPSULATED", "null-body=0");
    assert_400("two Encapsulated in different case", other_case.bytes());
    let previews = message.clone().field("Preview", "4").field("Preview", "8");
    assert_400("two Preview", previews.bytes());
    let previews = message.field("Preview", "8").field("preview", "1024");
    assert_400("two Preview in different case", previews.bytes());
}

#[test]
fn rfc3507_4_4_2_c024_credentials_are_neither_logged_nor_echoed() {
    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    let secret = "c2VjcmV0LW9mLXRoZS1wcm94eQ==";
    let message = respmod().field("Proxy-Authorization", &format!("Basic {secret}"));
    let message = message.field("Authorization", &format!("Basic {secret}"));
    icap.send(message.clone().body(b"harmless").bytes());
    assert_response_echo(&icap.read_respmod(), crate::common::OK, b"harmless");
    icap.send(message.clone().body(eicar()).bytes());
    let response = icap.read_respmod();
    assert_block(&response, "eicar");
    assert!(!response.shown().contains(secret));
    // A line of the log for the next transaction says that those of the others are there.
    icap.send(message.field("Encapsulated", "x=1").bytes());
    assert_eq!(icap.read_respmod().status, 400);
    assert!(!server.process().logs().text().contains(secret));
}

#[test]
fn rfc3507_4_3_1_c026_general_fields_are_accepted() {
    let message = respmod()
        .allow_204()
        .field("Date", "Mon, 01 Jan 2024 00:00:00 GMT")
        .field("Cache-Control", "no-cache, max-age=0")
        .field("Pragma", "no-cache")
        .field("Expires", "0")
        .field("Trailer", "X-Sum")
        .field("Connection", "keep-alive")
        .field("Upgrade", "TLS/1.0, ICAP/2.0")
        .field("From", "a@b.test")
        .field("Referer", "http://o.test/")
        .field("User-Agent", "a test");
    let (response, mut icap) = ask_respmod(&message.body(b"harmless"));
    assert_204(&response);
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_3_c027_names_of_threats_never_break_a_header() {
    let folder = tempdir();
    let names = [
        "Odd;Name,With=\"quotes\"",
        "Odd<script>alert(1)</script>",
        "Odd\u{e9}\u{1b}[31mName",
        "Odd Name\tTab",
    ];
    let bodies: Vec<String> =
        (0..names.len()).map(|at| format!("odd-signature-number-{at}-0123456789")).collect();
    let mut lines = String::new();
    for (name, body) in names.iter().zip(&bodies) {
        writeln!(lines, "{name}:0:*:{}", hex(body.as_bytes())).expect("a String takes it");
    }
    std::fs::write(folder.path().join("odd.ndb"), lines).expect("the folder is writable");
    let server = Standalone::with().signature_folder(folder.path()).start();
    let mut icap = IcapClient::connect(server.icap());
    for body in bodies {
        icap.send(respmod().allow_204().body(&body).bytes());
        let response = icap.read_respmod();
        assert_block(&response, "odd");
        let name = response.get("X-Virus-ID").expect("checked");
        assert!(!name.contains([';', '<', '"', ' ']), "{name}");
        let page = String::from_utf8_lossy(response.body_data()).into_owned();
        assert!(!page.contains("<script>alert"), "{page}");
    }
}

#[test]
fn rfc3507_4_3_c027_urls_never_break_a_header() {
    for target in
        ["http://o.test/%0d%0aX-Evil:%20y", "http://o.test/\u{e9}\u{fffd}", "http://o.test/\"'<>;,\\"]
    {
        let head = format!("GET {target} HTTP/1.1\r\nHost: o.test\r\n\r\n");
        let message = Message::respmod("/respmod").request_head(head).response_head(crate::common::OK);
        // The client's parser refuses all but printable ASCII in well-formed lines.
        let (response, mut icap) = ask_respmod(&message.allow_204().body(eicar()));
        assert_block(&response, "eicar");
        assert!(!response.head.has("X-Evil"));
        assert_still_framed(&mut icap);
    }
}
