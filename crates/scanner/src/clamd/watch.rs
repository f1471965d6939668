//! Sees to it that a clamd is believed only as long as it proves that it detects.

use icapstan_model::{GenerationId, SignatureSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

use super::client::Client;
use super::proof::{Proof, ProofError};
use super::{Clamd, ClamdConfig, Standing, State};
use crate::config::{ScannerConfig, StartError};
use crate::engine::{Held, Supply};
use crate::metrics::ReloadResult;
use crate::poison::Poison;
use crate::published::Published;
use crate::queue::Queue;
use crate::shared::Shared;

/// What clamd passes between two proofs is taken on trust, so that this is short. The samples cost a
/// few milliseconds.
const PROOF_INTERVAL: Duration = Duration::from_secs(10);

/// A clamd, and who watches it.
pub(crate) struct ClamdSupply {
    standing: Arc<Standing>,
    client: Client,
    stop: Arc<AtomicBool>,
}

/// The task's own.
struct Watch {
    config: ScannerConfig,
    shared: Arc<Shared>,
    published: Arc<Published>,
    standing: Arc<Standing>,
    client: Client,
    proof: Proof,
    stop: Arc<AtomicBool>,
    version: Option<String>,
    proven: Instant,
}

// === impl ClamdSupply ===

impl ClamdSupply {
    /// Starts to watch. The first proof goes on after this returns.
    pub(crate) fn start(
        config: ScannerConfig,
        clamd: ClamdConfig,
        shared: &Arc<Shared>,
        published: &Arc<Published>,
    ) -> Result<Arc<Self>, StartError> {
        let proof = Proof::new().map_err(StartError::Samples)?;
        let (standing, client) = (Standing::new(), Client::new(clamd));
        let stop = Arc::new(AtomicBool::new(false));
        let watch = Watch {
            config,
            shared: shared.clone(),
            published: published.clone(),
            standing: standing.clone(),
            client: client.clone(),
            proof,
            stop: stop.clone(),
            version: None,
            proven: Instant::now(),
        };
        tokio::spawn(watch.run());
        Ok(Arc::new(Self { standing, client, stop }))
    }
}

impl Supply for ClamdSupply {
    fn reload(&self) {
        self.standing.doubts.notify_one();
    }

    fn trouble(&self) -> Option<String> {
        match &*self.standing.state.borrow() {
            State::Down(why) => Some(format!("clamd at {}: {why}", self.client.address())),
            State::Proven | State::Doubted => None,
        }
    }

    fn begin_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.standing.doubts.notify_one();
    }

    /// There is nothing of ours to wait for.
    fn join(&self) {}
}

// === impl Watch ===

impl Watch {
    async fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.look().await;
            // Whoever doubts meanwhile is heard at once.
            let _ = tokio::time::timeout(self.config.poll_interval, self.standing.doubts.notified()).await;
        }
    }

    async fn look(&mut self) {
        let version = self.client.version().await;
        let is_new = !version.as_ref().is_ok_and(|version| self.version.as_ref() == Some(version));
        let is_due = is_new || !self.standing.is_proven() || self.proven.elapsed() >= PROOF_INTERVAL;
        let proven = match &version {
            Ok(_) if is_due => self.proof.ask(&self.client).await,
            Ok(_) => return,
            Err(_) => Ok(()),
        };
        match (version, proven) {
            (Ok(version), Ok(())) => self.believe(version, is_new),
            (Err(error), _) => self.disbelieve(&error.into()),
            (_, Err(error)) => self.disbelieve(&error),
        }
    }

    fn believe(&mut self, version: String, is_new: bool) {
        self.proven = Instant::now();
        let before = self.standing.state.send_replace(State::Proven);
        if matches!(before, State::Down(_)) && !is_new {
            tracing::info!("clamd scans again.");
        }
        if is_new {
            self.publish(&version);
            self.version = Some(version);
        }
    }

    fn disbelieve(&self, error: &ProofError) {
        let why = error.to_string();
        let before = self.standing.state.send_replace(State::Down(why.clone()));
        if before != State::Down(why.clone()) {
            tracing::error!(clamd = %self.client.address(), %error, "clamd is not used.");
            self.shared.metrics.reloaded(ReloadResult::Failed);
        }
        *self.published.missing.lock() = format!("clamd at {}: {why}", self.client.address());
    }

    /// Other signatures: another epoch.
    fn publish(&self, version: &str) {
        let engine = version.split('/').next().unwrap_or(version);
        let identity = [version.as_bytes(), &[u8::from(self.config.unpack.is_some())]].concat();
        let signatures = SignatureSet {
            id: GenerationId(blake3::derive_key("icapstan clamd version v1", &identity)),
            count: 0,
            test_only: false,
            engine: format!("clamd, {engine}"),
            released: None,
        };
        let ScannerConfig { workers, spare_workers, in_flight, queue_length, .. } = self.config;
        let waiting = self.shared.metrics.waiting.clone();
        let queue = Queue::new(workers, spare_workers, in_flight, queue_length, waiting);
        let clamd = Clamd {
            client: self.client.clone(),
            signatures: signatures.clone(),
            all: Arc::new(Semaphore::new(workers + spare_workers)),
            dear: Arc::new(Semaphore::new(queue.dear_workers())),
            queue,
            size: workers + spare_workers,
            poison: Poison::new(
                &self.config.poison,
                self.shared.secrets.clone(),
                self.shared.metrics.poison.clone(),
                self.shared.poison_share.clone(),
            ),
            scans: AtomicUsize::new(0),
            standing: self.standing.clone(),
        };
        self.shared.metrics.in_use(&signatures, 0);
        self.shared.metrics.reloaded(ReloadResult::Loaded);
        self.config.hash_lists.publish(&self.published, Held(Arc::new(clamd)));
        tracing::info!(generation = %signatures.id, version, "clamd scans, with its own signatures.");
    }
}
