//! What was found in an object counts for the next equal one, and for those that come while it is being
//! scanned; for nothing that may be judged otherwise.

use crate::common::{GET, assert_204, assert_block, assert_refused, respmod};
use crate::generation_change_under_load::{LATER, publish};
use crate::worker_faults::Frozen;
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Standalone, brotli, clean_bytes, eicar, eventually, hex, sha256_hex,
    signatures, tempdir,
};
use serde_json::Value;

fn ask(icap: &mut IcapClient, message: &Message) -> IcapResponse {
    let request = message.bytes();
    icap.send_while(&request, |icap| icap.read_respmod())
}

/// A download with these fields of its head.
fn download(fields: &str, body: &[u8]) -> Message {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
    Message::respmod("/respmod").request_head(GET).response_head(head).allow_204().body(body)
}

#[track_caller]
fn assert_counts(server: &Standalone, hits: f64, scans: f64) {
    let counts = || {
        let hits = server.metric("icapstan_verdict_cache_hits_total", "");
        (hits, server.metric("icapstan_scanner_scans_total", ""))
    };
    let (found, scanned) = counts();
    assert!((found - hits).abs() < 0.5 && (scanned - scans).abs() < 0.5, "{found} hits, {scanned} scans");
}

/// So many downloads of one object that wait for its scan.
fn crowd(server: &Standalone, body: &[u8], count: u64) -> Vec<IcapClient> {
    let request = respmod().allow_204().body(body).bytes();
    let begun: Vec<_> = (0..count)
        .map(|_| {
            let mut icap = IcapClient::connect(server.icap());
            icap.send(&request);
            icap
        })
        .collect();
    eventually("all but the first one wait for its scan", || {
        let shared = server.metric("icapstan_verdict_cache_shared_total", "");
        (shared >= f64::from(u32::try_from(count).expect("not so many")) - 1.5).then_some(())
    });
    begun
}

const PATIENT: &str = "scanner: {workers: 1}\npolicies:\n  - {name: default, scan: {timeout: 5m}}\n";

