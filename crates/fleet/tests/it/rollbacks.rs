//! The ways back: each row of the list of faults that rollouts have to take.

use crate::scanner::Quality;
use crate::world::{QUIET, World, revision};
use icapstan_api::fleet::{ContentDigest, OnFailure, Overlap};
use icapstan_fleet::rollout::{Health, Outcome, Phase};
use icapstan_fleet::{ConditionType, Failure, Reason, Status};

fn first() -> ContentDigest {
    revision("first").digest
}

/// All judge by the first one as if nothing had been, and no client saw another tag.
fn is_untouched(world: &World, failed: ContentDigest) {
    assert_eq!(world.active(), Some(first()));
    assert_eq!(world.plan.hold.everyone, [first()]);
    assert!(world.plan.hold.named.is_empty());
    assert!(world.scanners.iter().all(|scanner| scanner.down_for > 0 || scanner.loaded.len() == 1));
    assert!(world.gateways.iter().all(|gateway| gateway.story.len() == 1));
    assert_eq!(world.records[&failed].outcome, Outcome::RolledBack);
    assert_eq!(world.records[&failed].activated_at, None);
}

fn degraded(world: &World) -> Option<Reason> {
    let conditions = world.state.conditions.iter();
    let mut degraded =
        conditions.filter(|it| it.kind == ConditionType::Degraded && it.status == Status::True);
    degraded.next().map(|it| it.reason)
}

#[test]
fn what_fails_its_test_is_rolled_back_and_no_tag_changes() {
    let failures = [
        (Failure::Missed, Reason::SelfTestMissed),
        (Failure::FalsePositive, Reason::SelfTestFalsePositive),
        (Failure::Load, Reason::LoadFailed),
        (Failure::Crash, Reason::LoadFailed),
        (Failure::Slow, Reason::LatencyExceeded),
    ];
    for (failure, reason) in failures {
        for overlap in [Overlap::Dual, Overlap::Drain] {
            let mut world = World::running(4, 2);
            world.spec.rollout.overlap = overlap;
            let bad = world.offer("bad", Quality::Fails(failure));
            world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
            world.run(5);
            is_untouched(&world, bad);
            assert!(world.has(reason) && world.has(Reason::RolledBack));
            assert_eq!(degraded(&world), Some(reason));
            let begun = world.records[&bad].begun_at;
            world.run(600);
            assert_eq!(world.records[&bad].begun_at, begun, "it is not tried again within the hour");
            let good = world.offer("good", Quality::Good);
            world.run_until("a new one", |world| world.active() == Some(good) && world.is_at_rest());
            assert_eq!(degraded(&world), None);
        }
    }
}

#[test]
fn what_failed_is_tried_again_after_an_hour_and_then_after_two() {
    let mut world = World::running(2, 1);
    let bad = world.offer("bad", Quality::Fails(Failure::Load));
    for hours in [1, 2, 4, 8, 16, 24, 24] {
        world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
        let until = world.state.failed[0].until.unwrap();
        let ended = world.records[&bad].ended_at.unwrap();
        assert_eq!(until.duration_since(ended).as_hours(), hours);
        world.now = until;
        world.run_until("it is tried", |world| !world.state.phase.is_resting());
    }
}

#[test]
fn a_word_has_it_tried_again_at_once() {
    let mut world = World::running(2, 1);
    let bad = world.offer("bad", Quality::Fails(Failure::Load));
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    world.quality.insert(bad, Quality::Good);
    world.verbs.retry = Some("1".to_owned());
    world.run_until("it is active", |world| world.active() == Some(bad));
}

#[test]
fn bytes_that_nobody_gives_are_not_waited_for_for_ever() {
    let mut world = World::running(3, 1);
    let bad = world.offer("bad", Quality::Unfetchable);
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    world.run(5);
    is_untouched(&world, bad);
    assert_eq!(degraded(&world), Some(Reason::StageTimeout));
    let trouble = world.state.trouble.as_ref().unwrap();
    assert!(trouble.message.contains("scanner-1"), "who is late is named: {trouble:?}");
}

