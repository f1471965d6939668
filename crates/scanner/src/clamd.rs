//! clamd as the engine, for those who run one already.
//!
//! ```text
//!  turn ─▶ proven? ─▶ connection ─▶ FILDES or INSTREAM ─▶ one line ─▶ as a reply of a worker
//!             ▲
//!             └── watch: VERSION, samples; at intervals, and at once after any doubt
//! ```
//!
//! clamd says "OK" without a look in the cases in which libclamav does (no temporary folder, limits that
//! its configuration keeps silent about, encryption), and tells nothing but a name. So it serves only as
//! long as it finds our samples, see [`proof`]; what it passes between two proofs is taken on trust.

mod client;
mod proof;
mod watch;

pub(crate) use watch::ClamdSupply;

use icapstan_clamav_wire::Request;
use icapstan_model::SignatureSet;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch as channel};

use self::client::{Client, ClientError};
use crate::breaker::Turn;
use crate::engine::{Called, Calling, Engine, Lease, Leasing, NoWorker, Wanted};
use crate::poison::Poison;
use crate::queue::{Lane, Queue};
use crate::scan::Left;

/// How long a scan waits for a clamd that does not scan as things are.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a clamd is, and how it gets objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClamdConfig {
    /// Where it listens.
    pub address: ClamdAddress,
    /// Objects are written into the connection (`INSTREAM`), always so over TCP. Else it is given a file
    /// descriptor (`FILDES`), which spares a copy.
    pub stream: bool,
}

/// Where a clamd listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClamdAddress {
    /// On a Unix socket, by its path.
    Unix(PathBuf),
    /// On a host and port. The protocol knows neither encryption nor passwords.
    Tcp(String),
}

/// A clamd with the signatures that it has.
#[derive(Debug)]
pub(crate) struct Clamd {
    client: Client,
    signatures: SignatureSet,
    queue: Queue,
    /// Scans at once, and those of dear objects among them.
    all: Arc<Semaphore>,
    dear: Arc<Semaphore>,
    size: usize,
    poison: Poison,
    scans: AtomicUsize,
    standing: Arc<Standing>,
}

/// What is known of a clamd, whatever signatures it has.
#[derive(Debug)]
struct Standing {
    state: channel::Sender<State>,
    /// Somebody wants it proven now.
    doubts: Notify,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It found the samples.
    Proven,
    /// It found them, but then something was odd.
    Doubted,
    /// It does not answer, or does not find what it should.
    Down(String),
}

/// The right to one of its threads.
struct Slot {
    clamd: Arc<Clamd>,
    is_usable: bool,
    turn: Option<Turn>,
    _dear: Option<OwnedSemaphorePermit>,
    _any: OwnedSemaphorePermit,
}

// === impl ClamdAddress ===

impl fmt::Display for ClamdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp(address) => f.write_str(address),
        }
    }
}

// === impl Standing ===

impl Standing {
    fn new() -> Arc<Self> {
        let state = channel::Sender::new(State::Down("it was not asked yet".to_owned()));
        Arc::new(Self { state, doubts: Notify::new() })
    }

    fn is_proven(&self) -> bool {
        *self.state.borrow() == State::Proven
    }

    /// No scan begins until it has proven itself.
    fn doubt(&self) {
        let was_proven = |state: &mut State| {
            let was = *state == State::Proven;
            if was {
                *state = State::Doubted;
            }
            was
        };
        self.state.send_if_modified(was_proven);
        self.doubts.notify_one();
    }
}

// === impl Clamd ===

impl Engine for Clamd {
    fn signatures(&self) -> &SignatureSet {
        &self.signatures
    }

    fn tells_what_it_leaves_closed(&self) -> bool {
        false
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn in_service(&self) -> usize {
        if self.standing.is_proven() { self.size } else { 0 }
    }

    /// There is one clamd, which serves all epochs with the signatures that it has.
    fn is_closed(&self) -> bool {
        false
    }

    fn scans(&self) -> &AtomicUsize {
        &self.scans
    }

    fn poison(&self) -> &Poison {
        &self.poison
    }

    /// All objects have the same clamd.
    fn lease<'a>(self: Arc<Self>, lane: Lane, _wanted: Wanted, deadline: Instant) -> Leasing<'a> {
        Box::pin(async move {
            let permits = async {
                let dear = match lane {
                    Lane::Cheap => None,
                    Lane::Dear => Some(self.dear.clone().acquire_owned().await?),
                };
                Ok::<_, tokio::sync::AcquireError>((dear, self.all.clone().acquire_owned().await?))
            };
            let permits = tokio::time::timeout_at(deadline.into(), permits).await;
            let (dear, any) = permits.map_err(|_| NoWorker::Late)?.map_err(|_| NoWorker::None)?;
            let mut state = self.standing.state.subscribe();
            let patience = deadline.min(Instant::now() + PATIENCE);
            let proven = state.wait_for(|state| *state == State::Proven);
            let is_proven =
                tokio::time::timeout_at(patience.into(), proven).await.is_ok_and(|state| state.is_ok());
            if !is_proven {
                return Err(NoWorker::None);
            }
            let slot = Slot { clamd: self, is_usable: true, turn: None, _dear: dear, _any: any };
            Ok(Box::new(slot) as Box<dyn Lease>)
        })
    }

    fn retire(self: Arc<Self>) {}
}

// === impl Slot ===

impl Slot {
    async fn exchange(&mut self, file: BorrowedFd<'_>, deadline: Instant) -> Called {
        let scan = self.clamd.client.scan(file);
        let error = match tokio::time::timeout_at(deadline.into(), scan).await {
            Ok(Ok(reply)) => return Called::Replied(reply, Vec::new()),
            // The connection is closed, but clamd knows no way to end a scan.
            Err(_) => return Called::Deadline,
            Ok(Err(error)) => error,
        };
        tracing::warn!(%error, "clamd did not scan an object.");
        self.is_usable = false;
        self.doubt();
        match error {
            ClientError::Connect(_) => Called::NotBegun,
            ClientError::Exchange(_) | ClientError::Closed => Called::Lost,
            ClientError::Answer(_) => Called::Protocol,
        }
    }
}

impl Lease for Slot {
    fn call<'a>(&'a mut self, file: BorrowedFd<'a>, _request: Request, deadline: Instant) -> Calling<'a> {
        // Its configuration says what it opens and how much a scan may cost.
        Box::pin(self.exchange(file, deadline))
    }

    fn is_usable(&self) -> bool {
        self.is_usable
    }

    /// It has no way to go on with what nobody waits for.
    fn is_busy(&self) -> bool {
        false
    }

    fn is_isolated(&self) -> bool {
        true
    }

    fn keep(&mut self, turn: Option<Turn>) {
        self.turn = turn;
    }

    fn leave(&mut self, _left: Left) {}

    fn doubt(&mut self) {
        self.clamd.standing.doubt();
    }
}
