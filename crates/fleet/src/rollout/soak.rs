//! What scans that were made a second time say of a candidate.

use crate::{Reason, Scanner};
use icapstan_api::fleet::{ContentDigest, Thresholds};

/// What follows from comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Too few for anything to follow.
    TooFew,
    /// Nothing speaks against it.
    Healthy,
    /// This does.
    Crossed(Reason, String),
}

/// Sums up what scanners compared.
pub(super) fn judge<'a>(
    scanners: impl IntoIterator<Item = &'a &'a Scanner>,
    candidate: &ContentDigest,
    thresholds: &Thresholds,
) -> Judgement {
    let [mut compared, mut detected, mut clean, mut failed, mut before_us, mut now_us] = [0_u64; 6];
    let mirrored = scanners.into_iter().filter_map(|scanner| scanner.mirrored);
    for counts in mirrored.filter(|counts| counts.digest == *candidate) {
        compared = compared.saturating_add(counts.compared);
        detected = detected.saturating_add(counts.newly_detected);
        clean = clean.saturating_add(counts.newly_clean);
        failed = failed.saturating_add(counts.newly_failed);
        before_us = before_us.saturating_add(counts.engine_us);
        now_us = now_us.saturating_add(counts.candidate_engine_us);
    }
    if compared < u64::from(thresholds.min_compared.max(1)) {
        return Judgement::TooFew;
    }
    let drifts = [
        (detected, thresholds.max_newly_detected, "are found only by the new signatures"),
        (clean, thresholds.max_newly_clean, "are found only by those in use"),
        (failed, thresholds.max_failed, "cannot be scanned with the new signatures"),
    ];
    for (count, most, what) in drifts {
        if count > most.of(compared) {
            let message = format!("{count} of {compared} objects {what}; {most} are allowed.");
            return Judgement::Crossed(Reason::DriftExceeded, message);
        }
    }
    let most_percent = u128::from(thresholds.max_latency_percent);
    if most_percent > 0 && u128::from(now_us) * 100 > u128::from(before_us) * most_percent {
        let message = format!("Scans of {compared} objects took {now_us} µs instead of {before_us} µs.");
        return Judgement::Crossed(Reason::LatencyExceeded, message);
    }
    Judgement::Healthy
}
