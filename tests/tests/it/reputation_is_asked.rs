//! A service says what it knows of URLs; whatever it does, each message has its answer in time.

use crate::common::{OK, assert_204, assert_block, assert_refused};
use icapstan_testkit::{
    IcapClient, IcapResponse, Manner, Message, ReputationServer, Standalone, clean_bytes, eicar, eventually,
    tempdir,
};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any answer takes on a busy machine.
const PATIENT: &str = "timeout: 5s";

/// Why it is not known what the service says.
const FIELD: &str = "X-Icapstan-Reputation";

fn config(server: &ReputationServer, more: &str) -> String {
    format!(
        "services:
- {{path: /reqmod, modes: [REQMOD], scan: url}}
- {{path: /respmod, modes: [RESPMOD], scan: all}}
- {{path: /content, modes: [RESPMOD], scan: content}}
reputation: {{url: '{}', {more}}}
",
        server.url()
    )
}

fn head(url: &str) -> String {
    let host = url.split('/').nth(2).unwrap_or_default();
    format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn ask(icap: &mut IcapClient, url: &str) -> IcapResponse {
    icap.send(Message::reqmod("/reqmod").request_head(head(url)).allow_204().bytes());
    icap.read_reqmod()
}

/// On a connection of its own: what is blocked by its URL may end it, as the body is not read.
fn download(server: &Standalone, path: &str, url: &str, body: &[u8]) -> IcapResponse {
    let mut icap = IcapClient::connect(server.icap());
    let request = Message::respmod(path).request_head(head(url)).response_head(OK).allow_204().body(body);
    icap.send_while(&request.bytes(), IcapClient::read_respmod)
}

#[test]
fn what_the_service_knows_decides_in_both_modes() {
    let oracle = ReputationServer::start();
    oracle.know("bad.test", r#"{"verdict":"detect","name":"Evil.A"}"#);
    oracle.know("fake.test", r#"{"verdict":"phishing","name":"Bank"}"#);
    oracle.know("play.test", r#"{"verdict":"clean","categories":["Games"]}"#);
    let dir = tempdir();
    let path = dir.path().join("events.json");
    let more = format!(
        "policies:
- name: default
  rules:
  - {{name: play, verdict: ANY, when: {{categories: [games]}}, action: {{block: refused}}}}
events: [{{sink: {{file: {}}}, kinds: [detection]}}]
",
        path.display()
    );
    let server = Standalone::with().in_one_process().config(&(config(&oracle, PATIENT) + &more)).start();
    let mut icap = IcapClient::connect(server.icap());
    for _ in 0..2 {
        for (url, reason, threat) in [
            ("http://bad.test/x?token=secret", "detect", Some("Reputation.Evil.A")),
            ("http://ann:secret@fake.test/login", "phishing", Some("Reputation.Bank")),
            ("http://play.test/", "rule", None),
        ] {
            for refused in [ask(&mut icap, url), download(&server, "/respmod", url, &clean_bytes(500, 1))] {
                assert_refused(&refused);
                let told = (refused.get("X-Icapstan-Reason"), refused.get("X-Virus-ID"));
                assert_eq!(told, (Some(reason), threat), "{url}");
                assert!(!refused.head.has(FIELD));
            }
        }
        let passed = ask(&mut icap, "http://fine.test/");
        assert_204(&passed);
        assert!(!passed.head.has(FIELD) && !passed.head.has("X-Icapstan-Reason"));
        assert_204(&download(&server, "/respmod", "http://fine.test/", &clean_bytes(500, 1)));
        assert_block(&download(&server, "/respmod", "http://fine.test/", &eicar()), "eicar");
    }
    assert_204(&download(&server, "/content", "http://bad.test/y", &clean_bytes(500, 1)));
    let connect = "CONNECT bad.test:443 HTTP/1.1\r\nHost: bad.test:443\r\n\r\n";
    icap.send(Message::reqmod("/reqmod").request_head(connect).allow_204().bytes());
    assert_refused(&icap.read_reqmod());
    let asked: Vec<_> = oracle.asked().iter().map(|asked| asked["url"].clone()).collect();
    let wanted = ["bad.test/x", "fake.test/login", "play.test/", "fine.test/", "bad.test/"];
    assert_eq!(asked, wanted, "each is asked about once, without what is private");
    assert!(server.metric("icapstan_reputation_sources_total", "cache") >= 10.0);
    assert!((server.metric("icapstan_reputation_breaker", "closed") - 1.0).abs() < 0.5);
    let event =
        eventually("it is told", || fs::read_to_string(&path).ok().filter(|text| text.contains('\n')));
    assert!(event.contains(r#""threats":["Reputation.Evil.A"]"#) && event.contains(r#""list":"reputation""#));
}

#[test]
fn local_lists_are_asked_first() {
    let oracle = ReputationServer::start();
    oracle.know("good.test", r#"{"verdict":"detect"}"#);
    let dir = tempdir();
    for (name, text) in [("good", "good.test\n"), ("bad", "bad.test\n"), ("games", "games.test\n")] {
        fs::write(dir.path().join(name), text).expect("it is writable");
    }
    let at = dir.path().display();
    let lists = format!(
        "urlLists:
  sources:
  - {{name: good, kind: allow, format: plain, path: {at}/good}}
  - {{name: bad, kind: malware, format: plain, path: {at}/bad}}
  - {{name: games, kind: category, category: games, format: plain, path: {at}/games}}
"
    );
    let server = Standalone::with().config(&(config(&oracle, PATIENT) + &lists)).start();
    let mut icap = IcapClient::connect(server.icap());
    assert_204(&ask(&mut icap, "http://good.test/"));
    let refused = ask(&mut icap, "http://bad.test/");
    assert_refused(&refused);
    assert_eq!(refused.get("X-Virus-ID"), Some("URL.bad"));
    assert_204(&ask(&mut icap, "http://games.test/"));
    // What has no URL cannot be asked about.
    icap.send(Message::reqmod("/reqmod").request_head("GET /x HTTP/1.0\r\n\r\n").allow_204().bytes());
    assert_eq!(icap.read_reqmod().get("X-Icapstan-Reason"), Some("non-scanned/unsupported"));
    let asked: Vec<_> = oracle.asked().iter().map(|asked| asked["host"].clone()).collect();
    assert_eq!(asked, ["games.test"], "a category is no finding");
}

#[test]
fn without_an_answer_the_rest_decides_and_the_answer_says_so() {
    let oracle = ReputationServer::start();
    let server = Standalone::with().in_one_process().config(&config(&oracle, "timeout: 100ms")).start();
    let mut icap = IcapClient::connect(server.icap());
    oracle.behave(Manner::Mute);
    for serial in 0..40 {
        let url = format!("http://x{serial}.test/");
        let begin = Instant::now();
        let passed = ask(&mut icap, &url);
        assert_204(&passed);
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        let word = passed.get(FIELD);
        assert!(matches!(word, Some("timeout" | "open")), "{word:?}");
        assert!(!passed.head.has("X-Icapstan-Reason"));
    }
    let refused = download(&server, "/respmod", "http://y.test/", &eicar());
    assert_block(&refused, "eicar");
    assert!(refused.head.has(FIELD));
    let passed = download(&server, "/respmod", "http://y.test/", &clean_bytes(500, 1));
    assert_204(&passed);
    assert!(passed.head.has(FIELD));
    assert!(server.metric("icapstan_reputation_lookups_total", "timeout") >= 5.0);
    assert!(server.metric("icapstan_reputation_lookups_total", "open") >= 1.0);
    let told = server.process().logs().text().matches("The reputation service does not answer.").count();
    assert!((1..=4).contains(&told), "{told} lines");
    // It comes back by itself.
    oracle.know("bad.test", r#"{"verdict":"detect"}"#);
    oracle.behave(Manner::Prompt);
    eventually("it is asked again", || (ask(&mut icap, "http://bad.test/").status == 200).then_some(()));
    assert!((server.metric("icapstan_reputation_breaker", "closed") - 1.0).abs() < 0.5);
}

#[test]
fn an_answer_that_is_required_fails_closed_unless_a_rule_says_otherwise() {
    let oracle = ReputationServer::start();
    oracle.behave(Manner::Rude);
    let rules = "policies:
- name: default
  rules:
  - {verdict: FAILED, reason: reputation, when: {hosts: [free.test]}, action: log}
";
    let server = Standalone::with().config(&(config(&oracle, "required: true") + rules)).start();
    let mut icap = IcapClient::connect(server.icap());
    let refused = ask(&mut icap, "http://o.test/");
    assert_refused(&refused);
    assert_eq!(refused.get("X-Icapstan-Reason"), Some("failed/reputation"));
    assert!(matches!(refused.get(FIELD), Some("unreachable" | "timeout")), "{}", refused.shown());
    let page = String::from_utf8_lossy(refused.body_data()).into_owned();
    assert!(page.contains("could not be asked"), "{page}");
    let passed = ask(&mut icap, "http://free.test/");
    assert_204(&passed);
    assert_eq!(passed.get("X-Icapstan-Reason"), Some("failed/reputation"));
    assert_refused(&download(&server, "/respmod", "http://o.test/", &clean_bytes(500, 1)));
    assert_block(&download(&server, "/respmod", "http://free.test/", &eicar()), "eicar");
    assert!(server.metric("icapstan_gateway_reasons_total", "reason=\"reputation\"") >= 4.0);
    oracle.behave(Manner::Prompt);
    eventually("it is asked again", || (ask(&mut icap, "http://p.test/").status == 204).then_some(()));
}

#[test]
fn whatever_the_service_says_is_inert_in_headers_pages_and_logs() {
    const NAME: &str = "A\\r\\nX-Evil: 1\\r\\n\\r\\n<script>alert(1)</script>;\\u001b]0;x\\u0007\\u202e\\\"'";
    let oracle = ReputationServer::start();
    let long = "N".repeat(10_000);
    oracle.know("bad.test", format!(r#"{{"verdict":"detect","name":"{NAME}","categories":["{NAME}"]}}"#));
    oracle.know("long.test", format!(r#"{{"verdict":"phishing","name":"{long}"}}"#));
    oracle.know("huge.test", format!(r#"{{"verdict":"clean","name":"{long}{long}"}}"#));
    let server = Standalone::with().config(&config(&oracle, PATIENT)).start();
    let mut icap = IcapClient::connect(server.icap());
    let refused = ask(&mut icap, "http://bad.test/");
    assert_refused(&refused);
    assert!(!refused.head.has("X-Evil"), "{}", refused.shown());
    let name = refused.get("X-Virus-ID").expect("it has a name");
    assert!(name.starts_with("Reputation.A__X-Evil:_1") && !name.contains(['<', ';', '"']), "{name}");
    let page = String::from_utf8_lossy(refused.body_data()).into_owned();
    assert!(!page.contains("<script>alert") && !page.contains('\u{1b}'), "{page}");
    let refused = ask(&mut icap, "http://long.test/");
    assert_refused(&refused);
    assert!(refused.get("X-Virus-ID").is_some_and(|name| name.len() <= 128));
    assert_eq!(ask(&mut icap, "http://huge.test/").get(FIELD), Some("unusable"));
    let log = server.process().logs().text();
    assert!(!log.replace('\n', "").contains(char::is_control) && !log.contains("NNNN\"}"), "{log}");
}

#[test]
fn a_slow_service_keeps_no_client_waiting_however_many_there_are() {
    let oracle = ReputationServer::start();
    oracle.behave(Manner::Slow(Duration::from_secs(20)));
    let server = Standalone::with().config(&config(&oracle, "timeout: 200ms")).start();
    let begin = Instant::now();
    thread::scope(|scope| {
        for client in 0..50 {
            let server = &server;
            scope.spawn(move || {
                let mut icap = IcapClient::connect(server.icap());
                for serial in 0..10 {
                    assert_204(&ask(&mut icap, &format!("http://x{client}-{serial}.test/")));
                }
            });
        }
    });
    // One after the other, the 500 deadlines alone would take 100 s.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(oracle.connections() <= 128, "{}", oracle.connections());
}
