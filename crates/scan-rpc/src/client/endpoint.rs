//! The connection to one scanner, as long as there is one.

use icapstan_balance::{EndpointId, ReportedLoad};
use icapstan_model::{GenerationId, SignatureSet, VERDICT_VERSION};
use icapstan_proto::fleet::{self, State, state::Role};
use icapstan_proto::scan;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

use super::call::{self, States};
use super::link::{self, Holds, Link};
use super::remote::Inner;
use crate::convert;

/// How long to wait before the first further try, and the longest.
pub(super) const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// After so many times of silence the connection itself is given up.
const SILENCES: u32 = 10;
/// How long a scanner that is about to end may take for that. Longer than any of them does.
const LAST: Duration = Duration::from_mins(2);
/// Scanners tell their state so often, in each time of silence.
const BEATS: u32 = 4;

/// What is known of one scanner.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// What it can be asked for, if it can scan; first what it scans with by itself.
    pub(super) held: Vec<SignatureSet>,
    /// Why there are no scans for it.
    pub(super) trouble: Option<String>,
    /// How long a scan that comes would wait there.
    pub(super) wait: Option<Duration>,
    /// Of the plan that it said last that it follows, also while nothing is heard from it; 0 without one.
    pub(super) plan: u64,
}

/// The task that keeps one connection.
pub(super) struct Keeper {
    pub(super) inner: Arc<Inner>,
    pub(super) id: EndpointId,
    pub(super) host: Arc<str>,
}

/// How a connection ended.
enum End {
    /// The scanner said that it would.
    Drained,
    Broken(String),
}

// === impl Keeper ===

