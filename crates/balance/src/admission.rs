//! What a scanner makes of its own load: how long who comes now would wait, whether that is hopeless, and
//! what it tells others. Pure arithmetic, so that the scanner and the simulated fleet have the same.
//!
//! Two lanes: objects that may cost much never have all workers, so that cheap ones go on while a few dear
//! ones are slow.

use crate::endpoint::ReportedLoad;
use crate::member::micros;
use std::time::Duration;

/// A new measurement counts for one eighth.
const WEIGHT: u64 = 8;

/// What an object is expected to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Small, and nothing to be unpacked.
    Cheap,
    /// Anything else.
    Dear,
}

/// What there is of one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneLoad {
    /// Objects that have entered and not left.
    pub inside: usize,
    /// Moving average of the time with a worker, in microseconds.
    pub average_us: u64,
}

/// The workers of a scanner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crew {
    /// All of them.
    pub workers: usize,
    /// How many of them dear objects may have at once.
    pub dear_workers: usize,
}

// === impl LaneLoad ===

impl LaneLoad {
    /// The average after one more object had a worker for so long.
    pub fn averaged(average_us: u64, took: Duration) -> u64 {
        (average_us - average_us / WEIGHT).saturating_add(micros(took) / WEIGHT)
    }

    fn work(self) -> u64 {
        self.average_us.saturating_mul(self.inside as u64)
    }
}

// === impl Crew ===

impl Crew {
    /// How long an object that comes now will wait for a worker, as far as one can tell.
    pub fn expected_wait(self, lane: Lane, cheap: LaneLoad, dear: LaneLoad) -> Duration {
        let (load, workers) = match lane {
            Lane::Dear => (dear, self.dear_workers.max(1)),
            Lane::Cheap => {
                let taken = dear.inside.min(self.dear_workers);
                (cheap, self.workers.saturating_sub(taken).max(1))
            }
        };
        let ahead = load.inside.saturating_add(1).saturating_sub(workers);
        Duration::from_micros(load.average_us.saturating_mul(ahead as u64) / workers as u64)
    }

    /// What is told to those who send jobs.
    pub fn report(self, cheap: LaneLoad, dear: LaneLoad) -> ReportedLoad {
        let work = Duration::from_micros(cheap.work().saturating_add(dear.work()));
        ReportedLoad { work, workers: u32::try_from(self.workers).unwrap_or(u32::MAX) }
    }
}

/// Whether waiting would take more than half of the time that is left. The other half is for the
/// scan, and for what the estimate is wrong by: were it let in at the last moment, about half of
/// those that waited that long would be given up in the midst of their scan, and the workers' time
/// spent on them would be lost for those that could be served.
pub fn is_hopeless(wait: Duration, left: Duration) -> bool {
    left.is_zero() || wait > left / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_waits_for_those_of_its_lane() {
        let crew = Crew { workers: 3, dear_workers: 2 };
        let of = |inside| LaneLoad { inside, average_us: 3_000 };
        for (lane, cheap, dear, wait) in [
            (Lane::Cheap, 0, 0, 0),
            (Lane::Cheap, 2, 0, 0),
            (Lane::Cheap, 3, 0, 1_000),
            (Lane::Cheap, 3, 1, 3_000),
            (Lane::Cheap, 3, 2, 9_000),
            (Lane::Cheap, 3, 200, 9_000),
            (Lane::Dear, 100, 1, 0),
            (Lane::Dear, 100, 2, 1_500),
        ] {
            let expected = Duration::from_micros(wait);
            assert_eq!(crew.expected_wait(lane, of(cheap), of(dear)), expected, "{lane:?} {cheap} {dear}");
        }
        assert_eq!(crew.report(of(2), of(3)), ReportedLoad { work: Duration::from_millis(15), workers: 3 });
        let all = LaneLoad { inside: usize::MAX, average_us: u64::MAX };
        assert!(crew.expected_wait(Lane::Dear, all, LaneLoad { inside: 9, ..all }) > Duration::from_hours(1));
        assert_eq!(crew.report(all, all).work, Duration::from_micros(u64::MAX));
    }

    #[test]
    fn half_of_the_time_is_for_the_scan() {
        let second = Duration::from_secs(1);
        assert!(!is_hopeless(second / 2, second));
        assert!(is_hopeless(second / 2 + Duration::from_nanos(1), second));
        assert!(is_hopeless(Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn an_average_follows_what_is_measured() {
        let mut average = 0;
        for _ in 0..100 {
            average = LaneLoad::averaged(average, Duration::from_millis(2));
        }
        assert!((1_990..=2_000).contains(&average), "{average}");
    }
}
