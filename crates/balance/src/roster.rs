//! Which endpoints there are and how each stands. It changes seldom, and under a lock.

use crate::endpoint::{Changes, Endpoint, EndpointId, Standing};
use crate::member::{Member, micros};
use crate::random::Random;
use crate::routes::Routes;
use crate::settings::Settings;
use icapstan_model::GenerationId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An endpoint that says it holds more generations than this is believed as many.
const MOST_GENERATIONS: usize = 8;
/// A probe that could not be made is tried again after so many microseconds.
const PROBE_AGAIN: u64 = 250_000;

#[derive(Debug, Default)]
pub(crate) struct Roster(BTreeMap<EndpointId, Slot>);

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) member: Arc<Member>,
    zone: Option<Arc<str>>,
    is_connected: bool,
    is_draining: bool,
    generations: Vec<GenerationId>,
    ejected: Option<Ejected>,
    /// How long it was left alone last, and when that ended.
    last: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
struct Ejected {
    until: u64,
    length: u64,
    is_probed: bool,
}

// === impl Roster ===

impl Roster {
    /// Makes the set that of `endpoints`. What is known of those that stay is kept.
    pub(crate) fn update(&mut self, endpoints: &[Endpoint], most: usize) -> Changes {
        let mut wanted: BTreeMap<EndpointId, &Endpoint> = endpoints.iter().map(|e| (e.id, e)).collect();
        let left_out = wanted.len().saturating_sub(most);
        // Those that are known have their places; so nothing moves because something came.
        for known in [false, true] {
            while wanted.len() > most {
                let last = wanted.keys().rev().find(|id| self.0.contains_key(id) == known).copied();
                let Some(id) = last else { break };
                wanted.remove(&id);
            }
        }
        let mut changes = Changes { left_out, ..Changes::default() };
        self.0.retain(|id, slot| {
            let endpoint = wanted.get(id);
            match endpoint {
                Some(endpoint) => slot.zone.clone_from(&endpoint.zone),
                None => changes.removed.push(*id),
            }
            endpoint.is_some()
        });
        for (id, endpoint) in wanted {
            self.0.entry(id).or_insert_with(|| {
                changes.added.push(id);
                Slot::new(Arc::new(Member::new(id)), endpoint.zone.clone())
            });
        }
        changes
    }

    pub(crate) fn get(&self, id: EndpointId) -> Option<&Slot> {
        self.0.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: EndpointId) -> Option<&mut Slot> {
        self.0.get_mut(&id)
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.0.values()
    }

    /// Leaves it alone for a time, unless too many are already.
    pub(crate) fn eject(
        &mut self,
        member: &Arc<Member>,
        settings: &Settings,
        random: &Random,
        now: u64,
    ) -> bool {
        let (used, allowed) = self.ejected(settings);
        let Some(slot) = self.0.get_mut(&member.id) else { return false };
        let is_stranger = !Arc::ptr_eq(&slot.member, member);
        if is_stranger || used >= allowed || !slot.is_candidate() || slot.ejected.is_some() {
            return false;
        }
        slot.eject(settings, random, now);
        true
    }

    /// Lets the oldest of those that are ejected back in, till no more are than may be. Returns how many.
    pub(crate) fn relent(&mut self, settings: &Settings, now: u64) -> u64 {
        let mut readmitted = 0;
        loop {
            let (used, allowed) = self.ejected(settings);
            if used <= allowed {
                return readmitted;
            }
            let of_ejected = |slot: &&mut Slot| slot.is_candidate() && slot.ejected.is_some();
            let next = self.0.values_mut().filter(of_ejected).min_by_key(|slot| slot.until());
            let Some(slot) = next else { return readmitted };
            slot.readmit(now);
            readmitted += 1;
        }
    }

    /// One that it is time to probe, and that `fits`. Others that it is time for have to wait a little.
    pub(crate) fn probe(&mut self, now: u64, fits: impl Fn(&Slot) -> bool) -> Option<&mut Slot> {
        let mut found = None;
        for slot in self.0.values_mut() {
            if slot.probe_at().is_some_and(|at| at <= now) && found.is_none() {
                if fits(slot) {
                    found = Some(slot);
                } else if let Some(ejected) = &mut slot.ejected {
                    ejected.until = now + PROBE_AGAIN;
                }
            }
        }
        found
    }

    /// When the next one is to be probed.
    pub(crate) fn next_probe(&self) -> u64 {
        self.0.values().filter_map(Slot::probe_at).min().unwrap_or(u64::MAX)
    }

