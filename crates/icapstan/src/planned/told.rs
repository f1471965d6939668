//! What there is to be said of the plan that a gateway follows.

use icapstan_follow::Follower;
use icapstan_gateway::EpochMetrics;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// How far a gateway has come with its plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Of the plan; 0 without one.
    pub(crate) generation: u64,
    /// What transactions begin with; 0 before there is one.
    pub(crate) active: u64,
    /// The pending epoch, if it could be put in use; else 0.
    pub(crate) prepared: u64,
    /// Why the pending epoch, or the active one, cannot be put in use; empty if nothing hinders it.
    pub(crate) unprepared: String,
    /// Why nobody is served, if nobody is.
    pub(crate) fenced: Option<String>,
}

/// What is told, and what wakes who passes it on.
pub(crate) struct Told {
    progress: Mutex<Progress>,
    changes: watch::Sender<()>,
    metrics: EpochMetrics,
    follower: Mutex<Option<Arc<Follower>>>,
}

// === impl Told ===

impl Told {
    pub(super) fn new(metrics: EpochMetrics) -> Self {
        let changes = watch::channel(()).0;
        Self { progress: Mutex::default(), changes, metrics, follower: Mutex::default() }
    }

    pub(super) fn metrics(&self) -> &EpochMetrics {
        &self.metrics
    }

    pub(super) fn follows(&self, follower: Arc<Follower>) {
        *self.follower.lock() = Some(follower);
    }

    pub(super) fn tell(&self, now: Progress) {
        self.metrics.stands(now.active, now.prepared, now.fenced.is_some());
        let mut progress = self.progress.lock();
        if *progress != now {
            *progress = now;
            drop(progress);
            self.changes.send_replace(());
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().clone()
    }

    /// Changes whenever there is something else to be told.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Why no clients should come, for `/readyz`.
    pub(crate) fn readiness(&self) -> Result<(), String> {
        let Progress { generation, active, unprepared, fenced, .. } = self.progress();
        if let Some(why) = fenced {
            return Err(format!("nobody is served: {why}"));
        }
        if active > 0 {
            return Ok(());
        }
        Err(match (generation, unprepared.as_str()) {
            (0, _) => {
                format!("there is no plan{}", self.source().map(|why| format!(": {why}")).unwrap_or_default())
            }
            (_, "") => "the plan has no epoch that could be put in use yet".to_owned(),
            (_, why) => format!("the plan's epoch cannot be put in use: {why}"),
        })
    }

    /// What is out of the ordinary though clients are served.
    pub(crate) fn note(&self) -> Option<String> {
        let Progress { active, unprepared, fenced, .. } = self.progress();
        if active == 0 || fenced.is_some() {
            return None;
        }
        let unprepared =
            (!unprepared.is_empty()).then(|| format!("another epoch cannot be put in use: {unprepared}"));
        unprepared.or_else(|| self.source())
    }

    fn source(&self) -> Option<String> {
        self.follower.lock().as_ref().and_then(|follower| follower.problem())
    }

    /// For `/version`.
    pub(crate) fn document(&self) -> Value {
        let Progress { generation, active, prepared, unprepared, fenced } = self.progress();
        let age = self.follower.lock().as_ref().map(|follower| follower.plan_age().as_secs());
        json!({
            "generation": generation,
            "unconfirmedSeconds": age,
            "epoch": active,
            "preparedEpoch": (prepared > 0).then_some(prepared),
            "unprepared": (!unprepared.is_empty()).then_some(unprepared),
            "fenced": fenced,
        })
    }
}
