//! Which signatures decide.

use crate::rig::{Scanner, connected, epoch, object, remote, scan, until};
use icapstan_model::{GenerationId, Readiness, ScanPort, Verdict};
use std::sync::Arc;

fn id(epoch: Option<&Arc<icapstan_model::Epoch>>) -> Option<u8> {
    epoch.map(|epoch| epoch.signatures.id.0[0])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_name_what_most_scanners_have_and_that_decides() {
    let scanners: Vec<_> = (0..3).map(|_| Scanner::start(Some(1))).collect();
    let (remote, _) = connected(&scanners.iter().collect::<Vec<_>>()).await;
    assert_eq!(id(remote.epoch().as_ref()), Some(1));
    let decided = async |remote: &_| {
        let report = scan(remote, object("bad")).await.unwrap();
        assert_eq!(report.decided_by, None);
        let Verdict::Infected(name) = report.findings.strongest().clone() else { panic!("{report:?}") };
        name.as_str().split('.').nth(1).unwrap().parse::<u8>().unwrap()
    };
    scanners[0].engine.epochs.send_replace(Some(epoch(2)));
    for _ in 0..20 {
        assert_eq!(decided(&remote).await, 1, "one of three goes ahead");
    }
    scanners[1].engine.epochs.send_replace(Some(epoch(2)));
    let mut epochs = remote.epochs();
    epochs.wait_for(|epoch| id(epoch.as_ref()) == Some(2)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(decided(&remote).await, 2);
    }
    // Transactions that began before are judged by what they began with, while anybody has it.
    let before = epoch(1);
    let report = remote
        .scan(object("bad"), crate::rig::context(), &before, std::time::Instant::now() + crate::rig::PATIENCE)
        .await
        .unwrap();
    assert_eq!(report.decided_by, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_that_nobody_has_are_decided_by_others_and_that_is_told() {
    let scanner = Scanner::start(Some(2));
    let (remote, _) = connected(&[&scanner]).await;
    let of_nobody = epoch(9);
    let deadline = std::time::Instant::now() + crate::rig::PATIENCE;
    let report = remote.scan(object("bad"), crate::rig::context(), &of_nobody, deadline).await.unwrap();
    assert_eq!(report.decided_by, Some(GenerationId([2; 32])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_that_has_not_loaded_yet_gets_nothing() {
    let (loading, loaded) = (Scanner::start(None), Scanner::start(Some(1)));
    let (remote, _) = remote(&[loading.address(), loaded.address()]);
    until(|| remote.readiness() == Readiness::Ready).await;
    until(|| remote.note().is_some_and(|note| note.contains("none loaded"))).await;
    for _ in 0..20 {
        assert!(scan(&remote, object("x")).await.unwrap().findings.is_clean());
    }
    assert_eq!(loading.begun(), 0);
    loading.engine.epochs.send_replace(Some(epoch(1)));
    until(|| remote.note().is_none()).await;
    let begin = std::time::Instant::now();
    while loading.begun() == 0 {
        assert!(scan(&remote, object("x")).await.unwrap().findings.is_clean());
        assert!(begin.elapsed() < crate::rig::PATIENCE);
    }
}
