//! Clients that ask as fast as they are answered, over connections that are kept, and go to another gateway when theirs
//! is gone.

use super::fleet::{Fleet, Tier};
use super::objects::{Objects, Sample};
use crate::sigdb::Rng;
use anyhow::anyhow;
use icapstan_testkit::{IcapClient, IcapResponse, ReadError};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Running clients.
pub(in crate::endure) struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Seen>>,
}

/// What they saw.
#[derive(Debug, Default)]
pub(in crate::endure) struct Seen {
    pub(in crate::endure) clients: usize,
    /// Right ones.
    pub(in crate::endure) answers: Vec<Answer>,
    /// How many of each kind of object.
    pub(in crate::endure) kinds: BTreeMap<&'static str, u64>,
    pub(in crate::endure) faults: Vec<Fault>,
    /// Answers and faults beyond those that are kept.
    pub(in crate::endure) dropped: u64,
}

/// A right answer: when it was there, in milliseconds since the clients began, and how long it took, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(in crate::endure) struct Answer {
    ended_ms: u32,
    took_us: u32,
}

/// A transaction that did not end well.
#[derive(Clone, Debug)]
pub(in crate::endure) struct Fault {
    pub(in crate::endure) begun: Duration,
    pub(in crate::endure) ended: Duration,
    /// Whose connection it was on, if there was one.
    pub(in crate::endure) gateway: Option<usize>,
    pub(in crate::endure) sample: &'static str,
    pub(in crate::endure) what: What,
}

/// What was wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::endure) enum What {
    /// It is infected, and passed.
    Passed,
    /// It is clean, and was blocked as infected or came back otherwise.
    Blocked,
    /// It was not scanned, for this reason.
    Reason(String),
    /// The answer has this status.
    Status(u16),
    /// There was no answer.
    Broken(String),
}

struct Shared {
    gateways: Vec<SocketAddr>,
    begun: Instant,
    is_over: AtomicBool,
}

/// One of them.
struct Client<'a> {
    shared: &'a Shared,
    home: usize,
    at: usize,
    connection: Option<(IcapClient, usize)>,
}

/// Clients of each gateway.
const EACH: usize = 4;
/// Requests on a connection, until the client goes back to the gateway that it prefers.
const REQUESTS: usize = 100;
/// How long an answer may take: more than the longest scan of the defaults.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is kept of one client.
const MAX_ANSWERS: usize = 4_000_000;
const MAX_FAULTS: usize = 10_000;

// === impl Clients ===

impl Clients {
    /// Starts some for each gateway.
    pub(in crate::endure) fn start(fleet: &Fleet<'_>, seed: u64) -> Self {
        let gateways = fleet.addresses(Tier::Gateway);
        let count = EACH * gateways.len();
        let shared = Arc::new(Shared { gateways, begun: Instant::now(), is_over: AtomicBool::new(false) });
        let threads = (0..count)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let home = number % shared.gateways.len();
                    let rng = Rng::new(seed, &format!("client {number}"));
                    Client { shared: &shared, home, at: home, connection: None }.run(rng)
                })
            })
            .collect();
        Self { shared, threads }
    }

    /// When they began.
    pub(in crate::endure) fn begun(&self) -> Instant {
        self.shared.begun
    }

    /// Ends them, and tells what they saw.
    pub(in crate::endure) fn stop(mut self) -> anyhow::Result<Seen> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for thread in std::mem::take(&mut self.threads) {
            all.add(thread.join().map_err(|_| anyhow!("a client broke"))?);
        }
        Ok(all)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

// === impl Client ===

impl Client<'_> {
    fn run(mut self, mut rng: Rng) -> Seen {
        let mut objects = Objects::new();
        let mut seen = Seen { clients: 1, ..Seen::default() };
        let mut requests = 0;
        while !self.shared.is_over.load(Ordering::Relaxed) {
            let sample = objects.draw(&mut rng);
            if requests == REQUESTS {
                (self.connection, self.at, requests) = (None, self.home, 0);
            }
            requests += 1;
            let begun = self.shared.begun.elapsed();
            let (gateway, outcome) = self.ask(&sample);
            let ended = self.shared.begun.elapsed();
            match outcome {
                Ok(()) if seen.answers.len() < MAX_ANSWERS => {
                    seen.answers.push(Answer::new(ended, ended.saturating_sub(begun)));
                    *seen.kinds.entry(sample.name).or_default() += 1;
                }
                Err(what) if seen.faults.len() < MAX_FAULTS => {
                    seen.faults.push(Fault { begun, ended, gateway, sample: sample.name, what });
                }
                _ => seen.dropped += 1,
            }
        }
        seen
    }

    /// Sends one request; with it, whose connection that was.
    fn ask(&mut self, sample: &Sample) -> (Option<usize>, Result<(), What>) {
        let Some((mut icap, gateway)) = self.connection.take().or_else(|| self.connect()) else {
            // Nobody is to take the processor while there is nobody to be asked.
            thread::sleep(Duration::from_millis(5));
            return (None, Err(What::Broken("no gateway takes connections".to_owned())));
        };
        let outcome = match exchange(&mut icap, sample) {
            Ok(response) => {
                if response.closes() {
                    self.at = (gateway + 1) % self.shared.gateways.len();
                } else {
                    self.connection = Some((icap, gateway));
                }
                judge(&response, sample)
            }
            Err(error) => {
                self.at = (gateway + 1) % self.shared.gateways.len();
                Err(What::Broken(error.to_string()))
            }
        };
        (Some(gateway), outcome)
    }

    /// To the gateway whose turn it is, or else to the next one.
    fn connect(&mut self) -> Option<(IcapClient, usize)> {
        for _ in &self.shared.gateways {
            if let Ok(icap) = IcapClient::try_connect(self.shared.gateways[self.at]) {
                icap.patience(PATIENCE);
                return Some((icap, self.at));
            }
            self.at = (self.at + 1) % self.shared.gateways.len();
        }
        None
    }
}

