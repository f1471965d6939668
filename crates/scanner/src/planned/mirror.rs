//! Scans that are made a second time with a candidate, to see how the results differ. They decide nothing.

use icapstan_hashes::Lists;
use icapstan_model::{
    FailedReason, Findings, GenerationId, Object, Origin, Reason, ScanContext, ScanReport, Sha256, Verdict,
};
use icapstan_telemetry::Span;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::{Engine, UnderWay};
use crate::scan::{self, Task};
use crate::shared::Shared;

/// So many second scans are under way at once; each keeps its object in memory.
const AT_ONCE: usize = 2;
/// Larger objects are not scanned twice.
const MAX_LEN: u64 = 32 << 20;
/// So many differences are told.
const MAX_DIFFERENCES: usize = 16;
/// Names of threats are cut here in what is told.
const MAX_WORDS: usize = 200;

/// What scans with two revisions showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The candidate.
    pub candidate: GenerationId,
    /// Objects that were scanned with both.
    pub compared: u64,
    /// Those that only the candidate finds something in.
    pub newly_detected: u64,
    /// Those that only the revision in use finds something in.
    pub newly_clean: u64,
    /// Scans with the candidate that failed, though those before did not.
    pub newly_failed: u64,
    /// Scans that could not be made.
    pub inconclusive: u64,
    /// Time in engines with the revision in use.
    pub engine: Duration,
    /// The same with the candidate.
    pub candidate_engine: Duration,
    /// Some of the differences, the newest first.
    pub differences: Vec<Difference>,
}

/// An object that two revisions judge otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub sha256: Sha256,
    /// What the revision in use says.
    pub verdict: String,
    /// What the candidate says.
    pub candidate_verdict: String,
}

/// Second scans.
#[derive(Debug)]
pub(crate) struct Mirroring {
    places: Arc<Semaphore>,
    shown: Mutex<Option<Mirrored>>,
}

/// A second scan that may be made.
pub(crate) struct Second {
    pub(crate) candidate: Arc<dyn Engine>,
    pub(crate) lists: Arc<Lists>,
    place: OwnedSemaphorePermit,
}

// === impl Mirroring ===

impl Mirroring {
    pub(crate) fn new() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)), shown: Mutex::default() }
    }

    /// Begins to count anew if the candidate is another one.
    pub(crate) fn follow(&self, candidate: Option<GenerationId>) {
        let mut shown = self.shown.lock();
        if shown.as_ref().map(|shown| shown.candidate) != candidate {
            *shown = candidate.map(Mirrored::of);
        }
    }

    pub(crate) fn shown(&self) -> Option<Mirrored> {
        self.shown.lock().clone()
    }

    /// A place for a scan with the candidate, if workers have nothing else to do.
    pub(crate) fn place(
        &self,
        percent: u8,
        len: u64,
        engine: &dyn Engine,
        candidate: &Arc<dyn Engine>,
        lists: &Arc<Lists>,
    ) -> Option<Second> {
        if len > MAX_LEN || fastrand::u8(0..100) >= percent {
            return None;
        }
        let is_idle = |engine: &dyn Engine| engine.scans().load(Ordering::Relaxed) < engine.in_service();
        if !is_idle(engine) || !is_idle(&**candidate) {
            return None;
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Second { candidate: Arc::clone(candidate), lists: Arc::clone(lists), place })
    }

    /// Scans once more, and compares.
    pub(crate) async fn scan(
        &self,
        shared: &Arc<Shared>,
        second: Second,
        (object, context): (Object, ScanContext),
        first: ScanReport,
    ) {
        let Second { candidate, lists, place } = second;
        let generation = candidate.signatures().id;
        let deadline = Instant::now() + context.profile.timeout;
        let task = Task { object, context, generation, deadline, is_suspect: false, span: Span::none() };
        let under_way = UnderWay::begin(&*candidate);
        let report = scan::scan(shared, &candidate, &lists, &task).await;
        drop((under_way, place));
        let report = report.ok().map(|(report, _)| report);
        if let Some(shown) = self.shown.lock().as_mut().filter(|shown| shown.candidate == generation) {
            shown.count(&first, report.as_ref());
        }
    }
}

// === impl Mirrored ===

