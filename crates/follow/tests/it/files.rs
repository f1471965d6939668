//! A plan in a file.

use icapstan_follow::{FileSource, FollowMetrics, FollowOptions, Follower, Origin, PlanWatch, StateFolder};
use prometheus::Registry;
use std::fs;
use std::path::Path;
use std::time::Duration;

pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

fn follow(file: &Path, state: Option<StateFolder>, patience: Duration) -> (Follower, Registry) {
    let registry = Registry::new();
    let metrics = FollowMetrics::register(&registry).expect("a new registry");
    let options = FollowOptions { state, patience };
    (Follower::start(Box::new(FileSource::new(file)), options, metrics), registry)
}

pub(crate) async fn generation(plans: &mut PlanWatch, wanted: u64) -> Origin {
    let is_wanted = |plan: &Option<_>| {
        plan.as_ref().is_some_and(|plan: &std::sync::Arc<icapstan_follow::Plan>| plan.generation == wanted)
    };
    let found = tokio::time::timeout(DEADLINE, plans.wait_for(is_wanted)).await;
    found.expect("in time").expect("it is followed").as_ref().map(|plan| plan.origin).expect("a plan")
}

pub(crate) async fn problem(follower: &Follower, part: &str) {
    let told = async {
        while !follower.problem().is_some_and(|problem| problem.contains(part)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = tokio::time::timeout(DEADLINE, told).await;
    assert!(in_time.is_ok(), "{part}: {:?}", follower.problem());
}

#[tokio::test]
async fn a_changed_file_is_followed_and_never_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.yaml");
    let (follower, registry) = follow(&file, None, Duration::ZERO);
    let mut plans = follower.plans();
    problem(&follower, "there is no plan").await;
    fs::write(&file, "generation: 5\n").unwrap();
    assert_eq!(generation(&mut plans, 5).await, Origin::File);
    assert_eq!((follower.problem(), follower.plan_age()), (None, Duration::ZERO));
    fs::write(&file, "generation: 4\n").unwrap();
    problem(&follower, "the plan 4 is older than 5").await;
    fs::write(&file, "generation: 5\nverdictVersion: 3\n").unwrap();
    problem(&follower, "another plan 5 is followed").await;
    fs::write(&file, "generation: 6\nno: 1\n").unwrap();
    problem(&follower, "unknown field `no`").await;
    fs::remove_file(&file).unwrap();
    problem(&follower, "the plan is gone").await;
    assert_eq!(plans.borrow().as_ref().unwrap().generation, 5);
    assert!(follower.plan_age() > Duration::ZERO);
    fs::write(&file, "{\"generation\": 6, \"issuedBy\": {\"term\": 2}}").unwrap();
    generation(&mut plans, 6).await;
    fs::write(&file, "{\"generation\": 7, \"issuedBy\": {\"term\": 1}}").unwrap();
    problem(&follower, "of the term 1").await;
    let families = registry.gather();
    let shown = families.iter().find(|family| family.name() == "icapstan_plan_generation").unwrap();
    assert!((shown.get_metric()[0].get_gauge().get_value() - 6.0).abs() < 0.1);
}

#[tokio::test]
async fn without_its_source_a_process_starts_with_the_plan_that_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    let state = || Some(StateFolder::open(folder.path().join("state")).unwrap());
    fs::write(&file, "{\"generation\": 9}").unwrap();
    let (follower, _) = follow(&file, state(), Duration::from_mins(1));
    generation(&mut follower.plans(), 9).await;
    drop(follower);
    fs::remove_file(&file).unwrap();
    let (follower, _) = follow(&file, state(), Duration::from_millis(50));
    assert_eq!(generation(&mut follower.plans(), 9).await, Origin::Disk);
    // Also what was kept is not gone behind.
    fs::write(&file, "{\"generation\": 8}").unwrap();
    problem(&follower, "the plan 8 is older than 9").await;
    fs::write(&file, "{\"generation\": 9}").unwrap();
    while follower.problem().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(follower.plan_age(), Duration::ZERO, "the source has what was kept");
}

#[tokio::test]
async fn the_kept_plan_waits_for_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    let state = StateFolder::open(folder.path().join("state")).unwrap();
    let kept = icapstan_follow::read_plan("generation: 3").unwrap();
    state.keep(&kept).unwrap();
    fs::write(&file, "{\"generation\": 3}").unwrap();
    let (follower, _) = follow(&file, Some(state), Duration::from_mins(1));
    assert_eq!(
        generation(&mut follower.plans(), 3).await,
        Origin::File,
        "equal, and heard before patience ends"
    );
}
