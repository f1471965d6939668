//! What a trigger asks for: its `metadata`.

use crate::fleet::{Figures, float};
use std::collections::HashMap;
use thiserror::Error;

/// What part of the workers should be busy, unless it is said.
const UTILIZATION: f64 = 0.7;

/// What can be scaled by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// How many workers there should be.
    Saturation,
    /// Scans that wait or are under way.
    Jobs,
    /// Bytes of their objects.
    Bytes,
    /// Seconds of one worker that they take.
    Seconds,
}

/// What a trigger asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wish {
    /// By what is scaled.
    pub metric: Metric,
    /// What each replica should have of it; without it a part of its workers.
    target: Option<f64>,
    utilization: f64,
    /// Above this there is something to do; without it there always is.
    activation: Option<f64>,
}

/// Why it cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidWish {
    /// It is none of those that there are.
    #[error("metadata.metric: {0:?} is not one of saturation, backlogJobs, backlogBytes, backlogSeconds")]
    Metric(String),
    /// It is no number that could be meant.
    #[error("metadata.{0}: {1:?} is not {2}")]
    Number(&'static str, String, &'static str),
    /// Without it nobody knows what a replica should have.
    #[error("metadata.target: is missing: what each replica should have of {0}")]
    NoTarget(&'static str),
    /// Both say what a replica should have.
    #[error("metadata.utilization: goes only with the metric saturation, and not beside target")]
    Utilization,
    /// It is of another metric.
    #[error("there is no metric {0:?}; see GetMetricSpec")]
    Name(String),
}

// === impl Metric ===

impl Metric {
    const ALL: [Self; 4] = [Self::Saturation, Self::Jobs, Self::Bytes, Self::Seconds];

    /// As metadata have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Saturation => "saturation",
            Self::Jobs => "backlogJobs",
            Self::Bytes => "backlogBytes",
            Self::Seconds => "backlogSeconds",
        }
    }

    /// As Kubernetes has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Saturation => "icapstan-saturation",
            Self::Jobs => "icapstan-backlog-jobs",
            Self::Bytes => "icapstan-backlog-bytes",
            Self::Seconds => "icapstan-backlog-seconds",
        }
    }

    /// The one that is called so; with an empty name, `usual`.
    pub fn of_name(name: &str, usual: Self) -> Result<Self, InvalidWish> {
        if name.is_empty() {
            return Ok(usual);
        }
        let found = Self::ALL.into_iter().find(|metric| metric.name() == name);
        found.ok_or_else(|| InvalidWish::Name(short(name)))
    }

    /// What it comes to.
    pub fn value(self, figures: &Figures) -> f64 {
        let sums = &figures.sums;
        match self {
            Self::Saturation => sums.wanted(),
            Self::Jobs => float(sums.jobs),
            Self::Bytes => float(sums.bytes),
            Self::Seconds => sums.backlog,
        }
    }
}

// === impl Wish ===

impl Wish {
    /// Reads the metadata of a trigger. Keys that are not ours are KEDA's.
    pub fn read(metadata: &HashMap<String, String>) -> Result<Self, InvalidWish> {
        let get = |key: &str| metadata.get(key).map(|value| value.trim()).filter(|value| !value.is_empty());
        let metric = match get("metric") {
            None => Metric::Saturation,
            Some(word) => Metric::ALL
                .into_iter()
                .find(|metric| metric.as_str() == word)
                .ok_or_else(|| InvalidWish::Metric(short(word)))?,
        };
        let number = |key: &'static str, what, is_one: fn(f64) -> bool| {
            let read = |text: &str| {
                let number = text.parse().ok().filter(|number: &f64| number.is_finite() && is_one(*number));
                number.ok_or_else(|| InvalidWish::Number(key, short(text), what))
            };
            get(key).map(read).transpose()
        };
        // KEDA rounds to thousandths.
        let target = number("target", "a number of at least 0.001", |number| number >= 0.001)?;
        let share = number("utilization", "a number from 0.1 to 1", |number| (0.1..=1.0).contains(&number))?;
        let activation = number("activation", "a number of at least 0", |number| number >= 0.0)?;
        if target.is_none() && metric != Metric::Saturation {
            return Err(InvalidWish::NoTarget(metric.as_str()));
        }
        if share.is_some() && target.is_some() {
            return Err(InvalidWish::Utilization);
        }
        Ok(Self { metric, target, utilization: share.unwrap_or(UTILIZATION), activation })
    }

    /// What each replica should have; unknown until a scanner said how many workers it has.
    pub fn target(&self, figures: &Figures) -> Option<f64> {
        self.target.or_else(|| figures.workers_each.map(|workers| workers * self.utilization))
    }

    /// Whether there is something to do, if that does not depend on how much there is.
    pub fn is_always_active(&self) -> bool {
        self.activation.is_none()
    }

    /// Whether there is something to do.
    pub fn is_active(&self, figures: &Figures) -> bool {
        self.activation.is_none_or(|least| self.metric.value(figures) > least)
    }
}

/// What others sent, for a sentence.
fn short(text: &str) -> String {
    const MAX: usize = 64;
    text.chars().filter(|char| !char.is_control()).take(MAX).collect()
}

#[cfg(test)]
mod tests;
