//! What messages mean: echoes, block pages, content codings, uploads (RFC 3507 sections 3 and 4.4.2).

use crate::common::{
    GET, OK, PUT, ask_reqmod, ask_respmod, assert_204, assert_block, assert_request_echo,
    assert_response_echo, assert_still_framed, assert_unsuspected, reqmod, respmod, session,
};
use icapstan_testkit::{
    IcapClient, IcapResponse, MARKER_NAME, Message, Standalone, clean_bytes, clean_text, eicar, marker,
};

fn response_head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{fields}\r\n")
}

#[test]
fn rfc3507_4_4_2_c111_hop_by_hop_fields_are_not_passed_on() {
    let cases = [
        ("Connection: close\r\nX-A: b\r\n", "X-A: b\r\n"),
        ("Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-A: b\r\n", "X-A: b\r\n"),
        ("connection: x-hop\r\nX-HOP: 1\r\nX-Hop: 2\r\nX-Hop-Not: 3\r\n", "X-Hop-Not: 3\r\n"),
        ("Proxy-Connection: keep-alive\r\nTE: trailers\r\nX-A: b\r\n", "X-A: b\r\n"),
        ("Proxy-Authenticate: Basic realm=x\r\nX-A: b\r\n", "X-A: b\r\n"),
        ("Connection: Upgrade\r\nUpgrade: websocket\r\n", "Upgrade: websocket\r\n"),
        ("Transfer-Encoding: chunked\r\nX-A: b\r\n", "X-A: b\r\n"),
        ("Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: xchunked\r\n"),
        ("Trailer: X-Sum\r\n", "Trailer: X-Sum\r\n"),
    ];
    let mut icap = session();
    for (fields, kept) in cases {
        icap.send(respmod().response_head(response_head(fields)).body(b"harmless").bytes());
        assert_response_echo(&icap.read_respmod(), response_head(kept), b"harmless");
        let head = |fields: &str| format!("PUT http://o.test/x HTTP/1.1\r\nHost: o.test\r\n{fields}\r\n");
        icap.send(reqmod().request_head(head(fields)).body(b"harmless").bytes());
        assert_request_echo(&icap.read_reqmod(), head(kept), b"harmless");
    }
    let head = |fields: &str| format!("GET http://o.test/x HTTP/1.1\r\n{fields}Host: o.test\r\n\r\n");
    icap.send(reqmod().request_head(head("Proxy-Authorization: Basic eDp5\r\n")).bytes());
    assert_request_echo(&icap.read_reqmod(), head(""), b"");
}

