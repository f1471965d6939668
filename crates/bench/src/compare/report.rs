//! All that was measured, as it is written to the JSON file.

use super::case::{Case, Load, Subject};
use super::load::{Latency, Measured, Run};
use super::machine::Machine;
use super::overload::OverloadReport;
use super::start::StartReport;
use super::target::{Judged, Metric};
use super::urls::UrlsReport;
use crate::Exit;
use crate::cli::Compare;
use crate::stats::Spread;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) settings: Settings,
    /// Whether all that was asked for was measured.
    pub(super) complete: bool,
    /// Whether every run was valid.
    pub(super) valid: bool,
    /// Whether every target was met.
    pub(super) targets_met: bool,
    /// Cases that need what is not there.
    pub(super) left_out: Vec<String>,
    pub(super) cases: Vec<CaseReport>,
    pub(super) start: Option<StartReport>,
    pub(super) urls: Option<UrlsReport>,
    pub(super) overload: Option<OverloadReport>,
}

/// How it was measured.
#[derive(Debug, Serialize)]
pub(super) struct Settings {
    pub(super) rounds: u32,
    pub(super) duration_seconds: f64,
    pub(super) warm_up_seconds: f64,
    pub(super) pinned: bool,
}

/// One case.
#[derive(Debug, Serialize)]
pub(super) struct CaseReport {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) connections: u32,
    pub(super) servers: Vec<ServerReport>,
    /// The first server by each of the others.
    pub(super) ratios: Vec<Ratio>,
    pub(super) targets: Vec<Judged>,
}

/// One server in one case.
#[derive(Debug, Serialize)]
pub(super) struct ServerReport {
    pub(super) name: Subject,
    /// What was wrong, by round; such figures mean nothing.
    pub(super) faults: Vec<String>,
    pub(super) figures: BTreeMap<&'static str, Spread>,
    /// What the load generator told, by round.
    pub(super) runs: Vec<Value>,
    #[serde(skip)]
    rates: Vec<f64>,
    #[serde(skip)]
    cpu: Vec<f64>,
}

/// A server by another one, round by round.
#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) of: Subject,
    pub(super) to: Subject,
    pub(super) rate: Option<Spread>,
    pub(super) cpu: Option<Spread>,
}

// === impl Report ===

impl Report {
    pub(super) fn new(machine: Machine, args: &Compare, left_out: Vec<String>) -> Self {
        let settings = Settings {
            rounds: args.rounds,
            duration_seconds: args.duration.as_secs_f64(),
            warm_up_seconds: args.warm_up.as_secs_f64(),
            pinned: args.pin,
        };
        let (complete, valid, targets_met) = (false, false, false);
        Self {
            machine,
            settings,
            complete,
            valid,
            targets_met,
            left_out,
            cases: Vec::new(),
            start: None,
            urls: None,
            overload: None,
        }
    }

    /// Sums up what there is.
    pub(super) fn conclude(&mut self) {
        self.valid = self.cases.iter().all(CaseReport::is_valid);
        self.targets_met = self.complete && self.valid && self.targets().all(|(_, target)| target.met);
    }

    /// All targets, with the names of their cases.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&'static str, &Judged)> {
        let cases = self.cases.iter().flat_map(|case| case.targets.iter().map(|target| (case.name, target)));
        let start = self.start.iter().flat_map(StartReport::targets);
        let overload = self.overload.iter().flat_map(OverloadReport::targets);
        cases.chain(start).chain(self.urls.iter().flat_map(UrlsReport::targets)).chain(overload)
    }

    pub(super) fn exit(&self) -> Exit {
        match (self.complete && self.valid, self.targets_met) {
            (true, true) => Exit::Success,
            (true, false) => Exit::Missed,
            (false, _) => Exit::Failed,
        }
    }
}

// === impl CaseReport ===

impl CaseReport {
    pub(super) fn new(case: &Case, servers: Vec<ServerReport>) -> Self {
        let mut ratios = Vec::new();
        if let [ours, others @ ..] = servers.as_slice() {
            ratios.extend(others.iter().map(|other| Ratio::of(ours, other)));
        }
        let targets = case.targets.iter().map(|target| {
            let ratio = ratios.iter().find(|ratio| ratio.to == target.versus);
            target.judge(ratio.and_then(|ratio| match target.metric {
                Metric::Rate => ratio.rate.as_ref(),
                Metric::Cpu => ratio.cpu.as_ref(),
            }))
        });
        let targets = targets.collect();
        let (name, about, connections) = (case.name, case.about, case.load.connections);
        Self { name, about, connections, servers, ratios, targets }
    }

    /// Whether every answer of every server was the right one.
    pub(super) fn is_valid(&self) -> bool {
        self.servers.iter().all(ServerReport::is_valid)
    }
}

// === impl ServerReport ===

