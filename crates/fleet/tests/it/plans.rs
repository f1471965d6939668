//! Plans as a whole, and what is written where.

use crate::scanner::Quality;
use crate::world::{World, revision};
use icapstan_api::fleet::{FleetPlanSpec, Holdings, Issuer};
use icapstan_fleet::flip::FlipPart;
use icapstan_fleet::plan::{AssembleError, Parts, assemble};
use icapstan_fleet::rollout::{RolloutPart, State};
use icapstan_fleet::{Failure, Reason, Stage};

fn issuer(term: u64) -> Issuer {
    Issuer { holder: "operator".to_owned(), term }
}

fn parts(plan: &FleetPlanSpec) -> Parts {
    let rollout = RolloutPart {
        revisions: plan.revisions.clone(),
        hold: plan.hold.clone(),
        mirror: plan.mirror.clone(),
    };
    let artifacts = plan.artifacts.clone();
    Parts { rollout, flip: FlipPart::of(plan), artifacts, ..Parts::default() }
}

#[test]
fn generations_rise_with_what_differs_and_only_then() {
    let plan = World::running(2, 1).plan;
    assert_eq!(assemble(&plan, parts(&plan), &issuer(2)), Ok(None), "a new leader alone changes nothing");
    let mut parts = parts(&plan);
    parts.artifacts.push("http://other:7347".to_owned());
    let next = assemble(&plan, parts, &issuer(2)).unwrap().unwrap();
    assert_eq!((next.generation, next.issued_by.term), (plan.generation + 1, 2));
}

#[test]
fn who_does_not_lead_any_more_writes_nothing() {
    let mut plan = World::running(2, 1).plan;
    plan.issued_by.term = 3;
    assert_eq!(assemble(&plan, parts(&plan), &issuer(2)), Err(AssembleError::Outranked(3, 2)));
}

#[test]
fn a_plan_that_would_contradict_itself_is_not_written() {
    let plan = World::running(2, 1).plan;
    let mut parts = parts(&plan);
    parts.rollout.hold = Holdings { everyone: vec![revision("other").digest], ..Holdings::default() };
    assert!(matches!(assemble(&plan, parts, &issuer(1)), Err(AssembleError::Contradiction(_))));
}

#[test]
fn what_epochs_name_is_described_whoever_forgot_it() {
    let plan = World::running(2, 1).plan;
    let parts = Parts { rollout: RolloutPart::default(), settings: [].into(), ..parts(&plan) };
    let next = assemble(&plan, parts, &issuer(1)).unwrap().unwrap();
    assert_eq!(next.check(), Ok(()));
    assert_eq!(next.revisions, plan.revisions);
}

#[test]
fn a_state_is_small_and_reads_back() {
    let mut world = World::running(40, 1);
    for n in 0..40 {
        let quality = if n % 3 == 0 { Quality::Good } else { Quality::Fails(Failure::Missed) };
        world.offer(&format!("revision-{n}"), quality);
        world.run(60);
    }
    let text = serde_json::to_string(&world.state).unwrap();
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), world.state);
    assert!(text.len() < 16 * 1024, "{}", text.len());
    let limit = usize::try_from(world.spec.history_limit).unwrap();
    assert!(world.state.history.len() <= limit + 3, "{}", world.state.history.len());
    assert_eq!(world.records.len(), world.state.history.len(), "what is forgotten is forgotten everywhere");
    assert_eq!(serde_json::from_str::<State>("{}").unwrap(), State::default());
}

#[test]
fn stages_have_the_numbers_of_messages() {
    use icapstan_proto::fleet::{Failure as F, Stage as S};
    let of = |stage: S, failure: F| Stage::of(stage.into(), failure.into());
    assert_eq!(of(S::Unspecified, F::Unspecified), Stage::Unknown);
    assert_eq!(of(S::Fetching, F::Unspecified), Stage::Fetching);
    assert_eq!(of(S::Staged, F::Unspecified), Stage::Staged);
    assert_eq!(of(S::Loading, F::Unspecified), Stage::Loading);
    assert_eq!(of(S::Serving, F::Unspecified), Stage::Serving);
    let failures = [
        (F::Unspecified, Failure::Unknown),
        (F::Fetch, Failure::Fetch),
        (F::Digest, Failure::Digest),
        (F::Disk, Failure::Disk),
        (F::Memory, Failure::Memory),
        (F::Load, Failure::Load),
        (F::Crash, Failure::Crash),
        (F::Missed, Failure::Missed),
        (F::FalsePositive, Failure::FalsePositive),
        (F::Slow, Failure::Slow),
    ];
    for (number, failure) in failures {
        assert_eq!(of(S::Failed, number), Stage::Failed(failure));
    }
}

#[test]
fn reasons_are_words_of_kubernetes() {
    for reason in Reason::ALL {
        let word = reason.as_str();
        assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{word}");
        assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{word}");
        assert_eq!(serde_json::to_string(reason).unwrap(), format!("\"{word}\""));
    }
}
