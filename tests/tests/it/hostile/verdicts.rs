//! Answers that can no longer become what they should be, and objects that nobody may scan.

use super::ground::{PROMPT, infected};
use crate::common::{GET, OK, assert_204, assert_block, assert_refused, respmod};
use crate::worker_faults::Frozen;
use icapstan_testkit::{
    IcapClient, IcapResponse, MARKER_NAME, Message, Standalone, binary, chunked, clean_bytes, clean_text,
    eicar, eventually, marker, tempdir,
};
use std::io::Read;

/// What Squid's pipe holds: a download that falls silent after so many bytes is answered before its end.
const PIPE: usize = 65_535;

/// A download from `url` whose answer has begun, and all that came of it.
fn begun(server: &Standalone, url: &str) -> (IcapClient, Vec<u8>) {
    let mut icap = IcapClient::connect(server.icap());
    icap.patience(PROMPT);
    let request = format!("GET {url} HTTP/1.1\r\nHost: o.test\r\n\r\n");
    let message = Message::respmod("/respmod")
        .request_head(request)
        .response_head("HTTP/1.1 200 OK\r\n\r\n")
        .field("Allow", "trailers");
    let start = clean_text(PIPE);
    icap.send(message.framed_body(format!("{:x}\r\n", start.len())).bytes());
    icap.send([&start[..], b"\r\n"].concat());
    let mut seen = Vec::new();
    while !seen.windows(19).any(|window| window == b"HTTP/1.1 200 OK\r\n\r\n") {
        let mut block = [0; 4096];
        let count = icap.stream().read(&mut block).expect("the heads come");
        assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&block[..count]);
    }
    assert!(seen.starts_with(b"ICAP/1.0 200 OK\r\n"), "{:?}", String::from_utf8_lossy(&seen));
    (icap, seen)
}

/// All that comes until the connection is over, in order or not.
fn to_the_end(icap: &mut IcapClient, mut seen: Vec<u8>) -> Vec<u8> {
    let mut block = vec![0; 1 << 16];
    loop {
        match icap.stream().read(&mut block) {
            Ok(0) | Err(_) => return seen,
            Ok(count) => seen.extend_from_slice(&block[..count]),
        }
    }
}

#[track_caller]
fn assert_cut(seen: &[u8]) {
    assert!(!seen.ends_with(b"\r\n0\r\n\r\n"), "an answer that looks whole, of {} bytes", seen.len());
    assert!(seen.len() < PIPE / 2, "{} bytes of it are out", seen.len());
}

#[test]
fn abuse_26_c109_c136_an_answer_that_turns_out_to_be_infected_never_looks_whole() {
    let server = Standalone::start();
    let url = "http://o.test/late";
    let (mut icap, seen) = begun(&server, url);
    icap.send(chunked(&marker()));
    let seen = to_the_end(&mut icap, seen);
    assert_cut(&seen);
    // C-109: a body that has no end has nothing behind it either, whatever was announced.
    let said = String::from_utf8_lossy(&seen).to_lowercase();
    assert_eq!(said.matches("x-icapstan-reason: ").count(), 1, "{said}");
    assert!(!said.contains("x-virus-id"), "{said}");
    assert!(server.metric("icapstan_gateway_cut_total", "") > 0.5);
    assert!(server.metric("icapstan_icap_sessions_ended_total", "cause=\"aborted\"") > 0.5);
    // Whoever asks again gets the page, and nobody else is concerned.
    let mut icap = IcapClient::connect(server.icap());
    let again = format!("GET {url} HTTP/1.1\r\nHost: o.test\r\n\r\n");
    icap.send(Message::reqmod("/reqmod").request_head(&again).allow_204().bytes());
    assert_block(&icap.read_reqmod(), MARKER_NAME);
    icap.send(Message::reqmod("/reqmod").request_head(GET).allow_204().bytes());
    assert_204(&icap.read_reqmod());
}

