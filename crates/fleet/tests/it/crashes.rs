//! An operator that ends before each thing that it does, one after the other: the next one comes to the same end.

use crate::scanner::Quality;
use crate::world::{QUIET, World};
use icapstan_api::fleet::{ContentDigest, Holdings, OnFailure, Overlap, PlanEpoch};
use icapstan_fleet::Failure;
use icapstan_fleet::rollout::{Health, Outcome, Phase};
use std::collections::BTreeMap;

/// What counts in the end.
#[derive(Debug, PartialEq)]
struct End {
    phase: Phase,
    active: Option<PlanEpoch>,
    hold: Holdings,
    revisions: Vec<ContentDigest>,
    failed: Vec<ContentDigest>,
    outcomes: BTreeMap<ContentDigest, Outcome>,
    tags: Vec<Vec<BTreeMap<String, String>>>,
}

fn end(world: &World) -> End {
    let active = world.plan.active.clone().map(|epoch| PlanEpoch { number: 0, ..epoch });
    let tags = |gateway: &crate::gateway::SimGateway| {
        gateway.story.iter().map(|epoch| epoch.istags.clone()).collect()
    };
    End {
        phase: world.state.phase,
        active,
        hold: world.plan.hold.clone(),
        revisions: world.plan.revisions.iter().map(|revision| revision.digest).collect(),
        failed: world.state.failed.iter().map(|failed| failed.digest).collect(),
        outcomes: world.records.iter().map(|(digest, record)| (*digest, record.outcome)).collect(),
        tags: world.gateways.iter().map(tags).collect(),
    }
}

/// Does this from the same beginning, with an end of the operator before each single thing that it does.
fn same_end_wherever_it_ends(begin: &World, story: impl Fn(&mut World)) {
    let run = |ends_before: Option<u32>| {
        let mut world = begin.clone();
        world.ends_before = ends_before.map(|things| world.done + things);
        story(&mut world);
        world.run(15);
        world
    };
    let expected = run(None);
    let things = expected.done - begin.done;
    assert!(things > 20, "{things}");
    let expected = end(&expected);
    for thing in 0..things {
        let world = run(Some(thing));
        assert!(world.term > begin.term, "it ended");
        assert_eq!(end(&world), expected, "after an end before thing {thing} of {things}");
    }
}

#[test]
fn of_a_rollout_that_goes_well() {
    for overlap in [Overlap::Dual, Overlap::Drain] {
        let mut begin = World::running(4, 2);
        begin.spec.rollout.overlap = overlap;
        let digest = begin.offer("second", Quality::Good);
        same_end_wherever_it_ends(&begin, |world| {
            world.run_until("it is active", |world| world.active() == Some(digest) && world.is_at_rest());
        });
    }
}

#[test]
fn of_a_first_revision() {
    let mut begin = World::new(3, 2);
    begin.offer("first", Quality::Good);
    same_end_wherever_it_ends(&begin, |world| world.run_until("it is active", World::is_at_rest));
}

#[test]
fn of_a_rollout_that_fails() {
    let mut begin = World::running(4, 2);
    begin.offer("bad", Quality::Fails(Failure::Missed));
    same_end_wherever_it_ends(&begin, |world| {
        world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    });
}

#[test]
fn of_one_that_pauses_and_is_stopped() {
    let mut begin = World::running(4, 2);
    begin.spec.rollout.on_failure = OnFailure::Pause;
    begin.offer("bad", Quality::Drifts);
    same_end_wherever_it_ends(&begin, |world| {
        world.run_until("it pauses", |world| world.state.phase == Phase::Paused);
        world.verbs.abort = Some("1".to_owned());
        world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    });
}

#[test]
fn of_one_that_bakes_badly() {
    let mut begin = World::running(4, 2);
    let bad = begin.offer("bad", Quality::Good);
    same_end_wherever_it_ends(&begin, |world| {
        world.run_until("it is active", |world| world.active() == Some(bad));
        world.health = Some(Health { errors: 900, ..QUIET });
        world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    });
}

#[test]
fn of_settings_and_signatures_at_once() {
    let mut begin = World::running(4, 2);
    let digest = begin.offer("second", Quality::Good);
    same_end_wherever_it_ends(&begin, |world| {
        world.run_until("the flip", |world| world.state.phase == Phase::Activating);
        world.set_settings("settings-2");
        world.run_until("both are active", |world| world.active() == Some(digest) && world.is_at_rest());
    });
}
