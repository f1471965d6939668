//! A source that says what a test has it say.

use icapstan_api::fleet::FleetPlanSpec;
use icapstan_follow::{
    FollowMetrics, FollowOptions, Follower, Heard, Hearing, Origin, PlanSource, SourceError,
};
use prometheus::Registry;
use std::time::Duration;
use tokio::sync::mpsc;

use crate::files::{generation, problem};

struct Told(mpsc::Receiver<Heard>);

impl PlanSource for Told {
    fn hear(&mut self) -> Hearing<'_> {
        Box::pin(async {
            match self.0.recv().await {
                Some(heard) => heard,
                None => std::future::pending().await,
            }
        })
    }

    fn origin(&self) -> Origin {
        Origin::Kubernetes
    }

    fn describe(&self) -> String {
        "a test".to_owned()
    }
}

fn plan(generation: u64) -> Heard {
    Heard::Plan(Box::new(FleetPlanSpec { generation, ..FleetPlanSpec::default() }))
}

#[tokio::test]
async fn a_source_that_cannot_be_asked_takes_nothing_away() {
    let (say, told) = mpsc::channel(4);
    let metrics = FollowMetrics::register(&Registry::new()).unwrap();
    let follower = Follower::start(Box::new(Told(told)), FollowOptions::default(), metrics);
    let mut plans = follower.plans();
    assert!(plans.borrow().is_none());
    say.send(plan(0)).await.unwrap();
    problem(&follower, "0 is no plan").await;
    say.send(plan(2)).await.unwrap();
    assert_eq!(generation(&mut plans, 2).await, Origin::Kubernetes);
    say.send(Heard::Trouble(SourceError::Unreachable("refused".to_owned()))).await.unwrap();
    problem(&follower, "refused").await;
    say.send(Heard::Same).await.unwrap();
    say.send(plan(2)).await.unwrap();
    while follower.problem().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(follower.plan_age(), Duration::ZERO, "the list that follows a failure confirms the plan");
    assert!(!plans.has_changed().unwrap(), "an equal plan is none");
}
