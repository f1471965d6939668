//! Many who ask at once: each URL is asked about once, and no more at once than there may be.

use crate::setup::{Asker, LONG, settings, url};
use icapstan_api::ReputationSettings;
use icapstan_reputation::{
    Answer, AskError, Asking, Limits, Oracle, Question, Reputation, ReputationMetrics,
};
use icapstan_testkit::{Manner, ReputationServer};
use prometheus::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Counts who asks, and answers after a while.
#[derive(Clone, Default)]
struct Counting(Arc<Counts>);

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Oracle for Counting {
    fn ask<'a>(&'a self, question: &'a Question) -> Asking<'a> {
        Box::pin(async move {
            let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most.fetch_max(now, Ordering::SeqCst);
            self.0.all.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
            self.0.now.fetch_sub(1, Ordering::SeqCst);
            assert_ne!(question.host, "fault.test", "as a fault of the program would be");
            Answer::parse(br#"{"verdict":"clean"}"#).map_err(|_| AskError::Timeout)
        })
    }
}

fn asker(limits: Limits) -> (Counting, Arc<Reputation>) {
    let counting = Counting::default();
    let metrics = ReputationMetrics::register(&Registry::new()).unwrap();
    let settings = ReputationSettings { timeout: LONG, ..ReputationSettings::default() };
    (counting.clone(), Reputation::new(counting, &settings, limits, metrics))
}

#[tokio::test(start_paused = true)]
async fn lookups_are_bounded_and_those_beyond_wait_or_are_told() {
    let (counting, reputation) = asker(Limits { concurrency: 4, waiting: 40 });
    let mut all = JoinSet::new();
    for place in 0..60 {
        let reputation = Arc::clone(&reputation);
        all.spawn(async move { reputation.ask(&url(&format!("x{place}.test"))).await });
    }
    let results = all.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 40);
    assert_eq!(results.iter().filter(|result| **result == Err(AskError::Busy)).count(), 20);
    assert_eq!(counting.0.most.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_fault_in_a_lookup_is_an_answer_too_and_the_next_one_works() {
    let (_, reputation) = asker(Limits::default());
    for _ in 0..10 {
        let error = reputation.ask(&url("fault.test")).await.unwrap_err();
        assert_eq!(error.as_str(), "unreachable");
    }
    assert!(reputation.ask(&url("o.test")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_the_same_at_once_shares_one_lookup() {
    let server = ReputationServer::start();
    server.behave(Manner::Slow(Duration::from_millis(200)));
    let asker = Arc::new(Asker::new(&settings(&server)));
    let mut all = JoinSet::new();
    for place in 0..100 {
        let asker = Arc::clone(&asker);
        all.spawn(async move { asker.ask(&format!("x{}.test", place % 2)).await });
    }
    assert!(all.join_all().await.iter().all(Result::is_ok));
    assert_eq!((server.asked_about("x0.test"), server.asked_about("x1.test")), (1, 1));
    let joined = asker.metric("icapstan_reputation_sources_total", "joined");
    let cached = asker.metric("icapstan_reputation_sources_total", "cache");
    assert!((joined + cached - 98.0).abs() < 0.5, "{joined} {cached}");
}
