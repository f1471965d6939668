//! Squid, unchanged from Debian, with `bypass=off`: whatever fails on the way is seen by the user.

use crate::common::shared;
use icapstan_testkit::http::{Request, Response, tunnel};
use icapstan_testkit::{
    Framing, Origin, Relay, Reply, Squid, Standalone, brotli, clean_bytes, clean_text, deflate, eicar, gzip,
    marker, sha256_hex, skipped, zstd,
};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

const SIZES: [usize; 5] = [0, 1, 65_535, 65_536, 20_000_000];
const FRAMINGS: [(&str, Framing); 2] = [("length", Framing::KnownLength), ("chunks", Framing::Chunked(8000))];

/// Squid 5.7 takes a full buffer for the end of a client that uploads faster than it can pass on: it then
/// reads zero bytes, and closes ("request buffer full ... closed?" with `debug_options 33,5`).
const ROOM_FOR_UPLOADS: &str = "client_request_buffer_max_size 64 MB";

/// Origin, Squid and server, and a relay between the latter.
struct Rig {
    origin: Origin,
    squid: Squid,
    relay: Relay,
    server: Standalone,
}

impl Rig {
    fn start() -> Self {
        let config = "policies:\n  - {name: default, scan: {maxObjectSize: 32Mi}}\n";
        let server = Standalone::with().config(config).start();
        let relay = Relay::start(server.icap());
        let squid = Squid::start_with(relay.address(), ROOM_FOR_UPLOADS);
        Self { origin: Origin::start(), squid, relay, server }
    }

    fn proxy(&self) -> SocketAddr {
        self.squid.proxy()
    }

    #[track_caller]
    fn get(&self, url: &str) -> Response {
        Request::get(url).through(self.proxy())
    }

    /// Served no faster than Squid passes it on: see [`PACE`](icapstan_testkit::PACE).
    fn put_paced(&self, path: &str, body: &[u8], framing: Framing) -> String {
        self.origin.put(path, Reply::bytes(body).framing(framing).paced_by(self.relay.meter()))
    }

    /// No ICAP transaction failed until now, for Squid or for the server.
    #[track_caller]
    fn assert_no_failure(&self) {
        self.squid.assert_no_icap_error();
        let logs = self.server.process().logs().lines();
        let bad: Vec<_> = logs
            .iter()
            .filter(|line| line.contains("\"level\":\"ERROR\"") || line.contains("panicked"))
            .collect();
        assert!(bad.is_empty(), "the server's log: {bad:#?}");
    }
}

/// One that is shared by the tests that run at one time.
fn rig() -> Option<Arc<Rig>> {
    static SHARED: Mutex<Weak<Rig>> = Mutex::new(Weak::new());
    if skipped("squid") { None } else { Some(shared(&SHARED, Rig::start)) }
}

/// One of its own, for tests that count what passes or that load it.
fn own_rig() -> Option<Rig> {
    if skipped("squid") { None } else { Some(Rig::start()) }
}

#[track_caller]
fn assert_blocked(response: &Response, what: &str) {
    assert_eq!(response.status, 403, "{what}");
    let page = String::from_utf8_lossy(&response.body);
    assert!(!page.contains("ERR_ICAP_FAILURE"), "{what}: a failure of Squid's, not our page");
    assert!(page.contains("icapstan") || page.to_lowercase().contains("blocked"), "{what}: {page}");
    assert!(response.head.names("Cache-Control", "no-store"), "{what}");
}

#[test]
fn squid_passes_clean_downloads_of_all_sizes_unchanged() {
    let Some(rig) = own_rig() else { return };
    for size in SIZES {
        let body = clean_bytes(size, size as u64);
        for (name, framing) in FRAMINGS {
            let response = rig.get(&rig.put_paced(&format!("/clean/{name}/{size}"), &body, framing));
            assert_eq!((response.status, response.body.len()), (200, size), "{name}");
            assert_eq!(sha256_hex(&response.body), sha256_hex(&body), "{size} bytes by {name}");
        }
    }
    rig.squid.wait_for_log("responses", SIZES.len() * 2, |line| line.method == "RESPMOD");
    rig.assert_no_failure();
}

