//! Connections on which nothing happens.

use super::load::{self, Idle, Measured};
use super::report::{CaseReport, mib, to_f64};
use super::server::{REQMOD, Server};
use crate::bound::Bound;
use crate::context::Context;
use crate::stats::Spread;
use anyhow::Context as _;
use std::time::Duration;

/// MiB that a thousand may take.
const GROWTH: Bound = Bound::AtMost(20.0);

/// Connections that are held.
const HELD: u32 = 10_000;

/// What active clients must keep of their rate.
pub(super) const KEPT_RATE: Bound = Bound::AtLeast(0.8);

/// Times that it is measured with held connections, and without.
const ROUNDS: u32 = 3;

/// How long each lasts.
const ROUND: Duration = Duration::from_secs(4);

/// Sixteen clients that ask as fast as they are answered, by 204.
pub(super) fn active() -> String {
    format!("--service {REQMOD} --shape reqmod --connections 16 --warm-up 1s")
}

/// What a thousand idle connections take.
pub(super) fn measure(context: &Context, report: &mut CaseReport) -> anyhow::Result<()> {
    let server = Server::start(context, "")?;
    let time = Duration::from_secs(8);
    // What each thread sets up once is not part of the price.
    load::run(context, &server, &active(), Duration::from_secs(2))?;
    let args = format!(
        "--service {REQMOD} --shape reqmod --connections 1 --rate 10 --warm-up 0s --idle 1000 --server-pid {}",
        server.running.process.pid()
    );
    let run = load::run(context, &server, &args, time)?;
    let memory = run.server.context("the load generator tells no memory")?.pss_bytes;
    let Idle { opened, still_open } = run.idle.context("the load generator tells no idle connections")?;
    report.note(format!("PSS {:.1} MiB before, {:.1} peak", mib(memory.before), mib(memory.peak)));
    report.promise(
        "idle connections that stayed open",
        to_f64(opened.min(still_open)),
        Bound::AtLeast(1000.0),
    );
    report.promise("PSS that they take, MiB", mib(memory.peak.saturating_sub(memory.before)), GROWTH);
    report.never("failures of the load beside", run.failures() + run.wrong);
    server.known_answers(context)
}

/// What ten thousand held connections cost active ones.
pub(super) fn hold(context: &Context, report: &mut CaseReport) -> anyhow::Result<()> {
    let server = Server::start(context, "limits: {sessions: 12000}")?;
    load::run(context, &server, &active(), ROUND)?;
    let (mut with, mut without, mut failures) = (Vec::new(), Vec::new(), 0);
    let mut held = u64::from(HELD);
    for round in 1..=ROUNDS {
        let idle = format!("{} --idle {HELD}", active());
        let pair: [Measured; 2] = if round % 2 == 1 {
            [load::run(context, &server, &active(), ROUND)?, load::run(context, &server, &idle, ROUND)?]
        } else {
            let first = load::run(context, &server, &idle, ROUND)?;
            [load::run(context, &server, &active(), ROUND)?, first]
        };
        let [quiet, crowded] = pair;
        let idle = crowded.idle.context("the load generator tells no idle connections")?;
        report.note(format!(
            "round {round}: {:.0}/s alone, {:.0}/s beside {} idle",
            quiet.rate, crowded.rate, idle.still_open
        ));
        held = held.min(idle.opened).min(idle.still_open);
        failures += [&quiet, &crowded].map(|run| run.failures() + run.wrong).iter().sum::<u64>();
        without.push(quiet.rate);
        with.push(crowded.rate);
    }
    let ratio = Spread::of_ratios(&with, &without).context("a rate is no number")?;
    report.promise("idle connections that stayed open", to_f64(held), Bound::AtLeast(HELD.into()));
    report.promise("rate of active clients beside them, by that alone", ratio.median, KEPT_RATE);
    report.never("failures of active clients", failures);
    server.known_answers(context)
}
