//! One endpoint as picks see it: numbers that any thread may read and change without a lock.
//!
//! Several numbers that belong together are not changed at once; whoever reads between sees an estimate
//! that is off by one job. Only `jobs`, `bytes` and `cost` have to be right in the end, and these are sums.

use crate::endpoint::{EndpointId, ReportedLoad};
use crate::settings::Settings;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One, as the slowness is counted: its fourth root is 256.
const EVEN: u64 = 1 << 32;
/// A new measurement counts for one eighth.
const SLOWNESS_WEIGHT: u64 = 8;
/// After so many microseconds a measured slowness counts for half.
const SLOWNESS_HALF_LIFE: u64 = 10_000_000;
/// All, as the share of failures is counted.
const ALL: u32 = 1 << 16;
/// A new outcome counts for one sixteenth.
const FAILED_WEIGHT: u32 = 16;

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: EndpointId,
    jobs: AtomicU32,
    bytes: AtomicU64,
    /// What the jobs of this process that it has were expected to cost, in microseconds.
    cost: AtomicU64,
    /// What it has of others, as it said at `others_at`.
    others: AtomicU64,
    others_at: AtomicU64,
    workers: AtomicU32,
    /// Since when it gets jobs again.
    ready_at: AtomicU64,
    /// When it last gave a sign of life, or got its first job after a time without.
    heard_at: AtomicU64,
    /// How long jobs took, by what they were expected to cost.
    slowness: AtomicU64,
    /// What follows from that for the score, times 256.
    slow_factor: AtomicU64,
    slowness_at: AtomicU64,
    failed_row: AtomicU32,
    failed_share: AtomicU32,
    /// Which connection this is, counted from one.
    link: AtomicU64,
    /// The last of them whose loss was counted.
    lost_link: AtomicU64,
}

/// What one job adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    pub(crate) bytes: u64,
    pub(crate) cost: u64,
}

// === impl Member ===

impl Member {
    pub(crate) fn new(id: EndpointId) -> Self {
        Self {
            id,
            jobs: AtomicU32::new(0),
            bytes: AtomicU64::new(0),
            cost: AtomicU64::new(0),
            others: AtomicU64::new(0),
            others_at: AtomicU64::new(0),
            workers: AtomicU32::new(1),
            ready_at: AtomicU64::new(0),
            heard_at: AtomicU64::new(0),
            slowness: AtomicU64::new(EVEN),
            slow_factor: AtomicU64::new(256),
            slowness_at: AtomicU64::new(0),
            failed_row: AtomicU32::new(0),
            failed_share: AtomicU32::new(0),
            link: AtomicU64::new(0),
            lost_link: AtomicU64::new(0),
        }
    }

