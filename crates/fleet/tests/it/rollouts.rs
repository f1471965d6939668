//! The way forward.

use crate::scanner::Quality;
use crate::world::{World, revision, seconds};
use icapstan_api::fleet::{Amount, Approval, Overlap, PlannedRevision};
use icapstan_fleet::Reason;
use icapstan_fleet::rollout::{Offer, Outcome, Phase};

fn phases(world: &mut World) -> Vec<Phase> {
    let mut phases = vec![world.state.phase];
    for _ in 0..300 {
        world.tick();
        if phases.last() != Some(&world.state.phase) {
            phases.push(world.state.phase);
        }
        if world.is_at_rest() && phases.len() > 1 {
            break;
        }
    }
    phases
}

#[test]
fn the_first_revision_needs_no_canary_and_no_bake() {
    let mut world = World::new(4, 2);
    world.run(5);
    assert_eq!(world.active(), None, "a source that is required gave nothing");
    world.offer("first", Quality::Good);
    assert_eq!(
        phases(&mut world),
        [Phase::Idle, Phase::Staging, Phase::Rolling, Phase::Activating, Phase::Idle]
    );
    assert_eq!(world.active(), Some(revision("first").digest));
    assert!(world.gateways.iter().all(|gateway| gateway.story.len() == 1));
}

#[test]
fn each_next_one_goes_through_all_stages_and_moves_the_tag_once() {
    let mut world = World::running(8, 3);
    let digest = world.offer("second", Quality::Good);
    assert_eq!(
        phases(&mut world),
        [
            Phase::Idle,
            Phase::Staging,
            Phase::CanaryLoading,
            Phase::CanarySoak,
            Phase::Rolling,
            Phase::Activating,
            Phase::Baking,
            Phase::Idle
        ]
    );
    assert_eq!(world.active(), Some(digest));
    assert!(world.gateways.iter().all(|gateway| gateway.story.len() == 2));
    world.run(2);
    assert_eq!(world.plan.hold.everyone, [digest], "what was before is not held any more");
    assert!(world.plan.hold.named.is_empty() && world.plan.mirror.is_none());
    assert!(world.plan.revision(&revision("first").digest).is_some(), "it stays on disk");
    let outcomes: Vec<_> = world.state.history.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Active, Outcome::Replaced]);
    let record = &world.records[&digest];
    assert!(record.staged_at <= record.canary_at && record.canary_at <= record.approved_at);
    assert!(record.approved_at <= record.rolled_out_at && record.rolled_out_at <= record.activated_at);
}

#[test]
fn only_the_canary_loads_it_before_the_waves() {
    let mut world = World::running(8, 2);
    world.spec.rollout.canary.scanners = Amount::Number(2);
    let digest = world.offer("second", Quality::Good);
    world.run_until("the soak", |world| world.state.phase == Phase::CanarySoak);
    let loaded = |world: &World| world.scanners.iter().filter(|it| it.loaded.contains(&digest)).count();
    assert_eq!(loaded(&world), 2);
    assert_eq!(world.plan.mirror.as_ref().map(|mirror| mirror.revision), Some(digest));
    world.run_until("the waves", |world| world.state.phase == Phase::Rolling);
    world.run_until("the first wave", |world| world.state.waves_done == 1);
    assert_eq!(loaded(&world), 2, "a quarter of eight");
    world.run_until("the second wave", |world| world.state.waves_done == 2);
    assert_eq!(loaded(&world), 4);
}

#[test]
fn a_canary_that_goes_is_replaced() {
    let mut world = World::running(6, 1);
    let digest = world.offer("second", Quality::Good);
    world.run_until("the soak", |world| world.state.phase == Phase::CanarySoak);
    let canary = world.state.assigned.keys().next().cloned().unwrap();
    world.scanners.retain(|scanner| scanner.name != canary);
    world.run_until("it is active", |world| world.active() == Some(digest));
    assert_eq!(world.state.crashes, 0, "going is not ending over it");
}

