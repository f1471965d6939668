//! `policies[].skip`: what an administrator leaves out is not scanned, is told, and is nothing else.

use crate::common::{assert_block, assert_refused, assert_response_echo, assert_still_framed};
use icapstan_testkit::http::Request;
use icapstan_testkit::{
    IcapClient, IcapResponse, Kind, Message, Origin, Reply, Squid, Standalone, chunked, clean_bytes,
    eventually, gzip, marker, sha256_hex, skipped, tempdir,
};

const CONFIG: &str = "
log: {format: json}
services:
- {path: /respmod, modes: [RESPMOD], scan: content}
- {path: /reqmod, modes: [REQMOD], scan: content}
- {path: /echo, modes: [RESPMOD], scan: content, allow204: false}
- {path: /partial, modes: [RESPMOD], scan: content, allow206: true}
policies:
- name: default
  scan: {maxObjectSize: 2Mi}
  skip:
  - {name: pictures, when: {types: [image/png]}}
  - {name: large, when: {size: {min: 1Mi}, types: [application/octet-stream]}}
  - {name: any-large, when: {size: {min: 1Mi}, hosts: [large.test]}}
  - {name: notes, when: {size: {max: 1Ki}, hosts: [notes.test]}}
  - {name: friends, when: {hosts: ['*.friend.test']}}
  rules:
  - {name: programs, verdict: CLEAN, when: {urls: ['*.exe']}, action: {block: refused}}
";

const MEBI: usize = 1 << 20;

/// Infected, and begins like a PNG.
fn picture(len: usize) -> Vec<u8> {
    let front = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", marker().as_slice()].concat();
    let rest = clean_bytes(len - front.len(), 5);
    [front, rest].concat()
}

/// Infected, and begins like nothing in particular.
fn octets(len: usize) -> Vec<u8> {
    let front = [b"\x01\x02\x03\x04", marker().as_slice()].concat();
    [front.clone(), clean_bytes(len - front.len(), 6)].concat()
}

