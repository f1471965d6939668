//! Objects that kill the worker that has them or take all of its time, equal ones and always new ones, and what
//! ordinary clients see of them.

mod killer;

use super::bombs::{Answers, Count, ILLEGAL, ask, ordinary, zip};
use super::load::{self, Load, Measured};
use super::report::{CaseReport, mib, to_f64};
use super::server::{BRIEF, RESPMOD, Server, WORKERS, download_from};
use crate::bound::Bound;
use crate::context::Context;
use anyhow::anyhow;
use icapstan_testkit::clean_bytes;
use killer::Killer;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections that send each sort of object.
const ATTACKERS: usize = 3;

/// How long ordinary clients are measured without attackers.
const QUIET: Duration = Duration::from_secs(10);

/// How long memory may take to come back, and the breaker to close.
const RECOVERY: Duration = Duration::from_mins(1);

/// 99 of 100 ordinary answers come within this time even so, in milliseconds.
const SLOWEST: Bound = Bound::AtMost(1000.0);

/// The length of the objects whose workers are killed: no others have it.
const MARKED: usize = 4_000_037;

/// Where in an object a number stands that makes it another one.
const STAMP: usize = 16;

/// One sort of object.
struct Sort {
    name: &'static str,
    message: Vec<u8>,
    /// Where the number stands, if each is another one.
    stamp: Option<usize>,
}

/// Ordinary clients, without attackers and then for `time` with them.
pub(super) fn measure(context: &Context, time: Duration, report: &mut CaseReport) -> anyhow::Result<()> {
    let sorts = sorts();
    for sort in &sorts {
        report.note(format!("{}: {} bytes", sort.name, sort.message.len()));
    }
    let server = Server::start(context, "")?;
    // What each worker sets up once is not part of the price.
    load::run(context, &server, &ordinary(), Duration::from_secs(3))?;
    let mut tree = server.tree();
    let before = tree.pss_bytes();
    let quiet = load::run(context, &server, &ordinary(), QUIET)?;
    let (beside, answers, killed) = under_attack(context, &server, &sorts, time)?;

    for ((name, answer), count) in &answers {
        report.note(format!("{name}: {} times {answer}, within {:.1?}", count.answers, count.longest));
    }
    report.note(format!("{killed} workers were killed in the midst of a marked object"));
    for (what, name, label) in [
        ("workers that ended", "icapstan_scanner_worker_deaths_total", ""),
        ("of these: crash", "icapstan_scanner_worker_deaths_total", "\"crash\""),
        ("of these: deadline", "icapstan_scanner_worker_deaths_total", "\"deadline\""),
        ("of these: alone with one object", "icapstan_scanner_worker_deaths_total", "\"isolated\""),
        ("second tries", "icapstan_scanner_retries_total", ""),
        ("answers without a worker (crash)", "icapstan_scanner_poison_answers_total", "\"crash\""),
        ("answers without a worker (time)", "icapstan_scanner_poison_answers_total", "\"time\""),
        ("objects remembered", "icapstan_scanner_poison_entries", ""),
        ("objects held back", "icapstan_scanner_held_back_total", ""),
        ("ancestors replaced", "icapstan_scanner_zygote_replacements_total", ""),
        ("breaker open", "icapstan_scanner_breaker_open", ""),
    ] {
        report.note(format!("{what}: {}", server.metric(name, label)?));
    }
    report.note(format!("ordinary: {} right alone, {} beside attackers", quiet.requests, beside.requests));
    report.note(format!(
        "ordinary, p99: {:.1} ms alone, {:.1} ms beside attackers",
        quiet.p99_ms(),
        beside.p99_ms()
    ));
    report.note(format!("ordinary, beside attackers: {}", beside.failures_shown()));
    report.never("wrong verdicts for ordinary clients", quiet.wrong + beside.wrong);
    report.never("failures of ordinary clients, alone", quiet.failures());
    report.never("failures of ordinary clients, beside attackers", beside.failures());
    report.promise("p99 of ordinary clients beside attackers, ms", beside.p99_ms(), SLOWEST);
    let illegal: u64 = answers
        .iter()
        .filter(|((_, answer), _)| answer.starts_with(ILLEGAL))
        .map(|(_, count)| count.answers)
        .sum();
    report.never("hostile objects without a legal answer", illegal);
    report.promise("workers killed", to_f64(killed), Bound::AtLeast(1.0));
    for cause in ["crash", "time"] {
        let answered = server.metric("icapstan_scanner_poison_answers_total", &format!("\"{cause}\""))?;
        report.promise(
            format!("equal objects answered without a worker ({cause})"),
            answered,
            Bound::AtLeast(1.0),
        );
    }
    recovered(context, &server, before, report)
}

