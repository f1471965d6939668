//! What icapstan has to reach beside others.

use super::case::Subject;
use crate::bound::Bound;
use crate::stats::Spread;
use serde::Serialize;

/// A bound on a ratio of icapstan to another server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    /// The other server.
    pub(super) versus: Subject,
    /// What is compared.
    pub(super) metric: Metric,
    /// The bound.
    pub(super) bound: Bound,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Metric {
    /// Answers in a second.
    Rate,
    /// Processor time of the server for each answer.
    Cpu,
}

/// What became of a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Judged {
    /// The target, in words.
    pub(super) what: String,
    /// What was measured: the median; nothing when that was not possible in a valid way.
    pub(super) value: Option<f64>,
    /// Whether it is met.
    pub(super) met: bool,
}

// === impl Target ===

impl Target {
    /// Processor time of at most so many times that of `versus`.
    pub(super) const fn cpu(versus: Subject, times: f64) -> Self {
        Self { versus, metric: Metric::Cpu, bound: Bound::AtMost(times) }
    }

    /// A rate of at least so many times that of `versus`.
    pub(super) const fn rate(versus: Subject, times: f64) -> Self {
        Self { versus, metric: Metric::Rate, bound: Bound::AtLeast(times) }
    }

    /// Compares the median with the bound. What was not measured is not met.
    pub(super) fn judge(&self, ratio: Option<&Spread>) -> Judged {
        let value = ratio.map(|ratio| ratio.median);
        let metric = match self.metric {
            Metric::Rate => "rate",
            Metric::Cpu => "CPU",
        };
        Judged {
            what: format!("{metric} {}x that of {}", self.bound, self.versus),
            value,
            met: value.is_some_and(|value| self.bound.holds(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_holds_up_to_its_bound_and_never_without_a_measurement() {
        let cpu = Target::cpu(Subject::CIcap, 0.8);
        let of = |value| Spread::of(&[value]);
        assert!(cpu.judge(of(0.8).as_ref()).met);
        assert!(!cpu.judge(of(0.81).as_ref()).met);
        assert!(!cpu.judge(None).met);
        let rate = Target::rate(Subject::CIcap, 2.5);
        assert!(rate.judge(of(2.5).as_ref()).met);
        assert!(!rate.judge(of(2.49).as_ref()).met);
        assert_eq!(rate.judge(None).what, "rate at least 2.50x that of c-icap");
    }
}