    pub(crate) fn routes(&self, settings: &Settings) -> Routes {
        let mut routes = Routes::default();
        for slot in self.0.values().filter(|slot| slot.standing() == Standing::Ready) {
            let is_local = settings.zone.is_some() && slot.zone == settings.zone;
            routes.insert(&slot.member, &slot.generations, is_local);
        }
        routes
    }

    /// How many of those that could be picked are ejected, and how many may be.
    fn ejected(&self, settings: &Settings) -> (usize, usize) {
        let candidates = self.0.values().filter(|slot| slot.is_candidate());
        let (all, ejected) = candidates
            .fold((0, 0), |(all, ejected), slot| (all + 1, ejected + usize::from(slot.ejected.is_some())));
        let percent = usize::try_from(settings.ejection.most_percent.min(100)).unwrap_or(100);
        let allowed = (all * percent / 100).max(1).min(all.saturating_sub(1));
        (ejected, allowed)
    }
}

// === impl Slot ===

impl Slot {
    fn new(member: Arc<Member>, zone: Option<Arc<str>>) -> Self {
        Self {
            member,
            zone,
            is_connected: false,
            is_draining: false,
            generations: Vec::new(),
            ejected: None,
            last: None,
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        match self.ejected {
            _ if !self.is_connected => Standing::Connecting,
            _ if self.is_draining => Standing::Draining,
            Some(Ejected { is_probed: true, .. }) => Standing::Probing,
            Some(_) => Standing::Ejected,
            None => Standing::Ready,
        }
    }

    pub(crate) fn connected(&mut self, now: u64) {
        self.is_connected = true;
        self.is_draining = false;
        self.generations.clear();
        if let Some(ejected) = &mut self.ejected {
            ejected.is_probed = false;
        }
        self.member.connected(now);
    }

    /// Returns whether that is a failure: it was connected, and had not said that it would end.
    pub(crate) fn disconnected(&mut self) -> bool {
        let was_expected = !self.is_connected || self.is_draining;
        self.is_connected = false;
        !was_expected && self.member.lost(self.member.link())
    }

    pub(crate) fn draining(&mut self) {
        self.is_draining = true;
    }

    pub(crate) fn hold(&mut self, generations: &[GenerationId]) -> bool {
        let generations = &generations[..generations.len().min(MOST_GENERATIONS)];
        let is_new = self.generations != generations;
        if is_new {
            self.generations = generations.to_vec();
        }
        is_new
    }

    pub(crate) fn holds(&self, generation: &GenerationId) -> bool {
        self.generations.contains(generation)
    }

    pub(crate) fn begin_probe(&mut self) {
        if let Some(ejected) = &mut self.ejected {
            ejected.is_probed = true;
        }
    }

    /// The probe told nothing.
    pub(crate) fn probe_again(&mut self) {
        if let Some(ejected) = &mut self.ejected {
            ejected.is_probed = false;
        }
    }

    /// Whether there was anything to be undone.
    pub(crate) fn readmit(&mut self, now: u64) -> bool {
        let Some(ejected) = self.ejected.take() else { return false };
        self.last = Some((ejected.length, now));
        self.member.ready(now);
        true
    }

    /// The probe failed.
    pub(crate) fn eject_again(&mut self, settings: &Settings, random: &Random, now: u64) {
        if let Some(ejected) = self.ejected.take() {
            self.last = Some((ejected.length, now));
            self.eject(settings, random, now);
        }
    }

    fn eject(&mut self, settings: &Settings, random: &Random, now: u64) {
        let longest = micros(settings.ejection.longest);
        let length = match self.last {
            Some((length, end)) if now.saturating_sub(end) <= length.saturating_mul(2) => length * 2,
            _ => micros(settings.ejection.first),
        };
        let length = length.min(longest).max(1);
        // A fifth more or less, so that a fleet does not come back to one endpoint at once.
        let spread = usize::try_from(length / 5 * 2).unwrap_or(usize::MAX).saturating_add(1);
        let until = now.saturating_add(length - length / 5).saturating_add(random.below(spread) as u64);
        self.ejected = Some(Ejected { until, length, is_probed: false });
    }

    fn is_candidate(&self) -> bool {
        self.is_connected && !self.is_draining
    }

    fn until(&self) -> u64 {
        self.ejected.map_or(u64::MAX, |ejected| ejected.until)
    }

    fn probe_at(&self) -> Option<u64> {
        let ejected = self.ejected.filter(|ejected| self.is_candidate() && !ejected.is_probed)?;
        Some(ejected.until)
    }
}
