//! What scanners said, summed up.

use icapstan_proto::fleet::{State, state::Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Scanners are to say how they are so often.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// Whose last word is older is not heard.
const HEARD_FOR: Duration = Duration::from_secs(3);
/// What a scanner said last counts for so long while it is not heard. As long may one that is new take to be heard.
const COUNTS_FOR: Duration = Duration::from_secs(30);
/// After the start all scanners should be heard before there is an answer, but it waits no longer than this.
const SETTLES_FOR: Duration = Duration::from_secs(5);
/// Work that waits is to be done within this time: so many seconds of it want one worker more. A simulated fleet
/// (`crates/simulate`) holds its service level with it, and does not swing.
const DRAIN: Duration = Duration::from_secs(5);

/// All scanners that there are, and what they said last.
#[derive(Debug)]
pub struct Fleet {
    since: Instant,
    members: BTreeMap<SocketAddr, Member>,
    is_looked_up: bool,
    /// All of those that there are were heard once.
    is_settled: bool,
    workers_each: Option<f64>,
}

#[derive(Debug)]
struct Member {
    found: Instant,
    said: Option<Said>,
    is_connected: bool,
}

#[derive(Clone, Debug)]
struct Said {
    at: Instant,
    /// Its name, and what differs after each start: one process may have two addresses.
    identity: (String, u64),
    is_draining: bool,
    report: Report,
    /// The most workers that it had: some may be missing for a moment, being replaced.
    crew: u32,
}

/// What a scanner has to do, as it said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Scans that wait or are under way.
    pub jobs: u32,
    /// Bytes of their objects.
    pub bytes: u64,
    /// Time of one worker that all of them take.
    pub backlog: Duration,
    /// Workers in service.
    pub workers: u32,
    /// Those that have an object.
    pub busy: u32,
}

/// How a scanner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It says how it is.
    Heard,
    /// It does not any more; what it said last still counts.
    Silent,
    /// Nothing was heard from it for long, or ever.
    Unheard,
    /// It came a short while ago, and was not heard yet.
    New,
    /// It said that it ends soon.
    Draining,
}

/// All of them together, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// How many stand how: heard, silent, unheard, new, draining.
    pub scanners: [usize; 5],
    /// What they have to do.
    pub sums: Sums,
    /// How many workers one of them has, or had before some went missing; as it was last, if nobody has any now.
    pub workers_each: Option<f64>,
    /// Why the sums are not to be gone by.
    pub trouble: Option<Unheard>,
}

/// What scanners have to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Scans that wait or are under way.
    pub jobs: u64,
    /// Bytes of their objects.
    pub bytes: u64,
    /// Seconds of one worker that all of them take.
    pub backlog: f64,
    /// Of these, seconds that those take which have no worker yet.
    pub waiting: f64,
    /// Workers in service.
    pub workers: u64,
    /// Those that have an object.
    pub busy: u64,
}

/// Why sums are not to be gone by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unheard {
    /// There is nobody to be heard.
    #[error("no scanner is known")]
    Nobody,
    /// The process has just begun, and not all were heard yet.
    #[error("{heard} of {known} scanners are heard so soon after the start")]
    Beginning {
        /// How many were.
        heard: usize,
        /// Of how many.
        known: usize,
    },
    /// Too few are.
    #[error("only {heard} of {known} scanners are heard")]
    TooFew {
        /// How many are.
        heard: usize,
        /// Of how many.
        known: usize,
    },
}

// === impl Fleet ===

