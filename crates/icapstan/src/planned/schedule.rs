//! When an epoch is due, and when a gateway is behind its fleet. Pure: it is told the time.

use icapstan_api::fleet::{FleetPlanSpec, PlanEpoch};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How often it is looked whether something is due, at least: clocks are set, too.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// While an epoch is pending, a gateway is behind after this time: others may be told at any moment when it begins.
const PENDING_PATIENCE: Duration = Duration::from_millis(1500);

/// Since when this gateway has been behind.
#[derive(Debug, Default)]
pub(super) struct Behind(Option<Instant>);

/// The epochs that transactions may begin with now in the place of number `current`, the one that they should first.
pub(super) fn due(plan: &FleetPlanSpec, current: u64, now: Timestamp) -> impl Iterator<Item = &PlanEpoch> {
    let is_due = move |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let pending = plan.pending.iter().filter(move |pending| is_due(pending.activate_at));
    pending.map(|pending| &pending.epoch).chain(&plan.active).filter(move |epoch| epoch.number > current)
}

/// How long nothing becomes due.
pub(super) fn pause(plan: &FleetPlanSpec, now: Timestamp) -> Duration {
    let at = plan.pending.as_ref().and_then(|pending| pending.activate_at);
    let left = at.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    left.filter(|left| !left.is_zero()).map_or(TICK, |left| left.min(TICK))
}

/// How long a gateway may be behind until nobody is served.
pub(super) fn patience(plan: &FleetPlanSpec, stale_after: Duration) -> Duration {
    if plan.pending.is_some() { stale_after.min(PENDING_PATIENCE) } else { stale_after }
}

// === impl Behind ===

impl Behind {
    /// Whether it has been so for longer than `patience`.
    pub(super) fn is_too_long(&mut self, is_behind: bool, patience: Duration, now: Instant) -> bool {
        if !is_behind {
            self.0 = None;
            return false;
        }
        let since = *self.0.get_or_insert(now);
        now.saturating_duration_since(since) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_api::fleet::{ContentDigest, PendingEpoch};
    use std::collections::BTreeMap;

    fn epoch(number: u64) -> PlanEpoch {
        let digest = ContentDigest::of(b"");
        PlanEpoch { number, revision: digest, settings: digest, istags: BTreeMap::new() }
    }

    fn plan(active: Option<u64>, pending: Option<(u64, Option<i64>)>) -> FleetPlanSpec {
        let at = |second| Timestamp::from_second(second).unwrap();
        FleetPlanSpec {
            active: active.map(epoch),
            pending: pending
                .map(|(number, second)| PendingEpoch { epoch: epoch(number), activate_at: second.map(at) }),
            ..FleetPlanSpec::default()
        }
    }

    fn numbers(plan: &FleetPlanSpec, current: u64, second: i64) -> Vec<u64> {
        due(plan, current, Timestamp::from_second(second).unwrap()).map(|epoch| epoch.number).collect()
    }

    #[test]
    fn an_epoch_begins_at_its_time_and_never_ends_for_an_earlier_one() {
        let announced = plan(Some(3), Some((4, None)));
        assert!(numbers(&announced, 3, 100).is_empty(), "it has no time");
        assert_eq!(numbers(&announced, 0, 100), [3]);
        let scheduled = plan(Some(3), Some((4, Some(100))));
        assert!(numbers(&scheduled, 3, 99).is_empty());
        assert_eq!(numbers(&scheduled, 3, 100), [4]);
        assert_eq!(numbers(&scheduled, 0, 100), [4, 3], "the earlier one, if that is all there is");
        assert!(numbers(&scheduled, 4, 99).is_empty(), "a clock was set back");
        assert_eq!(numbers(&plan(Some(5), None), 3, 0), [5], "the announcement was missed");
        assert!(numbers(&plan(Some(3), None), 4, 0).is_empty());
        assert!(numbers(&FleetPlanSpec::default(), 0, 0).is_empty());
    }

    #[test]
    fn it_is_looked_in_time_for_what_is_due() {
        let scheduled = plan(Some(3), Some((4, Some(100))));
        let at = |millis| pause(&scheduled, Timestamp::from_millisecond(millis).unwrap());
        assert_eq!(
            [at(0), at(99_970), at(100_000), at(200_000)],
            [TICK, Duration::from_millis(30), TICK, TICK]
        );
    }

    #[test]
    fn who_is_behind_has_its_time_and_less_while_an_epoch_is_pending() {
        let (mut behind, now) = (Behind::default(), Instant::now());
        let five = Duration::from_secs(5);
        assert!(!behind.is_too_long(true, five, now));
        assert!(!behind.is_too_long(true, five, now + Duration::from_secs(4)));
        assert!(behind.is_too_long(true, five, now + five));
        assert!(!behind.is_too_long(false, five, now + five));
        assert!(!behind.is_too_long(true, five, now + five), "it begins anew");
        assert_eq!(patience(&plan(Some(1), None), five), five);
        assert_eq!(patience(&plan(Some(1), Some((2, None))), five), PENDING_PATIENCE);
        assert_eq!(patience(&plan(Some(1), Some((2, None))), Duration::from_secs(1)), Duration::from_secs(1));
    }
}