#[test]
fn nobody_loads_it_before_all_have_it_on_disk() {
    let mut world = World::running(4, 1);
    world.scanners[2].cut = true;
    let late = world.offer("late", Quality::Good);
    world.run_until("it is back", |world| {
        assert!(world.scanners.iter().all(|scanner| !scanner.loaded.contains(&late)));
        world.state.phase == Phase::RolledBack
    });
    let trouble = world.state.trouble.as_ref().unwrap();
    assert_eq!(trouble.reason, Reason::StageTimeout);
    assert!(trouble.message.contains("scanner-3") && !trouble.message.contains("scanner-1"), "{trouble:?}");
}

#[test]
fn scanners_that_end_over_it_pause_the_wave_and_then_it_is_given_up() {
    let mut world = World::running(6, 2);
    let bad = world.offer("bad", Quality::Kills);
    world.run_until("one ended", |world| world.state.crashes == 1);
    assert!(world.state.hold_until.is_some() && world.has(Reason::ScannersUnavailable));
    let down = |world: &World| world.scanners.iter().filter(|scanner| scanner.down_for > 0).count();
    for _ in 0..300 {
        world.tick();
        assert!(down(&world) <= 1, "one after the other");
        if world.state.phase == Phase::RolledBack {
            break;
        }
    }
    world.run(10);
    is_untouched(&world, bad);
    assert_eq!(degraded(&world), Some(Reason::ScannersUnavailable));
}

#[test]
fn a_wave_that_ends_scanners_leaves_half_of_them() {
    let mut world = World::running(8, 2);
    world.spec.rollout.waves = vec![100];
    let bad = world.offer("bad", Quality::Good);
    world.run_until("the wave", |world| world.state.phase == Phase::Rolling);
    world.quality.insert(bad, Quality::Kills);
    let mut most = 0;
    for _ in 0..300 {
        world.tick();
        most = most.max(world.scanners.iter().filter(|scanner| scanner.down_for > 0).count());
    }
    assert_eq!(most, 4);
    is_untouched(&world, bad);
}

#[test]
fn too_little_memory_is_told_as_that() {
    let mut world = World::running(3, 1);
    let bad = world.offer("bad", Quality::Fails(Failure::Memory));
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    world.run(5);
    is_untouched(&world, bad);
    assert_eq!(degraded(&world), Some(Reason::MemoryExceeded));
}

#[test]
fn what_judges_too_much_otherwise_ends_with_the_canary() {
    let mut world = World::running(6, 2);
    let bad = world.offer("bad", Quality::Drifts);
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    world.run(5);
    is_untouched(&world, bad);
    assert_eq!(degraded(&world), Some(Reason::DriftExceeded));
}

#[test]
fn a_rollback_in_the_second_wave_takes_seconds_and_changes_no_tag() {
    let mut world = World::running(8, 2);
    let bad = world.offer("bad", Quality::Good);
    world.run_until("the second wave", |world| world.state.waves_done == 2);
    world.verbs.abort = Some("now".to_owned());
    let before = world.now;
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    assert!(world.now.duration_since(before).as_secs() <= 5);
    world.run(2);
    is_untouched(&world, bad);
    world.run(4000);
    assert_eq!(world.state.phase, Phase::RolledBack, "what somebody stopped is not tried by itself");
}

#[test]
fn what_bakes_badly_is_taken_back_by_one_more_flip_to_the_old_tag() {
    for overlap in [Overlap::Dual, Overlap::Drain] {
        let mut world = World::running(5, 2);
        world.spec.rollout.overlap = overlap;
        let bad = world.offer("bad", Quality::Good);
        world.run_until("it is active", |world| world.active() == Some(bad));
        world.health = Some(Health { blocked: 500, ..QUIET });
        world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
        assert_eq!(world.active(), Some(first()));
        world.run(30);
        for gateway in &world.gateways {
            let tags: Vec<_> = gateway.story.iter().map(|epoch| &epoch.istags).collect();
            assert_eq!(tags.len(), 3);
            assert_eq!(tags[0], tags[2], "verdicts are those of before, and so is the tag");
        }
        assert_eq!(degraded(&world), Some(Reason::BakeFailed));
        world.health = Some(QUIET);
        world.run(4000);
        assert_eq!(world.active(), Some(first()), "it does not come back by itself");
        assert_eq!(world.records[&first()].outcome, Outcome::Active);
    }
}

