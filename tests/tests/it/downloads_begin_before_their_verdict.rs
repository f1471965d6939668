//! Partial mode: the beginning of a slow download goes out before its verdict, and nothing that does harm.

use crate::common::{GET, assert_block, assert_still_framed, reqmod, shared};
use crate::worker_faults::{Family, signal};
use icapstan_testkit::http::Request;
use icapstan_testkit::{
    Framing, Head, IcapClient, Message, Origin, Reply, Squid, Standalone, chunked, clean_bytes, clean_text,
    eventually, gzip, marker, skipped,
};
use parking_lot::Mutex;
use std::io::Read;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// As by default, but sooner.
const CONFIG: &str = "
policies:
- name: default
  scan: {maxObjectSize: 30Mi, timeout: 60s}
  partial: {delay: 1s}
timeouts: {bodyIdle: 4s}
";
const DELAY: Duration = Duration::from_secs(1);
const CHUNK: usize = 4096;
const TAIL: usize = 16 * 1024;

/// Shared by the tests that run at one time.
fn server() -> Arc<Standalone> {
    static SHARED: Mutex<Weak<Standalone>> = Mutex::new(Weak::new());
    shared(&SHARED, || Standalone::with().config(CONFIG).start())
}

/// A response head for a type.
fn head(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n")
}

fn download(path: &str, fields: &str) -> Message {
    let get = GET.replace("/x", path);
    Message::respmod("/respmod").request_head(get).response_head(head(fields))
}

/// One chunk, with more to come.
fn piece(bytes: &[u8]) -> Vec<u8> {
    let framed = chunked(bytes);
    framed[..framed.len() - b"0\r\n\r\n".len()].to_vec()
}

/// What comes by and by, as it comes.
struct Slow {
    icap: IcapClient,
    begun: Instant,
    came: Vec<u8>,
}

impl Slow {
    /// Sends the request with the beginning of its body.
    fn begin(message: &Message, server: &Standalone, front: &[u8]) -> Self {
        let mut icap = IcapClient::connect(server.icap());
        let begun = Instant::now();
        icap.send(message.clone().framed_body(piece(front)).bytes());
        Self { icap, begun, came: Vec::new() }
    }

    fn read_some(&mut self) {
        let mut block = [0; 8192];
        let got = self.icap.stream().read(&mut block).expect("the answer goes on");
        assert!(got > 0, "the answer ended after {} bytes", self.came.len());
        self.came.extend_from_slice(&block[..got]);
    }

    /// Waits until the heads and so many bytes of body, or more, are here; when they were.
    fn wait_for(&mut self, count: usize) -> Duration {
        while self.body().is_none_or(|body| body.len() < count) {
            self.read_some();
        }
        self.begun.elapsed()
    }

    /// The bytes of the body that are here, without framing.
    fn body(&self) -> Option<Vec<u8>> {
        let ends: Vec<_> = self
            .came
            .windows(4)
            .enumerate()
            .filter(|(_, four)| four == b"\r\n\r\n")
            .map(|(at, _)| at + 4)
            .collect();
        let mut rest = &self.came[*ends.get(1)?..];
        let mut body = Vec::new();
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).expect("a size");
            let data = &rest[end + 2..];
            body.extend_from_slice(&data[..size.min(data.len())]);
            rest = data.get(size + 2..).unwrap_or_default();
        }
        Some(body)
    }

    fn icap_head(&self) -> Head {
        let end = self.came.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        Head::of(&self.came[..end + 4])
    }

    /// Sends the rest of the body; the whole answer.
    fn finish(mut self, rest: &[u8]) -> Vec<u8> {
        self.icap.send(chunked(rest));
        while !self.came.ends_with(b"0\r\n\r\n") {
            self.read_some();
        }
        self.body().expect("heads and body")
    }
}

#[test]
fn a_download_begins_after_the_delay_goes_on_at_its_pace_and_then_at_full_speed() {
    let server = server();
    let body = clean_bytes(200_000, 1);
    let message = download("/paced", "Content-Type: application/octet-stream\r\nContent-Length: 200000\r\n");
    let mut slow = Slow::begin(&message, &server, &body[..60_000]);
    for chunks in 1..=3 {
        let at = slow.wait_for(1);
        assert!(at >= DELAY, "after {at:?}");
        let at = slow.wait_for(chunks * CHUNK);
        let soonest = DELAY + Duration::from_secs(chunks as u64 - 1);
        assert!(at >= soonest, "{chunks} chunks after {at:?}");
        let out = slow.body().unwrap().len();
        let most = usize::try_from(at.as_secs()).unwrap_or(usize::MAX) * CHUNK;
        assert!(out <= most, "{out} bytes after {at:?}");
    }
    assert_eq!(slow.icap_head().get("X-Icapstan-Reason"), Some("undecided"));
    assert!(!slow.icap_head().has("Trailer"), "it was not asked for");
    let rest = Instant::now();
    assert!(slow.finish(&body[60_000..]) == body);
    assert!(rest.elapsed() < Duration::from_secs(20), "140,000 bytes would take 34 s by chunks");
    assert!(released(&server).is_some_and(|count| count > 0));
}

