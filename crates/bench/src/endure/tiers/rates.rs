//! How fast answers came.

use super::clients::Answer;
use std::time::Duration;

/// Right answers in each second, from one tenth of a second to the next.
pub(super) struct Rates {
    seconds: Vec<u32>,
}

/// Tenths in a second.
const SECOND: usize = 10;
/// What is usual is what was so for this long.
const USUAL: usize = 20 * SECOND;
/// Fewer seconds before a death say nothing about what is usual.
const LEAST: usize = 3 * SECOND;

// === impl Rates ===

impl Rates {
    pub(super) fn of(answers: &[Answer]) -> Self {
        let tenth = |answer: &Answer| tenths(answer.ended());
        let mut tenths = vec![0_u32; answers.iter().map(tenth).max().map_or(0, |last| last + 1)];
        for answer in answers {
            tenths[tenth(answer)] += 1;
        }
        Self { seconds: tenths.windows(SECOND).map(|second| second.iter().sum()).collect() }
    }

    /// The best of the seconds that begin between one and two seconds after `at`, by the median of those of the
    /// twenty before `at`. What
    /// comes in the first second, and is a consequence, is over then. Nothing where there is too little to look at.
    pub(super) fn after(&self, at: Duration) -> Option<f64> {
        let at = tenths(at);
        let end = at.checked_sub(SECOND)?;
        let usual = self.seconds.get(end.saturating_sub(USUAL)..end);
        let mut before = usual.filter(|before| before.len() >= LEAST)?.to_vec();
        before.sort_unstable();
        let best = self.seconds.get(at + SECOND..=at + 2 * SECOND)?.iter().max()?;
        Some(f64::from(*best) / f64::from(before[before.len() / 2]))
    }
}

fn tenths(time: Duration) -> usize {
    usize::try_from(time.as_millis() / 100).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many answers in each tenth of a second.
    fn rates(counts: &[u32]) -> Rates {
        let answers: Vec<_> = (0..)
            .zip(counts)
            .flat_map(|(tenth, count)| {
                (0..*count).map(move |_| Answer::new(Duration::from_millis(tenth * 100 + 50), Duration::ZERO))
            })
            .collect();
        Rates::of(&answers)
    }

    fn after(dip: &[u32]) -> Option<f64> {
        rates(&[&[10; 100], dip, &[10; 50]].concat()).after(Duration::from_secs(10))
    }

    #[test]
    fn a_dip_counts_when_it_lasts() {
        assert_eq!(after(&[10]), Some(1.0));
        assert_eq!(after(&[0; 10]), Some(1.0), "it is over after a second");
        assert_eq!(after(&[0; 20]), Some(1.0), "and just so after two");
        assert_eq!(after(&[0; 25]), Some(0.5));
        assert_eq!(after(&[5; 40]), Some(0.5));
        assert_eq!(after(&[0; 40]), Some(0.0));
    }

    #[test]
    fn what_cannot_be_told_is_not() {
        let rates = rates(&[10; 100]);
        assert_eq!(rates.after(Duration::from_secs(2)), None, "too little before");
        assert_eq!(rates.after(Duration::from_secs(9)), None, "too little after");
        assert_eq!(rates.after(Duration::from_secs(5)), Some(1.0));
    }
}
