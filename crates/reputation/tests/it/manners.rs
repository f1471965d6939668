//! However the service behaves, whoever asks has an answer or a reason in time.

use crate::setup::{Asker, LONG, settings};
use icapstan_api::ReputationSettings;
use icapstan_reputation::{AskError, MAX_ANSWER, Opinion};
use icapstan_testkit::{Manner, ReputationServer};
use serde_json::json;
use std::time::{Duration, Instant};

/// A deadline that passes.
const SHORT: Duration = Duration::from_millis(100);
/// Much less than a lookup goes on, and much more than a deadline that is kept.
const SOON: Duration = Duration::from_millis(1500);

fn impatient(server: &ReputationServer) -> ReputationSettings {
    ReputationSettings { timeout: SHORT, ..settings(server) }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_over_one_connection_and_are_remembered() {
    let server = ReputationServer::start();
    server.know("bad.test", r#"{"verdict":"detect","name":"Evil.A","categories":["malware"]}"#);
    server.know("fake.test", r#"{"verdict":"phishing"}"#);
    server.know("fine.test", r#"{"verdict":"clean","categories":["News"]}"#);
    let asker = Asker::new(&settings(&server));
    for _ in 0..3 {
        for (host, opinion, name) in [
            ("bad.test", Opinion::Detect, "Reputation.Evil.A"),
            ("fake.test", Opinion::Phishing, "Reputation.url"),
            ("fine.test", Opinion::Clean, "Reputation.url"),
            ("other.test", Opinion::Unknown, "Reputation.url"),
        ] {
            let answer = asker.ask(host).await.unwrap();
            assert_eq!((answer.opinion, answer.name.as_str()), (opinion, name), "{host}");
        }
    }
    assert_eq!(*asker.ask("fine.test").await.unwrap().categories, ["news".into()]);
    assert_eq!((server.asked().len(), server.connections()), (4, 1));
    assert_eq!(server.asked()[0], json!({ "url": "bad.test/dir/x", "host": "bad.test" }));
    assert!((asker.metric("icapstan_reputation_sources_total", "service") - 4.0).abs() < 0.5);
    assert!((asker.metric("icapstan_reputation_sources_total", "cache") - 9.0).abs() < 0.5);
    assert!((asker.metric("icapstan_reputation_lookups_total", "detect") - 3.0).abs() < 0.5);
    assert!((asker.metric("icapstan_reputation_breaker", "closed") - 1.0).abs() < 0.5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_may_know_hosts_only_learns_no_paths() {
    let server = ReputationServer::start();
    let asker = Asker::new(&ReputationSettings { send_path: false, ..settings(&server) });
    asker.ask("o.test").await.unwrap();
    assert_eq!(server.asked(), [json!({ "url": "o.test/", "host": "o.test" })]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_closes_each_connection_without_a_word_answers_all_the_same() {
    let server = ReputationServer::start();
    let answer = r#"{"verdict":"clean"}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
    server.behave(Manner::Says(answer.into_bytes()));
    let asker = Asker::new(&settings(&server));
    for place in 0..50 {
        assert_eq!(asker.ask(&format!("x{place}.test")).await.unwrap().opinion, Opinion::Clean);
    }
    assert_eq!(server.asked().len(), 50, "each is asked about once");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_longer_than_the_deadline_and_late_answers_are_remembered() {
    let server = ReputationServer::start();
    server.know("late.test", r#"{"verdict":"detect"}"#);
    server.behave(Manner::Slow(3 * SHORT));
    let asker = Asker::new(&impatient(&server));
    let begin = Instant::now();
    assert_eq!(asker.ask("late.test").await, Err(AskError::Timeout));
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    let answer = tokio::time::timeout(LONG, async {
        loop {
            if let Ok(answer) = asker.ask("late.test").await {
                break answer;
            }
        }
    });
    assert_eq!(answer.await.expect("it is remembered").opinion, Opinion::Detect);
    assert_eq!(server.asked_about("late.test"), 1, "whoever asked again joined");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_has_its_word_within_the_deadline() {
    let redirect =
        |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes();
    let (server, other) = (ReputationServer::start(), ReputationServer::start());
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", MAX_ANSWER + 1).into_bytes();
    let large = [large, vec![b' '; MAX_ANSWER + 1]].concat();
    let fields = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"X: y\r\n".repeat(100_000), b"\r\n".to_vec()].concat();
    for (place, (manner, word)) in [
        (Manner::Mute, "timeout"),
        (Manner::Rude, "unreachable"),
        (Manner::Endless, "unusable"),
        (Manner::Says(large), "unusable"),
        (Manner::Says(fields), "unreachable"),
        (Manner::Says(b"\x1b]0;evil\x07\0\xff".repeat(100)), "unreachable"),
        (Manner::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec()), "unreachable"),
        (Manner::Says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<b>no</b>".to_vec()), "unusable"),
        (Manner::Says(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), "status"),
        (Manner::Says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec()), "status"),
        (Manner::Says(redirect(&other.url())), "status"),
        (Manner::Says(redirect("file:///etc/passwd")), "status"),
    ]
    .into_iter()
    .enumerate()
    {
        // Each with a breaker of its own.
        let asker = Asker::new(&ReputationSettings { timeout: Duration::from_secs(1), ..settings(&server) });
        server.behave(manner.clone());
        let begin = Instant::now();
        let error = asker.ask(&format!("x{place}.test")).await.unwrap_err();
        assert_eq!(error.as_str(), word, "{place}: {error}");
        assert!(
            !error.to_string().contains(char::is_control) && !error.to_string().contains("evil"),
            "{error}"
        );
        assert!(begin.elapsed() < 2 * SOON, "{place}: {:?}", begin.elapsed());
        assert!((asker.metric("icapstan_reputation_lookups_total", word) - 1.0).abs() < 0.5);
        server.behave(Manner::Prompt);
        assert_eq!(asker.ask("fine.test").await.unwrap().opinion, Opinion::Unknown, "{place}");
    }
    assert_eq!(other.connections(), 0, "nobody follows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_service_is_left_alone_and_found_again() {
    // The kernel gives nobody the first port, so that nobody is there.
    let dead =
        ReputationSettings { url: Some("http://127.0.0.1:1/".to_owned()), ..ReputationSettings::default() };
    let asker = Asker::new(&dead);
    for place in 0..5 {
        assert_eq!(asker.ask(&format!("x{place}.test")).await.unwrap_err().as_str(), "unreachable");
    }
    for place in 5..1000 {
        assert_eq!(asker.ask(&format!("x{place}.test")).await, Err(AskError::Open));
    }
    assert!((asker.metric("icapstan_reputation_breaker", "open") - 1.0).abs() < 0.5);
    assert!((asker.metric("icapstan_reputation_sources_total", "service") - 5.0).abs() < 0.5);

    let server = ReputationServer::start();
    server.behave(Manner::Rude);
    let asker = Asker::new(&settings(&server));
    while asker.ask(&format!("y{}.test", server.connections())).await != Err(AskError::Open) {}
    assert_eq!(server.connections(), 5);
    server.behave(Manner::Prompt);
    let found = tokio::time::timeout(LONG, async {
        while asker.ask("y.test").await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    found.await.expect("it is tried again");
    assert!((asker.metric("icapstan_reputation_breaker", "closed") - 1.0).abs() < 0.5);
}