/// And adds none, `Via` included (C-112).
#[test]
fn rfc3507_4_4_2_c113_an_echo_keeps_every_byte() {
    let cookies = (0..64).map(|n| format!("Set-Cookie: n{n}=v; Path=/{n}")).collect::<Vec<_>>().join("\r\n");
    let mut odd =
        b"HTTP/1.1 200 \xc3\xa9\xff odd reason\r\nx-lower:no-space\r\nX-Pad:   three   \r\nX-Empty:\r\n"
            .to_vec();
    odd.extend_from_slice(b"X-Latin: caf\xe9 \xa0\xff\r\nX-Dup: 1\r\nx-dup: 2\r\nX-DUP: 1\r\n");
    odd.extend_from_slice(cookies.as_bytes());
    odd.extend_from_slice(b"\r\n\r\n");
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nTransfer-Encoding: chunked\r\nContent-Length: 8\r\n\r\n";
    let no_reason = "HTTP/1.0 200\r\n\r\n";
    let no_reason_space = "HTTP/1.1 200 \r\nA: b\r\n\r\n";
    let mut icap = session();
    for head in [&odd[..], both.as_bytes(), no_reason.as_bytes(), no_reason_space.as_bytes()] {
        icap.send(respmod().response_head(head).body(b"harmless").bytes());
        assert_response_echo(&icap.read_respmod(), head, b"harmless");
    }
    let mut head =
        b"PUT /\xe9?\xff HTTP/1.1\r\nHost: o.test\r\nCookie: a=b; c=\xe9\r\nCOOKIE: x\r\n\r\n".to_vec();
    icap.send(reqmod().request_head(&head).body(b"harmless").bytes());
    assert_request_echo(&icap.read_reqmod(), &head, b"harmless");
    head = b"PROPFIND /dav HTTP/1.1\r\nHost: o.test\r\nDepth: 1\r\n\r\n".to_vec();
    icap.send(reqmod().request_head(&head).bytes());
    assert_request_echo(&icap.read_reqmod(), &head, b"");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_2_c115_messages_without_a_body_have_none_in_the_echo() {
    let cases = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 12345\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 301 Moved Permanently\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"),
    ];
    let mut icap = session();
    for (method, head) in cases {
        let request = format!("{method} http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n");
        let message = Message::respmod("/respmod").request_head(request).response_head(head);
        icap.send(message.bytes());
        let response = icap.read_respmod();
        assert_response_echo(&response, head, b"");
        assert!(response.body.is_none(), "null-body: {}", response.shown());
        icap.send(message.allow_204().bytes());
        assert_204(&icap.read_respmod());
    }
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_4_2_c116_an_empty_body_is_a_body() {
    let (response, mut icap) = ask_respmod(&respmod().body(b""));
    assert_response_echo(&response, OK, b"");
    icap.send(respmod().allow_204().body(b"").bytes());
    assert_204(&icap.read_respmod());
    icap.send(respmod().whole_in_preview(b"").bytes());
    assert_204(&icap.read_respmod());
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_8_2_c117_a_blocked_request_is_answered_with_an_http_response() {
    let (response, mut icap) = ask_reqmod(&reqmod().request_head(PUT).body(eicar()));
    assert_block(&response, "eicar");
    assert!(response.body.is_some());
    icap.send(reqmod().request_head(PUT).allow_204().whole_in_preview(&eicar()).bytes());
    assert_block(&icap.read_reqmod(), "eicar");
    assert_still_framed(&mut icap);
}

#[test]
fn rfc3507_4_8_2_c118_the_block_page_shows_what_it_was_given_as_text() {
    let attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'`${7*7}{{7*7}}";
    let head = format!("GET http://o.test/{attack} HTTP/1.1\r\nHost: o.test\r\nUser-Agent: {attack}\r\n\r\n");
    let message = Message::respmod("/respmod").request_head(head).response_head(OK);
    let message = message.field("X-Client-Username", attack).field("X-Client-IP", attack);
    let (response, _icap) = ask_respmod(&message.body(eicar()));
    assert_block(&response, "eicar");
    let page = String::from_utf8(response.body_data().to_vec()).expect("a page in UTF-8");
    for tag in ["<script>alert", "<img src=x", "\"><script", "\"><img"] {
        assert!(!page.contains(tag), "{tag} unescaped in\n{page}");
    }
    assert!(page.to_lowercase().contains("eicar"), "the page names the threat:\n{page}");
}

#[test]
fn rfc3507_4_4_2_c121_without_a_request_head_the_body_is_scanned() {
    let message = Message::respmod("/respmod").response_head(OK);
    let (response, _icap) = ask_respmod(&message.clone().body(eicar()));
    assert_block(&response, "eicar");
    let (response, _icap) = ask_respmod(&message.body(b"harmless"));
    assert_response_echo(&response, OK, b"harmless");
}

#[test]
fn rfc3507_4_4_2_c123_a_part_of_an_object_passes_with_its_reason() {
    let head = "HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 8-15/100\r\n\r\n";
    let (response, mut icap) = ask_respmod(&respmod().response_head(head).body(b"harmless"));
    assert_response_echo(&response, head, b"harmless");
    assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/partial-content"));
    icap.send(respmod().response_head(head).allow_204().body(b"harmless").bytes());
    let response = icap.read_respmod();
    assert_eq!(
        (response.status, response.get("X-Icapstan-Reason")),
        (204, Some("non-scanned/partial-content"))
    );
    icap.send(respmod().response_head(head).body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

#[test]
fn rfc3507_4_4_2_c123_each_part_of_several_ranges_is_scanned() {
    let ranges = "HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=B\r\n\r\n";
    let part = |content: &[u8]| {
        [
            b"--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-99/200\r\n\r\n".as_slice(),
            content,
            b"\r\n",
        ]
        .concat()
    };
    let body = [part(b"harmless"), part(&eicar()), b"--B--\r\n".to_vec()].concat();
    let (response, _icap) = ask_respmod(&respmod().response_head(ranges).body(body));
    assert_block(&response, "eicar");
}

/// A form as browsers send it, with one small field and one file.
fn form(boundary: &str, part_fields: &str, content: &[u8]) -> Vec<u8> {
    [
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--{boundary}\r\n"
        )
        .as_bytes(),
        b"Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n",
        part_fields.as_bytes(),
        b"\r\n",
        content,
        format!("\r\n--{boundary}--\r\n").as_bytes(),
    ]
    .concat()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place > group.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

fn upload(kind: &str, body: impl AsRef<[u8]>) -> IcapResponse {
    let head = format!("POST http://o.test/x HTTP/1.1\r\nHost: o.test\r\nContent-Type: {kind}\r\n\r\n");
    let (response, mut icap) = ask_reqmod(&Message::reqmod("/reqmod").request_head(head).body(body));
    assert_still_framed(&mut icap);
    response
}

#[test]
fn rfc3507_4_8_c124_threats_in_uploads_are_found_in_every_wrapping() {
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==", "as RFC 4648 encodes");
    let multipart = "multipart/form-data; boundary=\"--=_B\"";
    assert_block(
        &upload(multipart, form("--=_B", "Content-Type: application/octet-stream\r\n", &eicar())),
        "eicar",
    );
    let encoded = base64(&eicar());
    let folded = format!("{}\r\n{}", &encoded[..40], &encoded[40..]);
    let part = "Content-Transfer-Encoding: base64\r\nContent-Type: application/octet-stream\r\n";
    assert_block(&upload(multipart, form("--=_B", part, folded.as_bytes())), "eicar");
    assert_block(&upload("application/octet-stream", eicar()), "eicar");
    assert_block(&upload("text/plain", eicar()), "eicar");
    let mail = format!(
        "From: a@b.test\r\nTo: c@d.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=M\r\n\r\n--M\r\nContent-Type: text/plain\r\n\r\nhello\r\n--M\r\n\
         Content-Type: application/octet-stream; name=a.com\r\nContent-Transfer-Encoding: base64\r\n\r\n{folded}\r\n--M--\r\n"
    );
    assert_block(&upload("message/rfc822", mail), "eicar");
    let inner = form("INNER", "", &eicar());
    let nested = form("--=_B", "Content-Type: multipart/mixed; boundary=INNER\r\n", &inner);
    assert_block(&upload(multipart, nested), "eicar");
}

#[test]
fn rfc3507_4_8_c124_threats_in_fields_of_a_form_are_found_as_they_are_meant() {
    let kind = "application/x-www-form-urlencoded";
    let percent = marker().iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    assert_block(&upload(kind, format!("a=b&field={percent}&c=d")), MARKER_NAME);
    let eicar = eicar().iter().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    assert_block(&upload(kind, format!("a=b&field={eicar}")), "eicar");
    assert_block(&upload(kind, format!("{percent}=in+the+name")), MARKER_NAME);
}

#[test]
fn rfc3507_4_8_c124_clean_uploads_pass_unchanged() {
    let multipart = "multipart/form-data; boundary=B";
    let bodies = [
        (multipart, form("B", "Content-Type: text/plain\r\n", &clean_text(5000))),
        (
            multipart,
            form("B", "Content-Transfer-Encoding: base64\r\n", base64(&clean_bytes(5000, 1)).as_bytes()),
        ),
        ("application/x-www-form-urlencoded", b"a=b&c=%E9%00+x".to_vec()),
        ("application/json", b"{\"a\": [1, 2, 3]}".to_vec()),
        ("application/octet-stream", clean_bytes(70_000, 2)),
    ];
    for (kind, body) in bodies {
        let head = format!("POST http://o.test/x HTTP/1.1\r\nHost: o.test\r\nContent-Type: {kind}\r\n\r\n");
        let (response, _icap) = ask_reqmod(&Message::reqmod("/reqmod").request_head(&head).body(&body));
        assert_request_echo(&response, &head, &body);
        assert!(!response.head.has("X-Icapstan-Reason"), "{kind}: {}", response.shown());
    }
}

#[test]
fn rfc3507_4_9_2_c125_errors_of_icap_carry_no_http() {
    // The client refuses an error with any encapsulated part; here they come with a body to answer.
    for (path, status) in [("/nope", 404), ("/reqmod", 405)] {
        let message = Message::respmod(path).request_head(GET).response_head(OK).body(b"harmless");
        let (response, _icap) = ask_respmod(&message);
        assert_eq!(response.status, status);
        assert!(response.response_head.is_none() && response.body.is_none());
    }
}

#[test]
fn rfc3507_4_3_c126_fields_of_a_detection_are_there_exactly_for_detections() {
    let (response, _icap) = ask_respmod(&respmod().body(eicar()));
    assert_block(&response, "eicar");
    for message in [respmod().body(b"harmless"), respmod().allow_204().body(b"harmless"), respmod()] {
        let (response, _icap) = ask_respmod(&message);
        assert_unsuspected(&response);
        assert!(!response.head.has("X-Icapstan-Reason"), "{}", response.shown());
        assert_ne!(response.get("X-Response-Info"), Some("Blocked"));
    }
}

#[test]
fn rfc3507_4_3_c126_fields_of_a_detection_have_the_names_and_are_those_that_are_set() {
    let config = "detectionHeaders: {threat: X-Threat-Name, databaseTime: X-Database-Time, description: true, violations: true}";
    let server = Standalone::with().config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().body(eicar()).bytes());
    let response = icap.read_respmod();
    assert!(
        response.get("X-Infection-Found").is_some_and(|value| value.starts_with("Type=0; Resolution=2; "))
    );
    let threat = response.get("X-Threat-Name").expect("the name of the threat").to_owned();
    assert!(threat.to_lowercase().contains("eicar") && !response.head.has("X-Virus-ID"));
    assert_eq!(response.get("X-Response-Desc"), Some("Malware detected"));
    assert_eq!(response.get("X-Violations-Found"), Some(format!("1 x {threat} 0 2").as_str()));
    let time = response.get("X-Database-Time").expect("when signatures were made").to_owned();
    assert!(time.ends_with(" GMT"), "{time}");
    icap.send(respmod().body(b"harmless").bytes());
    let response = icap.read_respmod();
    for name in
        ["X-Infection-Found", "X-Threat-Name", "X-Database-Time", "X-Response-Desc", "X-Violations-Found"]
    {
        assert!(!response.head.has(name), "{}", response.shown());
    }
    icap.send(Message::options("/respmod").bytes());
    let response = icap.read_options();
    let out = response.get("X-Allow-Out").expect("what answers may have");
    assert!(out.contains("X-Threat-Name") && out.contains("X-Violations-Found"), "{out}");
}

#[test]
fn rfc3507_4_4_2_c120_each_form_of_a_url_is_taken() {
    let mut icap = session();
    for line in [
        "GET http://o.test/x HTTP/1.1",
        "GET http://O.Test:80/x HTTP/1.1",
        "GET /x HTTP/1.1",
        "GET /x HTTP/1.0",
        "GET http://[2001:db8::1]:8080/x?a=b#c HTTP/1.1",
        "GET http://user:secret@o.test/ HTTP/1.1",
        "GET http://o.test./%2e%2e/%00 HTTP/1.1",
        "GET http://xn--bcher-kva.test/ HTTP/1.1",
        "CONNECT o.test:443 HTTP/1.1",
        "CONNECT [::1]:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET ftp://o.test/x HTTP/1.1",
        "GET urn:isbn:0451450523 HTTP/1.1",
        "GET ?x HTTP/1.1",
        "GET http:// HTTP/1.1",
        "GET http://o.test:99999/ HTTP/1.1",
    ] {
        icap.send(reqmod().request_head(format!("{line}\r\nHost: o.test\r\n\r\n")).allow_204().bytes());
        let response = icap.read_reqmod();
        assert_204(&response);
    }
    assert_still_framed(&mut icap);
}
