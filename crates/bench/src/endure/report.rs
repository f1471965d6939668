//! What was promised, what was seen, and whether that is the same.

use crate::Exit;
use crate::bound::Bound;
use serde::Serialize;
use std::fmt::Write;

/// All that was measured, as it is written to the JSON file.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// Whether all that was asked for was measured.
    pub(super) complete: bool,
    pub(super) cases: Vec<CaseReport>,
}

/// One case.
#[derive(Debug, Serialize)]
pub(super) struct CaseReport {
    name: &'static str,
    /// Why it could not be measured to its end.
    pub(super) fault: Option<String>,
    promises: Vec<Promise>,
    /// What helps to judge the figures.
    notes: Vec<String>,
}

/// One promise.
#[derive(Debug, Serialize)]
struct Promise {
    what: String,
    figure: f64,
    bound: String,
    met: bool,
}

// === impl Report ===

impl Report {
    pub(super) fn exit(&self) -> Exit {
        if !self.complete || self.cases.iter().any(|case| case.fault.is_some()) {
            Exit::Failed
        } else if self.promises().all(|promise| promise.met) {
            Exit::Success
        } else {
            Exit::Missed
        }
    }

    /// One line.
    pub(super) fn summary(&self) -> String {
        let (all, met) = (self.promises().count(), self.promises().filter(|promise| promise.met).count());
        let failed = self.cases.iter().filter(|case| case.fault.is_some()).count();
        let end = if self.complete { "" } else { "; interrupted" };
        format!("{met} of {all} promises kept, {failed} cases could not be measured{end}")
    }

    fn promises(&self) -> impl Iterator<Item = &Promise> {
        self.cases.iter().flat_map(|case| &case.promises)
    }
}

// === impl CaseReport ===

impl CaseReport {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, fault: None, promises: Vec::new(), notes: Vec::new() }
    }

    /// Compares a figure with its bound.
    pub(super) fn promise(&mut self, what: impl Into<String>, figure: f64, bound: Bound) {
        let met = bound.holds(figure);
        self.promises.push(Promise { what: what.into(), figure, bound: bound.to_string(), met });
    }

    /// What must not happen at all.
    pub(super) fn never(&mut self, what: impl Into<String>, count: u64) {
        self.promise(what, to_f64(count), Bound::AtMost(0.0));
    }

    /// What must be so.
    pub(super) fn holds(&mut self, what: impl Into<String>, holds: bool) {
        self.promise(what, f64::from(u8::from(holds)), Bound::AtLeast(1.0));
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        eprintln!("{}: {note}", self.name);
        self.notes.push(note);
    }

    /// The promises below each other, and why there are no more.
    pub(super) fn table(&self) -> String {
        let mut text = format!("\n{}\n", self.name);
        for Promise { what, figure, bound, met } in &self.promises {
            let met = if *met { "met" } else { "MISSED" };
            let _ = writeln!(text, "  {what:<62} {figure:>12.2}  {bound:<18} {met}");
        }
        if let Some(fault) = &self.fault {
            let _ = writeln!(text, "  NOT MEASURED: {fault}");
        }
        text
    }
}

/// Counts and sizes here are far below where this loses anything.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Bytes in MiB.
pub(super) fn mib(bytes: u64) -> f64 {
    to_f64(bytes) / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(figure: f64) -> Report {
        let mut case = CaseReport::new("case");
        case.promise("figure", figure, Bound::AtMost(2.0));
        case.never("accidents", 0);
        case.holds("truth", true);
        Report { complete: true, cases: vec![case] }
    }

    #[test]
    fn a_missed_promise_is_told_from_what_could_not_be_measured() {
        assert_eq!(report(2.0).exit(), Exit::Success);
        assert_eq!(report(2.1).exit(), Exit::Missed);
        assert_eq!(report(f64::NAN).exit(), Exit::Missed);
        let mut failed = report(2.0);
        failed.cases[0].fault = Some("no server".to_owned());
        assert_eq!(failed.exit(), Exit::Failed);
        assert!(failed.cases[0].table().contains("NOT MEASURED: no server"));
        assert_eq!(Report { complete: false, ..report(2.0) }.exit(), Exit::Failed);
    }

    #[test]
    fn the_table_has_figure_bound_and_result() {
        let table = report(3.0).cases[0].table();
        assert!(table.contains("3.00  at most 2.00       MISSED\n"), "{table}");
        assert!(table.contains("accidents") && table.contains("0.00  at most 0.00       met\n"), "{table}");
        assert_eq!(report(3.0).summary(), "2 of 3 promises kept, 0 cases could not be measured");
    }
}
