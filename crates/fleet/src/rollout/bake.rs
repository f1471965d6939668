//! Whether the fleet does worse than before.

use super::observed::{BakeLimits, Health};
use icapstan_api::fleet::Amount;

/// What is worse than it may be, for people.
pub(super) fn worse(before: &Health, after: &Health, limits: &BakeLimits) -> Option<String> {
    let more = after.false_positives.saturating_sub(before.false_positives);
    if limits.false_positives > 0 && more >= limits.false_positives {
        return Some(format!("{more} reports of false positives more than before."));
    }
    if after.objects < limits.min_objects || after.objects == 0 {
        return None;
    }
    let kinds = [
        (before.blocked, after.blocked, limits.blocked, "were blocked"),
        (before.errors, after.errors, limits.errors, "could not be scanned"),
    ];
    kinds.into_iter().find_map(|(count_before, count, (percent, least), what)| {
        let share = |count: u64, objects: u64| u128::from(count) * 1_000_000 / u128::from(objects.max(1));
        let (was, is) = (share(count_before, before.objects), share(count, after.objects));
        let is_more = is * 100 > was * u128::from(percent);
        let points = match least {
            Amount::Percent(percent) => is >= was + u128::from(percent) * 10_000,
            Amount::Number(number) => count >= count_before.saturating_add(number.into()),
        };
        (is_more && points).then(|| {
            let (objects, before) = (after.objects, before.objects);
            format!("{count} of {objects} objects {what}; before it were {count_before} of {before}.")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Health =
        Health { window_secs: 60, objects: 10_000, blocked: 10, errors: 5, false_positives: 1 };

    fn is_worse(after: Health) -> bool {
        worse(&QUIET, &after, &BakeLimits::default()).is_some()
    }

    #[test]
    fn a_jump_is_worse_and_chance_is_not() {
        assert!(!is_worse(QUIET));
        assert!(!is_worse(Health { blocked: 100, ..QUIET }), "ten times as many, but one of a hundred");
        assert!(is_worse(Health { blocked: 300, ..QUIET }));
        assert!(is_worse(Health { errors: 300, ..QUIET }));
        assert!(is_worse(Health { false_positives: 6, ..QUIET }));
        assert!(!is_worse(Health { objects: 10, blocked: 10, ..QUIET }), "nothing follows from ten objects");
    }
}
