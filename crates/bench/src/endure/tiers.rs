//! Gateways and scanners that are killed, again and again, and what clients see of it.

mod clients;
mod deaths;
mod fleet;
mod objects;
mod rates;

#[cfg(test)]
pub(super) use clients::Answer;
pub(super) use clients::{Clients, Seen, What, sorted};
pub(super) use fleet::{Fleet, Tier};

use super::pulse::Pulse;
use super::report::{CaseReport, mib, to_f64};
use crate::bound::Bound;
use crate::context::Context;
use crate::sigdb::Rng;
use deaths::{Death, Explained};
use rates::Rates;
use std::thread;
use std::time::{Duration, Instant};

/// Gateways.
pub(super) const GATEWAYS: usize = 2;
/// Scanners.
pub(super) const SCANNERS: usize = 3;

/// How long the load runs before anything is killed.
const QUIET: Duration = Duration::from_secs(10);
/// From one death of a scanner to the next.
const SCANNER_EVERY: Duration = Duration::from_secs(5);
/// From one death of a gateway to the next.
const GATEWAY_EVERY: Duration = Duration::from_secs(30);
/// Nobody is killed so shortly before the end, since what follows is measured.
const REST: Duration = Duration::from_secs(4);
/// How long memory may take to come back.
const RECOVERY: Duration = Duration::from_mins(1);

/// When nothing is left of a death, and nobody else has died.
const CALM: Duration = Duration::from_secs(2);

/// The rate within two seconds, by its running median.
const BACK: Bound = Bound::AtLeast(0.9);
/// Seconds from a death until the member is ready again.
const RESTART: Bound = Bound::AtMost(2.0);
/// Seconds that a worker may outlive its scanner.
const ORPHANED: Bound = Bound::AtMost(1.0);

/// Kills for `time`.
pub(super) fn measure(
    context: &Context,
    time: Duration,
    seed: u64,
    report: &mut CaseReport,
) -> anyhow::Result<()> {
    report.note(format!("seed {seed}; signatures of the known answers alone: they load in no time"));
    let mut fleet = Fleet::start(context, GATEWAYS, SCANNERS)?;
    let (clients, pulse) = (Clients::start(&fleet, seed), Pulse::start());
    let ended = endured(context, &mut fleet, &clients, time, seed);
    let seen = clients.stop()?;
    let (before, deaths) = ended?;
    report.note(pulse.stop());
    let silent = fleet.gateways_metric("icapstan_scan_client_silent_total", "")?;
    report.note(format!("scanners that the last two gateways took for silent: {silent:.0}"));

    judge(&seen, &deaths, time, report);
    let mut after = fleet.gateways_pss();
    let (begun, allowed) = (Instant::now(), mib(before) * 1.1 + 16.0);
    while mib(after) > allowed && begun.elapsed() < RECOVERY {
        context.check()?;
        thread::sleep(Duration::from_millis(200));
        after = fleet.gateways_pss();
    }
    report.note(format!("PSS of gateways: {:.1} MiB before, {:.1} after", mib(before), mib(after)));
    report.promise("PSS of gateways afterwards, MiB", mib(after), Bound::AtMost(allowed));
    fleet.bury(Duration::from_secs(5));
    report.promise(
        "longest time that workers outlived a scanner, s",
        fleet.orphaned().as_secs_f64(),
        ORPHANED,
    );
    report.never("processes that outlived a killed member", to_count(fleet.left_over()));
    let left = fleet.stop(context)?;
    report.never("processes left at the end", to_count(left));
    Ok(())
}

