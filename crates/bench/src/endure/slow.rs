//! Clients that never go on, wherever a conversation can stand still.

use super::idle::{KEPT_RATE, active};
use super::load::{self, Load};
use super::report::{CaseReport, to_f64};
use super::server::{ECHO, RESPMOD, Server};
use crate::bound::Bound;
use crate::context::Context;
use crate::stats::Spread;
use anyhow::{Context as _, bail};
use std::time::{Duration, Instant};

/// Where they stand still.
const STATES: [&str; 8] = ["line", "head", "encapsulated", "preview", "continue", "body", "read", "idle"];

/// In each state.
const CLIENTS: u64 = 500;

/// What the kernel may hold, on both ends, of an echo that nobody reads.
const QUEUED: u64 = 8 << 20;

/// More than the longest deadline of the defaults with what comes before it.
const ENOUGH: Duration = Duration::from_secs(140);

/// Seconds: the longest deadline, that of a reader, may take a quarter more until it is noticed.
const LATEST: Bound = Bound::AtMost(80.0);

/// How long the active clients are measured at once.
const WINDOW: Duration = Duration::from_secs(6);

/// How often they are measured alone before, and again afterwards.
const QUIET: usize = 3;

/// The active clients alone, then all slow ones with them, then alone again.
pub(super) fn measure(context: &Context, time: Duration, report: &mut CaseReport) -> anyhow::Result<()> {
    let server = Server::start(context, "")?;
    let time = time.min(ENOUGH);
    let (mut quiet, mut beside, mut failures) = (Vec::new(), Vec::new(), 0);
    let mut window = |rates: &mut Vec<f64>| -> anyhow::Result<()> {
        let run = load::run(context, &server, &active(), WINDOW)?;
        if run.failures() + run.wrong > 0 {
            eprintln!("active clients: {} wrong, {}", run.wrong, run.failures_shown());
        }
        failures += run.failures() + run.wrong;
        rates.push(run.rate);
        Ok(())
    };
    for _ in 0..QUIET {
        window(&mut quiet)?;
    }
    let begun = Instant::now();
    let loads = STATES.map(|state| (state, Load::start(context, &server, &arguments(state, time))));
    let mut most_sessions: f64 = 0.0;
    while loads.iter().any(|(_, load)| !load.has_ended()) {
        if begun.elapsed() > time + WINDOW * 3 {
            bail!("the load generator does not end");
        }
        let mut rate = Vec::new();
        window(&mut rate)?;
        let sessions = server.metric("icapstan_icap_sessions", "")?;
        most_sessions = sessions.max(most_sessions);
        // When most of them have been ended nobody is slow any more.
        if sessions >= most_sessions / 2.0 {
            beside.extend(rate);
        }
    }
    for _ in 0..QUIET {
        window(&mut quiet)?;
    }
    for (state, load) in loads {
        let run = load.finish(context, Duration::ZERO).context(state)?;
        let slow = run.slow.with_context(|| format!("{state}: the load generator tells no slow clients"))?;
        let seconds =
            slow.seconds.map_or_else(String::new, |s| format!(" after {:.1} to {:.1} s", s.min, s.max));
        report.note(format!("{state}: ended {:?}{seconds}; statuses {:?}", slow.ended, slow.statuses));
        let ended = slow.opened.saturating_sub(slow.still_open);
        report.promise(
            format!("clients slow in {state} that were ended by their deadline"),
            to_f64(ended),
            Bound::AtLeast(to_f64(clients(state))),
        );
        if let Some(seconds) = slow.seconds {
            report.promise(
                format!("seconds to the last end of clients slow in {state}"),
                seconds.max,
                LATEST,
            );
        }
        let refused: u64 =
            slow.statuses.iter().filter(|(status, _)| **status != "408").map(|(_, count)| *count).sum();
        report.never(format!("clients slow in {state} that were refused instead"), refused);
    }
    let spread = |rates: &[f64]| Spread::of(rates).context("a rate is no number");
    let (quiet, beside) = (spread(&quiet)?, spread(&beside)?);
    report.note(format!(
        "active: alone {:.0}/s ({:.0} to {:.0}), beside slow ones {:.0}/s ({:.0} to {:.0}); \
         at most {most_sessions} sessions seen",
        quiet.median, quiet.min, quiet.max, beside.median, beside.min, beside.max
    ));
    report.promise(
        "rate of active clients beside them, by that alone",
        beside.median / quiet.median,
        KEPT_RATE,
    );
    report.never("failures of active clients", failures);
    server.known_answers(context)
}

/// Those that do not read are as many as the kernel has memory for: beyond that it would hold back the
/// active clients too, whatever the server does.
fn clients(state: &str) -> u64 {
    if state != "read" {
        return CLIENTS;
    }
    let limits = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").unwrap_or_default();
    queues(&limits).unwrap_or(CLIENTS).clamp(1, CLIENTS)
}

/// How many full queues there may be before the kernel saves memory: the second number, in pages
/// (tcp(7)), which have at least 4 KiB.
fn queues(limits: &str) -> Option<u64> {
    let pages: u64 = limits.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(4096) / QUEUED)
}

/// One request a second keeps the generator going.
fn arguments(state: &str, time: Duration) -> String {
    // What is never read is not scanned: many large scans would slow the active clients down, which is
    // another matter.
    let service = if state == "read" { ECHO } else { RESPMOD };
    format!(
        "--service {service} --shape respmod --body 100 --connections 1 --rate 1 --warm-up 0s \
         --slow {} --slow-state {state} --slow-interval 10s --duration {}ms",
        clients(state),
        time.as_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_that_do_not_read_are_not_scanned() {
        let args = |state| arguments(state, Duration::from_secs(2));
        assert!(args("read").contains("--service /echo") && args("read").ends_with("--duration 2000ms"));
        assert!(args("body").contains("--service /respmod") && args("body").contains("--slow-state body "));
    }

    #[test]
    fn there_are_no_more_full_queues_than_the_kernel_has_memory_for() {
        assert_eq!(queues("287901\t383868\t575802\n"), Some(187));
        assert_eq!(queues(""), None);
        assert_eq!(clients("body"), CLIENTS);
        assert!((1..=CLIENTS).contains(&clients("read")));
    }
}
