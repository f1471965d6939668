//! What clients bring: how much at what time of the day, how large, and what it takes to scan it.

use crate::events::{MILLI, Micros, SECOND};
use fastrand::Rng;
use icapstan_balance::admission::Lane;
use std::f64::consts::TAU;

/// No object is larger: larger ones are not scanned.
const MOST_BYTES: f64 = 10_343.0 * 1024.0;
/// Nor does any take longer.
const MOST_SERVICE: f64 = 9.0 * 1e6;
/// One object of so many is a container.
const DEAR_SHARE: f64 = 0.03;

/// How many jobs come, as a share of what the fleet could do that was there at the start.
#[derive(Clone, Debug)]
pub enum Curve {
    /// Always the same.
    Flat(f64),
    /// From one value at night to another at noon, in so many virtual seconds, with bursts: each adds half of
    /// the highest for a hundredth of the day.
    Day {
        /// The lowest.
        night: f64,
        /// The highest.
        noon: f64,
        /// How long a day lasts.
        seconds: u64,
        /// How many bursts there are.
        bursts: u32,
    },
    /// Another value from a time on until another.
    Step {
        /// Before and after.
        low: f64,
        /// Between.
        high: f64,
        /// From this virtual second on.
        from: u64,
        /// To this one.
        to: u64,
    },
}

/// One object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    pub(crate) bytes: u64,
    pub(crate) lane: Lane,
    /// What a scanner of usual speed takes.
    pub(crate) service: Micros,
}

// === impl Curve ===

impl Curve {
    pub(crate) fn at(&self, now: Micros) -> f64 {
        match *self {
            Self::Flat(level) => level,
            Self::Day { night, noon, seconds, bursts } => {
                let part = seconds_of(now) / to_f64(seconds);
                let base = night + (noon - night) * 0.5 * (1.0 - (TAU * part).cos());
                let is_burst = (1..=bursts).any(|burst| {
                    let begin = f64::from(burst) / f64::from(bursts + 1) + 0.013 * f64::from(burst % 3);
                    (begin..begin + 0.01).contains(&(part % 1.0))
                });
                if is_burst { base + noon / 2.0 } else { base }
            }
            Self::Step { low, high, from, to } => {
                let is_high = (from * SECOND..to * SECOND).contains(&now);
                if is_high { high } else { low }
            }
        }
    }
}

// === impl Object ===

impl Object {
    /// Sizes are log-normal around 10 KiB. A plain object takes 0.5 ms and 25 ns a byte, as the engine was
    /// measured with some hundred thousand signatures, give or take; a container 20 ms in the middle, whatever
    /// its size is, and seconds in the tail.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let bytes = log_normal(rng, 10_240.0, 2.0).min(MOST_BYTES);
        let is_dear = rng.f64() < DEAR_SHARE;
        let service = if is_dear {
            log_normal(rng, 20_000.0, 1.5)
        } else {
            (500.0 + bytes * 0.025) * log_normal(rng, 1.0, 0.4)
        };
        Self {
            bytes: to_u64(bytes),
            lane: if is_dear { Lane::Dear } else { Lane::Cheap },
            service: to_u64(service.clamp(100.0, MOST_SERVICE)),
        }
    }

    /// The mean service time in microseconds, of many.
    pub(crate) fn mean_service() -> f64 {
        let mut rng = Rng::with_seed(7);
        let count = 200_000_u32;
        let sum: u64 = (0..count).map(|_| Self::draw(&mut rng).service).sum();
        to_f64(sum) / f64::from(count)
    }
}

/// A delay on the network within a cluster: 0.1 ms and more; one of a thousand packets is lost and comes 200 ms later.
pub(crate) fn network_delay(rng: &mut Rng, loss: f64) -> Micros {
    let delay = 100 + to_u64(exponential(rng, 150.0));
    if rng.f64() < loss { delay + 200 * MILLI } else { delay }
}

pub(crate) fn exponential(rng: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - rng.f64()).ln()
}

fn log_normal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    // Box and Muller.
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    median * (sigma * radius * (TAU * rng.f64()).cos()).exp()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values of a simulation, far below the limits"
)]
pub(crate) fn to_u64(value: f64) -> u64 {
    value as u64
}

#[expect(clippy::cast_precision_loss, reason = "values of a simulation, far below the limits")]
pub(crate) fn to_f64(value: u64) -> f64 {
    value as f64
}

pub(crate) fn seconds_of(time: Micros) -> f64 {
    to_f64(time) / 1e6
}
