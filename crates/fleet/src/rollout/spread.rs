//! More and more scanners load a revision, and enough have the one in use at each moment.

use super::state::Assigned;
use super::step::Step;
use crate::{Failure, Reason, Scanner, Stage, cohort, text};
use icapstan_api::fleet::ContentDigest;
use std::time::Duration;

/// So many scanners may end while they load a candidate; then it is given up.
pub(super) const MAX_CRASHES: u32 = 3;

/// How long no further scanner loads a candidate after one ended over it; twice as long after each next one.
const CRASH_PAUSE: Duration = Duration::from_secs(30);

/// How far scanners are with a revision.
pub(super) struct Spread {
    /// As many as there should be have it loaded.
    pub(super) is_done: bool,
    /// Too many ended over it.
    pub(super) is_exhausted: bool,
    /// Those that should have it and have not, for people.
    pub(super) stragglers: String,
    /// One of them has not the memory.
    pub(super) is_memory: bool,
}

// === impl Step ===

impl<'a> Step<'a> {
    /// Has that many of so many scanners load it, a few at a time, and says how far they are.
    pub(super) fn spread(&mut self, next: ContentDigest, wanted: impl Fn(usize) -> usize) -> Spread {
        self.look_after_assigned(&next);
        let population = self.population();
        // Also those that are on their way back to what is in use.
        let is_one = |it: &&&Scanner| !it.draining && it.heard || self.is_present(it);
        let all = self.scanners.iter().filter(is_one).count();
        let quorum = cohort::quorum(all, self.seen.spec.rollout.min_ready);
        let mut wanted = wanted(population.len()).min(population.len());
        if self.state.drain {
            let room = all - quorum;
            // Too few to be parted: both have to fit into each, or it fails where memory is looked at.
            self.state.drain = room >= quorum || all == 0;
            if self.state.drain {
                wanted = wanted.min(room);
                self.release(room);
            }
        }
        self.assign(&population, &next, wanted, quorum);
        self.how_far(&population, &next, wanted)
    }

    /// Those that have gone are not waited for; those that ended over it are left alone for a while.
    fn look_after_assigned(&mut self, next: &ContentDigest) {
        let scanners = &self.scanners;
        let is_there = |name: &str| scanners.iter().any(|it| it.name == *name && !it.draining);
        self.state.assigned.retain(|name, _| is_there(name));
        let mut ended = Vec::new();
        for scanner in self.scanners.iter().filter(|scanner| scanner.heard) {
            let Some(assigned) = self.state.assigned.get_mut(&scanner.name) else { continue };
            if scanner.incarnation != assigned.incarnation {
                if !assigned.served {
                    ended.push(scanner.name.as_str());
                }
                *assigned = Assigned { incarnation: scanner.incarnation, served: false };
            }
            assigned.served |= scanner.serves(next);
        }
        for name in ended {
            self.state.assigned.remove(name);
            self.state.crashes = self.state.crashes.saturating_add(1);
            let pause = CRASH_PAUSE.saturating_mul(1 << (self.state.crashes - 1).min(10));
            self.state.hold_until = self.now.checked_add(pause).ok();
            self.warning(
                Reason::ScannersUnavailable,
                &format!("{name} ended while it loaded {}; no other loads it for {pause:?}.", next.short()),
            );
        }
        if self.state.hold_until.is_some_and(|until| self.now >= until) {
            self.state.hold_until = None;
            self.state.moved_at = Some(self.now);
        }
    }

    /// Those that went last go back, where fewer are left than there were.
    fn release(&mut self, room: usize) {
        let ranked: Vec<_> = self.scanners.iter().map(|scanner| scanner.name.as_str()).collect();
        for name in ranked.into_iter().rev() {
            if self.state.assigned.len() <= room {
                break;
            }
            self.state.assigned.remove(name);
        }
    }

    fn assign(&mut self, population: &[&'a Scanner], next: &ContentDigest, wanted: usize, quorum: usize) {
        if self.state.hold_until.is_some() {
            return;
        }
        let assigned = &self.state.assigned;
        let serves_base = |scanner: &&&Scanner| self.base().is_some_and(|base| scanner.serves(&base));
        let is_assigned = |scanner: &&&Scanner| assigned.contains_key(&scanner.name);
        let room = if self.seen.plan.active.is_none() {
            usize::MAX
        } else if self.state.drain {
            population.iter().filter(|s| !is_assigned(s)).filter(serves_base).count().saturating_sub(quorum)
        } else {
            let loading = population.iter().filter(is_assigned).filter(|s| !s.serves(next)).count();
            let spare = population.iter().filter(serves_base).count().saturating_sub(quorum).max(1);
            spare.saturating_sub(loading)
        };
        let missing = wanted.saturating_sub(population.iter().filter(is_assigned).count());
        let mut others: Vec<_> = population.iter().filter(|s| !is_assigned(s) && s.heard).copied().collect();
        // Who has it already needs no room, and no time.
        others.sort_by_key(|scanner| !scanner.serves(next));
        let have_it = others.iter().filter(|scanner| scanner.serves(next)).count();
        let chosen: Vec<_> = others.into_iter().take(missing.min(room.saturating_add(have_it))).collect();
        for scanner in chosen {
            let assigned = Assigned { incarnation: scanner.incarnation, served: scanner.serves(next) };
            self.state.assigned.insert(scanner.name.clone(), assigned);
        }
    }

    fn how_far(&mut self, population: &[&'a Scanner], next: &ContentDigest, wanted: usize) -> Spread {
        let is_there = |scanner: &Scanner| self.is_believed(scanner) && scanner.serves(next);
        let (mut serving, mut loading, mut stragglers) = (0, 0, Vec::new());
        let mut is_memory = false;
        for scanner in population {
            let is_assigned = self.state.assigned.contains_key(&scanner.name);
            if is_there(scanner) && is_assigned {
                serving += 1;
            } else if is_assigned || !scanner.heard {
                let stage = scanner.stage(next);
                loading += usize::from(stage == Stage::Loading);
                is_memory |= stage == Stage::Failed(Failure::Memory);
                stragglers.push(scanner.name.as_str());
            }
        }
        let is_late =
            |scanner: &&&Scanner| self.state.assigned.contains_key(&scanner.name) && !is_there(scanner);
        let is_done = wanted > 0 && serving >= wanted && !population.iter().any(|s| is_late(&s));
        self.note_progress(2 * serving + loading);
        Spread {
            is_done,
            is_exhausted: self.state.crashes >= MAX_CRASHES,
            stragglers: text::names(stragglers),
            is_memory,
        }
    }
}
