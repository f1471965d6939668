//! What holds at each moment, whatever happens.

use crate::scanner::Quality;
use crate::world::World;
use icapstan_api::fleet::{ContentDigest, FleetPlanSpec};
use icapstan_fleet::flip::{self, FlipObserved, Flipped, istags};
use icapstan_fleet::rollout::{self, Effect, Observed, Phase, State};
use jiff::Timestamp;

fn quorum(count: usize) -> usize {
    (count / 2).max(1).min(count)
}

pub(crate) fn check(world: &World) {
    let plan = &world.plan;
    assert_eq!(plan.check(), Ok(()));
    if let Some(active) = &plan.active {
        scanners_have_the_active_one(world, &active.revision);
        assert!(plan.revision(&active.revision).is_some(), "what is gone back to is on disk");
    }
    for epoch in plan.epochs() {
        let info = &world.settings[&epoch.settings];
        let is_named_right = (1..=world.verdict_version)
            .any(|version| istags(&epoch.revision, &info.bases, version) == epoch.istags);
        assert!(is_named_right, "tags belong to what is judged by");
        let quality = world.quality_of(&epoch.revision);
        assert!(matches!(quality, Quality::Good | Quality::Drifts), "{quality:?} in an epoch");
    }
    gateways_are_served(world);
    assert!(world.state.failed.len() <= State::MAX_FAILED);
    assert!(world.state.history.len() <= State::MAX_HISTORY + 4);
}

/// At least half of the scanners, but for those that something else happened to.
fn scanners_have_the_active_one(world: &World, active: &ContentDigest) {
    let all = world.scanners.len();
    let undisturbed = world.scanners.iter().filter(|scanner| !scanner.disturbed);
    let serving = undisturbed.clone().filter(|scanner| scanner.loaded.contains(active)).count();
    let disturbed = all - undisturbed.count();
    let least = quorum(all);
    assert!(
        serving + disturbed >= least,
        "{serving} of {all} have what is active, {disturbed} were disturbed; {:?}",
        world.state.phase,
    );
}

/// What gateways ask for, scanners are to hold.
fn gateways_are_served(world: &World) {
    for gateway in world.gateways.iter().filter(|gateway| gateway.is_ready()) {
        let Some(epoch) = &gateway.active else { continue };
        let is_held = world.scanners.is_empty()
            || world.plan.hold.everyone.contains(&epoch.revision)
            || world.scanners.iter().any(|it| world.plan.hold.of(&it.name).contains(&epoch.revision));
        let is_behind = gateway.plan.generation < world.plan.generation;
        assert!(is_held || is_behind, "{} asks for what nobody holds", gateway.name);
        for epochs in gateway.story.windows(2) {
            assert!(epochs[0].number < epochs[1].number);
        }
    }
}

/// Of each write of the plan.
pub(crate) fn check_write(world: &World, next: &FleetPlanSpec) {
    let before = &world.plan;
    assert_eq!(next.generation, before.generation + 1);
    let old = before.pending.as_ref();
    if let Some(pending) = &next.pending {
        let is_scheduled_now =
            pending.activate_at.is_some() && old.is_none_or(|old| old.activate_at.is_none());
        let known = |digest| next.active.as_ref().is_some_and(|active| active.revision == digest);
        let settings = next.active.as_ref().is_some_and(|it| it.settings == pending.epoch.settings);
        assert!(known(pending.epoch.revision) || settings || next.active.is_none(), "one thing per epoch");
        if is_scheduled_now {
            for gateway in world.gateways.iter().filter(|gateway| gateway.is_ready()) {
                assert!(gateway.is_prepared(pending.epoch.number), "{} is not prepared", gateway.name);
            }
            let serving =
                world.scanners.iter().filter(|it| it.loaded.contains(&pending.epoch.revision)).count();
            let is_new = !known(pending.epoch.revision);
            assert!(!is_new || serving > 0, "nobody has what is to be active");
        }
    }
    if let Some(scheduled) = old.filter(|old| old.activate_at.is_some()) {
        let is_kept = next.pending.as_ref() == Some(scheduled);
        let is_active = next.active.as_ref() == Some(&scheduled.epoch);
        assert!(is_kept || is_active, "what has its instant is not taken back");
    }
    let number = |plan: &FleetPlanSpec| plan.epochs().map(|epoch| epoch.number).max().unwrap_or(0);
    if next.pending.is_some() && next.pending != before.pending {
        assert!(number(next) >= number(before));
    }
    if next.active != before.active {
        let old = before.active.as_ref().map_or(0, |epoch| epoch.number);
        assert!(next.active.as_ref().is_some_and(|epoch| epoch.number > old));
        let tags = |plan: &FleetPlanSpec| plan.active.as_ref().map(|epoch| epoch.istags.clone());
        assert_ne!(tags(next), tags(before), "clients forget nothing for nothing");
    }
}

/// Once more with the same changes nothing, and tells nothing.
pub(crate) fn is_idempotent(state: &State, effects: &[Effect], seen: &Observed, now: Timestamp) {
    let (again, repeated) = rollout::step(state, seen, now);
    assert_eq!(again, *state);
    let is_event = |effect: &&Effect| matches!(effect, Effect::EmitEvent(_));
    assert_eq!(repeated.iter().filter(is_event).count(), 0, "{repeated:?}");
    let lasting: Vec<_> = effects.iter().filter(|effect| !is_event(effect)).collect();
    assert_eq!(repeated.iter().collect::<Vec<_>>(), lasting);
    if state.phase == Phase::Staging {
        assert!(state.assigned.is_empty(), "nothing is loaded before all have it on disk");
    }
}

pub(crate) fn is_flip_idempotent(flipped: &Flipped, seen: &FlipObserved, now: Timestamp) {
    let mut seen = seen.clone();
    let is_written = seen.part != flipped.part;
    seen.part = flipped.part.clone();
    seen.generation += u64::from(is_written);
    let again = flip::step(&flipped.state, &seen, now);
    assert_eq!(again.part, flipped.part);
    assert_eq!(again.state, flipped.state);
    assert_eq!(again.events, []);
}