#[test]
fn squid_blocks_infected_downloads_of_all_sizes() {
    let Some(rig) = own_rig() else { return };
    for size in SIZES {
        let body = [clean_bytes(size, size as u64), marker()].concat();
        for (name, framing) in FRAMINGS {
            let url = rig.put_paced(&format!("/bad/{name}/{size}"), &body, framing);
            assert_blocked(&rig.get(&url), &format!("{size} bytes by {name}"));
        }
    }
    let url = rig.origin.put("/eicar.com", Reply::bytes(eicar()));
    assert_blocked(&rig.get(&url), "EICAR");
    rig.assert_no_failure();
}

/// Where Squid stops reading (bug 5352) until it gets something back, a large object from a fast
/// origin arrives all the same.
#[test]
fn squid_downloads_from_a_fast_origin_arrive_unchanged() {
    let Some(rig) = own_rig() else { return };
    for size in [70_000, 1_000_000, 20_000_000] {
        let body = clean_bytes(size, size as u64);
        for (name, framing) in FRAMINGS {
            let url =
                rig.origin.put(&format!("/fast/{name}/{size}"), Reply::bytes(body.clone()).framing(framing));
            let response = rig.get(&url);
            assert_eq!((response.status, response.body.len()), (200, size), "{name}");
            assert_eq!(sha256_hex(&response.body), sha256_hex(&body), "{size} bytes by {name}");
        }
    }
    rig.assert_no_failure();
}

/// What part of it had to be let go to get the rest, is not the whole; and who asks again is told.
#[test]
fn squid_downloads_from_a_fast_origin_never_deliver_a_whole_threat() {
    let Some(rig) = own_rig() else { return };
    for size in [70_000, 1_000_000, 20_000_000] {
        let body = [clean_bytes(size, size as u64), marker()].concat();
        for (name, framing) in FRAMINGS {
            let url = rig
                .origin
                .put(&format!("/fast-bad/{name}/{size}"), Reply::bytes(body.clone()).framing(framing));
            // An answer cut short is an error of the client's, and as good as a page.
            if let Ok(response) = Request::get(&url).try_through(rig.proxy()) {
                assert_blocked(&response, &format!("{size} bytes by {name}"));
            }
            assert_blocked(&rig.get(&url), &format!("{size} bytes by {name}, asked again"));
        }
    }
}

#[test]
fn squid_passes_clean_uploads_unchanged_and_keeps_infected_ones_from_the_origin() {
    let Some(rig) = rig() else { return };
    for method in ["POST", "PUT"] {
        for size in SIZES {
            let body = clean_bytes(size, size as u64 + 1);
            let wanted = format!("{} {size}", sha256_hex(&body));
            let request = Request::new(method, &rig.origin.url("/echo"));
            for request in [request.clone().body(&body), request.clone().chunked_body(&body, 8000)] {
                let response = request.through(rig.proxy());
                assert_eq!(
                    (response.status, String::from_utf8_lossy(&response.body)),
                    (200, wanted.clone().into())
                );
            }
            let path = format!("/never/{method}/{size}");
            let bad = [body, marker()].concat();
            let request = Request::new(method, &rig.origin.put(&path, Reply::bytes(*b"it came through")));
            for request in [request.clone().body(&bad), request.clone().chunked_body(&bad, 8000)] {
                assert_blocked(&request.through(rig.proxy()), &path);
            }
            assert!(rig.origin.seen(&path).is_empty(), "{path}: an infected upload reached the origin");
        }
    }
    rig.assert_no_failure();
}

#[test]
fn squid_passes_encoded_bodies_unchanged_and_blocks_what_they_hide() {
    type Coder = fn(&[u8]) -> Vec<u8>;
    let Some(rig) = rig() else { return };
    let coders: [(&str, Coder); 4] = [("gzip", gzip), ("deflate", deflate), ("br", brotli), ("zstd", zstd)];
    for (coding, encode) in coders {
        for (name, framing) in FRAMINGS {
            let reply =
                |body: &[u8]| Reply::bytes(encode(body)).field("Content-Encoding", coding).framing(framing);
            for size in [0, 1, 65_536, 1_000_000] {
                let text = clean_text(size);
                let url = rig.origin.put(&format!("/coded/{coding}/{name}/{size}"), reply(&text));
                let response = rig.get(&url);
                assert_eq!(response.head.get("Content-Encoding"), Some(coding));
                assert!(
                    response.status == 200 && response.body == encode(&text),
                    "{size} bytes as {coding} by {name}"
                );
                let url = rig
                    .origin
                    .put(&format!("/coded-bad/{coding}/{name}/{size}"), reply(&[text, marker()].concat()));
                assert_blocked(&rig.get(&url), &format!("{size} bytes as {coding} by {name}"));
            }
            let url = rig.origin.put(&format!("/coded-eicar/{coding}/{name}"), reply(&eicar()));
            assert_blocked(&rig.get(&url), coding);
        }
    }
    rig.assert_no_failure();
}