fn head(claimed: Option<usize>, more: &str) -> String {
    let claim = claimed.map(|len| format!("Content-Length: {len}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 200 OK\r\n{claim}{more}\r\n")
}

fn download(service: &str, url: &str, response: &str) -> Message {
    let host = url.split('/').nth(2).unwrap_or_default();
    let request = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    Message::respmod(service).request_head(request).response_head(response)
}

fn start() -> (Standalone, IcapClient) {
    let server = Standalone::with().config(CONFIG).start();
    let icap = IcapClient::connect(server.icap());
    (server, icap)
}

fn ask(icap: &mut IcapClient, message: &Message) -> IcapResponse {
    icap.send(message.bytes());
    icap.read_respmod()
}

/// It passed, and nobody looked at it.
#[track_caller]
fn assert_excluded(response: &IcapResponse) {
    assert_eq!(response.status, 204, "{}", response.shown());
    assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/excluded"));
}

#[track_caller]
fn assert_counted(server: &Standalone, line: &str) {
    let metrics = server.metrics();
    assert!(metrics.lines().any(|known| known == line), "{line}: {metrics}");
}

#[test]
fn a_type_is_left_out_by_its_preview_and_the_rest_is_never_asked_for() {
    let (server, mut icap) = start();
    let (url, plain) = ("http://o.test/x", head(None, ""));
    // Preview shorter than the body: the first answer is the last.
    assert_excluded(&ask(&mut icap, &download("/respmod", url, &plain).preview(&picture(4096))));
    assert_still_framed(&mut icap);
    // All of it in the preview, and no preview at all.
    assert_excluded(&ask(&mut icap, &download("/respmod", url, &plain).whole_in_preview(&picture(300))));
    assert_excluded(&ask(&mut icap, &download("/respmod", url, &plain).allow_204().body(picture(70_000))));
    // Behind a content coding.
    let coded = download("/respmod", url, &head(None, "Content-Encoding: gzip\r\n"));
    assert_excluded(&ask(&mut icap, &coded.preview(&gzip(&picture(30_000))[..4096])));
    // Whatever is said of it, another type is scanned.
    let lie = head(None, "Content-Type: image/png\r\n");
    assert_block(&ask(&mut icap, &download("/respmod", url, &lie).whole_in_preview(&octets(4000))), "marker");
    assert_counted(&server, "icapstan_gateway_skips_total{skip=\"pictures\"} 4");
    assert_counted(&server, "icapstan_gateway_reasons_total{reason=\"excluded\",verdict=\"non-scanned\"} 4");
    eventually("the log tells", || {
        let told = server.process().logs().lines();
        told.iter()
            .any(|line| line.contains("\"skip\":\"pictures\"") && line.contains("non-scanned/excluded"))
            .then_some(())
    });
}

#[test]
fn with_a_preview_of_nothing_a_type_is_told_once_the_body_is_here() {
    let (_server, mut icap) = start();
    for preview in [0, 100] {
        let body = picture(9000);
        let message = download("/respmod", "http://o.test/x", &head(None, ""));
        assert_eq!(ask(&mut icap, &message.clone().preview(&body[..preview])).status, 100);
        icap.send(chunked(&body[preview..]));
        // After 100 the right to 204 is over.
        let response = icap.read_respmod();
        assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/excluded"));
        assert_response_echo(&response, head(None, ""), &body);
        assert_eq!(ask(&mut icap, &message.allow_204().preview(&body[..preview])).status, 100);
        icap.send(chunked(&body[preview..]));
        assert_excluded(&icap.read_respmod());
    }
    assert_still_framed(&mut icap);
}

#[test]
fn where_204_is_not_to_be_had_the_body_is_sent_back() {
    let (_server, mut icap) = start();
    let body = picture(3 * MEBI);
    let message = download("/echo", "http://o.test/x", &head(Some(body.len()), ""));
    assert_eq!(ask(&mut icap, &message.clone().preview(&body[..4096])).status, 100);
    // Larger than what is ever stored: it goes through as it comes.
    let response = icap.send_while(&chunked(&body[4096..]), IcapClient::read_respmod);
    assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/excluded"));
    assert_response_echo(&response, head(Some(body.len()), ""), &body);
    let small = download("/echo", "http://o.test/x", &head(None, "")).whole_in_preview(&body[..4000]);
    assert_response_echo(&ask(&mut icap, &small), head(None, ""), &body[..4000]);
    assert_still_framed(&mut icap);
    // By 206 the client keeps its own.
    let partial = download("/partial", "http://o.test/x", &head(None, "")).field("Allow", "206");
    let response = ask(&mut icap, &partial.preview(&body[..4096]));
    assert!(matches!(response.status, 204 | 206), "{}", response.shown());
    assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/excluded"));
}

#[test]
fn a_length_is_believed_until_the_body_turns_out_otherwise() {
    let (_server, mut icap) = start();
    let large = "http://large.test/x";
    let claims = |claimed: usize, more: &str| download("/respmod", large, &head(Some(claimed), more));
    // Long enough by its own word.
    assert_excluded(&ask(&mut icap, &claims(MEBI, "").preview(&octets(4096))));
    assert_excluded(&ask(&mut icap, &claims(MEBI, "").preview(b"")));
    // Too short, by its own word; by that of two fields that contradict each other; and by nobody's.
    let contradiction = format!("Content-Length: {}\r\n", 2 * MEBI);
    for message in [
        claims(MEBI - 1, ""),
        claims(MEBI, &contradiction),
        claims(MEBI, "Transfer-Encoding: chunked\r\n"),
        download("/respmod", large, &head(None, "")),
    ] {
        assert_eq!(ask(&mut icap, &message.preview(&octets(4096))).status, 100);
        icap.send(chunked(b"the end"));
        assert_block(&icap.read_respmod(), "marker");
    }
    // Said to be long, and it ends in the preview or without one.
    assert_block(&ask(&mut icap, &claims(MEBI, "").whole_in_preview(&octets(4000))), "marker");
    assert_block(&ask(&mut icap, &claims(MEBI, "").allow_204().body(octets(4000))), "marker");
    // Said to be short, and long in truth: that counts.
    assert_eq!(ask(&mut icap, &claims(100, "").allow_204().preview(&octets(4096))).status, 100);
    icap.send(chunked(&clean_bytes(MEBI - 4096, 1)));
    assert_excluded(&icap.read_respmod());

    // Small ones are told by their end only, whatever they say.
    let notes = |claimed| download("/respmod", "http://notes.test/x", &head(claimed, ""));
    assert_excluded(&ask(&mut icap, &notes(None).whole_in_preview(&octets(1024))));
    assert_block(&ask(&mut icap, &notes(Some(100)).whole_in_preview(&octets(1025))), "marker");
    assert_eq!(ask(&mut icap, &notes(Some(100)).preview(&octets(50))).status, 100);
    icap.send(chunked(&octets(5000)));
    assert_block(&icap.read_respmod(), "marker");
}

#[test]
fn what_is_sent_back_as_long_and_ends_early_is_cut() {
    for (rest, whole) in [(MEBI - 4096, true), (MEBI - 4097, false), (0, false)] {
        let (_server, mut icap) = start();
        let message = download("/echo", "http://large.test/x", &head(Some(MEBI), ""));
        assert_eq!(ask(&mut icap, &message.preview(&octets(4096))).status, 100);
        let answer = icap.send_while(&chunked(&clean_bytes(rest, 1)), |icap| icap.try_read(Kind::Respmod));
        match answer {
            Ok(response) => assert!(whole && response.body_data().len() == MEBI, "{rest}"),
            Err(_) => assert!(!whole, "{rest}"),
        }
    }
}

#[test]
fn rules_and_url_lists_are_asked_all_the_same() {
    let folder = tempdir();
    std::fs::write(folder.path().join("bad"), "bad.friend.test\n").expect("the folder is writable");
    let lists = format!(
        "urlLists: {{sources: [{{name: bad, kind: malware, format: plain, path: {}/bad}}]}}\n",
        folder.path().display()
    );
    let config = format!("{lists}{}", CONFIG.replace("scan: content}", "scan: all}"));
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let get = |url: &str| download("/respmod", url, &head(None, "")).preview(&octets(4096));
    assert_excluded(&ask(&mut icap, &get("http://good.friend.test/x")));
    assert_block(&ask(&mut icap, &get("http://bad.friend.test/x")), "URL.bad");
    // Answered before the preview was read, which ends the connection.
    let mut icap = IcapClient::connect(server.icap());
    let program = ask(&mut icap, &get("http://good.friend.test/x.exe"));
    assert_refused(&program);
    assert!(!program.head.has("X-Virus-ID"), "{}", program.shown());
}

#[test]
fn of_a_piece_the_type_is_not_known_and_it_is_scanned() {
    let (_server, mut icap) = start();
    for response in [
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3999/9000\r\n\r\n".to_owned(),
        head(None, "Content-Range: bytes 0-3999/9000\r\n"),
    ] {
        let message = download("/respmod", "http://o.test/x", &response);
        assert_block(&ask(&mut icap, &message.whole_in_preview(&picture(4000))), "marker");
    }
}

#[test]
fn uploads_are_left_out_likewise() {
    let (_server, mut icap) = start();
    let put = "PUT http://a.friend.test/x HTTP/1.1\r\nHost: a.friend.test\r\n\r\n";
    icap.send(Message::reqmod("/reqmod").request_head(put).preview(&octets(4096)).bytes());
    assert_excluded(&icap.read_reqmod());
}

#[test]
fn squid_gets_what_is_left_out_and_never_sends_more_than_its_preview() {
    if skipped("squid") {
        return;
    }
    let config = CONFIG.replace("/respmod, modes: [RESPMOD]", "/respmod, preview: 1Ki, modes: [RESPMOD]");
    let server = Standalone::with().config(&config).start();
    let (squid, origin) = (Squid::start(server.icap()), Origin::start());
    let body = picture(3 * MEBI);
    let url = origin.put("/picture", Reply::bytes(body.clone()));
    let response = Request::get(&url).through(squid.proxy());
    assert_eq!((response.status, sha256_hex(&response.body)), (200, sha256_hex(&body)));
    assert_counted(&server, "icapstan_gateway_skips_total{skip=\"pictures\"} 1");
    let received = server.metric("icapstan_icap_received_bytes_total", "");
    assert!(received < 100_000.0, "{received} bytes went to the server");
    let url = origin.put("/octets", Reply::bytes(octets(70_000)));
    assert_eq!(Request::get(&url).through(squid.proxy()).status, 403);
    squid.assert_no_icap_error();
}
