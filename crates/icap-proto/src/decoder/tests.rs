use super::*;
use crate::{Method, Rights};
use proptest::prelude::*;

/// What a request came to, independent of how it was cut.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    line: String,
    request: Vec<u8>,
    response: Vec<u8>,
    body: Vec<u8>,
    /// Body bytes before the end of the preview, if the decoder stopped there.
    preview: Option<usize>,
    ended: bool,
}

/// Decodes all of `wire` in pieces, sending 100 wherever a preview ends.
fn replay(wire: &[u8], piece: usize) -> Result<Vec<Seen>, DecodeError> {
    let mut decoder = Decoder::new(Limits::default());
    let mut seen: Vec<Seen> = Vec::new();
    let (mut at, mut end) = (0, 0);
    loop {
        let step = decoder.step(&wire[at..end])?;
        at += step.consumed;
        match step.event {
            None if end == wire.len() => return Ok(seen),
            None => end = (end + piece).min(wire.len()),
            Some(Event::Head(head)) => seen.push(Seen {
                line: format!("{} {}", head.method().as_str(), head.uri().service()),
                request: head.http_request().map(|head| head.as_bytes().to_vec()).unwrap_or_default(),
                response: head.http_response().map(|head| head.as_bytes().to_vec()).unwrap_or_default(),
                ..Seen::default()
            }),
            Some(Event::Data(data)) => seen.last_mut().unwrap().body.extend_from_slice(data),
            Some(Event::PreviewEnd) => {
                let last = seen.last_mut().unwrap();
                last.preview = Some(last.body.len());
                decoder.proceed();
            }
            Some(Event::End) => seen.last_mut().unwrap().ended = true,
        }
    }
}

/// The same result for every cut.
fn replay_everywhere(wire: &[u8]) -> Result<Vec<Seen>, DecodeError> {
    let whole = replay(wire, wire.len());
    for piece in 1..wire.len() {
        assert_eq!(replay(wire, piece), whole, "in pieces of {piece}");
    }
    whole
}

fn head_of(wire: &str) -> Result<Box<RequestHead>, DecodeError> {
    let mut decoder = Decoder::new(Limits::default());
    match decoder.step(wire.as_bytes())?.event {
        Some(Event::Head(head)) => Ok(head),
        other => panic!("no head but {other:?}"),
    }
}

fn reqmod(fields: &str) -> String {
    format!(
        "REQMOD icap://h/req ICAP/1.0\r\nHost: h\r\n{fields}\r\nGET http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n"
    )
}

/// The examples of RFC 3507 sections 4.8.3, 4.9.3 and 4.10.3, requests only, as printed there.
mod rfc_examples {
    use super::*;

    pub(super) const REQMOD_GET: &str = "REQMOD icap://icap-server.net/server?arg=87 ICAP/1.0\r\nHost: icap-server.net\r\nEncapsulated: req-hdr=0, null-body=170\r\n\r\nGET / HTTP/1.1\r\nHost: www.origin-server.com\r\nAccept: text/html, text/plain\r\nAccept-Encoding: compress\r\nCookie: ff39fk3jur@4ii0e02i\r\nIf-None-Match: \"xyzzy\", \"r2d2xxxx\"\r\n\r\n";
    pub(super) const REQMOD_POST: &str = "REQMOD icap://icap-server.net/server?arg=87 ICAP/1.0\r\nHost: icap-server.net\r\nEncapsulated: req-hdr=0, req-body=147\r\n\r\nPOST /origin-resource/form.pl HTTP/1.1\r\nHost: www.origin-server.com\r\nAccept: text/html, text/plain\r\nAccept-Encoding: compress\r\nPragma: no-cache\r\n\r\n1e\r\nI am posting this information.\r\n0\r\n\r\n";
    pub(super) const REQMOD_BLOCKED: &str = "REQMOD icap://icap-server.net/content-filter ICAP/1.0\r\nHost: icap-server.net\r\nEncapsulated: req-hdr=0, null-body=119\r\n\r\nGET /naughty-content HTTP/1.1\r\nHost: www.naughty-site.com\r\nAccept: text/html, text/plain\r\nAccept-Encoding: compress\r\n\r\n";
    pub(super) const RESPMOD: &str = "RESPMOD icap://icap.example.org/satisf ICAP/1.0\r\nHost: icap.example.org\r\nEncapsulated: req-hdr=0, res-hdr=137, res-body=296\r\n\r\nGET /origin-resource HTTP/1.1\r\nHost: www.origin-server.com\r\nAccept: text/html, text/plain, image/gif\r\nAccept-Encoding: gzip, compress\r\n\r\nHTTP/1.1 200 OK\r\nDate: Mon, 10 Jan 2000 09:52:22 GMT\r\nServer: Apache/1.3.6 (Unix)\r\nETag: \"63840-1ab7-378d415b\"\r\nContent-Type: text/html\r\nContent-Length: 51\r\n\r\n33\r\nThis is data that was returned by an origin server.\r\n0\r\n\r\n";
    pub(super) const OPTIONS: &str = "OPTIONS icap://icap.server.net/sample-service ICAP/1.0\r\nHost: icap.server.net\r\nUser-Agent: BazookaDotCom-ICAP-Client-Library/2.3\r\n\r\n";