impl Fleet {
    /// Nobody is known, at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            members: BTreeMap::new(),
            is_looked_up: false,
            is_settled: false,
            workers_each: None,
        }
    }

    /// These there are, and no others.
    pub fn known(&mut self, scanners: &BTreeSet<SocketAddr>, now: Instant) {
        self.members.retain(|address, _| scanners.contains(address));
        for address in scanners {
            self.members.entry(*address).or_insert(Member { found: now, said: None, is_connected: false });
        }
        self.is_looked_up = true;
    }

    /// One of them said how it is. Nothing, if it is none of them.
    pub fn heard(&mut self, scanner: SocketAddr, state: State, now: Instant) {
        let (Some(member), Some(Role::Scanner(scanner))) = (self.members.get_mut(&scanner), state.role)
        else {
            return;
        };
        let load = scanner.load.unwrap_or_default();
        let report = Report {
            jobs: load.jobs,
            bytes: load.bytes,
            backlog: Duration::from_micros(scanner.backlog_us),
            workers: load.workers,
            busy: load.busy.min(load.workers),
        };
        let identity = (state.name, state.incarnation);
        let before = member.said.as_ref().filter(|before| before.identity == identity);
        let crew = before.map_or(0, |before| before.crew).max(report.workers);
        member.is_connected = true;
        member.said = Some(Said { at: now, identity, is_draining: state.draining, report, crew });
    }

    /// There is no connection to it.
    pub fn lost(&mut self, scanner: SocketAddr) {
        if let Some(member) = self.members.get_mut(&scanner) {
            member.is_connected = false;
        }
    }

    /// What all of them come to.
    pub fn figures(&mut self, now: Instant) -> Figures {
        let mut figures = Figures {
            scanners: [0; 5],
            sums: Sums::default(),
            workers_each: self.workers_each,
            trouble: None,
        };
        let (mut crews, mut all) = (0_u32, 0_u64);
        for (presence, said) in self.present(now) {
            figures.scanners[presence as usize] += 1;
            if let Some(said) = said {
                figures.sums.add(said.report);
                crews += u32::from(said.crew > 0);
                all += u64::from(said.crew);
            }
        }
        if crews > 0 {
            self.workers_each = Some(float(all) / f64::from(crews));
            figures.workers_each = self.workers_each;
        }
        figures.trouble = self.trouble(&figures, now);
        figures
    }

    /// Each scanner once, with what counts of what it said.
    fn present(&self, now: Instant) -> Vec<(Presence, Option<&Said>)> {
        let mut last: BTreeMap<&(String, u64), Instant> = BTreeMap::new();
        for said in self.members.values().filter_map(|member| member.said.as_ref()) {
            let at = last.entry(&said.identity).or_insert(said.at);
            *at = said.at.max(*at);
        }
        let mut present = Vec::with_capacity(self.members.len());
        for member in self.members.values() {
            if let Some(said) = &member.said {
                // Of two addresses of one process, the one over which it was heard last; then it has been counted.
                match last.get(&said.identity) {
                    Some(at) if *at == said.at => last.remove(&said.identity),
                    _ => continue,
                };
            }
            present.push(member.present(now, self.since));
        }
        present
    }

    fn trouble(&mut self, figures: &Figures, now: Instant) -> Option<Unheard> {
        let [heard, silent, unheard, new, draining] = figures.scanners;
        let known = heard + silent + unheard;
        self.is_settled |= (self.is_looked_up && heard == known + new)
            || now.saturating_duration_since(self.since) >= SETTLES_FOR;
        if !self.is_settled {
            Some(Unheard::Beginning { heard, known: known + new })
        } else if known + new + draining == 0 {
            Some(Unheard::Nobody)
        } else if heard == 0 || heard * 2 < known {
            Some(Unheard::TooFew { heard, known: known + new })
        } else {
            None
        }
    }
}

// === impl Member ===

impl Member {
    /// `since` is when this process began.
    fn present(&self, now: Instant, since: Instant) -> (Presence, Option<&Said>) {
        let Some(said) = &self.said else {
            // Those that were there at the start may be old, and busy.
            let came = self.found.saturating_duration_since(since);
            let is_new = came >= SETTLES_FOR && now.saturating_duration_since(self.found) < COUNTS_FOR;
            return (if is_new { Presence::New } else { Presence::Unheard }, None);
        };
        let age = now.saturating_duration_since(said.at);
        if said.is_draining && age < COUNTS_FOR {
            // Nothing more comes to it, and what it has it ends by itself.
            (Presence::Draining, None)
        } else if self.is_connected && age <= HEARD_FOR {
            (Presence::Heard, Some(said))
        } else if age < COUNTS_FOR {
            (Presence::Silent, Some(said))
        } else {
            (Presence::Unheard, None)
        }
    }
}

// === impl Report ===

impl Report {
    /// Seconds of one worker that those scans take which have none yet: all are taken for equally long.
    fn waiting(self) -> f64 {
        let waiting = self.jobs.saturating_sub(self.busy);
        if waiting == 0 {
            0.0
        } else {
            self.backlog.as_secs_f64() * f64::from(waiting) / f64::from(self.jobs)
        }
    }
}

// === impl Sums ===

impl Sums {
    fn add(&mut self, report: Report) {
        self.jobs = self.jobs.saturating_add(report.jobs.into());
        self.bytes = self.bytes.saturating_add(report.bytes);
        self.backlog += report.backlog.as_secs_f64();
        self.waiting += report.waiting();
        self.workers += u64::from(report.workers);
        self.busy += u64::from(report.busy);
    }

    /// How many workers there should be: those that are busy, and those that would do what waits in time.
    pub fn wanted(&self) -> f64 {
        float(self.busy) + self.waiting / DRAIN.as_secs_f64()
    }
}

/// Exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "autoscalers have floating point numbers")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
