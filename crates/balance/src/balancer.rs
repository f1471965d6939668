//! The balancer: told what happens, asked where to.

use crate::endpoint::{Changes, Endpoint, EndpointId, Job, ReportedLoad};
use crate::member::{Member, Weight, micros};
use crate::pick::Pick;
use crate::random::Random;
use crate::roster::{Roster, Slot};
use crate::routes::{Routes, Wanted};
use crate::settings::Settings;
use crate::view::{Counts, EndpointView, View};
use arc_swap::ArcSwap;
use icapstan_model::GenerationId;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// An object that is said to be larger counts as this large.
const MOST_BYTES: u64 = 1 << 40;

/// Chooses endpoints. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Balancer(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    settings: Settings,
    origin: Instant,
    random: Random,
    routes: ArcSwap<Routes>,
    /// When an ejected endpoint is to be probed next.
    next_probe: AtomicU64,
    roster: Mutex<Roster>,
    ejections: AtomicU64,
    readmissions: AtomicU64,
}

// === impl Balancer ===

impl Balancer {
    /// `seed` should differ between processes, so that they do not all choose alike.
    pub fn new(settings: Settings, seed: u64, now: Instant) -> Self {
        Self(Arc::new(Inner {
            settings,
            origin: now,
            random: Random::new(seed),
            routes: ArcSwap::default(),
            next_probe: AtomicU64::new(u64::MAX),
            roster: Mutex::default(),
            ejections: AtomicU64::new(0),
            readmissions: AtomicU64::new(0),
        }))
    }

    /// These endpoints there are, and no others. Of one that stays in its zone all that is known is kept;
    /// jobs of one that goes may end.
    pub fn update(&self, endpoints: &[Endpoint], now: Instant) -> Changes {
        let mut roster = self.0.roster.lock();
        let changes = roster.update(endpoints, self.0.settings.most_endpoints);
        self.0.publish(&mut roster, self.0.at(now));
        changes
    }

    /// There is a connection to it: it gets jobs, few at first. Whatever was said of it before counts no more,
    /// but that it is ejected.
    pub fn connected(&self, id: EndpointId, now: Instant) {
        let now = self.0.at(now);
        let mut roster = self.0.roster.lock();
        let Some(slot) = roster.get_mut(id) else { return };
        slot.connected(now);
        let member = slot.member.clone();
        // One whose connections are lost again and again without an answer in between.
        if member.failed_row() >= self.0.settings.ejection.in_a_row {
            self.0.eject(&mut roster, &member, now);
        }
        self.0.publish(&mut roster, now);
    }

    /// Its connection is lost or closed. Each of its jobs has still to be told an outcome.
    pub fn disconnected(&self, id: EndpointId, now: Instant) {
        self.change(id, now, |slot| {
            if slot.disconnected() {
                slot.member.failed();
            }
        });
    }

    /// It is about to end: it gets no more jobs till it is connected anew.
    pub fn draining(&self, id: EndpointId, now: Instant) {
        self.change(id, now, Slot::draining);
    }

    /// It holds these generations of signatures. To be told after [`connected`](Self::connected).
    pub fn generations(&self, id: EndpointId, generations: &[GenerationId], now: Instant) {
        let mut roster = self.0.roster.lock();
        if roster.get_mut(id).is_some_and(|slot| slot.hold(generations)) {
            self.0.publish(&mut roster, self.0.at(now));
        }
    }

    /// It gave a sign of life other than an answer, such as one to a ping, and said how loaded it is.
    pub fn heard(&self, id: EndpointId, load: Option<ReportedLoad>, now: Instant) {
        let member = self.0.roster.lock().get(id).map(|slot| slot.member.clone());
        if let Some(member) = member {
            member.heard(load, self.0.at(now));
        }
    }

    /// Where the job should go; `None` if there is nobody. The better of two that are drawn.
    pub fn pick(&self, job: Job<'_>, now: Instant) -> Option<Pick> {
        let inner = &*self.0;
        let at = inner.at(now);
        let weight = inner.weight(job.bytes);
        if at >= inner.next_probe.load(Relaxed)
            && let Some(slot) = inner.probe(job, at)
        {
            return Some(Pick::new(&self.0, slot, weight, at, true));
        }
        let routes = inner.routes.load();
        let wanted = Wanted { cost: weight.cost, exclude: job.exclude, now: at };
        let holding = job.generation.as_ref().and_then(|generation| routes.holding(generation));
        let found = holding
            .and_then(|route| route.find(wanted, &inner.settings, &inner.random))
            .or_else(|| routes.all.find(wanted, &inner.settings, &inner.random))?;
        Some(Pick::new(&self.0, found.member.clone(), weight, at, false))
    }