#[test]
fn somebody_has_to_approve_where_that_is_wished() {
    let mut world = World::running(4, 1);
    world.spec.rollout.approval = Approval::Manual;
    let digest = world.offer("second", Quality::Good);
    world.run_until("it waits", |world| world.state.phase == Phase::AwaitingApproval);
    world.run(100);
    assert_eq!(world.state.phase, Phase::AwaitingApproval);
    world.verbs.promote = Some("now".to_owned());
    world.run_until("it is active", |world| world.active() == Some(digest));
    world.offer("third", Quality::Good);
    world.run_until("it waits again", |world| world.state.phase == Phase::AwaitingApproval);
    world.run(50);
    assert_eq!(world.state.phase, Phase::AwaitingApproval, "each word counts once");
}

#[test]
fn what_comes_during_the_soak_takes_the_place_and_the_other_is_never_active() {
    let mut world = World::running(4, 2);
    let skipped = world.offer("second", Quality::Good);
    world.run_until("the soak", |world| world.state.phase == Phase::CanarySoak);
    let digest = world.offer("third", Quality::Good);
    world.run_until("it is active", |world| world.active() == Some(digest));
    assert!(world.has(Reason::Superseded));
    assert_eq!(world.records[&skipped].outcome, Outcome::Superseded);
    for gateway in &world.gateways {
        assert_eq!(gateway.story.len(), 2);
        assert!(gateway.story.iter().all(|epoch| epoch.revision != skipped));
    }
}

#[test]
fn sources_that_never_rest_do_not_keep_all_from_becoming_active() {
    let mut world = World::running(4, 1);
    for n in 0..100 {
        world.offer(&format!("revision-{n}"), Quality::Good);
        world.run(4);
    }
    assert_ne!(world.active(), Some(revision("first").digest));
}

#[test]
fn an_emergency_skips_soak_waves_and_bake_but_not_the_self_test() {
    let mut world = World::running(8, 2);
    world.spec.emergency = true;
    world.spec.rollout.approval = Approval::Manual;
    let digest = world.offer("second", Quality::Good);
    let seen = phases(&mut world);
    assert!(!seen.contains(&Phase::AwaitingApproval) && !seen.contains(&Phase::Baking), "{seen:?}");
    assert_eq!(world.active(), Some(digest));
    world.offer("third", Quality::Fails(icapstan_fleet::Failure::Missed));
    world.run_until("it is taken back", |world| world.state.phase == Phase::RolledBack);
    assert_eq!(world.active(), Some(digest));
}

#[test]
fn scanners_have_one_at_a_time_where_memory_is_short() {
    for scanners in [2, 3, 4, 7, 8] {
        let mut world = World::running(scanners, 2);
        world.spec.rollout.overlap = Overlap::Drain;
        let digest = world.offer("second", Quality::Good);
        world.run_until("it began", |world| !world.state.phase.is_resting());
        assert!(world.state.drain);
        for _ in 0..200 {
            world.tick();
            assert!(world.scanners.iter().all(|scanner| scanner.loaded.len() <= 1));
        }
        assert!(world.is_at_rest());
        assert_eq!(world.active(), Some(digest));
        assert!(world.scanners.iter().all(|scanner| scanner.loaded.contains(&digest)));
    }
}

#[test]
fn a_fleet_of_one_has_both_loaded() {
    let mut world = World::running(1, 1);
    world.spec.rollout.overlap = Overlap::Drain;
    let digest = world.offer("second", Quality::Good);
    world.run_until("it is active", |world| world.active() == Some(digest));
}

#[test]
fn scanners_that_come_later_are_no_exception() {
    let mut world = World::running(4, 1);
    let digest = world.offer("second", Quality::Good);
    world.run_until("the waves", |world| world.state.phase == Phase::Rolling);
    (0..4).for_each(|_| world.add_scanner());
    world.run_until("it is active", |world| world.active() == Some(digest) && world.is_at_rest());
    assert!(world.scanners.iter().all(|scanner| scanner.loaded.contains(&digest)));
}