#[test]
fn what_came_before_is_answered_though_no_worker_moves() {
    let dir = tempdir();
    let path = dir.path().join("access.log");
    let config = format!("{PATIENT}log: {{format: json, access: {}}}\n", path.display());
    let mut server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let large = clean_bytes(3_000_000, 1);
    let clean = [download("", b"harmless"), download("", &large)];
    let infected = download("", &eicar());
    for message in &clean {
        assert_204(&ask(&mut icap, message));
    }
    let first = ask(&mut icap, &infected);
    assert_block(&first, "eicar");
    assert_counts(&server, 0.0, 3.0);

    let frozen = Frozen::all_workers(&server, 1);
    for message in &clean {
        assert_204(&ask(&mut icap, message));
    }
    let second = ask(&mut icap, &infected);
    assert_block(&second, "eicar");
    for field in ["X-Virus-ID", "X-Infection-Found", "X-Icapstan-Reason", "ISTag"] {
        assert_eq!(first.get(field), second.get(field));
    }
    assert_counts(&server, 3.0, 3.0);
    assert!(server.metric("icapstan_verdict_cache_entries", "") > 2.5);
    let engine = "icapstan_gateway_phase_seconds_count";
    assert!(server.metric(engine, "phase=\"engine\"") < 3.5, "what no engine saw took no time in it");
    drop(frozen);
    let told = server.process().logs().text();
    let told = told.lines().filter(|line| line.contains(&sha256_hex(&eicar())));
    assert_eq!(told.filter(|line| line.contains("\"cache\":\"hit\"")).count(), 1, "the digest is told again");
    server.terminate();
    assert!(server.wait_exit().success());
    let text = std::fs::read_to_string(&path).expect("there is an access log");
    let hits: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON"))
        .map(|line| line["cache"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(hits, ["", "", "", "hit", "hit", "hit"]);
}

#[test]
fn the_same_bytes_read_in_another_way_are_looked_at_anew() {
    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    // Nothing by itself, and a threat to whoever undoes the coding.
    let packed = brotli(&eicar());
    for _ in 0..2 {
        assert_204(&ask(&mut icap, &download("", &packed)));
        assert_block(&ask(&mut icap, &download("Content-Encoding: br\r\n", &packed)), "eicar");
    }
    assert_counts(&server, 2.0, 2.0);
    let coded = "Content-Transfer-Encoding: base64\r\n\r\n";
    let form = format!("--a\r\nContent-Type: text/plain\r\n{coded}bm90aGluZw==\r\n--a--\r\n");
    let typed = |value: &str| download(&format!("Content-Type: {value}\r\n"), form.as_bytes());
    let others = [
        typed("multipart/form-data; boundary=a"),
        typed("multipart/form-data; boundary=b"),
        typed("text/plain"),
        typed("text/plain; charset=utf-16"),
        download("Content-Type: text/plain\r\nContent-Type: text/html\r\n", form.as_bytes()),
    ];
    for message in &others {
        ask(&mut icap, message);
    }
    assert_counts(&server, 2.0, 7.0);
    // The other way round: the same type and bytes, as an upload.
    let head = "PUT http://o.test/x HTTP/1.1\r\nHost: o.test\r\nContent-Type: text/plain\r\n\r\n";
    icap.send(Message::reqmod("/reqmod").request_head(head).allow_204().body(&form).bytes());
    icap.read_reqmod();
    assert_counts(&server, 2.0, 8.0);
    // A piece of something is never remembered.
    let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/100\r\n\r\n";
    for _ in 0..2 {
        let piece = Message::respmod("/respmod").request_head(GET).response_head(head).body(b"0123456789");
        assert_eq!(ask(&mut icap, &piece).get("X-Icapstan-Reason"), Some("non-scanned/partial-content"));
    }
    assert_counts(&server, 2.0, 10.0);
}

#[test]
fn other_signatures_look_again() {
    let folder = tempdir();
    signatures(folder.path());
    let server = Standalone::with().signature_folder(folder.path()).start();
    let mut icap = IcapClient::connect(server.icap());
    let message = download("", LATER.as_bytes());
    for _ in 0..2 {
        assert_204(&ask(&mut icap, &message));
    }
    assert_counts(&server, 1.0, 1.0);
    publish(folder.path(), "later.ndb", &format!("Later.Test:0:*:{}\n", hex(LATER.as_bytes())));
    let found = eventually("the new signatures are asked", || {
        let response = ask(&mut icap, &message);
        (response.status != 204).then_some(response)
    });
    assert_block(&found, "later.test");
    assert_block(&ask(&mut icap, &message), "later.test");
    assert!(server.metric("icapstan_verdict_cache_evicted_total", "cause=\"generation\"") > 0.5);
    assert!(server.metric("icapstan_verdict_cache_entries", "") < 1.5);
}

#[test]
fn five_hundred_requests_for_one_new_object_are_one_scan() {
    // Each gateway has an object scanned once.
    let server = Standalone::with().in_one_process().config(PATIENT).start();
    let frozen = Frozen::all_workers(&server, 1);
    let begun = crowd(&server, &clean_bytes(70_000, 1), 500);
    drop(frozen);
    for mut icap in begun {
        assert_204(&icap.read_respmod());
    }
    assert_counts(&server, 0.0, 1.0);
}

#[test]
fn when_the_first_one_leaves_the_others_have_their_answer() {
    // Each gateway has an object scanned once.
    let server = Standalone::with().in_one_process().config(PATIENT).start();
    let frozen = Frozen::all_workers(&server, 1);
    let mut begun = crowd(&server, &clean_bytes(70_000, 1), 5);
    begun.remove(0);
    eventually("it is known to have left", || {
        (server.metric("icapstan_icap_sessions", "") < 4.5).then_some(())
    });
    drop(frozen);
    for icap in &mut begun {
        assert_204(&icap.read_respmod());
    }
    assert_counts(&server, 0.0, 1.0);
}

#[test]
fn a_failed_scan_is_tried_again() {
    // What is remembered is another matter: the worker had been busy with it all the time.
    let config =
        "scanner: {workers: 1, poison: {entries: 0}}\npolicies:\n  - {name: default, scan: {timeout: 1s}}\n";
    let server = Standalone::with().config(config).start();
    let frozen = Frozen::all_workers(&server, 1);
    let infected = download("", &[eicar(), b" ".repeat(70_000)].concat());
    let mut icap = IcapClient::connect(server.icap());
    let response = ask(&mut icap, &infected);
    assert_refused(&response);
    assert_eq!(response.get("X-Icapstan-Reason"), Some("failed/time"));
    drop(frozen);
    eventually("the same object is looked at", || {
        let response = ask(&mut icap, &infected);
        assert_refused(&response);
        response.head.has("X-Virus-ID").then_some(())
    });
    assert!(server.metric("icapstan_verdict_cache_uncacheable_total", "reason=\"failed\"") > 0.5);
    assert_counts(&server, 0.0, server.metric("icapstan_scanner_scans_total", ""));
}

#[test]
fn a_policy_may_have_each_object_scanned_and_so_may_the_settings() {
    for (config, counted) in [
        ("policies:\n  - {name: default, scan: {cache: false}}\n", 2.0),
        ("verdictCache: {enabled: false}\n", 0.0),
        ("verdictCache: {maxObjectSize: 1Ki}\n", 2.0),
    ] {
        let server = Standalone::with().config(config).start();
        let mut icap = IcapClient::connect(server.icap());
        for _ in 0..2 {
            assert_204(&ask(&mut icap, &download("", &clean_bytes(2000, 1))));
        }
        assert_counts(&server, 0.0, 2.0);
        let uncacheable = server.metric("icapstan_verdict_cache_uncacheable_total", "");
        assert!((uncacheable - counted).abs() < 0.5, "{config}: {uncacheable}");
    }
}
