//! Objects that were made to do harm, and what ordinary clients see of them.

mod objects;
mod zip;

pub(super) use zip::zip;

use super::load::{self, Load, Measured};
use super::report::{CaseReport, mib, to_f64};
use super::server::{RESPMOD, Server, WORKERS};
use crate::bound::Bound;
use crate::context::Context;
use crate::stats::Spread;
use anyhow::{Context as _, anyhow};
use icapstan_testkit::{IcapClient, Kind};
use objects::{Object, objects};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Connections that send hostile objects.
const ATTACKERS: usize = 16;

/// Times that ordinary clients are measured with attackers, and without.
const ROUNDS: u32 = 5;

/// How long they are measured without.
const QUIET: Duration = Duration::from_secs(10);

/// How many times longer than without 99 of 100 answers may take.
const SLOWER: Bound = Bound::AtMost(5.0);

/// How long memory may take to come back.
const RECOVERY: Duration = Duration::from_mins(1);

/// How long an attacker waits for an answer: much more than the longest scan of the defaults.
const PATIENCE: Duration = Duration::from_mins(1);

/// How hostile objects were answered: object, and status with reasons.
pub(super) type Answers = BTreeMap<(&'static str, String), Count>;

/// Answers that were the same.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    pub(super) answers: u64,
    /// The longest time that one took.
    pub(super) longest: Duration,
}

/// What came of ordinary clients.
#[derive(Debug, Default)]
struct Ordinary {
    p99_ms: Vec<f64>,
    requests: u64,
    wrong: u64,
    failures: u64,
}

/// The reason of an answer that has none.
const CLEAN: &str = "clean";
/// What follows says why there was no legal answer.
pub(super) const ILLEGAL: &str = "no legal answer: ";

/// Ordinary clients, with and without attackers in turn; `time` is that of all attacks together.
pub(super) fn measure(context: &Context, time: Duration, report: &mut CaseReport) -> anyhow::Result<()> {
    let objects = objects();
    for object in &objects {
        report.note(format!("{}: {} bytes", object.name, object.size));
    }
    let server = Server::start(context, "")?;
    // What each worker sets up once is not part of the price.
    load::run(context, &server, &ordinary(), Duration::from_secs(3))?;
    let mut tree = server.tree();
    let before = tree.pss_bytes();
    let attack = time / ROUNDS;
    let (mut quiet, mut beside) = (Ordinary::default(), Ordinary::default());
    let mut answers = Answers::new();
    for round in 1..=ROUNDS {
        quiet.add(&load::run(context, &server, &ordinary(), QUIET)?);
        let run = under_attack(context, &server, &objects, attack, &mut answers)?;
        beside.add(&run);
        report.note(format!(
            "round {round}: p99 {:.1} ms alone, {:.1} ms beside attackers; {} right, {} wrong, {}",
            quiet.p99_ms.last().copied().unwrap_or(f64::NAN),
            run.p99_ms(),
            run.requests,
            run.wrong,
            run.failures_shown()
        ));
    }
    judge_answers(report, &objects, &answers);
    report.note(format!(
        "ordinary: {} right answers alone, {} beside attackers",
        quiet.requests, beside.requests
    ));
    report.never("wrong verdicts for ordinary clients", quiet.wrong + beside.wrong);
    report.never("failures of ordinary clients, alone", quiet.failures);
    report.never("failures of ordinary clients, beside attackers", beside.failures);
    report.promise("p99 beside attackers, by that alone", beside.median()? / quiet.median()?, SLOWER);
    let allowed = mib(before) * 1.1 + 16.0;
    let begun = Instant::now();
    let mut after = mib(tree.pss_bytes());
    while after > allowed && begun.elapsed() < RECOVERY {
        server.check(context)?;
        thread::sleep(Duration::from_millis(200));
        after = mib(tree.pss_bytes());
    }
    report.note(format!("PSS {:.1} MiB before, {after:.1} {:.1?} after", mib(before), begun.elapsed()));
    report.promise("PSS afterwards, MiB", after, Bound::AtMost(allowed));
    let workers = server.metric("icapstan_scanner_workers", "")?;
    report.promise("workers alive afterwards", workers, Bound::AtLeast(WORKERS.into()));
    for cause in ["crash", "deadline", "protocol", "temp-share"] {
        let deaths = server.metric("icapstan_scanner_worker_deaths_total", &format!("\"{cause}\""))?;
        report.note(format!("workers that ended ({cause}): {deaths}"));
    }
    server.next_are_right(context, report);
    Ok(())
}

/// Small objects at a rate far below what the server can do, a tenth of them infected.
pub(super) fn ordinary() -> String {
    format!(
        "--service {RESPMOD} --shape respmod --body 1Ki --unique --allow-204 --infected 0.1 \
         --connections 16 --rate 50 --warm-up 1s"
    )
}

