//! What servers make of twice the load that they can bear.
//!
//! First each shows its capacity, asked as fast as it answers, and after the overload again; between, twice that is sent at fixed times,
//! whatever it does. A server that refuses at once loses little: those whom it serves get their answer
//! as soon as ever, and when the load is over nothing is left of it.

use super::case::{Kind, Load, Shape, Subject};
use super::load::{self, Measured, Run};
use super::probe::{self, Answer};
use super::server::{self, Server, Wanted};
use super::target::Judged;
use super::text::{judged, ranged};
use crate::bound::Bound;
use crate::cli::Compare;
use crate::context::Context;
use crate::sigdb::{self, Plan, Preset, clean};
use crate::stats::Spread;
use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct OverloadReport {
    servers: Vec<ServerReport>,
    targets: Vec<Judged>,
}

/// One server; figures by name.
#[derive(Debug, Serialize)]
struct ServerReport {
    name: Subject,
    figures: BTreeMap<&'static str, Spread>,
    /// What was neither a right answer nor a refusal.
    faults: Vec<String>,
    /// What the load generator told: of each round the capacity, the overload, and the capacity again.
    runs: Vec<Value>,
}

/// What one round made of one server.
#[derive(Debug)]
struct Round {
    figures: Vec<(&'static str, f64)>,
    faults: Vec<String>,
    runs: [Value; 3],
}

/// What `--only` selects by.
pub(super) const NAME: &str = "overload";

/// So many times the capacity are offered.
const TIMES: f64 = 2.0;

/// As the reference product's worked example has it.
const QUEUE: u32 = 200;

/// More than the queue holds, so that the connections are not what bounds the load.
const CONNECTIONS: u32 = 400;

/// How often a single scan is timed without load.
const TIMED: usize = 30;

const CAPACITY: &str = "capacity";
const GOODPUT: &str = "goodput";
const KEPT: &str = "goodput_by_capacity";
const REFUSED: &str = "refused";
const REFUSAL_P50: &str = "refusal_p50_ms";
const REFUSAL_P99: &str = "refusal_p99_ms";
const SERVED_P50: &str = "served_p50_ms";
const SERVED_P99: &str = "served_p99_ms";
const DRAINED: &str = "drained_ms";
const USUAL: &str = "usual_ms";
const FIRST: &str = "first_afterwards_ms";
const FIRST_BY_USUAL: &str = "first_afterwards_by_usual";

const TARGETS: [(&str, &str, Bound); 4] = [
    (KEPT, "goodput by capacity", Bound::AtLeast(0.85)),
    (REFUSAL_P50, "median milliseconds of a refusal", Bound::AtMost(10.0)),
    (REFUSAL_P99, "milliseconds of 99 of 100 refusals", Bound::AtMost(50.0)),
    (FIRST_BY_USUAL, "first scan afterwards by the longest of those before", Bound::AtMost(2.0)),
];

const SCAN: Load = Load {
    shape: Shape::Respmod,
    connections: 16,
    body: 10 * 1024,
    kind: Kind::Text,
    unique: true,
    unique_hosts: false,
    allow_204: true,
    new_connections: false,
    rate: None,
    status: 204,
};

/// Measures all servers, round by round.
pub(super) fn measure(context: &Context, args: &Compare) -> anyhow::Result<OverloadReport> {
    let signatures = context.subfolder(NAME)?.join("signatures");
    sigdb::write(&signatures, &Plan::preset(Preset::Medium, None)?)?;
    let wanted = Wanted {
        connections: CONNECTIONS,
        signatures: Some(&signatures),
        lists: None,
        workers: 2,
        queue: Some(QUEUE),
        remembers: false,
    };
    let mut servers = Vec::new();
    for subject in [Subject::Icapstan, Subject::CIcap] {
        let mut rounds = Vec::new();
        for number in 1..=args.rounds {
            // A new one each time: none inherits what was left of the overload before.
            let server = server::start(context, subject, &wanted)?;
            probe::known_answers(context, &server)?;
            let round = round(context, args, &server)?;
            eprintln!("{NAME} round {number}/{} {subject}: {:?}", args.rounds, round.figures);
            rounds.push(round);
        }
        servers.push(ServerReport::new(subject, rounds));
    }
    let targets = servers.first().map(ServerReport::judge).unwrap_or_default();
    Ok(OverloadReport { servers, targets })
}

fn round(context: &Context, args: &Compare, server: &Server) -> anyhow::Result<Round> {
    let before = capacity(context, args, server)?;
    let usual = (0..TIMED).map(|_| scan_ms(server)).collect::<anyhow::Result<Vec<_>>>()?;
    let usual = usual.into_iter().fold(0.0, f64::max);
    let overload = Load { connections: CONNECTIONS, rate: Some(TIMES * before.measured.rate), ..SCAN };
    let run = load::run(context, server, &overload, args.warm_up, args.duration)?;
    server.check(context)?;
    let first = scan_ms(server).context("it does not recover")?;
    // What others make of the machine meanwhile is no merit and no fault of the server.
    let after = capacity(context, args, server)?;
    let rate = f64::midpoint(before.measured.rate, after.measured.rate);
    let measured = &run.measured;
    let mut figures = vec![
        (CAPACITY, rate),
        (GOODPUT, measured.rate),
        (KEPT, measured.rate / rate),
        (USUAL, usual),
        (FIRST, first),
        (FIRST_BY_USUAL, first / usual),
    ];
    if let Some(served) = measured.latency_us {
        figures.extend([(SERVED_P50, served.p50 / 1e3), (SERVED_P99, served.p99 / 1e3)]);
    }
    if let Some(refused) = measured.refused {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
        figures.push((REFUSED, refused.count as f64 / args.duration.as_secs_f64()));
        if let Some(times) = refused.latency_us {
            figures.extend([(REFUSAL_P50, times.p50 / 1e3), (REFUSAL_P99, times.p99 / 1e3)]);
        }
    }
    figures.extend(measured.drained_seconds.map(|seconds| (DRAINED, seconds * 1e3)));
    Ok(Round { figures, faults: faults_of(measured), runs: [before.raw, run.raw, after.raw] })
}

/// As many as it answers when it is asked as fast as it answers.
fn capacity(context: &Context, args: &Compare, server: &Server) -> anyhow::Result<Run> {
    let run = load::run(context, server, &SCAN, args.warm_up, args.duration)?;
    let faults = run.measured.faults(&SCAN);
    if !faults.is_empty() {
        bail!("the capacity of {} is not known: {}", server.subject, faults.join(", "));
    }
    Ok(run)
}

/// What is neither a right answer nor a refusal.
fn faults_of(measured: &Measured) -> Vec<String> {
    let mut faults: Vec<_> =
        measured.errors.iter().map(|(kind, count)| format!("{count} errors ({kind})")).collect();
    if measured.wrong > 0 {
        faults.push(format!("{} wrong answers", measured.wrong));
    }
    if measured.drained_seconds.is_none() {
        faults.push(format!("{} requests not answered ten seconds later", measured.unfinished.count));
    }
    faults
}

/// How long one scan takes, on a connection of its own.
fn scan_ms(server: &Server) -> anyhow::Result<f64> {
    let object = clean(1000);
    let begun = Instant::now();
    match probe::ask(server.address, server.service_for(Shape::Respmod), &object)? {
        Answer::Clean => Ok(begun.elapsed().as_secs_f64() * 1e3),
        other => bail!("clean text is answered {other:?}"),
    }
}

/// As a table.
pub(super) fn text(report: &OverloadReport) -> String {
    let mut text = format!(
        "\n== {NAME}: RESPMOD scanned, 10 KiB of text, at {TIMES} times the capacity, {CONNECTIONS} connections, a queue of {QUEUE}\n"
    );
    for server in &report.servers {
        let _ = writeln!(text, "  {}", server.name);
        for (name, spread) in &server.figures {
            let shown = ranged(Some(spread), |value| {
                if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
            });
            let _ = writeln!(text, "    {name:<28}{shown}");
        }
        for fault in &server.faults {
            let _ = writeln!(text, "    {fault}");
        }
    }
    for target in &report.targets {
        let _ = writeln!(text, "  target: {}", judged(target));
    }
    text
}

// === impl OverloadReport ===

impl OverloadReport {
    /// The targets, with the name of the part.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&'static str, &Judged)> {
        self.targets.iter().map(|target| (NAME, target))
    }
}