    #[test]
    fn rfc3507_4_8_3_request_modification_is_read_as_printed() {
        let seen = replay_everywhere(REQMOD_GET.as_bytes()).unwrap();
        assert_eq!((seen.len(), seen[0].request.len(), &*seen[0].line), (1, 170, "REQMOD server"));
        assert!(seen[0].ended && seen[0].body.is_empty());
        let seen = replay_everywhere(REQMOD_POST.as_bytes()).unwrap();
        assert_eq!((seen[0].request.len(), &seen[0].body[..]), (147, &b"I am posting this information."[..]));
        assert!(seen[0].ended);
        let seen = replay_everywhere(REQMOD_BLOCKED.as_bytes()).unwrap();
        assert_eq!(seen[0].request.len(), 119);
    }

    #[test]
    fn rfc3507_4_9_3_response_modification_is_read_as_printed() {
        let seen = replay_everywhere(RESPMOD.as_bytes()).unwrap();
        assert_eq!((seen[0].request.len(), seen[0].response.len(), seen[0].body.len()), (137, 159, 51));
        assert!(seen[0].ended);
    }

    #[test]
    fn rfc3507_4_10_3_options_is_read_as_printed() {
        let seen = replay_everywhere(OPTIONS.as_bytes()).unwrap();
        assert_eq!(&*seen[0].line, "OPTIONS sample-service");
        assert!(seen[0].ended);
    }