#[test]
fn squid_passes_messages_without_a_body() {
    let Some(rig) = rig() else { return };
    let url = rig.origin.put("/tagged", Reply::bytes(clean_bytes(5000, 1)).field("ETag", "\"one\""));
    let head = Request::new("HEAD", &url).through(rig.proxy());
    assert_eq!((head.status, head.head.get("Content-Length"), head.body.len()), (200, Some("5000"), 0));
    let same = Request::get(&url).field("If-None-Match", "\"one\"").through(rig.proxy());
    assert_eq!((same.status, same.body.len()), (304, 0));
    let missing = rig.get(&rig.origin.url("/missing"));
    assert_eq!((missing.status, missing.body.as_slice()), (404, b"nothing here".as_slice()));
    let empty = rig.origin.put("/empty", Reply::bytes(Vec::new()).status("204 No Content"));
    assert_eq!(rig.get(&empty).status, 204);
    rig.assert_no_failure();
}

#[test]
fn squid_passes_ranges_with_their_reason_and_other_framings() {
    let Some(rig) = rig() else { return };
    let body = clean_bytes(60_000, 2);
    let url = rig.origin.put("/ranged", Reply::bytes(body.clone()));
    let part = Request::get(&url).field("Range", "bytes=1000-49999").through(rig.proxy());
    assert_eq!(part.status, 206);
    assert!(part.body == body[1000..=49_999]);
    let url = rig.origin.put("/until-close", Reply::bytes(body.clone()).framing(Framing::UntilClose));
    assert!(rig.get(&url).body == body);
    rig.assert_no_failure();
}

#[test]
fn squid_opens_tunnels() {
    let Some(rig) = rig() else { return };
    let body = clean_bytes(1000, 3);
    let url = rig.origin.put("/inside", Reply::bytes(body.clone()));
    let (status, stream) = tunnel(rig.proxy(), &rig.origin.address().to_string());
    assert_eq!(status, 200);
    assert!(Request::get(&url).exchange(stream, "/inside").expect("the tunnel carries it").body == body);
    rig.squid.wait_for_log("requests", 1, |line| line.method == "REQMOD");
    rig.assert_no_failure();
}

#[test]
fn squid_has_no_failed_transaction_in_two_thousand_at_concurrency_sixteen() {
    const THREADS: usize = 16;
    const EACH: usize = 125;
    let Some(rig) = own_rig() else { return };
    let clean: Vec<_> = [0, 1, 500, 5000, 60_000]
        .into_iter()
        .flat_map(|size| FRAMINGS.map(|framing| (size, framing)))
        .map(|(size, (name, framing))| {
            let body = clean_bytes(size, size as u64);
            (
                rig.origin.put(&format!("/load/{name}/{size}"), Reply::bytes(body.clone()).framing(framing)),
                body,
            )
        })
        .collect();
    let bad = rig.origin.put("/load/eicar", Reply::bytes(eicar()));
    let upload = Request::new("POST", &rig.origin.url("/echo")).body(&clean_bytes(9000, 4));
    let wanted = format!("{} 9000", sha256_hex(&clean_bytes(9000, 4)));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (rig, clean, bad, upload, wanted, done) = (&rig, &clean, &bad, &upload, &wanted, &done);
            scope.spawn(move || {
                for turn in 0..EACH {
                    match (thread + turn) % 12 {
                        10 => assert_blocked(&rig.get(bad), "EICAR"),
                        11 => assert_eq!(upload.through(rig.proxy()).body, wanted.as_bytes()),
                        which => {
                            let (url, body) = &clean[which];
                            let response = rig.get(url);
                            assert!(
                                response.status == 200 && response.body == *body,
                                "{url}: {}",
                                response.status
                            );
                        }
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), THREADS * EACH);
    // Each of them is a REQMOD, and a RESPMOD unless the request was answered.
    rig.squid.wait_for_log("transactions", 2 * THREADS * EACH, |line| line.method != "OPTIONS");
    rig.assert_no_failure();
}