#[test]
fn the_last_bytes_of_what_has_come_stay_here() {
    let server = server();
    let body = clean_bytes(TAIL + 1000, 2);
    let mut slow =
        Slow::begin(&download("/tail", "Content-Type: application/octet-stream\r\n"), &server, &body);
    slow.wait_for(1);
    assert!(slow.icap.is_silent_for(Duration::from_millis(1500)));
    assert!(slow.body().unwrap() == body[..1000]);
    assert!(slow.finish(&body) == [&body[..], &body].concat());
    // And what is no longer than that is answered at once or not at all.
    let mut short = Slow::begin(
        &download("/short", "Content-Type: application/octet-stream\r\n"),
        &server,
        &body[..TAIL],
    );
    assert!(short.icap.is_silent_for(DELAY * 2));
}

#[test]
fn what_does_harm_before_it_is_whole_is_kept_back() {
    let server = server();
    let text = clean_text(50_000);
    let page = [b"<!DOCTYPE html><title>x</title>", &text[..]].concat();
    let bytes = clean_bytes(50_000, 3);
    let kept = [
        ("Content-Type: text/html\r\n", &bytes),
        ("Content-Type: TEXT/HTML; charset=utf-8\r\n", &bytes),
        ("Content-Type: image/png\r\nContent-Type: application/javascript\r\n", &bytes),
        ("Content-Type: application/octet-stream\r\n", &text),
        ("Content-Type: application/octet-stream\r\n", &page),
        ("", &page),
        (
            "Content-Type: image/png\r\nContent-Encoding: gzip\r\n",
            &gzip(&[page.clone(), bytes.clone()].concat()),
        ),
        ("Content-Type: image/png\r\nContent-Encoding: secret\r\n", &bytes),
        ("Content-Type: image/png\r\nContent-Range: bytes 0-99999/200000\r\n", &bytes),
    ];
    thread::scope(|scope| {
        for (fields, body) in kept {
            let server = &server;
            scope.spawn(move || {
                let mut slow =
                    Slow::begin(&download("/kept", fields), server, &body[..50_000.min(body.len())]);
                assert!(slow.icap.is_silent_for(DELAY * 2), "{fields}");
                // Every answer is possible still.
                slow.icap.send(chunked(&marker()));
                assert_block(&slow.icap.read_respmod(), "marker");
            });
        }
        let server = &server;
        scope.spawn(move || {
            let message = Message::reqmod("/reqmod")
                .request_head("PUT http://o.test/up HTTP/1.1\r\nHost: o.test\r\n\r\n");
            let mut slow = Slow::begin(&message, server, &clean_bytes(50_000, 4));
            assert!(slow.icap.is_silent_for(DELAY * 2), "uploads wait");
        });
    });
}

#[test]
fn what_is_malware_from_its_beginning_gets_a_page() {
    let server = server();
    let front = [marker(), clean_bytes(40_000, 5)].concat();
    let mut slow =
        Slow::begin(&download("/begins-bad", "Content-Type: application/octet-stream\r\n"), &server, &front);
    let response = slow.icap.read_respmod();
    assert_block(&response, "marker");
    assert!(slow.begun.elapsed() >= DELAY);
}

#[test]
fn what_turns_out_to_be_malware_is_cut_and_whoever_asks_again_gets_the_page() {
    let server = server();
    let message = download("/ends-bad", "Content-Type: application/octet-stream\r\n");
    let mut slow = Slow::begin(&message, &server, &clean_bytes(40_000, 6));
    slow.wait_for(CHUNK);
    slow.icap.send(chunked(&marker()));
    let mut rest = Vec::new();
    // A reset, or the end.
    let _ = slow.icap.stream().read_to_end(&mut rest);
    slow.came.extend(rest);
    assert!(!slow.came.ends_with(b"0\r\n\r\n"), "it looks complete");
    assert!(slow.body().unwrap().len() <= 40_000 - TAIL);
    // Wherever that is: of several gateways the others know it a moment later.
    let response = eventually("a request for it is refused", || {
        let mut again = IcapClient::connect(server.icap());
        again.send(reqmod().request_head(GET.replace("/x", "/ends-bad")).bytes());
        Some(again.read_reqmod()).filter(|response| response.get("X-Virus-ID").is_some())
    });
    assert_block(&response, "marker");
    let response = eventually("a response to it is refused", || {
        let mut again = IcapClient::connect(server.icap());
        again.send(message.clone().body(clean_bytes(10, 7)).bytes());
        Some(again.read_respmod()).filter(|response| response.get("X-Virus-ID").is_some())
    });
    assert_block(&response, "marker");
}

