//! The servers that are measured: how they are started, where they listen, how they end.

mod bare;
mod c_icap;
mod clamd;
mod icapstan;

pub(super) use icapstan::{Levels, start as start_icapstan};

use super::case::{Shape, Subject};
use super::urls::Lists;
use crate::context::Context;
use crate::daemon::Daemon;
use crate::interrupt;
use anyhow::Context as _;
use icapstan_testkit::Process;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// A running server. Its processes end, in their order, when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) subject: Subject,
    pub(super) address: SocketAddr,
    /// The paths of the services: for REQMOD, and for RESPMOD.
    services: [&'static str; 2],
    /// The one that speaks ICAP comes first.
    processes: Vec<Daemon>,
}

/// What a server is started for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// How many connections it must serve at once.
    pub(super) connections: u32,
    /// The folder of signatures that it scans with; without one it scans nothing.
    pub(super) signatures: Option<&'a Path>,
    /// The lists that it looks URLs up in; without them, in none.
    pub(super) lists: Option<&'a Lists>,
    /// How many objects it scans at once.
    pub(super) workers: u32,
    /// How many objects may wait to be scanned, where a server can be told.
    pub(super) queue: Option<u32>,
    /// Whether clamd may remember what was clean; where each object is another one that is but a cost.
    pub(super) remembers: bool,
}

/// How long a server may take until it answers, with signatures to load.
const START: Duration = Duration::from_mins(3);

/// A free port may be taken before the server binds it, which ends the server at once; so often it is
/// tried.
const ATTEMPTS: u32 = 3;

/// What fails later than this has another cause.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Starts a server and waits until it answers.
pub(super) fn start(context: &Context, subject: Subject, wanted: &Wanted<'_>) -> anyhow::Result<Server> {
    let once = || match subject {
        Subject::Icapstan => icapstan::start(context, wanted, Levels::Quiet),
        Subject::NoLists => {
            let server = icapstan::start(context, &Wanted { lists: None, ..*wanted }, Levels::Quiet)?;
            Ok(Server { subject, ..server })
        }
        Subject::Tiers => icapstan::start_tiers(context, wanted),
        Subject::CIcap => c_icap::start(context, wanted),
        Subject::Bare => bare::start(context),
    };
    let mut attempt = 1;
    loop {
        let begun = Instant::now();
        match once() {
            Err(error)
                if attempt < ATTEMPTS && begun.elapsed() < AT_ONCE && !interrupt::is_interrupt(&error) =>
            {
                eprintln!("{subject} does not start, it is tried again: {error:#}");
                attempt += 1;
            }
            result => return result.with_context(|| format!("{subject} does not start")),
        }
    }
}

// === impl Server ===

impl Server {
    /// The service that answers requests of this shape.
    pub(super) fn service_for(&self, shape: Shape) -> &'static str {
        let [reqmod, respmod] = self.services;
        match shape {
            Shape::Options | Shape::Reqmod => reqmod,
            Shape::Respmod => respmod,
        }
    }

    /// The process that speaks ICAP.
    pub(super) fn front(&self) -> Option<&Process> {
        self.processes.first().map(|daemon| &**daemon)
    }

    /// The processes whose descendants, with them, are all that the server runs.
    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().map(|process| process.pid())
    }

    /// Fails when a process has ended, or the user wants to.
    pub(super) fn check(&self, context: &Context) -> anyhow::Result<()> {
        context.check()?;
        if let Some(process) = self.processes.iter().find(|process| process.has_ended()) {
            anyhow::bail!(
                "a process of {} ended; it said:\n{}",
                self.subject,
                crate::context::last_lines(process)
            );
        }
        Ok(())
    }
}
