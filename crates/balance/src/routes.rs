//! Who may be picked: made anew when that changes, read by picks without a lock.

use crate::endpoint::EndpointId;
use crate::member::Member;
use crate::random::Random;
use crate::settings::Settings;
use icapstan_model::GenerationId;
use std::sync::Arc;

/// After so many draws in vain all are looked through.
const DRAWS: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Routes {
    pub(crate) all: Route,
    pub(crate) by_generation: Vec<(GenerationId, Route)>,
}

/// Those of the own zone stand first.
#[derive(Debug, Default)]
pub(crate) struct Route {
    members: Vec<Arc<Member>>,
    local: usize,
}

/// What is asked of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) cost: u64,
    pub(crate) exclude: &'a [EndpointId],
    pub(crate) now: u64,
}

/// The better of two.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) member: &'a Arc<Member>,
    score: u64,
}

// === impl Routes ===

impl Routes {
    pub(crate) fn holding(&self, generation: &GenerationId) -> Option<&Route> {
        self.by_generation.iter().find(|(id, _)| id == generation).map(|(_, route)| route)
    }

    pub(crate) fn insert(&mut self, member: &Arc<Member>, generations: &[GenerationId], is_local: bool) {
        self.all.insert(member.clone(), is_local);
        for generation in generations {
            let found = self.by_generation.iter().position(|(id, _)| id == generation);
            let index = found.unwrap_or_else(|| {
                self.by_generation.push((*generation, Route::default()));
                self.by_generation.len() - 1
            });
            self.by_generation[index].1.insert(member.clone(), is_local);
        }
    }
}

// === impl Route ===

impl Route {
    fn insert(&mut self, member: Arc<Member>, is_local: bool) {
        self.members.push(member);
        if is_local {
            let last = self.members.len() - 1;
            self.members.swap(self.local, last);
            self.local += 1;
        }
    }

    /// The better of two of the own zone, unless one of two of all is better by far.
    pub(crate) fn find(&self, wanted: Wanted<'_>, settings: &Settings, random: &Random) -> Option<Found<'_>> {
        let has_preference = self.local >= settings.least_local.max(1) && self.local < self.members.len();
        if !has_preference {
            return two(&self.members, wanted, settings, random);
        }
        let spill = crate::member::micros(settings.spill);
        let Some(near) = two(&self.members[..self.local], wanted, settings, random) else {
            return two(&self.members, wanted, settings, random);
        };
        if near.score <= spill {
            return Some(near);
        }
        let far = two(&self.members[self.local..], wanted, settings, random);
        Some(far.filter(|far| far.score.saturating_add(spill) < near.score).unwrap_or(near))
    }
}

fn two<'a>(
    members: &'a [Arc<Member>],
    wanted: Wanted<'_>,
    settings: &Settings,
    random: &Random,
) -> Option<Found<'a>> {
    let first = one(members, wanted, settings, random, None)?;
    match one(members, wanted, settings, random, Some(first.member)) {
        Some(second) if second.score < first.score => Some(second),
        _ => Some(first),
    }
}

/// Any that is fit, and is not `but`.
fn one<'a>(
    members: &'a [Arc<Member>],
    wanted: Wanted<'_>,
    settings: &Settings,
    random: &Random,
    but: Option<&Arc<Member>>,
) -> Option<Found<'a>> {
    let is_fit = |member: &Arc<Member>| {
        but.is_none_or(|but| !Arc::ptr_eq(but, member))
            && member.has_room(settings.most_jobs)
            && !wanted.exclude.contains(&member.id)
    };
    if members.is_empty() || but.is_some() && members.len() == 1 {
        return None;
    }
    let mut start = 0;
    for _ in 0..DRAWS {
        start = random.below(members.len());
        if is_fit(&members[start]) {
            return Some(Found::new(&members[start], wanted, settings));
        }
    }
    let (before, after) = members.split_at(start);
    let member = after.iter().chain(before).find(|member| is_fit(member))?;
    Some(Found::new(member, wanted, settings))
}

// === impl Found ===

impl<'a> Found<'a> {
    fn new(member: &'a Arc<Member>, wanted: Wanted<'_>, settings: &Settings) -> Self {
        Self { member, score: member.score(wanted.cost, settings, wanted.now) }
    }
}
