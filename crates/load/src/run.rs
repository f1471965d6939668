//! One measurement from the first connection to the report.

use crate::Moment;
use crate::idle::Idle;
use crate::measured::{Measured, Unfinished};
use crate::moment::own_cpu;
use crate::poll::{Group, Poll};
use crate::report::{RefusedReport, Report, UnfinishedReport};
use crate::server::{Peak, ProcessTree, PssBytes, Sampler, ServerReport, Snapshot};
use crate::settings::Settings;
use crate::slow::SlowConnections;
use crate::socket;
use crate::tally::Bytes;
use rustix::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Handshakes at a time; a server's accept queue may be short.
const CONNECTING: usize = 128;

/// Opening is over when nothing comes of it for so long. A handshake that was dropped by a full accept
/// queue is tried again by the kernel after a second.
const STALLED: Duration = Duration::from_secs(3);

/// How long answers are waited for that an open loop is owed when its window ends.
const GRACE: Duration = Duration::from_secs(10);

/// How often slow things are looked after.
const TICK: Duration = Duration::from_secs(1);

/// How long the server has to free what it held for connections that are gone.
const AFTERMATH: Duration = Duration::from_millis(500);

/// Why nothing can be measured.
#[derive(Debug, Error)]
pub enum RunError {
    /// More descriptors than this process may have.
    #[error("{needed} descriptors are needed and no more than {possible} allowed")]
    Descriptors {
        /// What the connections need.
        needed: u64,
        /// The hard limit.
        possible: u64,
    },
    /// A server process that is not there, or not to be looked at.
    #[error("the memory of process {0} cannot be read")]
    NoProcess(i32),
    /// The kernel refuses what the program needs.
    #[error("epoll does not work")]
    Poll(#[source] io::Errno),
}

/// The connections and their clock.
struct Engine {
    poll: Poll,
    measured: Measured,
    idle: Idle,
    slow: Option<SlowConnections>,
    loading: bool,
    next_tick: Moment,
}

/// What was seen at an end of the window.
#[derive(Debug)]
struct Mark {
    at: Moment,
    bytes: Bytes,
    own_cpu: Duration,
    server: Option<Snapshot>,
}

/// Runs the load and tells what came of it.
pub fn run(settings: &Settings) -> Result<Report, RunError> {
    let needed = settings.descriptors();
    socket::raise_descriptor_limit(needed).map_err(|possible| RunError::Descriptors { needed, possible })?;
    let tree = match settings.server_pids.as_slice() {
        [] => None,
        pids => Some(ProcessTree::new(pids).map_err(RunError::NoProcess)?),
    };
    let before = tree.as_ref().map(|tree| tree.snapshot().pss_bytes());
    let mut engine = Engine::new(settings).map_err(RunError::Poll)?;
    let sampler = tree.clone().map(Sampler::start);
    let outcome = engine.measure(settings, tree.as_ref()).map_err(RunError::Poll)?;
    let peak = sampler.map(Sampler::stop);
    let Engine { measured, idle, slow, .. } = engine;
    let (first, last, unfinished, drained) = outcome;
    let tally = measured.into_tally();
    let mut report = Report {
        config: settings.clone(),
        seconds: last.at.secs_since(first.at),
        requests: tally.requests,
        rate: per(tally.in_window, last.at.secs_since(first.at)),
        errors: tally.faults(),
        wrong: tally.wrong,
        statuses: tally.statuses(),
        reconnects: tally.reconnects,
        unfinished: UnfinishedReport::new(unfinished),
        latency_us: tally.latencies.percentiles(),
        refused: settings
            .refusals
            .then(|| RefusedReport { count: tally.refused, latency_us: tally.refusals.percentiles() }),
        drained_seconds: drained,
        bytes_sent: (last.bytes - first.bytes).sent,
        bytes_received: (last.bytes - first.bytes).received,
        loader_cpu_seconds: last.own_cpu.saturating_sub(first.own_cpu).as_secs_f64(),
        server: None,
        idle: (settings.idle > 0).then(|| idle.report()),
        slow: slow.as_ref().map(SlowConnections::report),
    };
    drop((idle, slow));
    if let (Some(tree), Some(before), Some(peak)) = (tree, before, peak) {
        report.server = server_report(&tree, &first, &last, before, peak, tally.in_window);
    }
    Ok(report)
}

fn server_report(
    tree: &ProcessTree,
    first: &Mark,
    last: &Mark,
    before: u64,
    peak: Peak,
    requests: u64,
) -> Option<ServerReport> {
    std::thread::sleep(AFTERMATH);
    let after = tree.snapshot().pss_bytes();
    let cpu = last.server.as_ref()?.cpu_since(first.server.as_ref()?).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
    let each = (requests > 0).then(|| cpu * 1e6 / requests as f64);
    let peak_bytes = peak.pss_bytes.max(before).max(after);
    Some(ServerReport {
        cpu_seconds: cpu,
        cpu_us_per_request: each,
        pss_bytes: PssBytes { before, peak: peak_bytes, after },
        threads: peak.threads,
    })
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
fn per(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

// === impl Engine ===

impl Engine {
    fn new(settings: &Settings) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            measured: Measured::new(settings, seed()),
            idle: Idle::new(settings),
            slow: SlowConnections::new(settings),
            loading: false,
            next_tick: Moment::now() + TICK,
        })
    }

