//! Over TLS only who can prove its name is asked.

use crate::setup::{Asker, settings};
use icapstan_api::ReputationSettings;
use icapstan_reputation::{AskError, Reputation, ReputationMetrics};
use icapstan_testkit::{Authority, ReputationServer, tempdir};
use prometheus::Registry;
use std::time::Duration;

fn secured(server: &ReputationServer, authority: &Authority) -> ReputationSettings {
    ReputationSettings {
        url: Some(server.url().replace("http://", "https://")),
        ca_file: Some(authority.ca_file()),
        ..settings(server)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_has_to_prove_its_name() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = ReputationServer::secured(authority.identity("127.0.0.1"));
    let asker = Asker::new(&secured(&server, &authority));
    assert!(asker.ask("o.test").await.is_ok() && asker.ask("p.test").await.is_ok());
    assert_eq!(server.connections(), 1);
    let asker = Asker::new(&secured(&server, &other));
    assert_eq!(asker.ask("o.test").await.unwrap_err().as_str(), "unreachable");
    let server = ReputationServer::secured(authority.identity("other.test"));
    let asker = Asker::new(&secured(&server, &authority));
    assert_eq!(asker.ask("o.test").await.unwrap_err().as_str(), "unreachable");
    assert!(server.asked().is_empty());
    let plain = ReputationServer::start();
    let short = ReputationSettings { timeout: Duration::from_millis(100), ..secured(&plain, &authority) };
    assert_eq!(
        Asker::new(&short).ask("o.test").await,
        Err(AskError::Timeout),
        "it waits for the end of a line"
    );
    assert!(plain.asked().is_empty());
}

#[test]
fn files_without_certificates_are_told_at_the_start() {
    let dir = tempdir();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (file, text) in [(empty, "no certificate of an authority"), ("/nonexistent".into(), "cannot read")] {
        let settings = ReputationSettings {
            url: Some("https://o.test/".to_owned()),
            ca_file: Some(file),
            ..ReputationSettings::default()
        };
        let metrics = ReputationMetrics::register(&Registry::new()).unwrap();
        let error = Reputation::over_http(&settings, metrics).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    let metrics = ReputationMetrics::register(&Registry::new()).unwrap();
    assert!(Reputation::over_http(&ReputationSettings::default(), metrics).unwrap().is_none());
}