impl Mirrored {
    fn of(candidate: GenerationId) -> Self {
        Self {
            candidate,
            compared: 0,
            newly_detected: 0,
            newly_clean: 0,
            newly_failed: 0,
            inconclusive: 0,
            engine: Duration::ZERO,
            candidate_engine: Duration::ZERO,
            differences: Vec::new(),
        }
    }

    fn count(&mut self, first: &ScanReport, second: Option<&ScanReport>) {
        let could_be_made = |report: &&ScanReport| {
            !report.findings.iter().any(|verdict| {
                let Verdict::Failed(reason) = verdict else { return false };
                matches!(reason, FailedReason::TempSpace | FailedReason::Memory | FailedReason::NoScanner)
            })
        };
        let Some(second) = second.filter(could_be_made) else {
            self.inconclusive += 1;
            return;
        };
        self.compared += 1;
        self.engine += first.engine;
        self.candidate_engine += second.engine;
        let (before, now) = (is_threat(&first.findings), is_threat(&second.findings));
        let counter = match (before, now) {
            _ if has_failed(&second.findings) && !now => &mut self.newly_failed,
            (false, true) => &mut self.newly_detected,
            (true, false) => &mut self.newly_clean,
            _ => return,
        };
        *counter += 1;
        if let Some(sha256) = first.sha256.or(second.sha256) {
            let (verdict, candidate_verdict) = (words(&first.findings), words(&second.findings));
            self.differences.truncate(MAX_DIFFERENCES - 1);
            self.differences.insert(0, Difference { sha256, verdict, candidate_verdict });
        }
    }
}

/// Whether a report says something that another one can be compared with.
pub(crate) fn is_comparable(report: &ScanReport) -> bool {
    report.origin == Origin::Scan && !has_failed(&report.findings)
}

fn is_threat(findings: &Findings) -> bool {
    findings.iter().any(|verdict| verdict.threat().is_some())
}

fn has_failed(findings: &Findings) -> bool {
    findings.iter().any(|verdict| matches!(verdict, Verdict::Failed(_)))
}

/// For people.
fn words(findings: &Findings) -> String {
    let mut words = findings.kind().as_str().to_owned();
    let threat = findings.iter().find_map(Verdict::threat).map(ToString::to_string);
    let reason = || findings.iter().find_map(Verdict::reason).map(|reason| Reason::as_str(reason).to_owned());
    if let Some(more) = threat.or_else(reason) {
        words.push_str(": ");
        words.extend(more.chars().take(MAX_WORDS));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_model::ThreatName;

    fn report(verdict: Verdict) -> ScanReport {
        let is_threat = verdict.threat().is_some();
        let sha256 = is_threat.then_some(Sha256([7; 32]));
        ScanReport { sha256, engine: Duration::from_millis(2), ..ScanReport::unscanned(verdict.into()) }
    }

    #[test]
    fn differences_are_counted_by_their_kind_and_the_newest_are_told() {
        let threat = || report(Verdict::Infected(ThreatName::new(b"A.B")));
        let (clean, failed) = (report(Verdict::Clean), report(Verdict::Failed(FailedReason::Crash)));
        let no_room = report(Verdict::Failed(FailedReason::TempSpace));
        let mut shown = Mirrored::of(GenerationId([1; 32]));
        shown.count(&clean, Some(&clean));
        shown.count(&threat(), Some(&threat()));
        assert_eq!((shown.compared, shown.differences.len()), (2, 0));
        for _ in 0..20 {
            shown.count(&clean, Some(&threat()));
        }
        shown.count(&threat(), Some(&clean));
        shown.count(&clean, Some(&failed));
        shown.count(&clean, Some(&no_room));
        shown.count(&clean, None);
        let counts = (shown.newly_detected, shown.newly_clean, shown.newly_failed, shown.inconclusive);
        assert_eq!(counts, (20, 1, 1, 2));
        assert_eq!((shown.compared, shown.differences.len()), (24, MAX_DIFFERENCES));
        let newest = &shown.differences[0];
        assert!(newest.verdict.ends_with(": A.B"), "{newest:?}");
        assert_eq!(newest.candidate_verdict, "clean");
        assert_eq!(shown.candidate_engine, Duration::from_millis(48));
    }
}
