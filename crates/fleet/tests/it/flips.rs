//! From one epoch to the next.

use crate::scanner::Quality;
use crate::world::{World, revision, seconds, timing};
use icapstan_api::fleet::{ContentDigest, PendingEpoch};
use icapstan_fleet::flip::{FlipState, istags};
use icapstan_fleet::{ConditionType, Reason, Status};
use icapstan_model::{GenerationId, IsTag, VERDICT_VERSION};

fn pending(world: &World) -> Option<&PendingEpoch> {
    world.plan.pending.as_ref()
}

fn is_announced(world: &World) -> bool {
    pending(world).is_some_and(|pending| pending.activate_at.is_none())
}

fn is_scheduled(world: &World) -> bool {
    pending(world).is_some_and(|pending| pending.activate_at.is_some())
}

#[test]
fn tags_are_those_that_a_process_would_derive_by_itself() {
    let world = World::running(1, 1);
    let epoch = world.plan.active.as_ref().unwrap();
    let basis = world.settings[&epoch.settings].bases["respmod"];
    let own = IsTag::derive(&GenerationId(epoch.revision.0), &basis, "respmod");
    assert_eq!(world.verdict_version, VERDICT_VERSION, "of this program");
    assert_eq!(epoch.istags["respmod"], own.as_str());
    assert_ne!(epoch.istags["respmod"], epoch.istags["reqmod"]);
    let bases = &world.settings[&epoch.settings].bases;
    assert_ne!(istags(&epoch.revision, bases, VERDICT_VERSION + 1), epoch.istags);
}

#[test]
fn settings_flip_without_a_rollout_and_at_one_instant() {
    let mut world = World::running(2, 5);
    let settings = world.set_settings("settings-2");
    world.run_until("it is scheduled", is_scheduled);
    let at = pending(&world).unwrap().activate_at.unwrap();
    assert!(at.duration_since(world.now) >= timing().lead().try_into().unwrap());
    world.run_until("it is active", World::is_at_rest);
    let epoch = world.plan.active.as_ref().unwrap();
    assert_eq!((epoch.settings, epoch.revision), (settings, revision("first").digest));
    assert!(world.gateways.iter().all(|gateway| gateway.story.len() == 2));
    assert!(world.flip.retiring.is_empty(), "signatures did not change");
}

#[test]
fn a_gateway_that_is_ready_and_not_prepared_holds_it_and_is_named() {
    let mut world = World::running(2, 3);
    let settings = world.set_settings("settings-2");
    world.gateways[1].refuses.insert(settings);
    world.run(100);
    assert!(is_announced(&world));
    let synced = world.flip.conditions.iter().find(|it| it.kind == ConditionType::ISTagSynced).unwrap();
    assert_eq!((synced.status, synced.reason), (Status::False, Reason::GatewaysUnacked));
    assert!(synced.message.contains(&world.gateways[1].name), "{}", synced.message);
    assert_eq!(world.events.iter().filter(|event| event.reason == Reason::GatewaysUnacked).count(), 1);
    world.gateways[1].refuses.clear();
    world.run_until("it is active", World::is_at_rest);
}

#[test]
fn settings_that_nobody_understands_do_not_hold_signatures_up() {
    let mut world = World::running(4, 2);
    let settings = world.set_settings("settings-2");
    for gateway in &mut world.gateways {
        gateway.refuses.insert(settings);
    }
    let digest = world.offer("second", Quality::Good);
    world.run_until("it is active", |world| world.active() == Some(digest));
    assert_ne!(world.plan.active.as_ref().unwrap().settings, settings);
    world.run(10);
    assert!(is_announced(&world), "then the settings are tried again");
    world.gateways.iter_mut().for_each(|gateway| gateway.refuses.clear());
    world.run_until("they are active", World::is_at_rest);
    assert_eq!(world.active(), Some(digest));
}

#[test]
fn settings_go_before_signatures_and_each_by_itself() {
    let mut world = World::running(4, 2);
    let digest = world.offer("second", Quality::Good);
    world.run_until("it is announced", is_announced);
    let settings = world.set_settings("settings-2");
    world.run_until("both are active", |world| world.active() == Some(digest) && world.is_at_rest());
    let second: Vec<_> =
        world.gateways.iter().map(|it| (it.story[1].revision, it.story[1].settings)).collect();
    assert!(second.iter().all(|it| *it == (revision("first").digest, settings)), "{second:?}");
    assert!(world.gateways.iter().all(|gateway| gateway.story.len() == 3));
    assert!(world.has(Reason::Cancelled));
}

#[test]
fn what_has_its_instant_is_not_cancelled() {
    let mut world = World::running(4, 2);
    let settings = world.set_settings("settings-2");
    world.run_until("it is scheduled", is_scheduled);
    world.set_settings("settings-3");
    world.run_until("all are active", World::is_at_rest);
    assert!(world.gateways.iter().all(|gateway| gateway.story[1].settings == settings));
}

#[test]
fn what_is_not_wished_any_more_is_cancelled_and_its_number_is_not_used_again() {
    let mut world = World::running(2, 2);
    let old = world.wished;
    let settings = world.set_settings("settings-2");
    world.gateways[0].refuses.insert(settings);
    world.run_until("it is announced", is_announced);
    let number = pending(&world).unwrap().epoch.number;
    world.wished = old;
    world.run_until("it is cancelled", |world| pending(world).is_none());
    world.flip = FlipState { last_number: world.flip.last_number, ..FlipState::default() };
    world.set_settings("settings-3");
    world.run_until("the next is announced", |world| pending(world).is_some());
    assert!(pending(&world).unwrap().epoch.number > number);
}