/// Memory comes back, the breaker closes, and verdicts are right.
fn recovered(context: &Context, server: &Server, before: u64, report: &mut CaseReport) -> anyhow::Result<()> {
    let mut tree = server.tree();
    let allowed = mib(before) * 1.1 + 16.0;
    let begun = Instant::now();
    let look = |tree: &mut super::tree::Tree| -> anyhow::Result<(f64, f64)> {
        Ok((mib(tree.pss_bytes()), server.metric("icapstan_scanner_breaker_open", "")?))
    };
    let (mut after, mut open) = look(&mut tree)?;
    while (after > allowed || open > 0.5) && begun.elapsed() < RECOVERY {
        server.check(context)?;
        thread::sleep(Duration::from_millis(200));
        (after, open) = look(&mut tree)?;
    }
    report.note(format!("PSS {:.1} MiB before, {after:.1} {:.1?} after", mib(before), begun.elapsed()));
    report.promise("PSS afterwards, MiB", after, Bound::AtMost(allowed));
    report.promise("breaker open afterwards", open, Bound::AtMost(0.0));
    let workers = server.metric("icapstan_scanner_workers", "")?;
    report.promise("workers alive afterwards", workers, Bound::AtLeast(WORKERS.into()));
    server.next_are_right(context, report);
    Ok(())
}

fn under_attack(
    context: &Context,
    server: &Server,
    sorts: &[Sort],
    time: Duration,
) -> anyhow::Result<(Measured, Answers, u64)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS * sorts.len())
            .map(|number| {
                let (sort, stop) = (&sorts[number % sorts.len()], &stop);
                scope.spawn(move || attack(server.running.icap, sort, number, stop))
            })
            .collect();
        let killer = Killer::start(server.running.process.pid(), MARKED as u64);
        let args = format!("{} --duration {}ms", ordinary(), time.as_millis());
        let measured = Load::start(context, server, &args).finish(context, time);
        stop.store(true, Ordering::Relaxed);
        let mut answers = Answers::new();
        for attacker in attackers {
            let seen = attacker.join().map_err(|_| anyhow!("an attacker broke"))?;
            for (key, count) in seen {
                answers.entry(key).or_default().add(count);
            }
        }
        let killed = killer.stop();
        server.check(context)?;
        Ok((measured?, answers, killed))
    })
}

/// Sends one object after the other.
fn attack(address: SocketAddr, sort: &Sort, number: usize, stop: &AtomicBool) -> Answers {
    let mut answers = Answers::new();
    let mut message = sort.message.clone();
    let mut client = None;
    for turn in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if let Some(at) = sort.stamp {
            let stamp = format!("{number:04}{:012}", turn % 1_000_000_000_000);
            message[at..at + STAMP].copy_from_slice(stamp.as_bytes());
        }
        let begun = Instant::now();
        let answer = ask(address, &mut client, &message);
        let longest = begun.elapsed();
        let failed = answer.starts_with(ILLEGAL);
        answers.entry((sort.name, answer)).or_default().add(Count { answers: 1, longest });
        // Who is answered at once is not to take the processor that is measured on.
        thread::sleep(Duration::from_millis(if failed { 200 } else { 50 }));
        if failed {
            client = None;
        }
    }
    answers
}

fn sorts() -> Vec<Sort> {
    let marked = |seed| [&STAMPED[..], &clean_bytes(MARKED - STAMP, seed)].concat();
    // The slow ones take longer than the time that they get.
    let made = [
        ("killed, equal ones", RESPMOD, marked(1), false),
        ("killed, always new", RESPMOD, marked(2), true),
        ("slow, equal ones", BRIEF, slow(1), false),
        ("slow, always new", BRIEF, slow(2), true),
    ];
    made.into_iter()
        .map(|(name, service, body, is_new)| {
            let message = download_from(service, "", &body);
            // Chunks may begin anywhere, but the first one has far more than this.
            let at = message.windows(STAMP).position(|window| window == STAMPED);
            Sort { name, message, stamp: at.filter(|_| is_new) }
        })
        .collect()
}

/// Digits that a number replaces.
const STAMPED: &[u8; STAMP] = b"0000000000000000";

/// Small, and takes libclamav seconds: a hundred files of a megabyte each. The number is a part of a name, which
/// directory and local head have alike only while it is zero: readers do not mind.
fn slow(seed: u64) -> Vec<u8> {
    let content = clean_bytes(25_000, seed).repeat(40);
    let entries: Vec<_> = (0..100)
        .map(|number| {
            let name = if number == 0 { "0".repeat(STAMP) } else { format!("{number}.txt") };
            (name, &content[..])
        })
        .collect();
    zip(&entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_are_always_new_have_a_place_for_a_number() {
        let sorts = sorts();
        let stamped: Vec<_> = sorts.iter().map(|sort| sort.stamp.is_some()).collect();
        assert_eq!(stamped, [false, true, false, true]);
        for sort in &sorts {
            assert!(sort.message.len() < 10 << 20, "{}: {}", sort.name, sort.message.len());
        }
    }
}