    #[test]
    fn rfc3507_answers_of_the_examples_have_the_printed_offsets() {
        use crate::{ResponseDecoder, ResponseEvent};
        for (wire, http, body) in [
            (
                "ICAP/1.0 200 OK\r\nDate: Mon, 10 Jan 2000  09:55:21 GMT\r\nServer: ICAP-Server-Software/1.0\r\nConnection: close\r\nISTag: \"W3E4R7U9-L2E4-2\"\r\nEncapsulated: req-hdr=0, null-body=231\r\n\r\nGET /modified-path HTTP/1.1\r\nHost: www.origin-server.com\r\nVia: 1.0 icap-server.net (ICAP Example ReqMod Service 1.1)\r\nAccept: text/html, text/plain, image/gif\r\nAccept-Encoding: gzip, compress\r\nIf-None-Match: \"xyzzy\", \"r2d2xxxx\"\r\n\r\n",
                231,
                0,
            ),
            (
                "ICAP/1.0 200 OK\r\nDate: Mon, 10 Jan 2000  09:55:21 GMT\r\nServer: ICAP-Server-Software/1.0\r\nConnection: close\r\nISTag: \"W3E4R7U9-L2E4-2\"\r\nEncapsulated: req-hdr=0, req-body=244\r\n\r\nPOST /origin-resource/form.pl HTTP/1.1\r\nHost: www.origin-server.com\r\nVia: 1.0 icap-server.net (ICAP Example ReqMod Service 1.1)\r\nAccept: text/html, text/plain, image/gif\r\nAccept-Encoding: gzip, compress\r\nPragma: no-cache\r\nContent-Length: 45\r\n\r\n2d\r\nI am posting this information.  ICAP powered!\r\n0\r\n\r\n",
                244,
                45,
            ),
            (
                "ICAP/1.0 200 OK\r\nDate: Mon, 10 Jan 2000  09:55:21 GMT\r\nServer: ICAP-Server-Software/1.0\r\nConnection: close\r\nISTag: \"W3E4R7U9-L2E4-2\"\r\nEncapsulated: res-hdr=0, res-body=213\r\n\r\nHTTP/1.1 403 Forbidden\r\nDate: Wed, 08 Nov 2000 16:02:10 GMT\r\nServer: Apache/1.3.12 (Unix)\r\nLast-Modified: Thu, 02 Nov 2000 13:51:37 GMT\r\nETag: \"63600-1989-3a017169\"\r\nContent-Length: 58\r\nContent-Type: text/html\r\n\r\n3a\r\nSorry, you are not allowed to access that naughty content.\r\n0\r\n\r\n",
                213,
                58,
            ),
            (
                "ICAP/1.0 200 OK\r\nDate: Mon, 10 Jan 2000  09:55:21 GMT\r\nServer: ICAP-Server-Software/1.0\r\nConnection: close\r\nISTag: \"W3E4R7U9-L2E4-2\"\r\nEncapsulated: res-hdr=0, res-body=222\r\n\r\nHTTP/1.1 200 OK\r\nDate: Mon, 10 Jan 2000  09:55:21 GMT\r\nVia: 1.0 icap.example.org (ICAP Example RespMod Service 1.1)\r\nServer: Apache/1.3.6 (Unix)\r\nETag: \"63840-1ab7-378d415b\"\r\nContent-Type: text/html\r\nContent-Length: 92\r\n\r\n5c\r\nThis is data that was returned by an origin server, but with\r\nvalue added by an ICAP server.\r\n0\r\n\r\n",
                222,
                92,
            ),
        ] {
            let mut decoder = ResponseDecoder::default();
            let (used, event) = decoder.step(wire.as_bytes()).unwrap();
            let Some(ResponseEvent::Head(head)) = event else { panic!("no head") };
            assert_eq!(head.http().unwrap().as_bytes().len(), http);
            let ends = head.http().is_some_and(|head| head.is_request() || head.is_response());
            assert!(ends, "the head ends at its offset");
            if body > 0 {
                let Some(ResponseEvent::Data(data)) = decoder.step(&wire.as_bytes()[used..]).unwrap().1
                else {
                    panic!("no body")
                };
                assert_eq!(data.len(), body);
            }
        }
    }
}

#[test]
fn rfc3507_4_1_pipelined_requests_come_in_order() {
    let wire = [
        rfc_examples::OPTIONS,
        rfc_examples::RESPMOD,
        "\r\n\r\n",
        rfc_examples::REQMOD_POST,
        rfc_examples::OPTIONS,
    ]
    .concat();
    let seen = replay_everywhere(wire.as_bytes()).unwrap();
    let lines: Vec<_> = seen.iter().map(|seen| &*seen.line).collect();
    assert_eq!(
        lines,
        ["OPTIONS sample-service", "RESPMOD satisf", "REQMOD server", "OPTIONS sample-service"]
    );
    assert!(seen.iter().all(|seen| seen.ended));
}

#[test]
fn rfc3507_4_5_preview_then_the_rest_is_one_body() {
    let wire = reqmod("Encapsulated: req-hdr=0, req-body=46\r\nPreview: 4\r\n")
        + "4\r\nabcd\r\n0\r\n\r\n1\r\nX\r\n0\r\n\r\n";
    let seen = replay_everywhere(wire.as_bytes()).unwrap();
    assert_eq!((&seen[0].body[..], seen[0].preview, seen[0].ended), (&b"abcdX"[..], Some(4), true));
}

#[test]
fn rfc3507_4_5_ieof_ends_the_body_in_the_preview() {
    for (preview, chunks) in [
        ("1024", "4\r\nabcd\r\n0; ieof\r\n\r\n"),
        ("0", "0; ieof\r\n\r\n"),
        ("4", "4\r\nabcd\r\n0;ieof\r\n\r\n"),
    ] {
        let wire =
            reqmod(&format!("Encapsulated: req-hdr=0, req-body=46\r\nPreview: {preview}\r\n")) + chunks;
        let seen = replay_everywhere(wire.as_bytes()).unwrap();
        assert_eq!((seen[0].preview, seen[0].ended), (None, true), "{preview}");
    }
}