    /// Opens the connections, loads, and looks at both ends of the window.
    fn measure(
        &mut self,
        settings: &Settings,
        tree: Option<&ProcessTree>,
    ) -> io::Result<(Mark, Mark, Unfinished, Option<f64>)> {
        self.open()?;
        let start = Moment::now();
        self.measured.start(start, settings.rate);
        self.loading = true;
        self.until(start + settings.warm_up)?;
        let mut first = self.mark(tree);
        // Answers that waited while the kernel's tables were read are not part of the window.
        self.turn(Moment::default())?;
        first.at = Moment::now();
        let end = first.at + settings.duration;
        self.measured.tally.open_window(first.at, end);
        self.until(end)?;
        let mut last = self.mark(tree);
        last.at = end;
        self.measured.stop();
        let mut drained = None;
        if settings.rate.is_some() {
            self.settle(end + GRACE)?;
            drained = self.measured.is_settled().then(|| Moment::now().secs_since(end));
        }
        let unfinished = self.measured.settle(if settings.rate.is_some() { Moment::now() } else { end });
        // A last look at those that the server may have ended.
        self.turn(Moment::default())?;
        Ok((first, last, unfinished, drained))
    }

    fn open(&mut self) -> io::Result<()> {
        let mut before = (0, 0);
        let mut since = Moment::now();
        loop {
            while self.connecting() < CONNECTING && self.open_next() {}
            if self.connecting() == 0 && self.idle.is_settled() {
                return Ok(());
            }
            let now = Moment::now();
            let seen = (self.idle.settled(), self.connecting());
            if seen != before {
                (before, since) = (seen, now);
            } else if now - since >= STALLED {
                return Ok(());
            }
            self.turn(since + STALLED)?;
        }
    }

    fn open_next(&mut self) -> bool {
        self.idle.open_next(&self.poll)
            || self.slow.as_mut().is_some_and(|slow| slow.open_next(&self.poll))
            || self.measured.open_next(&self.poll)
    }

    fn connecting(&self) -> usize {
        let slow = self.slow.as_ref().map_or(0, SlowConnections::connecting);
        self.idle.connecting() + slow + self.measured.connecting()
    }

    fn mark(&self, tree: Option<&ProcessTree>) -> Mark {
        Mark {
            at: Moment::now(),
            bytes: self.measured.tally.bytes,
            own_cpu: own_cpu(),
            server: tree.map(ProcessTree::snapshot),
        }
    }

    fn until(&mut self, end: Moment) -> io::Result<()> {
        while self.turn(end)? < end {}
        Ok(())
    }

    fn settle(&mut self, end: Moment) -> io::Result<()> {
        while !self.measured.is_settled() && self.turn(end)? < end {}
        Ok(())
    }

    /// Waits for something to do, but not beyond `limit`, and does it; the time after that.
    fn turn(&mut self, limit: Moment) -> io::Result<Moment> {
        let drip = self.slow.as_ref().map_or(Moment::NEVER, SlowConnections::next_due);
        let load = if self.loading { self.measured.next_due() } else { Moment::NEVER };
        self.poll.wait(limit.min(drip).min(load).min(self.next_tick), Moment::now())?;
        for number in 0..self.poll.count() {
            let Some(ready) = self.poll.ready(number) else { continue };
            match ready.group {
                Group::Measured => self.measured.ready(&self.poll, ready),
                Group::Idle => self.idle.ready(&self.poll, ready),
                Group::Slow => {
                    if let Some(slow) = &mut self.slow {
                        slow.ready(&self.poll, ready, Moment::now());
                    }
                }
            }
        }
        let now = Moment::now();
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.measured.expire(now);
            if let Some(slow) = &mut self.slow {
                slow.look(now);
            }
        }
        if self.loading {
            self.measured.dispatch(&self.poll, now);
        }
        if let Some(slow) = &mut self.slow {
            slow.drip(now);
        }
        Ok(now)
    }
}

/// Another one for each run, so that no cache of a server knows the bodies of an earlier one.
fn seed() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    #[expect(clippy::cast_possible_truncation, reason = "the low bits are those that differ")]
    let low = time as u64;
    low ^ u64::from(std::process::id()) << 48
}
