//! One of several operators acts: the one that holds the Lease.
//!
//! The rules are those of client-go's leader election: an expiry is measured by how long this process has seen no
//! change of the Lease, so that clocks of machines need not agree; and who could not renew for a time gives up well before another
//! one may begin.

mod election;
#[cfg(test)]
mod tests;

use election::{Election, Move};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

/// How the Lease is held.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// The namespace that it is in.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What this process is called; no other process may ever be called so.
    pub identity: String,
    /// After so long without a renewal another process may take it. Whole seconds.
    pub duration: Duration,
    /// After so long without a renewal this process does not lead any more. Shorter than `duration`.
    pub renew_deadline: Duration,
    /// How often it is renewed, or looked at.
    pub retry: Duration,
}

/// Whether this process may act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Another one leads, as far as one knows.
    Following {
        /// Which.
        leader: Option<String>,
    },
    /// This one leads.
    Leading {
        /// `leaseTransitions` of the Lease: higher than that of every process that led before.
        term: u64,
        /// Only until then. Moves on with each renewal.
        until: Instant,
    },
}

/// A process that wants to lead. Dropping it ends that without a word; see [`Candidate::release`].
pub struct Candidate {
    standing: watch::Receiver<Standing>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// The task's own.
struct Runner {
    api: Api<Lease>,
    settings: LeaseSettings,
    election: Election,
    standing: watch::Sender<Standing>,
}

// === impl LeaseSettings ===

impl LeaseSettings {
    /// With the times that controllers usually have.
    pub fn new(namespace: &str, name: &str, identity: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            identity: identity.to_owned(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

// === impl Standing ===

impl Standing {
    /// The term, if it leads now and for `margin` more: as long as what it is about to do may take.
    pub fn leads_for(&self, margin: Duration) -> Option<u64> {
        match self {
            Self::Leading { term, until } if Instant::now() + margin < *until => Some(*term),
            _ => None,
        }
    }
}

// === impl Candidate ===

impl Candidate {
    /// Begins to ask for the Lease. Within a runtime.
    pub fn start(client: Client, settings: LeaseSettings) -> Self {
        let (sender, standing) = watch::channel(Standing::Following { leader: None });
        let (stop, stopped) = oneshot::channel();
        let runner = Runner {
            api: Api::namespaced(client, &settings.namespace),
            election: Election::new(&settings.identity),
            settings,
            standing: sender,
        };
        Self { standing, stop: Some(stop), task: tokio::spawn(runner.run(stopped)) }
    }

    /// How it stands, now and whenever that changes.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// Stops to lead, and lets another one begin at once. What was being written has to be over.
    pub async fn release(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        // After `release` it has ended.
        self.task.abort();
    }
}

// === impl Runner ===

impl Runner {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                () = self.round() => {}
                _ = &mut stopped => break,
            }
            let pause = self.pause();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = &mut stopped => break,
            }
        }
        self.give_up().await;
    }

    /// Those that follow spread out, so that not all of them try at once.
    fn pause(&self) -> Duration {
        match *self.standing.borrow() {
            Standing::Leading { .. } => self.settings.retry,
            Standing::Following { .. } => self.settings.retry.mul_f64(1.0 + 0.2 * fastrand::f64()),
        }
    }

    /// One look at the Lease, and what follows from it.
    async fn round(&mut self) {
        let begun = Instant::now();
        // What takes longer has failed: the next round may go through.
        let patience = self.settings.renew_deadline / 2;
        let tried = tokio::time::timeout(patience, self.attempt()).await;
        match tried {
            Ok(Ok(Some(term))) => self.lead(term, begun + self.settings.renew_deadline),
            Ok(Ok(None)) => self.follow(),
            Ok(Err(error)) => self.doubt(&error.to_string()),
            Err(_) => self.doubt("the API server does not answer"),
        }
    }

