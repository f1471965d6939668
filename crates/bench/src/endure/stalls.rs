//! Scanners that stand still, answer late or get next to no processor time, and what clients of the fleet see of it.

use super::pulse::Pulse;
use super::report::{CaseReport, to_f64};
use super::tiers::{Clients, Fleet, GATEWAYS, SCANNERS, Seen, Tier, What, sorted};
use crate::bound::Bound;
use crate::context::Context;
use anyhow::anyhow;
use icapstan_testkit::{Relay, Signal};
use rustix::process::{Pid, setpriority_pgrp};
use std::time::{Duration, Instant};

/// How long the load runs before anything is measured.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long each phase lasts.
const PHASE: Duration = Duration::from_secs(10);
/// What follows the end of a disturbance belongs to it.
const SETTLES: Duration = Duration::from_secs(2);
/// How much later what a scanner says arrives.
const DELAY: Duration = Duration::from_millis(200);
/// Who is stopped, delayed and starved.
const STOPPED: usize = 1;
const DELAYED: usize = 0;
const STARVED: usize = 2;

/// `scanners.silence`, by default.
const SILENCE_MS: f64 = 1000.0;
/// Between two signs of life of a scanner, and what the clock of the system adds.
const LOOK_MS: f64 = 250.0;

/// A part of the run.
struct Phase {
    name: &'static str,
    from: Duration,
    to: Duration,
    /// Which part of all answers each scanner gave; of none if it cannot be told.
    shares: Vec<f64>,
}

/// How long answers of a phase took, in milliseconds.
struct Times {
    p50: f64,
    p99: f64,
    max: f64,
}

/// A run under way.
struct Run<'c> {
    fleet: Fleet<'c>,
    begun: Instant,
    phases: Vec<Phase>,
}

/// Disturbs one scanner in three ways, one after the other.
pub(super) fn measure(context: &Context, seed: u64, report: &mut CaseReport) -> anyhow::Result<()> {
    report.note(format!("seed {seed}; {GATEWAYS} gateways, {SCANNERS} scanners of one worker"));
    let mut relay = None;
    let fleet = Fleet::start_by(context, GATEWAYS, SCANNERS, |first| {
        Some(relay.insert(Relay::start(first)).address())
    })?;
    let relay = relay.ok_or_else(|| anyhow!("there is no first scanner"))?;
    let (clients, pulse) = (Clients::start(&fleet, seed), Pulse::start());
    let mut run = Run { fleet, begun: clients.begun(), phases: Vec::new() };
    let ended = run.disturb(&relay);
    let seen = clients.stop()?;
    let has_starved = ended?;
    report.note(pulse.stop());
    let lost = run.fleet.gateways_metric("icapstan_scan_client_silent_total", "")?;
    run.fleet.stop(context)?;
    judge(&seen, &run.phases, has_starved, report);
    report.promise(
        "times that a gateway took a scanner for silent",
        lost,
        Bound::AtLeast(to_f64(GATEWAYS as u64)),
    );
    Ok(())
}

fn judge(seen: &Seen, phases: &[Phase], has_starved: bool, report: &mut CaseReport) {
    for phase in phases {
        let Times { p50, p99, max } = phase.times(seen);
        let shares: Vec<_> = phase.shares.iter().map(|share| format!("{:.0} %", share * 100.0)).collect();
        let shares = shares.join(", ");
        report.note(format!(
            "{}: p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms; answers of scanners {shares}",
            phase.name
        ));
    }
    if !has_starved {
        report.note("no scanner was starved: the priority of processes cannot be changed here");
    }
    for fault in seen.faults.iter().take(10) {
        report.note(fault.to_string());
    }
    let wrong = seen.faults.iter().filter(|fault| matches!(fault.what, What::Passed | What::Blocked)).count();
    report.never("wrong verdicts", wrong as u64);
    report.never("failures", (seen.faults.len() - wrong) as u64 + seen.dropped);
    let named = |name: &str| phases.iter().find(|phase| phase.name == name);
    let before = named("before").map_or(f64::NAN, |phase| phase.times(seen).max);
    // Whoever waited for the silent one has its scan after that, and its turn of the processor.
    let bound = Bound::AtMost(SILENCE_MS + LOOK_MS + 2.0 * before);
    for name in ["stopped", "delayed"] {
        let max = named(name).map_or(f64::NAN, |phase| phase.times(seen).max);
        report.promise(format!("longest answer while one scanner is {name}, ms"), max, bound);
    }
    // How much the starved one gets depends on what else there is to do: that is told, and no promise.
    let share = named("delayed").and_then(|phase| phase.shares.get(DELAYED).copied()).unwrap_or(f64::NAN);
    report.promise("part of the answers that the delayed scanner gave", share, Bound::AtMost(0.25));
}