#[test]
fn the_outcome_comes_as_a_trailer_to_who_takes_one() {
    let server = server();
    let body = clean_bytes(60_000, 8);
    let message =
        download("/trailer", "Content-Type: application/octet-stream\r\n").field("Allow", "204, trailers");
    let mut slow = Slow::begin(&message, &server, &body);
    slow.wait_for(1);
    assert_eq!(slow.icap_head().get("Trailer"), Some("X-Icapstan-Reason"));
    assert!(slow.icap_head().names("Allow", "trailers"));
    slow.icap.send(chunked(b"end"));
    while !slow.came.ends_with(b"0\r\n\r\nX-Icapstan-Reason: clean\r\n\r\n") {
        slow.read_some();
    }
    assert_still_framed(&mut slow.icap);
}

#[test]
fn a_download_goes_on_while_it_is_scanned() {
    let server = Standalone::with().config(CONFIG).start();
    let family = Family::of(&server);
    let body = clean_bytes(100_000, 9);
    let stopped = Stopped::these(&family.workers);
    let message = download("/scanned", "Content-Type: application/octet-stream\r\n");
    let mut icap = IcapClient::connect(server.icap());
    let begun = Instant::now();
    icap.send(message.body(&body).bytes());
    let mut slow = Slow { icap, begun, came: Vec::new() };
    assert!(slow.wait_for(CHUNK) >= DELAY);
    assert!(slow.wait_for(2 * CHUNK) >= DELAY + Duration::from_secs(1));
    drop(stopped);
    while !slow.came.ends_with(b"0\r\n\r\n") {
        slow.read_some();
    }
    assert!(slow.body().unwrap() == body);
    assert_still_framed(&mut slow.icap);
}

/// Those that scan files take what has begun for clean.
#[test]
fn who_reads_the_verdict_from_the_head_gets_it_there() {
    let server = Standalone::with().config(CONFIG).start();
    let family = Family::of(&server);
    let stopped = Stopped::these(&family.workers);
    let mut icap = IcapClient::connect(server.icap());
    let head = head("Content-Type: application/octet-stream\r\n");
    let body = [clean_bytes(100_000, 13), marker()].concat();
    icap.send(Message::respmod("/avscan").request_head(GET).response_head(head).body(&body).bytes());
    assert!(icap.is_silent_for(DELAY * 3));
    drop(stopped);
    assert_block(&icap.read_respmod(), "marker");
}

/// Processes that stand still until this is dropped.
struct Stopped<'p>(&'p [u32]);

impl<'p> Stopped<'p> {
    fn these(pids: &'p [u32]) -> Self {
        signal("STOP", pids);
        Self(pids)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        signal("CONT", self.0);
    }
}

#[test]
fn a_client_that_stops_sending_is_given_up_although_it_gets_chunks() {
    let server = server();
    let message = download("/stops", "Content-Type: application/octet-stream\r\n");
    let mut slow = Slow::begin(&message, &server, &clean_bytes(60_000, 10));
    slow.wait_for(CHUNK);
    let mut rest = Vec::new();
    let _ = slow.icap.stream().read_to_end(&mut rest);
    let at = slow.begun.elapsed();
    assert!(at >= Duration::from_secs(4) && at < Duration::from_secs(30), "ended after {at:?}");
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[test]
fn partial_mode_can_be_off() {
    let server = Standalone::with()
        .config("policies: [{name: default, partial: {enabled: false, delay: 1s}}]")
        .start();
    let message = download("/off", "Content-Type: application/octet-stream\r\n");
    let mut slow = Slow::begin(&message, &server, &clean_bytes(60_000, 11));
    assert!(slow.icap.is_silent_for(DELAY * 2));
    slow.icap.send(chunked(&marker()));
    assert_block(&slow.icap.read_respmod(), "marker");
}

#[test]
fn squid_hands_on_what_begins_early_and_cuts_what_is_malware() {
    if skipped("squid") {
        return;
    }
    let server = Standalone::with().config(CONFIG).start();
    let (squid, origin) = (Squid::start(server.icap()), Origin::start());
    let family = Family::of(&server);
    for (name, framing) in [("length", Framing::KnownLength), ("chunks", Framing::Chunked(8000))] {
        let clean = clean_bytes(20_000_000, 12);
        let url = origin.put(&format!("/early/{name}"), Reply::bytes(clean.clone()).framing(framing));
        let stopped = Stopped::these(&family.workers);
        let asked = thread::spawn({
            let proxy = squid.proxy();
            move || Request::get(&url).through(proxy)
        });
        eventually("it has begun", || released(&server).filter(|count| *count > 0));
        drop(stopped);
        let response = asked.join().unwrap();
        assert!(response.status == 200 && response.body == clean, "{name}");
        let bad = [clean, marker()].concat();
        let url = origin.put(&format!("/early-bad/{name}"), Reply::bytes(bad.clone()).framing(framing));
        match Request::get(&url).try_through(squid.proxy()) {
            Ok(response) => assert_eq!(response.status, 403, "{name}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{name}"),
        }
        assert_eq!(Request::get(&url).through(squid.proxy()).status, 403, "{name}, asked again");
    }
}

fn released(server: &Standalone) -> Option<u64> {
    let metrics = server.metrics();
    metrics.lines().find_map(|line| line.strip_prefix("icapstan_gateway_released_total "))?.parse().ok()
}