impl Keeper {
    /// Connects again and again.
    pub(super) async fn run(self) {
        let (mut pause, mut said) = (PAUSES.0, String::new());
        loop {
            let (inner, id) = (&self.inner, self.id);
            let tls = inner.config.tls.as_ref();
            let broken = match link::connect(id.0, &self.host, tls).await {
                Err(error) => chain(&error),
                Ok(link) => {
                    let end = self.serve(&link).await;
                    inner.links.remove(id);
                    inner.balancer.disconnected(id, Instant::now());
                    if let End::Broken(text) = end {
                        link.lost.cancel();
                        link.closed.cancel();
                        text
                    } else {
                        // What is under way there goes on; the connection ends with it.
                        info!(scanner = %id, "A scanner is about to end.");
                        self.know(Known {
                            trouble: Some("it is about to end".to_owned()),
                            ..Known::default()
                        });
                        if tokio::time::timeout(LAST, link.closed.cancelled()).await.is_err() {
                            link.closed.cancel();
                        }
                        pause = PAUSES.0;
                        said.clear();
                        "the connection was closed".to_owned()
                    }
                }
            };
            self.know(Known { trouble: Some(broken.clone()), ..Known::default() });
            if said != broken {
                warn!(scanner = %id, error = broken, "A scanner is not reached.");
                said = broken;
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Goes by what the scanner says of itself, until it says nothing more.
    async fn serve(&self, link: &Link) -> End {
        let silence = self.inner.config.silence;
        let states = tokio::time::timeout(silence * SILENCES, call::watch(link, silence / BEATS)).await;
        let mut states = match states {
            Ok(Ok(states)) => states,
            Ok(Err(error)) => return End::Broken(error.to_string()),
            Err(_) => return End::Broken("it says nothing".to_owned()),
        };
        let mut current = Presence::new(link.clone());
        let mut silent = 0;
        loop {
            match next(&mut states, silence).await {
                None => {
                    silent += 1;
                    if silent >= SILENCES {
                        return End::Broken("it says nothing".to_owned());
                    }
                    if silent == 1 && current.is_present {
                        self.fall_silent(&mut current);
                    }
                }
                Some(Err(error)) => return End::Broken(error.to_string()),
                Some(Ok(None)) => return End::Broken("it said nothing more".to_owned()),
                Some(Ok(Some(state))) => {
                    silent = 0;
                    if state.draining {
                        self.inner.heard_plan(self.id, state.plan_generation);
                        return End::Drained;
                    }
                    self.hear(state, &mut current);
                }
            }
        }
    }

    /// Takes its scans away.
    fn fall_silent(&self, current: &mut Presence) {
        let (inner, id) = (&self.inner, self.id);
        inner.metrics.silent.inc();
        warn!(scanner = %id, "Nothing is heard from a scanner: its scans go to others.");
        inner.links.remove(id);
        inner.balancer.disconnected(id, Instant::now());
        current.is_present = false;
        current.link.lost.cancel();
        self.know(Known { trouble: Some("nothing is heard from it".to_owned()), ..Known::default() });
    }

    fn hear(&self, state: State, current: &mut Presence) {
        let (inner, id, now) = (&self.inner, self.id, Instant::now());
        let Some(Role::Scanner(scanner)) = state.role else {
            return self.know(Known { trouble: Some("it is no scanner".to_owned()), ..Known::default() });
        };
        let held: Vec<_> = scanner.held.iter().filter_map(|set| convert::signatures_of(set).ok()).collect();
        let trouble = trouble(&scanner, &held);
        if trouble.is_some() {
            if std::mem::take(&mut current.is_present) {
                inner.links.remove(id);
                inner.balancer.draining(id, now);
            }
            return self.know(Known { trouble, plan: state.plan_generation, ..Known::default() });
        }
        let generations: Vec<GenerationId> = held.iter().map(|set| set.id).collect();
        let is_other = state.verdict_version != VERDICT_VERSION;
        let load = scanner.load.unwrap_or_default();
        let reported = reported(&load, scanner.backlog_us);
        if !current.is_present || current.link.holds.generations != generations {
            current.link =
                current.link.renewed(Arc::new(Holds { generations: generations.clone(), is_other }));
            inner.links.put(id, current.link.clone());
            if !current.is_present {
                inner.place(id, &convert::inert(&scanner.zone));
                inner.balancer.connected(id, now);
                info!(scanner = %id, name = convert::inert(&state.name), version = convert::inert(&state.version), "A scanner is connected.");
                current.is_present = true;
            }
            inner.balancer.generations(id, &generations, now);
        }
        inner.balancer.heard(id, Some(reported), now);
        self.know(Known {
            held,
            trouble: None,
            wait: Some(Duration::from_micros(load.wait_us)),
            plan: state.plan_generation,
        });
    }

    fn know(&self, known: Known) {
        self.inner.know(self.id, known);
    }
}

/// Whether a scanner is there for scans, and what they are made on.
struct Presence {
    link: Link,
    is_present: bool,
}

impl Presence {
    fn new(link: Link) -> Self {
        Self { link, is_present: false }
    }
}

/// What comes within the time of silence, which is counted in beats: however long this process stood still, that is one of
/// them, and before the last one all that came meanwhile has been read.
async fn next(states: &mut States, silence: Duration) -> Option<Result<Option<State>, call::CallError>> {
    for _ in 0..BEATS {
        tokio::select! {
            biased;
            state = states.next() => return Some(state),
            () = tokio::time::sleep(silence / BEATS) => {}
        }
    }
    None
}

fn trouble(scanner: &fleet::Scanner, held: &[SignatureSet]) -> Option<String> {
    if !scanner.trouble.is_empty() {
        Some(convert::inert(&scanner.trouble))
    } else if held.is_empty() {
        Some("no signatures are loaded".to_owned())
    } else {
        None
    }
}

/// As the balancer wants it.
pub(super) fn reported(load: &scan::Load, backlog_us: u64) -> ReportedLoad {
    ReportedLoad { work: Duration::from_micros(backlog_us), workers: load.workers }
}

/// Half of it to all of it, so that many do not come at once.
pub(super) fn jittered(pause: Duration) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    pause / 2 + (pause / 2).mul_f64(f64::from(nanos % 1000) / 1000.0)
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
