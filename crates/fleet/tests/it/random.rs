//! Anything, in any order.

use crate::scanner::Quality;
use crate::world::{QUIET, World};
use icapstan_api::fleet::{Amount, Approval, OnFailure, Overlap};
use icapstan_fleet::Failure;
use icapstan_fleet::rollout::{Health, Offer, Outcome, Phase};
use jiff::SignedDuration;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Verb {
    Promote,
    Abort,
    Retry,
    Undo,
}

#[derive(Clone, Debug)]
enum Happening {
    Ticks(u32),
    Hours(i64),
    AddScanner,
    RemoveScanner(usize),
    EndScanner(usize),
    CutScanner(usize, bool),
    SilenceScanner(usize, bool),
    AddGateway,
    RemoveGateway(usize),
    CutGateway(usize, bool),
    SilenceGateway(usize, bool),
    Candidate(Quality),
    NoSources,
    Missing,
    Settings(bool),
    Verb(Verb),
    Pin(bool),
    Suspend(bool),
    Emergency(bool),
    Overlap(Overlap),
    MinReady(u8),
    Approval(Approval),
    OnFailure(OnFailure),
    Health(bool),
    NewerProgram,
    /// The operator ends before the so manieth thing that it does from now on.
    EndOperator(u32),
    Away(bool),
    LoseFlipState,
}

fn quality() -> impl Strategy<Value = Quality> {
    prop_oneof![
        6 => Just(Quality::Good),
        1 => Just(Quality::Unfetchable),
        1 => Just(Quality::Kills),
        1 => Just(Quality::Drifts),
        2 => prop_oneof![
            Just(Failure::Missed),
            Just(Failure::FalsePositive),
            Just(Failure::Load),
            Just(Failure::Memory)
        ]
        .prop_map(Quality::Fails),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    let verb = prop_oneof![Just(Verb::Promote), Just(Verb::Abort), Just(Verb::Retry), Just(Verb::Undo)];
    prop_oneof![
        20 => (1_u32..25).prop_map(H::Ticks),
        1 => (1_i64..5).prop_map(H::Hours),
        2 => Just(H::AddScanner),
        1 => any::<usize>().prop_map(H::RemoveScanner),
        2 => any::<usize>().prop_map(H::EndScanner),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, is)| H::CutScanner(n, is)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, is)| H::SilenceScanner(n, is)),
        1 => Just(H::AddGateway),
        1 => any::<usize>().prop_map(H::RemoveGateway),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(n, is)| H::CutGateway(n, is)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, is)| H::SilenceGateway(n, is)),
        8 => quality().prop_map(H::Candidate),
        1 => Just(H::NoSources),
        1 => Just(H::Missing),
        3 => any::<bool>().prop_map(H::Settings),
        4 => verb.prop_map(H::Verb),
        1 => any::<bool>().prop_map(H::Pin),
        1 => any::<bool>().prop_map(H::Suspend),
        1 => any::<bool>().prop_map(H::Emergency),
        1 => prop_oneof![Just(Overlap::Dual), Just(Overlap::Drain)].prop_map(H::Overlap),
        1 => (0_u8..=100).prop_map(H::MinReady),
        1 => prop_oneof![Just(Approval::Automatic), Just(Approval::Manual)].prop_map(H::Approval),
        1 => prop_oneof![Just(OnFailure::Rollback), Just(OnFailure::Pause)].prop_map(H::OnFailure),
        2 => any::<bool>().prop_map(H::Health),
        1 => Just(H::NewerProgram),
        4 => (0_u32..12).prop_map(H::EndOperator),
        1 => any::<bool>().prop_map(H::Away),
        1 => Just(H::LoseFlipState),
    ]
}

fn one<T>(all: &mut [T], n: usize) -> Option<&mut T> {
    let count = all.len();
    if count == 0 { None } else { all.get_mut(n % count) }
}

fn happen(world: &mut World, happening: &Happening, n: usize) {
    use Happening as H;
    match *happening {
        H::Ticks(ticks) => world.run(ticks),
        H::Hours(hours) => world.now += SignedDuration::from_hours(hours),
        H::AddScanner if world.scanners.len() < 12 => world.add_scanner(),
        H::RemoveScanner(n) if world.scanners.len() > 1 => {
            let gone = n % world.scanners.len();
            world.scanners.remove(gone);
            // Those that are left are fewer than were planned with.
            world.scanners.iter_mut().for_each(|scanner| scanner.disturbed = true);
        }
        H::EndScanner(n) => {
            if let Some(it) = one(&mut world.scanners, n) {
                it.end(4);
            }
        }
        H::CutScanner(n, is_cut) => {
            if let Some(it) = one(&mut world.scanners, n) {
                (it.cut, it.disturbed) = (is_cut, true);
            }
        }
        H::SilenceScanner(n, is_silent) => {
            if let Some(it) = one(&mut world.scanners, n) {
                it.silent = is_silent;
            }
        }
        H::AddGateway if world.gateways.len() < 6 => world.add_gateway(),
        H::RemoveGateway(n) if world.gateways.len() > 1 => {
            let gone = n % world.gateways.len();
            world.gateways.remove(gone);
        }
        H::CutGateway(n, is_cut) => {
            if let Some(it) = one(&mut world.gateways, n) {
                it.cut = is_cut;
            }
        }
        H::SilenceGateway(n, is_silent) => {
            if let Some(it) = one(&mut world.gateways, n) {
                it.silent = is_silent;
            }
        }
        H::Candidate(quality) => {
            world.offer(&format!("revision-{n}"), quality);
        }
        H::NoSources => world.offer = Offer::NoSources,
        H::Missing => world.offer = Offer::Missing(vec!["main".to_owned()]),
        H::Settings(is_understood) => {
            let settings = world.set_settings(&format!("settings-{n}"));
            if !is_understood && let Some(it) = one(&mut world.gateways, n) {
                it.refuses.insert(settings);
            }
        }
        H::Verb(verb) => {
            let value = Some(n.to_string());
            match verb {
                Verb::Promote => world.verbs.promote = value,
                Verb::Abort => world.verbs.abort = value,
                Verb::Retry => world.verbs.retry = value,
                Verb::Undo => world.verbs.undo = value,
            }
        }
        H::Pin(is_set) => world.spec.pin = world.known.keys().nth(n % 3).copied().filter(|_| is_set),
        H::Suspend(is_set) => world.spec.suspend = is_set,
        H::Emergency(is_set) => world.spec.emergency = is_set,
        H::Overlap(overlap) => world.spec.rollout.overlap = overlap,
        H::MinReady(percent) => world.spec.rollout.min_ready = Amount::Percent(percent),
        H::Approval(approval) => world.spec.rollout.approval = approval,
        H::OnFailure(on_failure) => world.spec.rollout.on_failure = on_failure,
        H::Health(is_good) => {
            world.health = Some(if is_good { QUIET } else { Health { blocked: 800, ..QUIET } });
        }
        H::NewerProgram => world.verdict_version += 1,
        H::EndOperator(things) => world.ends_before = Some(world.done + things),
        H::Away(is_away) => world.is_away = is_away,
        H::LoseFlipState => world.flip = icapstan_fleet::flip::FlipState::default(),
        _ => {}
    }
}