#[test]
fn a_pin_is_followed_and_no_pin_is_the_newest() {
    let mut world = World::running(4, 1);
    let first = revision("first").digest;
    let second = world.offer("second", Quality::Good);
    world.run_until("the second one", |world| world.active() == Some(second) && world.is_at_rest());
    world.spec.pin = Some(first);
    world.run_until("the pinned one", |world| world.active() == Some(first) && world.is_at_rest());
    world.offer("third", Quality::Good);
    world.run(100);
    assert_eq!(world.active(), Some(first));
    world.spec.pin = Some(icapstan_api::fleet::ContentDigest::of(b"unheard of"));
    world.run(10);
    assert!(world.state.conditions.iter().any(|it| it.reason == Reason::PinUnknown));
    world.spec.pin = None;
    let third = revision("third").digest;
    world.run_until("the newest one", |world| world.active() == Some(third));
}

#[test]
fn a_suspended_set_stays_as_it_is_and_goes_on_where_it_was() {
    let mut world = World::running(4, 1);
    let digest = world.offer("second", Quality::Good);
    world.run_until("the soak", |world| world.state.phase == Phase::CanarySoak);
    world.spec.suspend = true;
    world.tick();
    let (plan, events) = (world.plan.clone(), world.events.len());
    world.run(200);
    assert_eq!((world.plan.clone(), world.events.len()), (plan, events));
    assert_eq!(world.state.shown(), "Suspended");
    world.spec.suspend = false;
    world.tick();
    assert_eq!(world.state.phase, Phase::CanarySoak, "times did not count");
    world.run_until("it is active", |world| world.active() == Some(digest));
}

#[test]
fn without_sources_there_are_test_signatures_but_never_in_the_place_of_real_ones() {
    let built_in = PlannedRevision::built_in().digest;
    let mut world = World::new(2, 1);
    world.offer = Offer::NoSources;
    world.run_until("test signatures", |world| world.active() == Some(built_in) && world.is_at_rest());
    let real = world.offer("real", Quality::Good);
    world.run_until("real ones", |world| world.active() == Some(real) && world.is_at_rest());
    world.offer = Offer::NoSources;
    world.run(100);
    assert_eq!(world.active(), Some(real));
}

#[test]
fn rollouts_begin_no_closer_than_wished() {
    let mut world = World::running(2, 1);
    world.spec.min_refresh_interval = seconds(300);
    let begun = world.state.begun_at.unwrap();
    world.offer("second", Quality::Good);
    world.run_until("it begins", |world| !world.state.phase.is_resting());
    assert!(world.now.duration_since(begun).as_secs() >= 300);
}

#[test]
fn a_plan_that_was_deleted_comes_back_as_it_was() {
    let mut world = World::running(3, 2);
    world.plan =
        icapstan_api::fleet::FleetPlanSpec { generation: world.plan.generation, ..Default::default() };
    world.run_until("it is back", World::is_at_rest);
    assert_eq!(world.active(), Some(revision("first").digest));
}

#[test]
fn a_status_that_was_deleted_is_found_in_the_plan() {
    let mut world = World::running(3, 2);
    world.state = icapstan_fleet::rollout::State::default();
    world.flip = icapstan_fleet::flip::FlipState::default();
    world.verbs.abort = Some("long ago".to_owned());
    let digest = world.offer("second", Quality::Good);
    world.tick();
    assert_eq!(world.state.current, Some(revision("first").digest));
    assert!(!world.has(Reason::Ignored), "old words do not count");
    world.run_until("it is active", |world| world.active() == Some(digest) && world.is_at_rest());
    assert!(world.gateways.iter().all(|gateway| gateway.story.len() == 2));
}
