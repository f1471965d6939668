//! Chunks, their extensions and trailers, and what is hidden in them (groups 6 to 9).

use super::ground::{Moves, ground, hidden, infected};
use crate::common::{assert_204, assert_block, assert_still_framed, reqmod, respmod};
use icapstan_testkit::{IcapClient, chunked, eicar};
use std::fmt::Write;

/// `line`, the infected bytes, and their end.
fn chunk(line: &str) -> Vec<u8> {
    [line.as_bytes(), b"\r\n", &eicar(), b"\r\n0\r\n\r\n"].concat()
}

#[test]
fn abuse_6_chunk_lines_that_readers_disagree_about_are_refused() {
    let ground = ground();
    let million = ";a".repeat(1_000_000);
    let long = format!("44;x=\"{}\"", "y".repeat(1 << 20));
    for (line, error) in [
        ("0x44", "\"chunk\""),
        ("0X44", "\"chunk\""),
        ("+44", "\"chunk\""),
        ("-44", "\"chunk\""),
        (" 44", "\"chunk\""),
        ("44 0", "\"chunk\""),
        ("4 4", "\"chunk\""),
        ("44,", "\"chunk\""),
        ("44h", "\"chunk\""),
        ("44g", "\"chunk\""),
        ("00000000000000000000044", "\"chunk\""),
        ("10000000000000044", "\"chunk\""),
        ("44;x=\"", "\"chunk\""),
        ("44\r", "\"chunk\""),
        ("44\nX", "\"chunk\""),
        ("\r\n44", "\"chunk\""),
        ("44; ieof", "\"ieof\""),
        (&long, "\"chunk-line-too-long\""),
        (&format!("44{million}"), "\"chunk-line-too-long\""),
    ] {
        let what = format!("{:?}", &line[..line.len().min(30)]);
        ground.refuses(&what, &respmod().allow_204().framed_body(chunk(line)).bytes(), 400, error);
    }
}

#[test]
fn abuse_6_chunks_of_another_length_than_they_say_are_refused() {
    let ground = ground();
    for (what, framed, error) in [
        ("one byte less than there is", chunk("43"), "\"chunk\""),
        ("one byte more than there is", chunk("45"), "\"chunk\""),
        ("no CRLF behind the data", [b"44\r\n", &eicar()[..], b"0\r\n\r\n"].concat(), "\"chunk\""),
        ("LF behind the data", [b"44\r\n", &eicar()[..], b"\n0\r\n\r\n"].concat(), "\"chunk\""),
        ("CR CR LF behind the data", [b"44\r\n", &eicar()[..], b"\r\r\n0\r\n\r\n"].concat(), "\"chunk\""),
        ("ieof without a preview", [b"44\r\n", &eicar()[..], b"\r\n0; ieof\r\n\r\n"].concat(), "\"ieof\""),
    ] {
        ground.refuses(what, &respmod().allow_204().framed_body(framed).bytes(), 400, error);
    }
}

/// The last chunk ends the object, and the preview with `ieof` too: what follows is no more of it.
#[test]
fn abuse_6_abuse_7_what_follows_the_last_chunk_is_no_body() {
    let ground = ground();
    let tail = [chunked(&eicar()), hidden()].concat();
    let moves = || {
        [
            Moves("icapstan_icap_malformed_requests_total", "\"request-line\"", 1.0),
            Moves("icapstan_icap_requests_total", "method=\"OPTIONS\"", 0.0),
        ]
    };
    for (what, message, tail) in [
        ("a chunk behind the last", respmod().allow_204().body(b"hello"), &tail[..]),
        ("a second last chunk", respmod().allow_204().body(b"hello"), b"0\r\n\r\n"),
        ("a chunk behind ieof", respmod().whole_in_preview(b"hello"), &tail),
        ("ieof twice", respmod().whole_in_preview(b"hello"), b"0; ieof\r\n\r\n"),
        ("Preview: 0 with ieof, and a chunk", respmod().whole_in_preview(b""), &tail),
        // Answered without 100, so that the second one is not the rest of a body.
        ("a doubled end of a preview of an object too large to scan", large_preview(), b"0\r\n\r\n"),
    ] {
        ground.tries(what, &moves(), || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send([&message.bytes(), tail].concat());
            let response = icap.read_respmod();
            assert_eq!(response.status, 204, "{}", response.shown());
            let response = icap.read_respmod();
            assert!(response.status == 400 && response.closes(), "{}", response.shown());
            icap.expect_closed();
        });
    }
    ground.refuses("a last chunk first", b"0\r\n\r\n", 400, "\"request-line\"");
    ground.refuses("ieof first", b"0; ieof\r\n\r\n", 400, "\"request-line\"");
}

fn large_preview() -> icapstan_testkit::Message {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
    respmod().response_head(head).allow_204().preview(b"")
}