#[test]
fn rfc3507_4_5_preview_of_a_message_without_body_waits_for_nothing() {
    let wire = reqmod("Encapsulated: req-hdr=0, null-body=46\r\nPreview: 0\r\nAllow: 204, trailers\r\n");
    assert!(replay_everywhere(wire.as_bytes()).unwrap()[0].ended);
}

#[test]
fn after_a_final_answer_to_a_preview_the_next_request_follows() {
    let first = reqmod("Encapsulated: req-hdr=0, req-body=46\r\nPreview: 0\r\n") + "0\r\n\r\n";
    let wire = first.clone() + rfc_examples::OPTIONS;
    let mut decoder = Decoder::new(Limits::default());
    let mut at = 0;
    loop {
        let step = decoder.step(&wire.as_bytes()[at..]).unwrap();
        at += step.consumed;
        if matches!(step.event, Some(Event::PreviewEnd)) {
            break;
        }
    }
    assert_eq!(at, first.len());
    assert!(decoder.is_undecided() && !decoder.is_idle());
    assert!(matches!(decoder.step(&wire.as_bytes()[at..]), Ok(Step { consumed: 0, event: None })));
    decoder.settle();
    assert!(decoder.is_idle());
    assert!(
        matches!(decoder.step(&wire.as_bytes()[at..]).unwrap().event, Some(Event::Head(head)) if head.method() == Method::Options)
    );
}

#[test]
fn ieof_outside_a_preview_is_refused() {
    let wire = reqmod("Encapsulated: req-hdr=0, req-body=46\r\n") + "4\r\nabcd\r\n0; ieof\r\n\r\n";
    assert_eq!(replay_everywhere(wire.as_bytes()), Err(DecodeError::Ieof));
    let wire = reqmod("Encapsulated: req-hdr=0, req-body=46\r\nPreview: 4\r\n") + "0\r\n\r\n0; ieof\r\n\r\n";
    assert_eq!(replay_everywhere(wire.as_bytes()), Err(DecodeError::Ieof));
}

#[test]
fn rfc3507_4_6_allow_is_a_list_of_whole_words() {
    for (allow, no_content, partial_content) in [
        ("Allow: 204", true, false),
        ("Allow:204", true, false),
        ("Allow: 2040", false, false),
        ("Allow: trailers", false, false),
        ("Allow: 206, trailers", false, false),
        ("Allow: 206, 204", true, true),
        ("allow: 204\r\nALLOW: 206", true, true),
        ("X-Allow: 204", false, false),
    ] {
        let head =
            head_of(&reqmod(&format!("Encapsulated: req-hdr=0, null-body=46\r\n{allow}\r\n"))).unwrap();
        let trailers = allow.contains("trailers");
        assert_eq!(Rights::of(&head, false), Rights { no_content, partial_content, trailers }, "{allow}");
    }
}

#[test]
fn rfc3507_4_5_a_preview_may_be_answered_204_until_100_was_sent() {
    for (allow, before, after) in [
        ("", (true, false), (false, false)),
        ("Allow: 204\r\n", (true, false), (true, false)),
        ("Allow: 206\r\n", (true, true), (false, false)),
        ("Allow: 204, 206\r\n", (true, true), (true, true)),
    ] {
        let head =
            head_of(&reqmod(&format!("Encapsulated: req-hdr=0, req-body=46\r\nPreview: 0\r\n{allow}")))
                .unwrap();
        for (continued, (no_content, partial_content)) in [(false, before), (true, after)] {
            assert_eq!(
                Rights::of(&head, continued),
                Rights { no_content, partial_content, trailers: false },
                "{allow}{continued}"
            );
        }
    }
}

#[test]
fn heads_that_end_before_or_behind_their_offset_are_refused() {
    for offset in [42, 44, 45, 47, 48, 50] {
        let wire =
            reqmod(&format!("Encapsulated: req-hdr=0, req-body={offset}\r\n")) + "5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(replay_everywhere(wire.as_bytes()), Err(DecodeError::HttpHead), "{offset}");
    }
    let swallowed = reqmod("Encapsulated: req-hdr=0, req-body=50\r\n") + "\r\n\r\n0\r\n\r\n";
    assert_eq!(replay_everywhere(swallowed.as_bytes()), Err(DecodeError::HttpHead));
}