/// What was cut by a rule about bodies, and not for what was found, says nothing of the next body.
#[test]
fn abuse_26_c136_what_a_rule_cut_is_scanned_when_it_is_asked_for_again() {
    let config = "policies:
- name: default
  rules:
  - {verdict: CLEAN, when: {types: [text/plain]}, action: {block: refused}}
";
    let server = Standalone::with().config(config).start();
    let url = "http://o.test/typed";
    let (mut icap, seen) = begun(&server, url);
    icap.send(chunked(&clean_text(100)));
    assert_cut(&to_the_end(&mut icap, seen));
    let mut icap = IcapClient::connect(server.icap());
    let again = format!("GET {url} HTTP/1.1\r\nHost: o.test\r\n\r\n");
    icap.send(respmod().request_head(&again).allow_204().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

/// A length that stands beside another framing is no length: what is there is scanned.
#[test]
fn abuse_25_a_length_beside_chunks_leaves_nothing_out() {
    let server = Standalone::start();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99999999999\r\n\r\n";
    let message = Message::respmod("/respmod").request_head(GET).response_head(head).allow_204();
    let mut icap = IcapClient::connect(server.icap());
    let body = marker();
    let (front, rest) = body.split_at(20);
    icap.send(message.preview(front).bytes());
    assert_eq!(icap.read_respmod().status, 100, "it is asked for");
    icap.send(chunked(rest));
    assert_block(&icap.read_respmod(), MARKER_NAME);
}

#[test]
fn abuse_26_c136_an_answer_whose_scan_breaks_never_looks_whole() {
    let config = "scanner: {workers: 1}\npolicies:\n  - {name: default, scan: {timeout: 2s}}\n";
    let server = Standalone::with().config(config).start();
    let (mut icap, seen) = begun(&server, "http://o.test/slow");
    // Whoever has it comes to no end, on a fast machine and on one that is busy with other things. With less time
    // than it may take until a worker is given it, it would be refused, which is no verdict and has no such reason.
    let _frozen = Frozen::all_workers(&server, 1);
    icap.send(chunked(&clean_bytes(100_000, 1)));
    assert_cut(&to_the_end(&mut icap, seen));
    assert!(server.metric("icapstan_gateway_reasons_total", "reason=\"time\"") > 0.5);
    assert!(server.metric("icapstan_icap_sessions_ended_total", "cause=\"aborted\"") > 0.5);
}

/// A client that goes away in the midst of an answer that was begun costs that, and no more.
#[test]
fn abuse_26_c137_a_client_that_leaves_an_answer_that_was_begun_leaves_nothing() {
    let server = Standalone::start();
    for _ in 0..5 {
        drop(begun(&server, "http://o.test/left"));
    }
    eventually("their bodies are given up", || {
        (server.metric("icapstan_gateway_memory_bytes", "") < 1.0).then_some(())
    });
    let mut icap = IcapClient::connect(server.icap());
    icap.send(infected().bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

/// C-133: where the administrator wants no object that is too large to scan, there is a page, not 413.
#[test]
fn abuse_25_c133_objects_over_the_limit_are_blocked_where_the_policy_says_so() {
    let config = "policies:\n  - name: default\n    scan: {maxObjectSize: 100000}\n    rules:\n      \
                  - {mode: ANY, verdict: NON_SCANNED, reason: size, action: {block: notScanned}}\n";
    let server = Standalone::with().config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    let large = clean_bytes(300_000, 1);
    let claimed = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", large.len());
    for (what, message) in [
        ("as it comes", respmod().body(&large)),
        ("with 204 allowed", respmod().allow_204().body(&large)),
        ("by its preview", respmod().response_head(claimed).preview(&large[..4096])),
    ] {
        let request = message.bytes();
        let response = icap.send_while(&request, |icap| icap.read_respmod());
        assert_refused(&response);
        assert_eq!(response.get("X-Icapstan-Reason"), Some("non-scanned/size"), "{what}");
        if response.closes() {
            icap = IcapClient::connect(server.icap());
        }
    }
    icap.send(respmod().allow_204().body(&large[..50_000]).bytes());
    assert_204(&icap.read_respmod());
}

/// C-048: a scanner that cannot be had is no reason to look dead; what happens then is the policy's.
#[test]
fn abuse_26_c048_without_a_scanner_options_is_answered_and_the_policy_decides() {
    let folder = tempdir();
    let copy = |name: &str| {
        let to = folder.path().join(name);
        std::fs::copy(binary(name), &to).expect("the folder is writable");
        to
    };
    let (program, worker) = (copy("icapstan"), copy("icapstan-clamav-worker"));
    let config = "services:\n  - {path: /respmod, modes: [RESPMOD], scan: content, policy: closed}\n  \
                  - {path: /open, modes: [RESPMOD], scan: content, policy: open}\npolicies:\n  \
                  - {name: closed}\n  - {name: open, failOpen: true}\n";
    let server = Standalone::with().program(&program).config(config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(infected().bytes());
    assert_block(&icap.read_respmod(), "eicar");
    let mut health = IcapClient::connect(server.icap());
    std::fs::remove_file(&worker).expect("it is there");
    server.kill_descendants();
    let mut turn = 0;
    let mut ask = |path: &str, body: &[u8]| {
        turn += 1;
        // New each time, so that no cached verdict answers.
        let body = [body, &b" ".repeat(turn)].concat();
        let heads = Message::respmod(path).request_head(GET).response_head(OK);
        icap.send(heads.allow_204().body(body).bytes());
        icap.read_respmod()
    };
    let reason = |response: &IcapResponse| response.get("X-Icapstan-Reason").unwrap_or_default().to_owned();
    eventually("nobody scans any more", || {
        let response = ask("/respmod", b"harmless");
        // A worker that was about to scan may have died over it.
        (reason(&response) == "failed/no-scanner").then_some(())
    });
    for body in [&b"harmless"[..], &eicar()] {
        let response = ask("/respmod", body);
        assert_refused(&response);
        assert_eq!(reason(&response), "failed/no-scanner");
        let response = ask("/open", body);
        assert_eq!((response.status, reason(&response).as_str()), (204, "failed/no-scanner"));
        for path in ["/respmod", "/open"] {
            health.send(Message::options(path).bytes());
            assert_eq!(health.read_options().status, 200, "{path}");
        }
    }
    let ready = server.admin_get("/readyz").expect("the admin port answers");
    assert_ne!(ready.status, 200, "whoever can choose asks another one");
    assert!(server.metric("icapstan_gateway_reasons_total", "reason=\"no-scanner\"") > 3.5);
}
