//! How soon a server that was just started gives a verdict, and what more workers cost in memory.

use super::case::{Kind, Load, Shape};
use super::load;
use super::probe::{self, Answer};
use super::server::{Levels, Wanted, start_icapstan};
use super::target::Judged;
use super::warm;
use crate::bound::Bound;
use crate::context::{Context, Core};
use crate::sigdb::{self, Plan, Preset, known};
use crate::stats::Spread;
use anyhow::{Context as _, bail};
use icapstan_testkit::Process;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// A part that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Time to the first right verdict.
    Verdict,
    /// Memory with one worker and with four.
    Memory,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub(super) struct StartReport {
    pub(super) verdict: Option<VerdictReport>,
    pub(super) memory: Option<MemoryReport>,
}

/// Milliseconds from the start of a process, with the preset `medium`.
#[derive(Debug, Serialize)]
pub(super) struct VerdictReport {
    /// What clamscan, with the same engine, takes to load the same folder and to scan a word.
    pub(super) clamscan_ms: Spread,
    /// What icapstan says that loading took, its proof of the workers included.
    pub(super) own_load_ms: Spread,
    /// To the first right verdict.
    pub(super) first_verdict_ms: Spread,
    /// What of that is not loading, as clamscan does it.
    pub(super) beyond_load_ms: Spread,
    pub(super) target: Judged,
}

/// Bytes, in proportion (PSS), of all processes, after a load that kept all workers busy.
#[derive(Debug, Serialize)]
pub(super) struct MemoryReport {
    pub(super) one_worker: Spread,
    pub(super) four_workers: Spread,
    pub(super) ratio: Spread,
    pub(super) target: Judged,
}

/// Beyond the load of the database a start may take so long.
const BEYOND_LOAD_MS: Bound = Bound::AtMost(300.0);

/// Four workers may take so many times the memory of one.
const FOUR_BY_ONE: Bound = Bound::AtMost(1.25);

/// Starts of the same kind hardly differ in memory.
const MAX_MEMORY_ROUNDS: u32 = 3;

/// Long enough that each worker has scanned many objects.
const WORK: Duration = Duration::from_secs(4);

/// How long the engine may take to load.
const LOAD: Duration = Duration::from_mins(3);

/// Measures the parts that were selected.
pub(super) fn measure(context: &Context, rounds: u32, parts: &[Part]) -> anyhow::Result<StartReport> {
    let signatures = context.subfolder("start")?.join("signatures");
    sigdb::write(&signatures, &Plan::preset(Preset::Medium, None)?)?;
    let mut report = StartReport::default();
    if parts.contains(&Part::Verdict) {
        report.verdict = Some(verdict(context, rounds, &signatures)?);
    }
    if parts.contains(&Part::Memory) {
        report.memory = Some(memory(context, rounds.min(MAX_MEMORY_ROUNDS), &signatures)?);
    }
    Ok(report)
}

fn verdict(context: &Context, rounds: u32, signatures: &Path) -> anyhow::Result<VerdictReport> {
    let (mut clamscan, mut own, mut first, mut beyond) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        warm::memory();
        let load = clamscan_load(context, signatures).context("clamscan does not load the signatures")?;
        warm::memory();
        let (verdict, own_load) = first_verdict(context, signatures)?;
        eprintln!(
            "{} round {round}/{rounds}: clamscan {load:.0} ms, first verdict {verdict:.0} ms",
            Part::Verdict.name()
        );
        clamscan.push(load);
        own.push(own_load);
        first.push(verdict);
        beyond.push(verdict - load);
    }
    let spread = |values: &[f64]| Spread::of(values).context("a time is no number");
    let beyond_load_ms = spread(&beyond)?;
    Ok(VerdictReport {
        clamscan_ms: spread(&clamscan)?,
        own_load_ms: spread(&own)?,
        first_verdict_ms: spread(&first)?,
        beyond_load_ms,
        target: Judged {
            what: format!("milliseconds to the first verdict, beyond the load: {BEYOND_LOAD_MS}"),
            value: Some(beyond_load_ms.median),
            met: BEYOND_LOAD_MS.holds(beyond_load_ms.median),
        },
    })
}

/// To the line that tells the verdict: what it does afterwards is not loading.
fn clamscan_load(context: &Context, signatures: &Path) -> anyhow::Result<f64> {
    let program = context.programs.clamscan.as_ref().context("clamscan was not looked for")?;
    let object = context.subfolder("clamscan")?.join("word");
    std::fs::write(&object, "word, and one more\n")?;
    let mut command = context.command(program, Core::Server);
    command.arg("--no-summary").arg("-d").arg(signatures).arg(&object);
    let begun = Instant::now();
    let process = Process::start("clamscan", command);
    context.wait(&process, LOAD, || {
        process.logs().lines().iter().any(|line| line.ends_with(": OK")).then_some(())
    })?;
    Ok(millis(begun.elapsed()))
}