// === impl ServerReport ===

impl ServerReport {
    fn new(name: Subject, rounds: Vec<Round>) -> Self {
        let mut values: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        let (mut faults, mut runs) = (Vec::new(), Vec::new());
        for round in rounds {
            for (name, value) in round.figures {
                values.entry(name).or_default().push(value);
            }
            faults.extend(round.faults);
            runs.extend(round.runs);
        }
        let figures = values.iter().filter_map(|(name, values)| Some((*name, Spread::of(values)?)));
        Self { name, figures: figures.collect(), faults, runs }
    }

    /// The targets hold for the medians, and only if there was nothing but right answers and refusals.
    fn judge(&self) -> Vec<Judged> {
        let judged = TARGETS.iter().map(|(figure, what, bound)| {
            let value = self.figures.get(figure).map(|spread| spread.median);
            let met = self.faults.is_empty() && value.is_some_and(|value| bound.holds(value));
            Judged { what: format!("{what}: {bound}"), value, met }
        });
        judged.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(faults: &[&str]) -> ServerReport {
        let round = |kept, p50| Round {
            figures: vec![(KEPT, kept), (REFUSAL_P50, p50), (REFUSAL_P99, 20.0), (FIRST_BY_USUAL, 1.0)],
            faults: faults.iter().map(|&fault| fault.to_owned()).collect(),
            runs: [Value::Null, Value::Null, Value::Null],
        };
        ServerReport::new(Subject::Icapstan, vec![round(0.9, 1.0), round(0.8, 30.0), round(0.95, 2.0)])
    }

    #[test]
    fn targets_hold_for_medians_and_only_without_faults() {
        assert!(report(&[]).judge().iter().all(|target| target.met));
        assert!(report(&["1 errors (reset)"]).judge().iter().all(|target| !target.met));
        let text = text(&OverloadReport { targets: report(&[]).judge(), servers: vec![report(&[])] });
        assert!(text.contains("goodput_by_capacity         0.90 (0.80..0.95)"), "{text}");
    }

    #[test]
    fn what_was_not_measured_is_not_met() {
        let empty = ServerReport::new(Subject::Icapstan, Vec::new());
        assert!(empty.judge().iter().all(|target| !target.met && target.value.is_none()));
    }
}