/// The memory of gateways once they are warm, and who died when.
fn endured(
    context: &Context,
    fleet: &mut Fleet<'_>,
    clients: &Clients,
    time: Duration,
    seed: u64,
) -> anyhow::Result<(u64, Vec<Death>)> {
    let begun = clients.begun();
    fleet.wait(begun + QUIET)?;
    let before = fleet.gateways_pss();
    let mut rng = Rng::new(seed, "deaths");
    let mut next = [(Tier::Scanner, SCANNER_EVERY), (Tier::Gateway, GATEWAY_EVERY)].map(|(tier, every)| {
        (tier, every, begun + QUIET + if tier == Tier::Scanner { Duration::ZERO } else { every / 2 })
    });
    let mut deaths = Vec::new();
    let end = begun + QUIET + time;
    while Instant::now() + REST < end {
        context.check()?;
        for (tier, every, at) in &mut next {
            if Instant::now() >= *at {
                *at += *every;
                let who = rng.index(fleet.len(*tier));
                deaths.push(fleet.kill(*tier, who, begun)?);
            }
        }
        fleet.supervise()?;
        thread::sleep(Duration::from_millis(5));
    }
    fleet.wait(end)?;
    for (death, back) in deaths.iter_mut().zip(fleet.back()) {
        death.back = back;
    }
    Ok((before, deaths))
}

fn judge(seen: &Seen, deaths: &[Death], time: Duration, report: &mut CaseReport) {
    let of = |tier| deaths.iter().filter(move |death| death.tier == tier);
    let (scanners, gateways) = (of(Tier::Scanner).count(), of(Tier::Gateway).count());
    report.note(format!(
        "{} right answers of {} clients; {scanners} deaths of scanners, {gateways} of gateways",
        seen.answers.len(),
        seen.clients
    ));
    for (name, count) in &seen.kinds {
        report.note(format!("{name}: {count} right"));
    }
    let explained = Explained::of(&seen.faults, deaths);
    for (what, count) in &explained.counts {
        report.note(format!("{what}: {count}"));
    }
    for fault in explained.unexplained.iter().take(10) {
        report.note(format!("no death explains {fault}"));
    }
    let rates = Rates::of(&seen.answers);
    for (tier, name) in [(Tier::Scanner, "scanner"), (Tier::Gateway, "gateway")] {
        let lowest = |later: Duration| {
            let mut rates: Vec<f64> = of(tier).filter_map(|death| rates.after(death.at + later)).collect();
            rates.sort_by(f64::total_cmp);
            let at = |index: usize| rates.get(index).copied().unwrap_or(f64::NAN);
            (at(0), at(rates.len() / 2))
        };
        let (low, median) = lowest(Duration::ZERO);
        let (calm_low, calm) = lowest(CALM);
        report.note(format!(
            "rate after the death of a {name}, by the median before: lowest {low:.2}, median {median:.2}; \
             {CALM:?} later, for comparison: lowest {calm_low:.2}, median {calm:.2}"
        ));
        report.promise(format!("rate within 2 s of the death of a {name}, lowest"), low, BACK);
    }
    if let Some((slowest, p99)) = seen.slowest() {
        report.note(format!(
            "p99 {:.1} ms, slowest {:.1} ms",
            p99.as_secs_f64() * 1e3,
            slowest.as_secs_f64() * 1e3
        ));
    }
    let expected = time.saturating_sub(REST).as_secs() / SCANNER_EVERY.as_secs();
    report.promise("deaths of scanners", to_count_f64(scanners), Bound::AtLeast(to_f64(expected)));
    report.promise("deaths of gateways", to_count_f64(gateways), Bound::AtLeast(1.0));
    let rarest = seen.kinds.values().copied().min().unwrap_or(0);
    report.promise("right answers for the rarest kind of object", to_f64(rarest), Bound::AtLeast(1.0));
    report.never("infected objects that passed", explained.passed);
    report.never("clean objects that were blocked, or came back otherwise", explained.blocked);
    report.never("failures that no death explains", to_count(explained.unexplained.len()) + seen.dropped);
    let slowest = deaths
        .iter()
        .map(|death| death.back.map_or(f64::NAN, |back| back.saturating_sub(death.at).as_secs_f64()));
    report.promise("longest time from a death to ready again, s", slowest.fold(0.0, nan_max), RESTART);
}

/// The larger one; what is no number is larger than all.
fn nan_max(one: f64, other: f64) -> f64 {
    if one.is_nan() || one > other { one } else { other }
}

fn to_count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn to_count_f64(count: usize) -> f64 {
    to_f64(to_count(count))
}
