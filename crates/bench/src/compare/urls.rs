//! URLs: lists of them, and rules about them, without any server.

mod decision;
mod lists;
mod lookups;

pub(super) use decision::DecisionReport;
pub(super) use lists::{Entries, Lists, unlisted};
pub(super) use lookups::{Lookup, LookupReport};

use super::target::Judged;
use crate::context::Context;
use serde::Serialize;
use std::time::Duration;

/// A part that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// What large lists take.
    Lookups,
    /// How long many rules take.
    Decision,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub(super) struct UrlsReport {
    pub(super) lookups: Option<LookupReport>,
    pub(super) decision: Option<DecisionReport>,
}

/// As many domains as a usual list has.
pub(super) const USUAL: Entries = Entries::Domains(100_000);

/// As many entries as all public lists together have.
pub(super) const LARGE: Entries = Entries::Mixed(5_000_000);

/// Measures the parts that were selected.
pub(super) fn measure(context: &Context, rounds: u32, parts: &[Part]) -> anyhow::Result<UrlsReport> {
    let mut report = UrlsReport::default();
    if parts.contains(&Part::Decision) {
        report.decision = Some(decision::measure(context, rounds)?);
    }
    if parts.contains(&Part::Lookups) {
        report.lookups = Some(lookups::measure(context, rounds, LARGE)?);
    }
    Ok(report)
}

/// The processor time that this thread has had.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}

// === impl Part ===

impl Part {
    pub(super) const ALL: [Self; 2] = [Self::Lookups, Self::Decision];

    /// What `--only` selects by.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Lookups => "urls/lookups",
            Self::Decision => "urls/decision",
        }
    }
}

// === impl UrlsReport ===

impl UrlsReport {
    /// The targets, with the names of their parts.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&'static str, &Judged)> {
        self.decision.iter().map(|part| (Part::Decision.name(), &part.target))
    }
}