    pub(crate) fn jobs(&self) -> u32 {
        self.jobs.load(Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn link(&self) -> u64 {
        self.link.load(Relaxed)
    }

    pub(crate) fn ready_at(&self) -> u64 {
        self.ready_at.load(Relaxed)
    }

    pub(crate) fn failed_row(&self) -> u32 {
        self.failed_row.load(Relaxed)
    }

    /// Whether it has room for one more.
    pub(crate) fn has_room(&self, most_jobs: u32) -> bool {
        self.jobs() < most_jobs
    }

    pub(crate) fn begin(&self, weight: Weight, now: u64) {
        if self.jobs.fetch_add(1, Relaxed) == 0 {
            self.heard_at.store(now, Relaxed);
        }
        self.bytes.fetch_add(weight.bytes, Relaxed);
        self.cost.fetch_add(weight.cost, Relaxed);
    }

    pub(crate) fn end(&self, weight: Weight) {
        self.jobs.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(weight.bytes, Relaxed);
        self.cost.fetch_sub(weight.cost, Relaxed);
    }

    /// It gets jobs from now on, few at first.
    pub(crate) fn ready(&self, now: u64) {
        self.ready_at.store(now, Relaxed);
        self.heard_at.store(now, Relaxed);
        self.failed_row.store(0, Relaxed);
        self.failed_share.store(0, Relaxed);
    }

    /// What was known of the process behind the last connection says nothing about the one behind this.
    pub(crate) fn connected(&self, now: u64) {
        self.link.fetch_add(1, Relaxed);
        self.others.store(0, Relaxed);
        self.slowness.store(EVEN, Relaxed);
        self.slow_factor.store(256, Relaxed);
        self.ready_at.store(now, Relaxed);
        self.heard_at.store(now, Relaxed);
    }

    pub(crate) fn heard(&self, load: Option<ReportedLoad>, now: u64) {
        self.heard_at.fetch_max(now, Relaxed);
        if let Some(load) = load {
            // What this process has there is in the report, too, and is known better here.
            let others = micros(load.work).saturating_sub(self.cost.load(Relaxed));
            self.others.store(others, Relaxed);
            self.others_at.store(now, Relaxed);
            self.workers.store(load.workers.max(1), Relaxed);
        }
    }

    /// It refused: until it says something else it counts as loaded by at least `cost`.
    pub(crate) fn refused(&self, cost: u64, now: u64) {
        self.others.fetch_max(cost.saturating_mul(u64::from(self.workers.load(Relaxed))), Relaxed);
        self.others_at.store(now, Relaxed);
    }

    pub(crate) fn answered(&self, took: Duration, cost: u64, now: u64) {
        let took = micros(took).min(u64::from(u32::MAX >> 1));
        let sample = ((took << 32) / cost.max(1)).clamp(EVEN >> 6, EVEN << 10);
        let old = self.slowness.load(Relaxed);
        let slowness = old - old / SLOWNESS_WEIGHT + sample / SLOWNESS_WEIGHT;
        self.slowness.store(slowness, Relaxed);
        self.slow_factor.store(slowness.isqrt().isqrt(), Relaxed);
        self.slowness_at.store(now, Relaxed);
        if self.failed_row.load(Relaxed) != 0 {
            self.failed_row.store(0, Relaxed);
        }
        let share = self.failed_share.load(Relaxed);
        if share != 0 {
            self.failed_share.store(share - share.div_ceil(FAILED_WEIGHT), Relaxed);
        }
    }

    /// Counts a failure. Returns how many there were in a row, and the share of failures in percent.
    pub(crate) fn failed(&self) -> (u32, u32) {
        let row = self.failed_row.fetch_add(1, Relaxed).saturating_add(1);
        let share = self.failed_share.load(Relaxed);
        let share = share - share / FAILED_WEIGHT + ALL / FAILED_WEIGHT;
        self.failed_share.store(share.min(ALL), Relaxed);
        (row, share.min(ALL) * 100 / ALL)
    }

    /// Whether this is the first that is heard of the loss of that connection.
    pub(crate) fn lost(&self, link: u64) -> bool {
        self.lost_link.fetch_max(link, Relaxed) < link
    }

    /// How soon a job that costs so much would be done here; the lower, the better.
    pub(crate) fn score(&self, cost: u64, settings: &Settings, now: u64) -> u64 {
        let others = aged(
            self.others.load(Relaxed),
            now.saturating_sub(self.others_at.load(Relaxed)),
            micros(settings.report_half_life),
        );
        let load = self.cost.load(Relaxed).saturating_add(others).saturating_add(cost);
        let mut score = load / u64::from(self.workers.load(Relaxed).max(1));
        score = score.saturating_mul(self.slow_factor(now)) >> 8;
        if self.jobs() > 0 {
            let quiet = now.saturating_sub(self.heard_at.load(Relaxed));
            if quiet > micros(settings.quiet) {
                score = score.saturating_add(quiet);
            }
        }
        let ramp = micros(settings.slow_start);
        let age = now.saturating_sub(self.ready_at.load(Relaxed));
        if age < ramp { score.saturating_mul(ramp) / age.max(ramp / 10).max(1) } else { score }
    }

    /// How slow it is beyond what is known of its load, times 256: ten times as slow is 1.8 times as far,
    /// so that load decides wherever there is any.
    fn slow_factor(&self, now: u64) -> u64 {
        let age = now.saturating_sub(self.slowness_at.load(Relaxed)) / SLOWNESS_HALF_LIFE;
        if age >= 16 {
            return 256;
        }
        let factor = self.slow_factor.load(Relaxed);
        if factor > 256 { 256 + ((factor - 256) >> age) } else { 256 - ((256 - factor) >> age) }
    }
}

/// Half of it for each half-life that passed, and in between on a straight line.
fn aged(value: u64, age: u64, half_life: u64) -> u64 {
    let half_life = half_life.max(1);
    let halves = age / half_life;
    if value == 0 || halves >= 32 {
        return 0;
    }
    let value = value >> halves;
    let part = age % half_life;
    value - u64::try_from(u128::from(value) * u128::from(part) / (u128::from(half_life) * 2)).unwrap_or(0)
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reported_fades() {
        for (age, left) in [(0, 1000), (5, 750), (10, 500), (15, 375), (20, 250), (400, 0), (u64::MAX, 0)] {
            assert_eq!(aged(1000, age, 10), left, "after {age}");
        }
        assert_eq!(aged(u64::MAX, 9, 10), u64::MAX - u64::try_from(u128::from(u64::MAX) * 9 / 20).unwrap());
    }

    #[test]
    fn a_job_of_our_own_is_not_counted_twice() {
        let settings = Settings { slow_start: Duration::ZERO, ..Settings::default() };
        let member = Member::new(EndpointId("10.0.0.1:7344".parse().unwrap()));
        let weight = Weight { bytes: 1, cost: 4_000 };
        member.begin(weight, 0);
        member.heard(Some(ReportedLoad { work: Duration::from_millis(10), workers: 1 }), 0);
        assert_eq!(member.score(1_000, &settings, 0), 11_000);
        member.heard(Some(ReportedLoad { work: Duration::from_millis(10), workers: 2 }), 0);
        assert_eq!(member.score(1_000, &settings, 0), 5_500);
        member.end(weight);
        assert_eq!(member.score(1_000, &settings, 0), 3_500);
        assert_eq!(member.score(1_000, &settings, 1_000_000), 2_000);
    }

    #[test]
    fn slowness_counts_for_its_fourth_root() {
        let settings = Settings { slow_start: Duration::ZERO, ..Settings::default() };
        let member = Member::new(EndpointId("10.0.0.1:7344".parse().unwrap()));
        for _ in 0..200 {
            member.answered(Duration::from_millis(16), 1_000, 0);
        }
        assert!((1_950..=2_000).contains(&member.score(1_000, &settings, 0)));
        assert_eq!(member.score(1_000, &settings, 200_000_000), 1_000, "and is forgotten");
        for _ in 0..200 {
            member.answered(Duration::from_micros(62), 1_000, 0);
        }
        assert!((490..=510).contains(&member.score(1_000, &settings, 0)));
    }
}