#[test]
fn other_protocols_are_recognised_before_their_first_line_ends() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00"[..],
        b"\0\0\0",
        b"{\"jsonrpc\"",
        b"\rX",
        b" OPTIONS",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let mut decoder = Decoder::new(Limits::default());
        assert_eq!(decoder.step(bytes).map(|_| ()), Err(DecodeError::NotIcap), "{bytes:?}");
        assert_eq!(decoder.step(b"").map(|_| ()), Err(DecodeError::NotIcap), "an error stays");
    }
    for line in [
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "POST / HTTP/1.1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PRI * HTTP/2.0\r\n",
    ] {
        let mut decoder = Decoder::new(Limits::default());
        assert_eq!(decoder.step(line.as_bytes()).map(|_| ()), Err(DecodeError::RequestLine), "{line}");
    }
}

#[test]
fn heads_are_bounded_before_they_are_complete() {
    let long_line = format!("OPTIONS icap://h/{}", "a".repeat(8200));
    assert_eq!(replay(long_line.as_bytes(), 1000), Err(DecodeError::RequestLineTooLong));
    let complete = format!("{long_line} ICAP/1.0\r\n\r\n");
    assert_eq!(replay(complete.as_bytes(), complete.len()), Err(DecodeError::RequestLineTooLong));
    let large = format!("OPTIONS icap://h/x ICAP/1.0\r\nX: {}\r\n", "a".repeat(66_000));
    assert_eq!(replay(large.as_bytes(), 1000), Err(DecodeError::IcapHeadTooLarge));
    let many = format!("OPTIONS icap://h/x ICAP/1.0\r\n{}\r\n", "X: y\r\n".repeat(257));
    assert_eq!(replay(many.as_bytes(), 1000), Err(DecodeError::IcapHeadTooLarge));
    assert_eq!(replay("\r\n".repeat(17).as_bytes(), 1), Err(DecodeError::EmptyLines));
    assert!(replay((("\r\n".repeat(16)) + rfc_examples::OPTIONS).as_bytes(), 1).unwrap()[0].ended);
    let preview = reqmod("Encapsulated: req-hdr=0, req-body=46\r\nPreview: 999999999999999999999999\r\n")
        + "10001\r\n"
        + &"a".repeat(65_537);
    assert_eq!(replay(preview.as_bytes(), 9999), Err(DecodeError::PreviewTooLarge));
}

#[test]
fn fields_that_contradict_themselves_are_refused() {
    for (fields, error) in [
        (
            "Encapsulated: req-hdr=0, null-body=46\r\nencapsulated: req-hdr=0, req-body=46\r\n",
            DecodeError::Contradiction,
        ),
        ("Encapsulated: req-hdr=0, null-body=46\r\nPreview: 1\r\nPreview: 2\r\n", DecodeError::Contradiction),
        ("Encapsulated: req-hdr=0, null-body=46\r\nHost: other\r\n", DecodeError::Contradiction),
        ("Encapsulated: req-hdr=0,\r\n null-body=46\r\n", DecodeError::Field),
        ("Encapsulated: req-hdr=0, null-body=46\r\nX: a\nY: b\r\n", DecodeError::Field),
        ("Encapsulated: req-hdr=0, null-body=46\r\nPreview: abc\r\n", DecodeError::PreviewField),
        ("Encapsulated: req-hdr=0, null-body=46\r\nPreview: -1\r\n", DecodeError::PreviewField),
        ("Encapsulated: req-hdr=0, null-body=46\r\nPreview:\r\n", DecodeError::PreviewField),
        ("X: y\r\n", DecodeError::EncapsulatedMissing),
    ] {
        assert_eq!(replay_everywhere(reqmod(fields).as_bytes()), Err(error), "{fields}");
    }
    let twice = reqmod(
        "Encapsulated: req-hdr=0, null-body=46\r\nENCAPSULATED: req-hdr=0, null-body=46\r\nHost: h\r\n",
    );
    assert!(replay_everywhere(twice.as_bytes()).unwrap()[0].ended);
}

