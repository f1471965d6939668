//! What scanners have on disk and loaded, as it follows from the state.

use super::observed::{Observed, Offer, RolloutPart};
use super::state::{Phase, State};
use icapstan_api::fleet::{ContentDigest, Holdings, Mirror, PlannedRevision};
use std::collections::{BTreeMap, BTreeSet};

/// What the plan has to say.
pub(super) fn part(state: &State, seen: &Observed) -> RolloutPart {
    let plan = &seen.plan;
    let base = plan.active.or(state.current);
    let candidate = state.candidate.filter(|_| !state.phase.is_resting());
    let pending = plan.pending.map(|(revision, _)| revision);
    let mut named_in_plan = Vec::new();
    named_in_plan.extend(base);
    named_in_plan.extend(pending);
    named_in_plan.extend(&plan.retiring);
    let mut revisions = Vec::new();
    for digest in named_in_plan.iter().copied().chain(state.current).chain(candidate).chain(state.previous) {
        if revisions.iter().all(|revision: &PlannedRevision| revision.digest != digest)
            && let Some(revision) = find(seen, &digest)
        {
            revisions.push(revision.clone());
        }
    }
    let described: BTreeSet<_> = revisions.iter().map(|revision| revision.digest).collect();
    let mut hold = if state.drain { apart(state, seen, base) } else { together(state, seen, &named_in_plan) };
    hold.everyone.retain(|digest| described.contains(digest));
    hold.named.values_mut().for_each(|held| held.retain(|digest| described.contains(digest)));
    hold.named.retain(|_, held| *held != hold.everyone);
    let mirror = mirror(state, seen).filter(|mirror| described.contains(&mirror.revision));
    RolloutPart { revisions, hold, mirror }
}

/// The revision of that digest, if its bytes can be given.
pub(super) fn find<'a>(seen: &'a Observed, digest: &ContentDigest) -> Option<&'a PlannedRevision> {
    let offered = match &seen.offer {
        Offer::Revision(revision) if revision.digest == *digest => Some(revision),
        _ => None,
    };
    let in_plan = || seen.plan.part.revisions.iter().find(|revision| revision.digest == *digest);
    offered.or_else(|| seen.known.get(digest)).or_else(in_plan).or_else(|| built_in(digest))
}

fn built_in(digest: &ContentDigest) -> Option<&'static PlannedRevision> {
    static BUILT_IN: std::sync::LazyLock<PlannedRevision> =
        std::sync::LazyLock::new(PlannedRevision::built_in);
    Some(&*BUILT_IN).filter(|revision| revision.digest == *digest)
}

/// What assigned scanners load besides, or instead of, what is in use.
pub(super) fn next(state: &State, seen: &Observed) -> Option<ContentDigest> {
    match state.stage() {
        Phase::Staging => None,
        stage if stage.is_before_active() => state.candidate,
        Phase::RollingBack if seen.plan.active.is_some_and(|active| state.current != Some(active)) => {
            state.current
        }
        // It may still become active: those that have it keep it until that is settled.
        Phase::RollingBack if seen.plan.pending.is_some() => state.candidate,
        _ => None,
    }
}

/// Scanners have two revisions loaded.
fn together(state: &State, seen: &Observed, named_in_plan: &[ContentDigest]) -> Holdings {
    let mut everyone = distinct(named_in_plan.iter().copied());
    let next = next(state, seen);
    let all_need_it = state.flip.is_some() || named_in_plan.is_empty();
    if all_need_it {
        everyone = distinct(everyone.into_iter().chain(state.flip).chain(next));
    }
    let mut named = BTreeMap::new();
    if let Some(next) = next {
        let held = distinct(everyone.iter().copied().chain([next]));
        named = state.assigned.keys().map(|name| (name.clone(), held.clone())).collect();
    }
    Holdings { everyone, named }
}

/// Scanners have one revision loaded: some this one, some that one.
fn apart(state: &State, seen: &Observed, base: Option<ContentDigest>) -> Holdings {
    let mut named = BTreeMap::new();
    if let Some(retiring) = seen.plan.retiring.iter().find(|revision| base != Some(**revision)) {
        // They go on with what transactions may still ask for. Nobody asks them for anything else.
        let behind = |held: &[ContentDigest]| base.is_none_or(|base| !held.contains(&base));
        for scanner in seen.scanners.iter().take(Observed::MAX_SCANNERS) {
            if scanner.heard && scanner.held.contains(retiring) && behind(&scanner.held) {
                named.insert(scanner.name.clone(), vec![*retiring]);
            }
        }
    }
    if let Some(next) = next(state, seen) {
        named.extend(state.assigned.keys().map(|name| (name.clone(), vec![next])));
    }
    Holdings { everyone: base.into_iter().collect(), named }
}

fn distinct(digests: impl IntoIterator<Item = ContentDigest>) -> Vec<ContentDigest> {
    let mut seen = BTreeSet::new();
    digests.into_iter().filter(|digest| seen.insert(*digest)).collect()
}

/// Only scanners that have both can compare.
fn mirror(state: &State, seen: &Observed) -> Option<Mirror> {
    let is_time = matches!(state.phase, Phase::CanarySoak | Phase::AwaitingApproval);
    let percent = seen.spec.rollout.canary.mirror_percent.min(100);
    let revision = state.candidate.filter(|_| is_time && percent > 0 && !state.drain)?;
    Some(Mirror { revision, percent })
}