fn under_attack(
    context: &Context,
    server: &Server,
    objects: &[Object],
    time: Duration,
    answers: &mut Answers,
) -> anyhow::Result<Measured> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..ATTACKERS)
            .map(|number| {
                let stop = &stop;
                scope.spawn(move || attack(server.running.icap, objects, number, stop))
            })
            .collect();
        let args = format!("{} --duration {}ms", ordinary(), time.as_millis());
        let measured = Load::start(context, server, &args).finish(context, time);
        stop.store(true, Ordering::Relaxed);
        for attacker in attackers {
            let seen = attacker.join().map_err(|_| anyhow!("an attacker broke"))?;
            for (key, count) in seen {
                answers.entry(key).or_default().add(count);
            }
        }
        server.check(context)?;
        measured
    })
}

/// Sends one object after the other, each attacker beginning with another one.
fn attack(address: SocketAddr, objects: &[Object], number: usize, stop: &AtomicBool) -> Answers {
    let mut answers = Answers::new();
    let mut messages: Vec<_> = objects.iter().map(|object| object.message.clone()).collect();
    let mut client = None;
    for turn in number.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let at = turn % objects.len();
        objects[at].stamp(&mut messages[at], number, turn);
        let begun = Instant::now();
        let answer = ask(address, &mut client, &messages[at]);
        let longest = begun.elapsed();
        let failed = answer.starts_with(ILLEGAL);
        answers.entry((objects[at].name, answer)).or_default().add(Count { answers: 1, longest });
        if failed {
            client = None;
            // A server that takes no connections is not to be asked in a tight loop.
            thread::sleep(Duration::from_millis(100));
        }
    }
    answers
}

/// Status and reasons.
pub(super) fn ask(address: SocketAddr, client: &mut Option<IcapClient>, message: &[u8]) -> String {
    let mut icap = match client.take() {
        Some(icap) => icap,
        None => match IcapClient::try_connect(address) {
            Ok(icap) => icap,
            Err(error) => return format!("{ILLEGAL}no connection: {error}"),
        },
    };
    icap.patience(PATIENCE);
    match icap.send_while(message, |icap| icap.try_read(Kind::Respmod)) {
        Ok(response) => {
            let answer = judge(response.status, response.get("X-Icapstan-Reason"));
            if !response.closes() {
                *client = Some(icap);
            }
            answer
        }
        Err(error) => format!("{ILLEGAL}{error}"),
    }
}

/// An overloaded server may refuse, but it must say so.
fn judge(status: u16, reason: Option<&str>) -> String {
    match (status, reason) {
        (200 | 204, Some(reason)) => format!("{status} {reason}"),
        (204, None) => CLEAN.to_owned(),
        (429 | 500 | 503, _) => format!("{status}"),
        (status, reason) => format!("{ILLEGAL}{status} with reason {reason:?}"),
    }
}

fn judge_answers(report: &mut CaseReport, objects: &[Object], answers: &Answers) {
    for ((name, answer), count) in answers {
        report.note(format!("{name}: {} times {answer}, within {:.1?}", count.answers, count.longest));
    }
    let count = |pick: &dyn Fn(&str, &str) -> bool| -> u64 {
        answers.iter().filter(|((name, answer), _)| pick(name, answer)).map(|(_, count)| count.answers).sum()
    };
    let harmful = |name: &str| objects.iter().any(|object| object.name == name && object.never_clean);
    report.promise("hostile objects answered", to_f64(count(&|_, _| true)), Bound::AtLeast(1.0));
    report.never("hostile objects without a legal answer", count(&|_, answer| answer.starts_with(ILLEGAL)));
    report.never("bombs called clean", count(&|name, answer| harmful(name) && answer == CLEAN));
}

// === impl Count ===

impl Count {
    pub(super) fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.longest = self.longest.max(other.longest);
    }
}

// === impl Ordinary ===

impl Ordinary {
    fn add(&mut self, run: &Measured) {
        self.p99_ms.push(run.p99_ms());
        self.requests += run.requests;
        self.wrong += run.wrong;
        self.failures += run.failures();
    }

    fn median(&self) -> anyhow::Result<f64> {
        Ok(Spread::of(&self.p99_ms).context("no right answers")?.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bomb_called_clean_and_an_illegal_answer_are_counted() {
        let object =
            |name, never_clean| Object { name, never_clean, size: 0, message: Vec::new(), stamp: None };
        let objects = [object("bomb", true), object("script", false)];
        let times = |answers| Count { answers, longest: Duration::ZERO };
        let answers: Answers = [
            (("bomb", judge(200, Some("non-scanned/ratio"))), times(5)),
            (("bomb", judge(204, None)), times(2)),
            (("script", judge(204, None)), times(3)),
            (("script", judge(500, None)), times(1)),
            (("script", judge(200, None)), times(1)),
        ]
        .into();
        let mut report = CaseReport::new("bombs");
        judge_answers(&mut report, &objects, &answers);
        let table = report.table();
        let line = |what: &str| table.lines().find(|line| line.contains(what)).unwrap().to_owned();
        assert!(line("answered").contains(" 12.00 "), "{table}");
        assert!(line("legal").contains(" 1.00 ") && line("legal").ends_with("MISSED"), "{table}");
        assert!(line("clean").contains(" 2.00 ") && line("clean").ends_with("MISSED"), "{table}");
    }
}
