//! Which scanners count, in what order they go first, and how many have to stay.

use crate::Scanner;
use icapstan_api::fleet::{Amount, ContentDigest};
use std::cmp::Reverse;

/// The order in which scanners go first: by a hash of their names, so that it is the same for each rollout, and moves
/// for nobody when others come and go.
pub(crate) fn by_rank<'a>(scanners: impl IntoIterator<Item = &'a Scanner>) -> Vec<&'a Scanner> {
    let mut scanners: Vec<_> = scanners.into_iter().collect();
    scanners.sort_by_cached_key(|scanner| Reverse(rank(&scanner.name)));
    scanners
}

fn rank(name: &str) -> ([u8; 32], String) {
    (ContentDigest::of(format!("icapstan cohort v1\n{name}").as_bytes()).0, name.to_owned())
}

/// Whether it is one of those that gateways may ask, or will again: that it is busy with something else, or has ended
/// over it, the caller knows of those that it gave something to load.
pub(crate) fn is_present(scanner: &Scanner, is_busy: bool) -> bool {
    let has_some = scanner.heard && !scanner.held.is_empty();
    !scanner.draining && (scanner.ready || has_some || is_busy)
}

/// How many of so many have the signatures in use loaded at each moment: what is wished, half, and one, whatever is
/// more. Halves and percentages are rounded down, so that a fleet of an odd number can be parted.
pub(crate) fn quorum(population: usize, min_ready: Amount) -> usize {
    let wished = match min_ready {
        Amount::Number(number) => usize::try_from(number).unwrap_or(usize::MAX),
        Amount::Percent(percent) => population * usize::from(percent) / 100,
    };
    wished.max(population / 2).max(1).min(population)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<Scanner> {
        (0..count).map(|n| Scanner { name: format!("s-{n}"), ..Scanner::default() }).collect()
    }

    #[test]
    fn who_goes_first_stays_first_when_others_come_and_go() {
        let all = names(50);
        let ranked: Vec<_> = by_rank(&all).into_iter().map(|scanner| scanner.name.clone()).collect();
        let mut reversed = all.clone();
        reversed.reverse();
        assert_eq!(
            by_rank(&reversed).iter().map(|s| &s.name).collect::<Vec<_>>(),
            ranked.iter().collect::<Vec<_>>()
        );
        for gone in 0..50 {
            let mut fewer = all.clone();
            fewer.remove(gone);
            let order: Vec<_> = by_rank(&fewer).into_iter().map(|scanner| scanner.name.clone()).collect();
            let expected: Vec<_> = ranked.iter().filter(|name| **name != all[gone].name).cloned().collect();
            assert_eq!(order, expected);
        }
    }

    #[test]
    fn half_stay_and_what_is_wished() {
        let half = Amount::Percent(50);
        assert_eq!([0, 1, 2, 3, 4, 5].map(|n| quorum(n, half)), [0, 1, 1, 1, 2, 2]);
        assert_eq!([1, 4, 10].map(|n| quorum(n, Amount::Percent(80))), [1, 3, 8]);
        assert_eq!([1, 2, 10].map(|n| quorum(n, Amount::Number(2))), [1, 2, 5]);
        assert_eq!(quorum(10, Amount::Percent(0)), 5);
    }
}