#[test]
fn a_gateway_that_is_cut_off_before_the_announcement_holds_it_until_it_is_fenced() {
    let mut world = World::running(3, 3);
    world.gateways[0].cut = true;
    world.set_settings("settings-2");
    world.run_until("it is announced", is_announced);
    world.run_until("it is active", World::is_at_rest);
    assert!(world.gateways[0].fenced && !world.gateways[0].is_ready());
    assert_eq!(world.gateways[0].story.len(), 1);
    world.gateways[0].cut = false;
    world.tick();
    assert!(world.gateways[0].is_ready());
    assert_eq!(world.gateways[0].active, world.plan.active, "it has the new one before it serves anybody");
}

#[test]
fn a_gateway_that_nobody_hears_holds_it_while_clients_reach_it() {
    let mut world = World::running(3, 2);
    world.gateways[0].silent = true;
    world.set_settings("settings-2");
    world.run(100);
    assert!(is_announced(&world));
    world.gateways.remove(0);
    world.run_until("it is active", World::is_at_rest);
}

#[test]
fn it_is_over_when_all_gateways_say_so() {
    let mut world = World::running(3, 2);
    let settings = world.set_settings("settings-2");
    world.run_until("it is scheduled", is_scheduled);
    world.gateways[0].silent = true;
    world.run(30);
    assert!(is_scheduled(&world), "one may still name its answers after the old one");
    assert!(world.gateways.iter().all(|it| it.active.as_ref().is_some_and(|it| it.settings == settings)));
    world.gateways[0].silent = false;
    world.tick();
    assert_eq!(world.plan.active.as_ref().map(|epoch| epoch.settings), Some(settings));
}

#[test]
fn scanners_count_when_they_know_that_they_have_to_keep_it() {
    let mut world = World::running(3, 2);
    world.offer("second", Quality::Good);
    world.run_until("it is announced", is_announced);
    world.scanners.iter_mut().for_each(|scanner| scanner.cut = true);
    world.run(20);
    assert!(is_announced(&world), "they may follow a plan that has them let it go");
    world.scanners.iter_mut().for_each(|scanner| scanner.cut = false);
    world.run_until("it is active", World::is_at_rest);
}

#[test]
fn a_gateway_that_comes_in_between_has_the_active_one() {
    let mut world = World::running(3, 2);
    let digest = world.offer("second", Quality::Good);
    world.run_until("it is scheduled", is_scheduled);
    world.add_gateway();
    world.run_until("it is active", |world| world.active() == Some(digest) && world.is_at_rest());
    assert!(world.gateways.iter().all(|gateway| gateway.active == world.plan.active));
}

#[test]
fn without_gateways_there_is_nobody_to_wait_for() {
    let mut world = World::running(2, 0);
    let settings = world.set_settings("settings-2");
    world.tick();
    assert_eq!(world.plan.active.as_ref().map(|epoch| epoch.settings), Some(settings));
}

#[test]
fn what_was_before_is_held_as_long_as_a_transaction_may_take() {
    let mut world = World::running(3, 1);
    let first = revision("first").digest;
    let digest = world.offer("second", Quality::Good);
    world.run_until("it is active", |world| world.active() == Some(digest));
    let since = world.now;
    let has_old = |world: &World| world.scanners.iter().all(|scanner| scanner.loaded.contains(&first));
    world.run(7);
    assert!(has_old(&world));
    world.run_until("it is let go", |world| world.scanners.iter().all(|it| it.loaded.len() == 1));
    assert!(world.now.duration_since(since) >= timing().max_transaction.try_into().unwrap());
}

#[test]
fn an_epoch_needs_scanners_that_have_it() {
    let mut world = World::running(4, 1);
    let digest = world.offer("second", Quality::Good);
    world.run_until("it is announced", is_announced);
    world.scanners.iter_mut().for_each(|scanner| scanner.end(20));
    world.run(15);
    assert!(!is_scheduled(&world), "nobody has it loaded");
    world.run_until("it is active", |world| world.active() == Some(digest));
}

#[test]
fn a_newer_program_renames_what_is_active_once() {
    let mut world = World::running(2, 2);
    let before = world.plan.active.clone().unwrap();
    world.verdict_version += 1;
    world.run_until("it is announced", |world| pending(world).is_some());
    world.run_until("it is active", World::is_at_rest);
    let after = world.plan.active.clone().unwrap();
    assert_eq!((after.revision, after.settings), (before.revision, before.settings));
    assert_ne!(after.istags, before.istags);
    assert_eq!(world.plan.verdict_version, world.verdict_version);
    let generation = world.plan.generation;
    world.run(100);
    assert_eq!(world.plan.generation, generation, "and then nothing moves");
}

#[test]
fn settings_that_are_not_known_name_nothing() {
    let mut world = World::running(2, 2);
    world.wished = Some(ContentDigest::of(b"unheard of"));
    world.run(20);
    assert!(pending(&world).is_none());
    assert!(world.flip.conditions.iter().any(|it| it.reason == Reason::SettingsUnknown));
    let digest = world.offer("second", Quality::Good);
    world.run_until("signatures go on", |world| world.active() == Some(digest));
}

#[test]
fn the_lead_follows_what_gateways_take() {
    let mut timing = timing();
    assert_eq!(timing.lead(), seconds(2));
    timing.ack_p99 = seconds(3);
    assert_eq!(timing.lead(), seconds(12));
    timing.ack_p99 = seconds(300);
    assert_eq!(timing.lead(), seconds(60));
}