/// The client's own words never mean what a server's would (draft-icap-ext-partial-content-07).
#[test]
fn abuse_6_extensions_of_a_client_hide_nothing() {
    let ground = ground();
    for extension in
        ["use-original-body=0", "use-original-body=68", "ieof=1", "x=ieof", "x=\"; ieof\"", "X-ieof"]
    {
        ground.tries(extension, &[], || {
            let mut icap = IcapClient::connect(ground.icap());
            let framed = [format!("44;{extension}\r\n").as_bytes(), &eicar(), b"\r\n0; "].concat();
            let framed = [&framed[..], extension.as_bytes(), b"\r\n\r\n"].concat();
            icap.send(respmod().allow_204().framed_body(framed).bytes());
            assert_block(&icap.read_respmod(), "eicar");
            assert_still_framed(&mut icap);
        });
    }
}

#[test]
fn abuse_8_trailers_that_are_none_or_have_no_end_are_refused() {
    let ground = ground();
    let many = "X-A: b\r\n".repeat(100_000);
    let long = format!("X-A: {}\r\n", "b".repeat(1 << 20));
    for (what, trailer, error) in [
        ("no colon", "hello\r\n", "\"trailer\""),
        ("white space before the colon", "X-A : b\r\n", "\"trailer\""),
        ("a fold", "X-A: b\r\n c\r\n", "\"trailer\""),
        ("a control byte", "X-A: \x01\r\n", "\"trailer\""),
        ("bare LF", "X-A: b\n", "\"chunk\""),
        ("a request", "REQMOD icap://h/reqmod ICAP/1.0\r\n", "\"trailer\""),
        ("100,000 fields", &many, "\"trailer-too-large\""),
        ("one field of 1 MiB", &long, "\"trailer-too-large\""),
    ] {
        let framed = [b"44\r\n", &eicar()[..], b"\r\n0\r\n", trailer.as_bytes(), b"\r\n"].concat();
        ground.refuses(what, &respmod().allow_204().framed_body(framed).bytes(), 400, error);
    }
}

#[test]
fn abuse_8_abuse_9_trailers_frame_nothing_and_hide_no_request() {
    let ground = ground();
    let length = hidden().len();
    for trailer in [
        "Encapsulated: null-body=0\r\nContent-Length: 0\r\nPreview: 0\r\n",
        "Transfer-Encoding: identity\r\nConnection: close\r\n",
        &format!("Content-Length: {length}\r\n"),
        "OPTIONS: icap://h/respmod ICAP/1.0\r\nHost: h\r\n",
    ] {
        ground.tries(trailer, &[], || {
            let mut icap = IcapClient::connect(ground.icap());
            let framed = |body: &[u8]| {
                let mut framed = chunked(body);
                framed.truncate(framed.len() - 2);
                [&framed[..], trailer.as_bytes(), b"\r\n"].concat()
            };
            let pair = [
                respmod().allow_204().framed_body(framed(&eicar())).bytes(),
                respmod().allow_204().framed_body(framed(b"harmless")).bytes(),
                respmod().allow_204().framed_body(framed(&eicar())).bytes(),
            ];
            icap.send(pair.concat());
            assert_block(&icap.read_respmod(), "eicar");
            let response = icap.read_respmod();
            assert_204(&response);
            assert!(!response.closes(), "the trailer is not the ICAP head");
            assert_block(&icap.read_respmod(), "eicar");
            assert_still_framed(&mut icap);
        });
    }
}

/// A request inside of another is a part of that, wherever it stands.
#[test]
fn abuse_9_a_request_inside_of_another_is_never_answered() {
    let ground = ground();
    let inner = infected().bytes();
    let mut head = String::from("HTTP/1.1 200 OK\r\nX-A: b\n");
    write!(head, "{}\r\n\r\n", String::from_utf8_lossy(&hidden()).trim_end().replace("\r\n", "\n"))
        .expect("a String takes it");
    let line = format!("{:x};x=\"OPTIONS icap://h/respmod ICAP/1.0\"\r\n", inner.len());
    let quoted = [line.as_bytes(), &inner, b"\r\n0\r\n\r\n"];
    for (what, message) in [
        ("in the data of a chunk", respmod().allow_204().body(&inner)),
        ("in an extension and in the data", respmod().allow_204().framed_body(quoted.concat())),
        ("in the encapsulated head, behind LF", respmod().allow_204().response_head(head).body(b"harmless")),
        ("in the target", {
            let head = "GET http://o.test/ OPTIONS icap://h/respmod ICAP/1.0 HTTP/1.1\r\n\r\n";
            respmod().allow_204().request_head(head).body(b"harmless")
        }),
    ] {
        let moves = [
            Moves("icapstan_icap_requests_total", "method=\"RESPMOD\"", 2.0),
            Moves("icapstan_icap_requests_total", "method=\"OPTIONS\"", 0.0),
        ];
        ground.tries(what, &moves, || {
            let mut icap = IcapClient::connect(ground.icap());
            icap.send([message.bytes(), infected().bytes()].concat());
            let response = icap.read_respmod();
            // The signature of EICAR counts at the beginning of an object only.
            assert_eq!(response.status, 204, "{}", response.shown());
            assert_block(&icap.read_respmod(), "eicar");
        });
    }
    let short = [b"5\r\nhello", &hidden()[..], b"\r\n0\r\n\r\n"].concat();
    ground.refuses("in the tail of a chunk", &reqmod().framed_body(short).bytes(), 400, "\"chunk\"");
}