#[test]
fn somebody_can_have_back_what_was_before() {
    let mut world = World::running(4, 1);
    let second = world.offer("second", Quality::Good);
    world.run_until("it is active", |world| world.active() == Some(second) && world.is_at_rest());
    world.verbs.undo = Some("1".to_owned());
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    assert_eq!(world.active(), Some(first()));
    world.verbs.undo = Some("2".to_owned());
    world.run(30);
    assert_eq!(world.active(), Some(first()), "there is nothing before that");
    assert!(world.has(Reason::Ignored));
}

#[test]
fn a_rollout_that_pauses_waits_for_a_word() {
    let mut world = World::running(4, 1);
    world.spec.rollout.on_failure = OnFailure::Pause;
    let bad = world.offer("bad", Quality::Fails(Failure::Missed));
    world.run_until("it pauses", |world| world.state.phase == Phase::Paused);
    world.run(4000);
    assert_eq!((world.state.phase, world.active()), (Phase::Paused, Some(first())));
    world.verbs.retry = Some("1".to_owned());
    world.run_until("it is tried again", |world| world.state.phase != Phase::Paused);
    world.run_until("it pauses again", |world| world.state.phase == Phase::Paused);
    world.verbs.abort = Some("1".to_owned());
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    world.run(5);
    is_untouched(&world, bad);
}

#[test]
fn somebody_may_know_better_than_comparisons_but_not_than_the_self_test() {
    let mut world = World::running(4, 1);
    world.spec.rollout.on_failure = OnFailure::Pause;
    let drifting = world.offer("drifting", Quality::Drifts);
    world.run_until("it pauses", |world| world.state.phase == Phase::Paused);
    world.verbs.promote = Some("1".to_owned());
    world.run_until("it is active", |world| world.active() == Some(drifting) && world.is_at_rest());
    world.offer("bad", Quality::Fails(Failure::Missed));
    world.run_until("it pauses", |world| world.state.phase == Phase::Paused);
    world.verbs.promote = Some("2".to_owned());
    world.run(50);
    assert_eq!((world.state.phase, world.active()), (Phase::Paused, Some(drifting)));
}

#[test]
fn a_paused_rollout_gives_way_to_what_is_newer() {
    let mut world = World::running(4, 1);
    world.spec.rollout.on_failure = OnFailure::Pause;
    world.offer("bad", Quality::Fails(Failure::Missed));
    world.run_until("it pauses", |world| world.state.phase == Phase::Paused);
    let good = world.offer("good", Quality::Good);
    world.run_until("it is active", |world| world.active() == Some(good) && world.is_at_rest());
}

#[test]
fn a_first_revision_that_fails_leaves_nothing_behind() {
    let mut world = World::new(3, 1);
    let bad = world.offer("bad", Quality::Fails(Failure::Missed));
    world.run_until("it is back", |world| world.state.phase == Phase::RolledBack);
    assert_eq!((world.active(), world.plan.pending.clone()), (None, None));
    assert!(world.plan.hold.everyone.is_empty() && world.plan.revision(&bad).is_none());
    let good = world.offer("good", Quality::Good);
    world.run_until("a good one", |world| world.active() == Some(good));
}

#[test]
fn it_is_too_late_to_abort_what_has_its_instant() {
    let mut world = World::running(4, 1);
    let second = world.offer("second", Quality::Good);
    let is_scheduled = |world: &World| world.plan.pending.as_ref().is_some_and(|it| it.activate_at.is_some());
    world.run_until("it is scheduled", is_scheduled);
    world.verbs.abort = Some("1".to_owned());
    world.run_until("it is active", |world| world.active() == Some(second) && world.is_at_rest());
    assert!(world.has(Reason::Ignored));
}

#[test]
fn without_scanners_nothing_is_held_against_a_candidate() {
    let mut world = World::running(3, 1);
    world.offer("second", Quality::Good);
    world.run_until("the canary", |world| world.state.phase == Phase::CanaryLoading);
    world.scanners.iter_mut().for_each(|scanner| scanner.end(300));
    world.run(295);
    assert!(world.has(Reason::ScannersUnavailable) && world.state.failed.is_empty());
    world.run_until("it is active", |world| world.active() == Some(revision("second").digest));
}