#[test]
fn fields_that_look_like_framing_change_nothing() {
    let wire = reqmod(
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\nX-Client-IP: \r\nFoo: bar\r\nEncapsulated: req-hdr=0, req-body=46\r\n",
    ) + "5\r\nhello\r\n0\r\nContent-Length: 9\r\nEncapsulated: null-body=0\r\n\r\n"
        + rfc_examples::OPTIONS;
    let seen = replay_everywhere(wire.as_bytes()).unwrap();
    assert_eq!((seen.len(), &seen[0].body[..]), (2, &b"hello"[..]));
}

#[test]
fn an_options_body_is_read_and_the_next_request_follows() {
    let wire = "OPTIONS icap://h/x ICAP/1.0\r\nEncapsulated: opt-body=0\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        .to_owned()
        + rfc_examples::OPTIONS;
    let seen = replay_everywhere(wire.as_bytes()).unwrap();
    assert_eq!((seen.len(), &seen[0].body[..]), (2, &b"abc"[..]));
}

#[test]
fn a_head_given_back_leaves_nothing_in_the_next() {
    let mut decoder = Decoder::new(Limits::default());
    let wire = reqmod("Encapsulated: req-hdr=0, null-body=46\r\nX-Secret: 1\r\nPreview: 0\r\nAllow: 204\r\n");
    let Some(Event::Head(head)) = decoder.step(wire.as_bytes()).unwrap().event else { panic!() };
    assert!(matches!(decoder.step(b"").unwrap().event, Some(Event::End)));
    decoder.recycle(head);
    for _ in 0..2 {
        let Some(Event::Head(head)) = decoder.step(rfc_examples::OPTIONS.as_bytes()).unwrap().event else {
            panic!()
        };
        assert!(
            head.field("X-Secret").is_none() && head.http_request().is_none() && head.preview().is_none()
        );
        assert_eq!(head.allow(), crate::Allow::default());
        assert!(matches!(decoder.step(b"").unwrap().event, Some(Event::End)));
        decoder.recycle(head);
    }
}

proptest! {
    #[test]
    fn every_request_is_the_same_in_every_segmentation(
        body in proptest::collection::vec(any::<u8>(), 0..2000),
        preview in proptest::option::of(0usize..64),
        chunk in 1usize..500,
        piece in 1usize..700,
    ) {
        let mut wire = match preview {
            Some(size) => reqmod(&format!("Encapsulated: req-hdr=0, req-body=46\r\nPreview: {size}\r\n")),
            None => reqmod("Encapsulated: req-hdr=0, req-body=46\r\n"),
        }.into_bytes();
        let cut = preview.unwrap_or(0).min(body.len());
        let put = |wire: &mut Vec<u8>, data: &[u8]| for part in data.chunks(chunk) {
            wire.extend_from_slice(format!("{:X}\r\n", part.len()).as_bytes());
            wire.extend_from_slice(part);
            wire.extend_from_slice(b"\r\n");
        };
        put(&mut wire, &body[..cut]);
        let whole = preview.is_some_and(|size| size >= body.len());
        if preview.is_some() {
            wire.extend_from_slice(if whole { b"0; ieof\r\n\r\n" } else { b"0\r\n\r\n" });
        }
        if !whole {
            put(&mut wire, &body[cut..]);
            wire.extend_from_slice(b"0\r\n\r\n");
        }
        let seen = replay(&wire, piece).unwrap();
        prop_assert_eq!(seen.len(), 1);
        prop_assert!(seen[0].ended);
        prop_assert_eq!(&seen[0].body, &body);
        prop_assert_eq!(seen[0].preview, preview.filter(|_| !whole).map(|_| cut));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_loop(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        good in any::<bool>(),
        flips in proptest::collection::vec((0usize..600, any::<u8>()), 0..6),
    ) {
        let mut wire = if good { (rfc_examples::RESPMOD.to_owned() + rfc_examples::REQMOD_POST).into_bytes() } else { bytes };
        for (at, byte) in flips {
            if let Some(place) = wire.get_mut(at) {
                *place = byte;
            }
        }
        let _ = replay(&wire, 97);
    }
}