/// Milliseconds to the first right verdict, and those of the load as icapstan tells them.
fn first_verdict(context: &Context, signatures: &Path) -> anyhow::Result<(f64, f64)> {
    let wanted = Wanted {
        connections: 1,
        signatures: Some(signatures),
        lists: None,
        workers: 2,
        queue: None,
        remembers: false,
    };
    let begun = Instant::now();
    let server = start_icapstan(context, &wanted, Levels::Usual).context("icapstan does not start")?;
    let sought = known().into_iter().find(|known| known.name == "logical").context("it is known")?;
    match probe::ask(server.address, server.service_for(Shape::Respmod), &sought.object)? {
        Answer::Infected(threat) if threat.contains(sought.signature) => {}
        other => bail!("the first verdict is wrong: {other:?}"),
    }
    let took = millis(begun.elapsed());
    probe::known_answers(context, &server)?;
    let process = server.front().context("icapstan has a process")?;
    let own = context
        .wait(process, Duration::from_secs(5), || {
            process.logs().lines().iter().find_map(|line| own_load(line))
        })
        .context("icapstan does not tell how long it loaded")?;
    Ok((took, own))
}

/// What the line says that tells of signatures in use.
fn own_load(line: &str) -> Option<f64> {
    let entry: Value = serde_json::from_str(line).ok()?;
    entry.get("fields").unwrap_or(&entry).get("took_ms")?.as_f64()
}

fn memory(context: &Context, rounds: u32, signatures: &Path) -> anyhow::Result<MemoryReport> {
    let (mut one, mut four) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (workers, values) in [(1, &mut one), (4, &mut four)] {
            let bytes = memory_with(context, signatures, workers)
                .with_context(|| format!("memory with {workers} workers cannot be measured"))?;
            eprintln!(
                "{} round {round}/{rounds}: {workers} workers, {:.1} MB",
                Part::Memory.name(),
                bytes / 1e6
            );
            values.push(bytes);
        }
    }
    let spread = |values: &[f64]| Spread::of(values).context("a size is no number");
    let ratio = Spread::of_ratios(&four, &one).context("a size is no number")?;
    Ok(MemoryReport {
        one_worker: spread(&one)?,
        four_workers: spread(&four)?,
        ratio,
        target: Judged {
            what: format!("memory of four workers, {FOUR_BY_ONE}x that of one"),
            value: Some(ratio.median),
            met: FOUR_BY_ONE.holds(ratio.median),
        },
    })
}

fn memory_with(context: &Context, signatures: &Path, workers: u32) -> anyhow::Result<f64> {
    let wanted = Wanted {
        connections: 16,
        signatures: Some(signatures),
        lists: None,
        workers,
        queue: None,
        remembers: false,
    };
    let server = start_icapstan(context, &wanted, Levels::Quiet)?;
    probe::known_answers(context, &server)?;
    // Keeps all workers busy.
    let load = Load {
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
    let run = load::run(context, &server, &load, Duration::ZERO, WORK)?;
    let faults = run.measured.faults(&load);
    if !faults.is_empty() {
        bail!("the run is not valid: {}", faults.join(", "));
    }
    let cost = run.measured.server.context("the load generator tells no memory")?;
    Ok(cost.pss_bytes.after)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

// === impl Part ===

impl Part {
    pub(super) const ALL: [Self; 2] = [Self::Verdict, Self::Memory];

    /// What `--only` selects by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Verdict => "start/verdict",
            Self::Memory => "start/memory",
        }
    }
}

// === impl StartReport ===

impl StartReport {
    /// The targets, with the names of their parts.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&'static str, &Judged)> {
        let verdict = self.verdict.iter().map(|part| (Part::Verdict.name(), &part.target));
        verdict.chain(self.memory.iter().map(|part| (Part::Memory.name(), &part.target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_load_is_read_from_the_log() {
        let line = r#"{"level":"INFO","fields":{"message":"Signatures are in use.","took_ms":1234}}"#;
        assert_eq!(own_load(line), Some(1234.0));
        assert_eq!(own_load(r#"{"message":"Signatures are in use.","took_ms":7}"#), Some(7.0));
        assert_eq!(own_load(r#"{"message":"listening"}"#), None);
        assert_eq!(own_load("took_ms=5"), None);
    }
}