/// Nothing is wrong any more.
fn heal(world: &mut World) {
    world.is_away = false;
    world.spec.suspend = false;
    world.spec.pin = None;
    world.spec.rollout.approval = Approval::Automatic;
    world.spec.rollout.on_failure = OnFailure::Rollback;
    world.health = Some(QUIET);
    for scanner in &mut world.scanners {
        (scanner.cut, scanner.silent) = (false, false);
    }
    for gateway in &mut world.gateways {
        (gateway.cut, gateway.silent) = (false, false);
        gateway.refuses.clear();
    }
}

/// What came to nothing before it was active was never shown to clients.
fn tags_moved_for_a_reason(world: &World) {
    let settled = world.state.phase.is_resting() && world.state.current == world.active();
    for record in &world.state.history {
        let is_active = world.active() == Some(record.digest);
        assert!(!settled || is_active == (record.outcome == Outcome::Active), "{record:?}");
        let came_to_nothing = matches!(record.outcome, Outcome::RolledBack | Outcome::Superseded);
        let is_only_try = world.begun.get(&record.digest).is_some_and(|begun| begun.len() == 1);
        if came_to_nothing && record.activated_at.is_none() && is_only_try {
            let stories = world.gateways.iter().flat_map(|gateway| &gateway.story);
            assert!(!stories.map(|epoch| epoch.revision).any(|it| it == record.digest), "{record:?}");
        }
    }
}

fn ends_somewhere(world: &mut World) {
    heal(world);
    // For a while, since an operator that has just begun again has not seen yet what there is to do.
    let mut at_rest = 0;
    for _ in 0..700 {
        world.tick();
        at_rest = if world.is_at_rest() && world.done_for() { at_rest + 1 } else { 0 };
        if at_rest > 10 {
            break;
        }
    }
    if world.state.phase == Phase::Paused {
        world.verbs.abort = Some("in the end".to_owned());
        world.verbs.retry = Some("in the end".to_owned());
        world.run(400);
    }
    let state = &world.state;
    assert!(
        state.phase.is_resting(),
        "{:?} {:?}, pending {:?}, hold {:?}",
        state.phase,
        state.trouble,
        world.plan.pending,
        world.plan.hold,
    );
    let Some(active) = &world.plan.active else {
        let nothing_good = matches!(&world.offer, Offer::Missing(_) | Offer::NoSources)
            || state
                .failed
                .iter()
                .any(|failed| matches!(&world.offer, Offer::Revision(it) if it.digest == failed.digest));
        assert!(nothing_good, "{state:?}");
        return;
    };
    assert_eq!(world.plan.pending, None);
    assert_eq!(Some(active.settings), world.wished);
    assert!(world.gateways.iter().all(|gateway| gateway.active.as_ref() == Some(active)));
    assert!(world.scanners.iter().all(|scanner| scanner.loaded.iter().eq([&active.revision])));
    if let Offer::Revision(offered) = &world.offer {
        let is_barred = state.failed.iter().any(|failed| failed.digest == offered.digest);
        assert!(is_barred || active.revision == offered.digest, "{state:?}");
    }
    // And then nothing moves any more.
    let generation = world.plan.generation;
    world.run(50);
    assert_eq!(world.plan.generation, generation);
}

/// `PROPTEST_CASES=5000` for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold_and_it_ends(
        scanners in 1_usize..8,
        gateways in 0_usize..4,
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::running(scanners, gateways);
        for (n, thing) in happenings.iter().enumerate() {
            happen(&mut world, thing, n);
            tags_moved_for_a_reason(&world);
        }
        ends_somewhere(&mut world);
        tags_moved_for_a_reason(&world);
    }
}

impl World {
    /// Nothing is left to be rolled out.
    fn done_for(&self) -> bool {
        let is_barred = |offered| self.state.failed.iter().any(|failed| failed.digest == offered);
        let is_done = match &self.offer {
            Offer::Revision(it) => is_barred(it.digest) || self.active() == Some(it.digest),
            Offer::Missing(_) | Offer::NoSources => true,
        };
        is_done && self.scanners.iter().all(|it| it.loaded.len() == 1 && it.is_ready())
    }
}