fn exchange(icap: &mut IcapClient, sample: &Sample) -> Result<IcapResponse, ReadError> {
    // What cannot be written is seen when there is no answer.
    let _ = icap.try_send(&sample.message);
    let response = icap.try_read(sample.kind)?;
    if response.status != 100 {
        return Ok(response);
    }
    let _ = icap.try_send(&sample.rest);
    icap.try_read(sample.kind)
}

fn judge(response: &IcapResponse, sample: &Sample) -> Result<(), What> {
    let reason = response.get("X-Icapstan-Reason");
    match (response.status, reason, &sample.body) {
        (200, Some("detect"), None) | (204, None, Some(_)) => Ok(()),
        (200, None, Some(body)) if response.body_data() == *body => Ok(()),
        (200 | 204, Some("detect") | None, Some(_)) => Err(What::Blocked),
        (200 | 204, None, None) | (204, Some("detect"), None) => Err(What::Passed),
        (200 | 204, Some(reason), _) => Err(What::Reason(reason.to_owned())),
        (status, ..) => Err(What::Status(status)),
    }
}

// === impl Seen ===

impl Seen {
    fn add(&mut self, other: Self) {
        self.clients += other.clients;
        self.answers.extend(other.answers);
        self.faults.extend(other.faults);
        self.dropped += other.dropped;
        for (name, count) in other.kinds {
            *self.kinds.entry(name).or_default() += count;
        }
    }

    /// The longest time of an answer, and that within which 99 of 100 were there.
    pub(in crate::endure) fn slowest(&self) -> Option<(Duration, Duration)> {
        let times = sorted(self.answers.iter().copied());
        Some((*times.last()?, *times.get(times.len() * 99 / 100)?))
    }
}

/// How long these answers took, the shortest first.
pub(in crate::endure) fn sorted(answers: impl Iterator<Item = Answer>) -> Vec<Duration> {
    let mut times: Vec<_> = answers.map(Answer::took).collect();
    times.sort_unstable();
    times
}

// === impl Answer ===

impl Answer {
    pub(in crate::endure) fn new(ended: Duration, took: Duration) -> Self {
        let small = |number: u128| u32::try_from(number).unwrap_or(u32::MAX);
        Self { ended_ms: small(ended.as_millis()), took_us: small(took.as_micros()) }
    }

    /// When it was there.
    pub(in crate::endure) fn ended(self) -> Duration {
        Duration::from_millis(self.ended_ms.into())
    }

    /// How long it took.
    pub(in crate::endure) fn took(self) -> Duration {
        Duration::from_micros(self.took_us.into())
    }
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { begun, ended, gateway, sample, what } = self;
        write!(f, "{what} ({sample}, gateway {gateway:?}, {begun:.3?} to {ended:.3?})")
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("infected, and passed"),
            Self::Blocked => f.write_str("clean, and blocked"),
            Self::Reason(reason) => f.write_str(reason),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Broken(error) => f.write_str(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_testkit::{Head, IcapBody, Kind};

    fn sample(body: Option<&[u8]>) -> Sample {
        let body = body.map(<[u8]>::to_vec);
        Sample { name: "sample", kind: Kind::Respmod, message: Vec::new(), rest: Vec::new(), body }
    }

    fn response(status: u16, reason: Option<&str>, body: &[u8]) -> IcapResponse {
        let field = reason.map(|reason| format!("X-Icapstan-Reason: {reason}\r\n")).unwrap_or_default();
        let head = Head::of(format!("ICAP/1.0 {status} x\r\n{field}\r\n").as_bytes());
        let body = Some(IcapBody { data: body.to_vec(), ..IcapBody::default() });
        IcapResponse { status, head, body, ..IcapResponse::default() }
    }

    #[test]
    fn only_the_right_answer_is_right() {
        let (clean, infected) = (sample(Some(b"abc")), sample(None));
        assert_eq!(judge(&response(200, None, b"abc"), &clean), Ok(()));
        assert_eq!(judge(&response(204, None, b""), &clean), Ok(()));
        assert_eq!(judge(&response(200, Some("detect"), b"page"), &infected), Ok(()));
        assert_eq!(judge(&response(200, None, b"abd"), &clean), Err(What::Blocked));
        assert_eq!(judge(&response(200, Some("detect"), b"page"), &clean), Err(What::Blocked));
        assert_eq!(judge(&response(200, None, b"bad"), &infected), Err(What::Passed));
        assert_eq!(judge(&response(204, None, b""), &infected), Err(What::Passed));
        for sample in [&clean, &infected] {
            let failed = judge(&response(200, Some("failed/time"), b"page"), sample);
            assert_eq!(failed, Err(What::Reason("failed/time".to_owned())));
            assert_eq!(judge(&response(500, None, b""), sample), Err(What::Status(500)));
        }
    }
}