// === impl Run ===

impl Run<'_> {
    /// Whether there was a scanner that starved.
    fn disturb(&mut self, relay: &Relay) -> anyhow::Result<bool> {
        self.fleet.wait(self.begun + WARM_UP)?;
        self.phase("before", Duration::ZERO, |_| Ok(()))?;
        self.phase("stopped", Duration::ZERO, |run| {
            run.fleet.signal_scanner(STOPPED, Signal::STOP);
            Ok(())
        })?;
        self.phase("after it was stopped", SETTLES, |_| Ok(()))?;
        relay.slow_down(DELAY);
        self.phase("delayed", Duration::ZERO, |_| Ok(()))?;
        relay.slow_down(Duration::ZERO);
        self.phase("after it was delayed", SETTLES, |_| Ok(()))?;
        let starves = starve(self.fleet.scanner_pid(STARVED));
        if starves {
            self.phase("starved", Duration::ZERO, |_| Ok(()))?;
            // Not everybody may take its burden from it again: another one takes its place.
            self.fleet.kill(Tier::Scanner, STARVED, self.begun)?;
            self.phase("after it was starved", SETTLES, |_| Ok(()))?;
        }
        Ok(starves)
    }

    /// Lets things go on for a while after `begin`.
    fn phase(
        &mut self,
        name: &'static str,
        settles: Duration,
        begin: impl FnOnce(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.fleet.wait(Instant::now() + settles)?;
        let answered =
            |run: &Self| run.fleet.scanners_metric("icapstan_scan_server_requests_total", "\"answered\"");
        let (from, before) = (self.begun.elapsed(), answered(self)?);
        begin(self)?;
        self.fleet.wait(Instant::now() + PHASE)?;
        let to = self.begun.elapsed();
        // One that stands still could not tell.
        self.fleet.signal_scanner(STOPPED, Signal::CONT);
        let given: Vec<_> =
            answered(self)?.iter().zip(&before).map(|(after, before)| after - before).collect();
        let all: f64 = given.iter().sum();
        let shares = given.iter().map(|given| given / all).collect();
        self.phases.push(Phase { name, from, to, shares });
        Ok(())
    }
}

/// Gives a group of processes the least of the processor. Whether that is possible.
fn starve(group: u32) -> bool {
    let group = i32::try_from(group).ok().and_then(Pid::from_raw);
    group.is_some_and(|group| setpriority_pgrp(Some(group), 19).is_ok())
}

// === impl Phase ===

impl Phase {
    /// Of the answers that were under way in it.
    fn times(&self, seen: &Seen) -> Times {
        let is_in =
            |ended: Duration, took: Duration| ended >= self.from && ended.saturating_sub(took) <= self.to;
        let times =
            sorted(seen.answers.iter().copied().filter(|answer| is_in(answer.ended(), answer.took())));
        let at = |hundredth: usize| {
            let index = (times.len() * hundredth / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Times { p50: at(50), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tiers::Answer;
    use super::*;

    #[test]
    fn an_answer_counts_for_the_phases_that_it_was_waited_for_in() {
        let ms = Duration::from_millis;
        let answers =
            vec![Answer::new(ms(900), ms(10)), Answer::new(ms(2500), ms(700)), Answer::new(ms(1500), ms(30))];
        let seen = Seen { answers, ..Seen::default() };
        let max =
            |from, to| Phase { name: "x", from: ms(from), to: ms(to), shares: Vec::new() }.times(&seen).max;
        assert!((max(0, 1000) - 10.0).abs() < 1e-9);
        assert!((max(1000, 2000) - 700.0).abs() < 1e-9, "it began in this one");
        assert!((max(2000, 3000) - 700.0).abs() < 1e-9, "and ended in this one");
        assert!(max(3000, 4000).is_nan());
    }
}