impl ServerReport {
    pub(super) fn new(name: Subject, load: &Load, runs: &[Run]) -> Self {
        let numbered = runs.iter().zip(1..);
        let faults = numbered.flat_map(|(run, round)| {
            run.measured.faults(load).into_iter().map(move |fault| format!("round {round}: {fault}"))
        });
        let faults = faults.collect();
        let all = |pick: fn(&Measured) -> f64| runs.iter().map(|run| pick(&run.measured)).collect::<Vec<_>>();
        let latency = |pick: fn(&Latency) -> f64| {
            runs.iter().map(|run| run.measured.latency_us.as_ref().map_or(f64::NAN, pick)).collect::<Vec<_>>()
        };
        let cost = |measured: &Measured| {
            measured.server.and_then(|server| server.cpu_us_per_request).unwrap_or(f64::NAN)
        };
        let (rates, cpu) = (all(|measured| measured.rate), all(cost));
        let figures = [
            (RATE, Spread::of(&rates)),
            (CPU, Spread::of(&cpu)),
            (P50, Spread::of(&latency(|latency| latency.p50))),
            (P99, Spread::of(&latency(|latency| latency.p99))),
            (
                PSS,
                Spread::of(&all(|measured| measured.server.map_or(f64::NAN, |server| server.pss_bytes.peak))),
            ),
        ];
        let figures = figures.into_iter().filter_map(|(name, spread)| Some((name, spread?))).collect();
        Self { name, faults, figures, runs: runs.iter().map(|run| run.raw.clone()).collect(), rates, cpu }
    }

    pub(super) fn is_valid(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Answers in a second.
pub(super) const RATE: &str = "rate";
/// Processor time of the server for each answer.
pub(super) const CPU: &str = "cpu_us_per_request";
/// Half of the answers came within.
pub(super) const P50: &str = "p50_us";
/// Of 100 answers 99 came within.
pub(super) const P99: &str = "p99_us";
/// The most memory that the server's processes had in proportion.
pub(super) const PSS: &str = "pss_bytes";

// === impl Ratio ===

impl Ratio {
    /// Nothing is compared with what is not valid.
    fn of(ours: &ServerReport, other: &ServerReport) -> Self {
        let valid = ours.is_valid() && other.is_valid();
        let ratio = |ours: &[f64], other: &[f64]| valid.then(|| Spread::of_ratios(ours, other)).flatten();
        Self {
            of: ours.name,
            to: other.name,
            rate: ratio(&ours.rates, &other.rates),
            cpu: ratio(&ours.cpu, &other.cpu),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::case::cases;
    use serde::Deserialize;
    use serde_json::json;

    fn case(name: &str) -> Case {
        cases().into_iter().find(|case| case.name == name).unwrap()
    }

    fn run(rate: f64, cpu: f64, wrong: u64) -> Run {
        let raw = json!({
            "requests": 1, "rate": rate, "wrong": wrong, "latency_us": {"p50": 1.0, "p99": 2.0},
            "server": {"cpu_us_per_request": cpu, "pss_bytes": {"before": 1.0, "peak": 2.0, "after": 1.0}},
        });
        Run { measured: Measured::deserialize(&raw).unwrap(), raw }
    }

    fn report(case: &Case, wrong: u64) -> CaseReport {
        let servers = vec![
            ServerReport::new(Subject::Icapstan, &case.load, &[run(80.0, 6.0, 0), run(120.0, 8.0, wrong)]),
            ServerReport::new(Subject::CIcap, &case.load, &[run(40.0, 10.0, 0), run(30.0, 10.0, 0)]),
            ServerReport::new(Subject::Bare, &case.load, &[run(160.0, 5.0, 0), run(160.0, 5.0, 0)]),
        ];
        CaseReport::new(case, servers)
    }

    #[test]
    fn ratios_are_icapstan_by_the_others_and_decide_the_targets() {
        let report = report(&case("reqmod-16"), 0);
        assert!(report.is_valid());
        let to: Vec<_> = report.ratios.iter().map(|ratio| ratio.to).collect();
        assert_eq!(to, [Subject::CIcap, Subject::Bare]);
        assert_eq!(report.ratios[0].rate, Some(Spread { median: 3.0, min: 2.0, max: 4.0 }));
        assert_eq!(report.ratios[0].cpu.map(|cpu| (cpu.min, cpu.max)), Some((0.6, 0.8)));
        assert_eq!(report.targets.len(), 1);
        assert!(report.targets[0].met);
    }

    #[test]
    fn a_wrong_answer_spoils_ratios_targets_and_the_exit_code() {
        let mut whole = Report {
            machine: Machine::default(),
            settings: Settings { rounds: 2, duration_seconds: 1.0, warm_up_seconds: 0.0, pinned: false },
            complete: true,
            valid: false,
            targets_met: false,
            left_out: Vec::new(),
            cases: vec![report(&case("reqmod-16"), 0)],
            start: None,
            urls: None,
            overload: None,
        };
        whole.conclude();
        assert_eq!(whole.exit(), Exit::Success);

        whole.cases.push(report(&case("reqmod-16"), 1));
        whole.conclude();
        let spoilt = &whole.cases[1];
        assert_eq!(spoilt.servers[0].faults, ["round 2: 1 wrong answers"]);
        assert_eq!(spoilt.ratios[0].rate, None);
        assert!(!spoilt.targets[0].met && !whole.valid);
        assert_eq!(whole.exit(), Exit::Failed);
    }

    #[test]
    fn a_missed_target_is_told_from_a_failure() {
        let mut whole = Report {
            machine: Machine::default(),
            settings: Settings { rounds: 2, duration_seconds: 1.0, warm_up_seconds: 0.0, pinned: false },
            complete: true,
            valid: false,
            targets_met: false,
            left_out: Vec::new(),
            cases: vec![report(&case("echo-1m"), 0)],
            start: None,
            urls: None,
            overload: None,
        };
        whole.cases[0].targets[0].met = false;
        whole.conclude();
        assert_eq!(whole.exit(), Exit::Missed);
        whole.complete = false;
        whole.conclude();
        assert_eq!(whole.exit(), Exit::Failed);
    }
}
