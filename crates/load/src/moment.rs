//! Points in time as plain nanoseconds of the monotonic clock, which a kernel timer understands too.

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

// === impl Moment ===

impl Moment {
    /// Later than every other moment.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The present.
    pub(crate) fn now() -> Self {
        Self(nanos(clock_gettime(ClockId::Monotonic)))
    }

    /// From nanoseconds since the clock's origin.
    #[cfg(test)]
    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// As a kernel timer takes it.
    pub(crate) fn timespec(self) -> Timespec {
        let (secs, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        Timespec {
            tv_sec: i64::try_from(secs).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(nanos).expect("less than a second"),
        }
    }

    /// Nanoseconds since `earlier`; none if that lies ahead.
    pub(crate) const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds since `earlier`.
    pub(crate) fn secs_since(self, earlier: Self) -> f64 {
        (self - earlier).as_secs_f64()
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }
}

/// The processor time that this process has used, all threads together.
pub(crate) fn own_cpu() -> Duration {
    Duration::from_nanos(nanos(clock_gettime(ClockId::ProcessCPUTime)))
}

fn nanos(time: Timespec) -> u64 {
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}
