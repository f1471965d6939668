//! `/statistics` has the numbers of the reference product, and they are those of the metrics.

use crate::common::{GET, OK, assert_204, assert_block, assert_refused};
use icapstan_testkit::http::Request;
use icapstan_testkit::{IcapClient, Message, Standalone, clean_bytes, eicar, eventually, tempdir};
use serde_json::Value;
use std::fs;

fn statistics(server: &Standalone) -> Value {
    let response = server.admin_get("/statistics").expect("it answers");
    assert_eq!(response.status, 200);
    assert_eq!(response.head.get("Content-Type"), Some("application/json"));
    serde_json::from_slice(&response.body).expect("it is JSON")
}

#[test]
fn each_message_is_counted_once_and_by_what_became_of_it() {
    let dir = tempdir();
    fs::write(dir.path().join("bad"), "evil.test\n").expect("it is writable");
    fs::write(dir.path().join("fake"), "fake.test\n").expect("it is writable");
    let at = dir.path().display();
    let config = format!(
        "services:
- {{path: /reqmod, modes: [REQMOD], scan: url}}
- {{path: /respmod, modes: [RESPMOD], scan: content}}
policies: [{{name: default, scan: {{maxObjectSize: 100Ki}}}}]
urlLists:
  sources:
  - {{name: bad, kind: malware, format: plain, path: {at}/bad}}
  - {{name: fake, kind: phishing, format: plain, path: {at}/fake}}
"
    );
    let server = Standalone::with().in_one_process().config(&config).start();
    let before = statistics(&server);
    assert_eq!((&before["requests"], &before["scanned"]), (&0.into(), &0.into()), "{before}");
    assert_eq!(before["urlListEntries"], 2);
    let mut icap = IcapClient::connect(server.icap());
    let respmod = || Message::respmod("/respmod").request_head(GET).response_head(OK).allow_204();
    for _ in 0..3 {
        icap.send(respmod().body(clean_bytes(1000, 1)).bytes());
        assert_204(&icap.read_respmod());
    }
    icap.send(respmod().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    let large = respmod().body(clean_bytes(200_000, 7)).bytes();
    assert_204(&icap.send_while(&large, IcapClient::read_respmod));
    let mut icap = IcapClient::connect(server.icap());
    for url in ["http://evil.test/", "http://fake.test/", "http://fine.test/"] {
        let host = url.split('/').nth(2).unwrap_or_default();
        let head = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        icap.send(Message::reqmod("/reqmod").request_head(head).allow_204().bytes());
        let answer = icap.read_reqmod();
        if host == "fine.test" { assert_204(&answer) } else { assert_refused(&answer) }
    }
    icap.send(Message::options("/respmod").bytes());
    assert_eq!(icap.read_options().status, 200);
    let mut stranger = IcapClient::connect(server.icap());
    stranger.send("GET / HTTP/1.1\r\nHost: o.test\r\n\r\n");
    assert_eq!(stranger.read_options().status, 400);

    // Some of it is counted after the answer is out.
    let told = eventually("all of it is counted", || {
        Some(statistics(&server)).filter(|told| told["requests"] == 9 && told["malformedRequests"] == 1)
    });
    for (field, expected) in [
        ("optionsRequests", 1),
        ("refusedConnections", 0),
        ("refusedRequests", 0),
        ("scanned", 8),
        ("clean", 4),
        ("infected", 3),
        ("detected", 2),
        ("phishing", 1),
        ("macro", 0),
        ("notScanned", 1),
        ("failed", 0),
        ("blocked", 3),
        ("infectedBytes", eicar().len()),
        ("urls", 3),
        ("infectedUrls", 2),
    ] {
        assert_eq!(told[field], expected, "{field}: {told}");
    }
    let bytes = told["processedBytes"].as_u64().expect("it is a number");
    // Of what is too large, what was here by then.
    assert!((3000 + 68 + 100 * 1024..=3000 + 68 + 200_000).contains(&bytes), "{told}");
    assert!(
        told["receivedBytes"].as_u64() > Some(200_000) && told["sentBytes"].as_u64() > Some(1000),
        "{told}"
    );
    assert!(told["uptimeSeconds"].as_u64().is_some_and(|uptime| uptime < 600), "{told}");
    for (field, name, labels) in [
        ("detected", "icapstan_gateway_verdicts_total", "verdict=\"detect\""),
        ("processedBytes", "icapstan_gateway_body_bytes_total", ""),
        ("requests", "icapstan_icap_requests_total", "MOD"),
    ] {
        let counted = server.metric(name, labels);
        let shown = told[field].as_f64().expect("it is a number");
        // One of the requests was of no method.
        assert!((counted - shown).abs() < 1.5, "{field}: {counted} {shown}");
    }
    let signatures = &told["signatures"];
    assert_eq!((&signatures["count"], &signatures["testOnly"]), (&3.into(), &false.into()), "{told}");
    for field in ["date", "loaded"] {
        let time = signatures[field].as_str().expect("it is a time");
        let started = told["started"].as_str().expect("it is a time");
        // The files were written for this test.
        assert!(time.len() == started.len() && time[..8] == started[..8], "{told}");
    }
}

#[test]
fn the_page_is_read_only() {
    let server = Standalone::start();
    let request = Request::new("POST", &format!("http://{}/statistics", server.admin()));
    assert_eq!(request.try_direct().expect("it answers").status, 405);
}