    /// How many endpoints stand how, and what they have to do.
    pub fn view(&self) -> View {
        let mut view = View::default();
        for slot in self.0.roster.lock().slots() {
            view.add(slot.standing(), &slot.member);
        }
        view
    }

    /// Each endpoint, in the order of addresses.
    pub fn endpoints(&self) -> Vec<EndpointView> {
        self.0.roster.lock().slots().map(|slot| EndpointView::new(slot.standing(), &slot.member)).collect()
    }

    /// What was counted since the start.
    pub fn counts(&self) -> Counts {
        Counts { ejections: self.0.ejections.load(Relaxed), readmissions: self.0.readmissions.load(Relaxed) }
    }

    fn change(&self, id: EndpointId, now: Instant, change: impl FnOnce(&mut Slot)) {
        let now = self.0.at(now);
        let mut roster = self.0.roster.lock();
        if let Some(slot) = roster.get_mut(id) {
            change(slot);
            self.0.publish(&mut roster, now);
        }
    }
}

// === impl Inner ===

impl Inner {
    /// Microseconds since the start.
    pub(crate) fn at(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.origin))
    }

    /// Counts a failure of a job, and ejects who has too many.
    pub(crate) fn failed(&self, member: &Arc<Member>, now: u64) {
        let (row, percent) = member.failed();
        let ejection = &self.settings.ejection;
        if row < ejection.in_a_row && percent < ejection.failed_percent {
            return;
        }
        let mut roster = self.roster.lock();
        if self.eject(&mut roster, member, now) {
            self.publish(&mut roster, now);
        }
    }

    fn eject(&self, roster: &mut Roster, member: &Arc<Member>, now: u64) -> bool {
        let is_ejected = roster.eject(member, &self.settings, &self.random, now);
        self.ejections.fetch_add(u64::from(is_ejected), Relaxed);
        is_ejected
    }

    /// What the probe told: that it works, that it does not, or nothing.
    pub(crate) fn probed(&self, member: &Arc<Member>, works: Option<bool>, now: Option<u64>) {
        let mut roster = self.roster.lock();
        let Some(slot) = roster.get_mut(member.id).filter(|slot| Arc::ptr_eq(&slot.member, member)) else {
            return;
        };
        match (works, now) {
            (Some(true), Some(now)) => {
                self.readmissions.fetch_add(u64::from(slot.readmit(now)), Relaxed);
            }
            (Some(false), Some(now)) => slot.eject_again(&self.settings, &self.random, now),
            _ => slot.probe_again(),
        }
        match now {
            Some(now) => self.publish(&mut roster, now),
            None => self.next_probe.store(roster.next_probe(), Relaxed),
        }
    }

    pub(crate) fn refusal_cost(&self) -> u64 {
        micros(self.settings.refusal_cost)
    }

    fn probe(&self, job: Job<'_>, now: u64) -> Option<Arc<Member>> {
        let mut roster = self.roster.lock();
        let slot = roster.probe(now, |slot| {
            !job.exclude.contains(&slot.member.id)
                && slot.member.has_room(self.settings.most_jobs)
                && job.generation.is_none_or(|generation| slot.holds(&generation))
        });
        let member = slot.map(|slot| {
            slot.begin_probe();
            slot.member.clone()
        });
        self.next_probe.store(roster.next_probe(), Relaxed);
        member
    }

    /// Makes what picks see from the roster.
    fn publish(&self, roster: &mut Roster, now: u64) {
        self.readmissions.fetch_add(roster.relent(&self.settings, now), Relaxed);
        self.next_probe.store(roster.next_probe(), Relaxed);
        self.routes.store(Arc::new(roster.routes(&self.settings)));
    }

    fn weight(&self, bytes: u64) -> Weight {
        let bytes = bytes.min(MOST_BYTES);
        let of_bytes = (u128::from(bytes) * self.settings.cost_per_mib.as_micros()) >> 20;
        let of_bytes = u64::try_from(of_bytes).unwrap_or(u64::MAX >> 16).min(u64::MAX >> 16);
        Weight { bytes, cost: micros(self.settings.base_cost).min(u64::MAX >> 16) + of_bytes }
    }
}