    /// The term, if the Lease is this process's now.
    async fn attempt(&mut self) -> kube::Result<Option<u64>> {
        let lease = self.api.get_opt(&self.settings.name).await?;
        let spec = lease.as_ref().and_then(|lease| lease.spec.as_ref());
        let next = match self
            .election
            .decide(lease.is_some().then(|| spec.cloned().unwrap_or_default()), Instant::now())
        {
            Move::Wait => return Ok(None),
            Move::Write(transitions) => self.spec(spec, transitions),
        };
        let term = u64::try_from(next.lease_transitions.unwrap_or(0)).unwrap_or(0);
        let written = match lease {
            None => {
                let metadata = ObjectMeta { name: Some(self.settings.name.clone()), ..ObjectMeta::default() };
                self.api.create(&PostParams::default(), &Lease { metadata, spec: Some(next) }).await
            }
            // With its resourceVersion: refused if somebody else was faster.
            Some(lease) => {
                let name = self.settings.name.clone();
                self.api.replace(&name, &PostParams::default(), &Lease { spec: Some(next), ..lease }).await
            }
        };
        match written {
            Ok(written) => {
                self.election.wrote(written.spec.unwrap_or_default(), Instant::now());
                Ok(Some(term))
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 409) => {
                debug!("Another operator was faster.");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The Lease as it is to be.
    fn spec(&self, before: Option<&LeaseSpec>, transitions: i32) -> LeaseSpec {
        let now = MicroTime(jiff::Timestamp::now());
        let is_own = before.and_then(|spec| spec.holder_identity.as_ref()) == Some(&self.settings.identity);
        let since = before.and_then(|spec| spec.acquire_time.clone()).filter(|_| is_own);
        LeaseSpec {
            acquire_time: Some(since.unwrap_or_else(|| now.clone())),
            holder_identity: Some(self.settings.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.settings.duration.as_secs()).unwrap_or(i32::MAX)),
            lease_transitions: Some(transitions),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    fn lead(&self, term: u64, until: Instant) {
        let before = self.standing.send_replace(Standing::Leading { term, until });
        if !matches!(before, Standing::Leading { .. }) {
            info!(
                lease = self.settings.name,
                identity = self.settings.identity,
                term,
                "This operator leads."
            );
        }
    }

    fn follow(&self) {
        let leader = self.election.holder().map(str::to_owned);
        let now = Standing::Following { leader };
        let before = self.standing.send_replace(now.clone());
        if before == now {
            return;
        }
        let Standing::Following { leader } = now else { return };
        let leader = leader.as_deref().unwrap_or("nobody");
        if matches!(before, Standing::Leading { .. }) {
            warn!(lease = self.settings.name, leader, "This operator does not lead any more.");
        } else {
            info!(lease = self.settings.name, leader, "Another operator leads.");
        }
    }

    /// The Lease cannot be read or written. Who leads does so until its time is over.
    fn doubt(&self, cause: &str) {
        warn!(lease = self.settings.name, error = cause, "The Lease cannot be renewed.");
        let Standing::Leading { until, .. } = *self.standing.borrow() else { return };
        if Instant::now() >= until {
            warn!(lease = self.settings.name, "This operator does not lead any more.");
            self.standing.send_replace(Standing::Following { leader: None });
        }
    }

    /// Leaves the Lease to whoever looks at it next.
    async fn give_up(&mut self) {
        let before = self.standing.send_replace(Standing::Following { leader: None });
        if !matches!(before, Standing::Leading { .. }) {
            return;
        }
        let released = async {
            let lease = self.api.get(&self.settings.name).await?;
            let Some(spec) = lease.spec.clone() else { return Ok(()) };
            if spec.holder_identity.as_ref() != Some(&self.settings.identity) {
                return Ok(());
            }
            let spec = LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                renew_time: Some(MicroTime(jiff::Timestamp::now())),
                ..spec
            };
            let name = self.settings.name.clone();
            let lease = Lease { spec: Some(spec), ..lease };
            self.api.replace(&name, &PostParams::default(), &lease).await.map(drop)
        };
        match tokio::time::timeout(self.settings.retry, released).await {
            Ok(Ok(())) => info!(lease = self.settings.name, "The Lease is free."),
            Ok(Err(error)) => warn!(lease = self.settings.name, %error, "The Lease cannot be given back."),
            Err(_) => warn!(lease = self.settings.name, "The Lease cannot be given back in time."),
        }
    }
}
