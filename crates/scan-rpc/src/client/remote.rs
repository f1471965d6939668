//! Scanners elsewhere, as one port.

mod planned;

use arc_swap::ArcSwap;
use icapstan_balance::{
    Balancer, Endpoint, EndpointId, Job, Outcome, Pick, ReportedLoad, Retry, RetryBudget, RetrySettings,
    Settings,
};
use icapstan_model::{
    Epoch, FailedReason, GenerationId, Object, Readiness, Refusal, ScanContext, ScanFuture, ScanPort,
    ScanReport, SignatureSet, TraceContext, Verdict,
};
use icapstan_proto::scan::ScanHeader;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::ClientConfiguration;
use super::call::{self, CallError};
use super::chosen;
use super::discover::Lookup;
use super::endpoint::{Keeper, Known, reported};
use super::link::Link;
use crate::convert;
use crate::metrics::{Again, ClientMetrics, Ended, Standing};

/// How often metrics of scanners are brought up to date.
const SHOW: Duration = Duration::from_secs(1);
/// What the way back of an answer may take of the time that is left.
const MARGIN: Duration = Duration::from_millis(100);
/// Where a plan says what objects are judged by, one waits so long for a scanner that has it.
const HELD_WITHIN: Duration = Duration::from_secs(2);
/// Scanners that take nothing cost a job no budget, but so many are enough.
const MAX_UNAVAILABLE: u32 = 8;

/// Has objects scanned by other processes.
///
/// Dropping it ends the connections.
pub struct RemoteScanners {
    inner: Arc<Inner>,
    epochs: watch::Receiver<Option<Arc<Epoch>>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What its tasks share.
pub(super) struct Inner {
    pub(super) config: ClientConfiguration,
    pub(super) balancer: Balancer,
    pub(super) links: Links,
    pub(super) metrics: ClientMetrics,
    budget: RetryBudget,
    known: Mutex<BTreeMap<EndpointId, Known>>,
    zones: Mutex<BTreeMap<EndpointId, Option<Arc<str>>>>,
    epochs: watch::Sender<Option<Arc<Epoch>>>,
    /// Somebody else says which signatures count.
    is_planned: bool,
    /// The highest generation of a plan that a scanner follows which there is.
    plans: watch::Sender<u64>,
    /// The same, for a look at each answer.
    highest_plan: AtomicU64,
    /// Changes when others can be asked for other signatures.
    holders: watch::Sender<()>,
    /// How long a scan waits with the scanner that has least to do, in microseconds.
    least_wait: AtomicU64,
}

/// Connections that calls are made on.
#[derive(Default)]
pub(super) struct Links(ArcSwap<HashMap<EndpointId, Link>>, Mutex<()>);

/// One object on its way.
struct Errand<'a> {
    inner: &'a Inner,
    object: &'a Object,
    header: ScanHeader,
    trace: Option<TraceContext>,
    epoch: &'a Arc<Epoch>,
    deadline: Instant,
    tried: Vec<EndpointId>,
    /// How often it was with a scanner that began with it, or said that it has no room.
    tries: u32,
    lost: u32,
    unavailable: u32,
    /// Until when a scanner that has what is asked for is waited for, and what tells of one; once there was none.
    missing: Option<(Instant, watch::Receiver<()>)>,
    /// Somebody has not the memory for it.
    is_too_large: bool,
}

/// How a job ended that has no outcome yet: nobody waits for it.
struct Handed<'a> {
    pick: Option<Pick>,
    metrics: &'a ClientMetrics,
}

// === impl RemoteScanners ===

impl RemoteScanners {
    /// Begins to connect. Within a runtime. What most scanners have decides which signatures count.
    pub fn start(config: ClientConfiguration, metrics: ClientMetrics) -> Self {
        Self::begin(config, metrics, false)
    }

    /// The same, and a plan says which signatures count ([`judge_by`](Self::judge_by)): an object is scanned with those
    /// that it is to be scanned with, or not at all.
    pub fn start_planned(config: ClientConfiguration, metrics: ClientMetrics) -> Self {
        Self::begin(config, metrics, true)
    }

    fn begin(config: ClientConfiguration, metrics: ClientMetrics, is_planned: bool) -> Self {
        let now = Instant::now();
        let zone = Some(config.zone.as_str()).filter(|zone| !zone.is_empty()).map(Arc::from);
        let settings = Settings { zone, ..Settings::default() };
        let (sender, epochs) = watch::channel(None);
        let inner = Arc::new(Inner {
            balancer: Balancer::new(settings, seed(), now),
            budget: RetryBudget::new(RetrySettings::default(), now),
            links: Links::default(),
            metrics,
            known: Mutex::default(),
            zones: Mutex::default(),
            epochs: sender,
            is_planned,
            plans: watch::channel(0).0,
            highest_plan: AtomicU64::new(0),
            holders: watch::channel(()).0,
            least_wait: AtomicU64::new(0),
            config,
        });
        let tasks =
            vec![tokio::spawn(Arc::clone(&inner).discover()), tokio::spawn(Arc::clone(&inner).show())];
        Self { inner, epochs, tasks }
    }

    /// The signatures that count, now and whenever others do.
    pub fn epochs(&self) -> watch::Receiver<Option<Arc<Epoch>>> {
        self.epochs.clone()
    }

    /// Has these signatures count, where a plan says so.
    pub fn judge_by(&self, epoch: &Arc<Epoch>) {
        self.inner.epochs.send_replace(Some(Arc::clone(epoch)));
    }

    /// What scanners say of these signatures, of those that can be asked for them.
    pub fn signatures(&self, generation: GenerationId) -> Option<SignatureSet> {
        let known = self.inner.known.lock();
        known.values().flat_map(|known| &known.held).find(|set| set.id == generation).cloned()
    }

    /// The highest generation of a plan that a scanner follows, as it said last, and whenever that changes; 0 without
    /// any. Scanners that are not found any more do not count.
    pub fn plans(&self) -> watch::Receiver<u64> {
        self.inner.plans.subscribe()
    }

    /// What is out of the ordinary though there are scanners, for `/readyz`.
    pub fn note(&self) -> Option<String> {
        let known = self.inner.known.lock();
        let troubled: Vec<_> = known
            .iter()
            .filter_map(|(id, known)| Some(format!("{id}: {}", known.trouble.as_ref()?)))
            .collect();
        (!troubled.is_empty())
            .then(|| format!("{} of {} scanners: {}", troubled.len(), known.len(), some(&troubled)))
    }
}

/// The first few of them.
fn some(texts: &[String]) -> String {
    const MAX: usize = 3;
    let more = if texts.len() > MAX { "; ..." } else { "" };
    format!("{}{more}", texts[..texts.len().min(MAX)].join("; "))
}

/// Differs between processes.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

impl ScanPort for RemoteScanners {
    fn epoch(&self) -> Option<Arc<Epoch>> {
        self.epochs.borrow().clone()
    }

    fn scan<'a>(
        &'a self,
        object: Object,
        context: ScanContext,
        epoch: &'a Arc<Epoch>,
        deadline: Instant,
    ) -> ScanFuture<'a> {
        Box::pin(async move {
            let mut header = convert::header(object.len, &context, epoch.signatures.id);
            header.gateway.clone_from(&self.inner.config.name);
            self.inner.budget.sent();
            let errand = Errand {
                inner: &self.inner,
                object: &object,
                header,
                trace: context.trace,
                epoch,
                deadline,
                tried: Vec::new(),
                tries: 0,
                lost: 0,
                unavailable: 0,
                missing: None,
                is_too_large: false,
            };
            let late = tokio::time::sleep_until(deadline.into());
            tokio::select! {
                biased;
                report = errand.run() => report,
                () = late => Ok(failed(FailedReason::Time)),
            }
        })
    }

    fn refusal(&self, _epoch: &Arc<Epoch>, _len: u64, time: Duration) -> Option<Refusal> {
        let wait = Duration::from_micros(self.inner.least_wait.load(Ordering::Relaxed));
        (wait > time / 2).then_some(Refusal::Hopeless)
    }

    fn readiness(&self) -> Readiness {
        let known = self.inner.known.lock();
        if known.values().any(|known| known.trouble.is_none()) {
            return self.inner.readiness_by_plan(&known);
        }
        let troubles: Vec<_> = known
            .iter()
            .map(|(id, known)| format!("{id}: {}", known.trouble.as_deref().unwrap_or_default()))
            .collect();
        let known = if troubles.is_empty() { "none is known".to_owned() } else { some(&troubles) };
        Readiness::NotReady(format!("no scanner can be asked: {known}"))
    }
}

impl Drop for RemoteScanners {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.inner.links.clear();
    }
}

fn failed(reason: FailedReason) -> ScanReport {
    ScanReport::unscanned(Verdict::Failed(reason).into())
}

// === impl Inner ===

impl Inner {
    /// Keeps a task for each scanner that there is.
    async fn discover(self: Arc<Self>) {
        let mut lookup = Lookup::new(&self.config.addresses);
        let mut keepers = tokio::task::JoinSet::new();
        let mut aborts = HashMap::new();
        loop {
            let found = lookup.look().await;
            let changes = {
                let mut zones = self.zones.lock();
                zones.retain(|id, _| found.contains_key(id));
                for id in found.keys() {
                    zones.entry(*id).or_default();
                }
                self.balancer.update(&endpoints(&zones), Instant::now())
            };
            for id in changes.removed {
                self.forget(id);
                if let Some(abort) = aborts.remove(&id) {
                    let abort: tokio::task::AbortHandle = abort;
                    abort.abort();
                }
                // What is under way there goes on.
                self.links.remove(id);
            }
            for id in changes.added {
                let Some(host) = found.get(&id).cloned() else { continue };
                let connecting =
                    Known { trouble: Some("it is being connected to".to_owned()), ..Known::default() };
                self.know(id, connecting);
                let keeper = Keeper { inner: Arc::clone(&self), id, host };
                aborts.insert(id, keepers.spawn(keeper.run()));
            }
            if lookup.is_fixed() {
                // The tasks live as long as this one.
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(self.config.lookup).await;
        }
    }

    async fn show(self: Arc<Self>) {
        let mut shown = [0_i64; 5];
        let mut ejections = 0;
        loop {
            tokio::time::sleep(SHOW).await;
            let view = self.balancer.view();
            let now = [
                (Standing::Connecting, view.connecting),
                (Standing::Ready, view.ready),
                (Standing::Ejected, view.ejected),
                (Standing::Probing, view.probing),
                (Standing::Draining, view.draining),
            ];
            for ((standing, count), shown) in now.into_iter().zip(&mut shown) {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.metrics.endpoints.add(standing, count - *shown);
                *shown = count;
            }
            let counted = self.balancer.counts().ejections;
            self.metrics.ejections.inc_by(counted - ejections);
            ejections = counted;
        }
    }

    /// Where a scanner runs.
    pub(super) fn place(&self, id: EndpointId, zone: &str) {
        let zone: Option<Arc<str>> = Some(zone).filter(|zone| !zone.is_empty()).map(Arc::from);
        let mut zones = self.zones.lock();
        if let Some(known) = zones.get_mut(&id)
            && *known != zone
        {
            *known = zone;
            self.balancer.update(&endpoints(&zones), Instant::now());
        }
    }

    /// Remembers how a scanner is, and what follows from that.
    pub(super) fn know(&self, id: EndpointId, mut now: Known) {
        let mut known = self.known.lock();
        let before = known.get(&id);
        if now.plan == 0 {
            // Not told: which plan it follows is known as before.
            now.plan = before.map_or(0, |before| before.plan);
        }
        let has_others = before.is_none_or(|before| before.held != now.held);
        known.insert(id, now);
        self.show_plan(&known);
        if has_others {
            self.holders.send_replace(());
        }
        let least = known.values().filter_map(|known| known.wait).min().unwrap_or_default();
        self.least_wait.store(convert::micros(least), Ordering::Relaxed);
        if self.is_planned {
            return;
        }
        self.epochs.send_if_modified(|epoch| {
            let in_use = known.values().filter_map(|known| known.held.first());
            let chosen = chosen::choose(in_use, epoch.as_ref());
            let is_other = match (&chosen, epoch.as_ref()) {
                (Some(chosen), Some(epoch)) => !Arc::ptr_eq(chosen, epoch),
                (chosen, epoch) => chosen.is_some() != epoch.is_some(),
            };
            if is_other {
                *epoch = chosen;
            }
            is_other
        });
    }
}

fn endpoints(zones: &BTreeMap<EndpointId, Option<Arc<str>>>) -> Vec<Endpoint> {
    zones.iter().map(|(id, zone)| Endpoint { id: *id, zone: zone.clone() }).collect()
}

// === impl Links ===

impl Links {
    pub(super) fn put(&self, id: EndpointId, link: Link) {
        self.change(|links| drop(links.insert(id, link)));
    }

    pub(super) fn remove(&self, id: EndpointId) {
        self.change(|links| drop(links.remove(&id)));
    }

    fn clear(&self) {
        self.change(HashMap::clear);
    }

    fn get(&self, id: EndpointId) -> Option<Link> {
        self.0.load().get(&id).cloned()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<EndpointId, Link>)) {
        let _one = self.1.lock();
        let mut links = HashMap::clone(&self.0.load());
        change(&mut links);
        self.0.store(Arc::new(links));
    }
}

// === impl Errand ===

impl Errand<'_> {
    async fn run(mut self) -> Result<ScanReport, Refusal> {
        loop {
            let now = Instant::now();
            let job = Job {
                bytes: self.object.len,
                generation: Some(self.epoch.signatures.id),
                exclude: &self.tried,
            };
            let Some(pick) = self.inner.balancer.pick(job, now) else { return Ok(self.nobody()) };
            let id = pick.id();
            let Some(link) = self.inner.links.get(id) else {
                // It went away in this moment.
                pick.finish(Outcome::Cancelled, now);
                if let Some(end) = self.again(id, CallError::Unavailable(String::new())) {
                    return end;
                }
                continue;
            };
            let has_asked = link.has(self.epoch.signatures.id);
            if !has_asked && self.inner.is_planned {
                pick.finish(Outcome::Cancelled, now);
                if self.holder_may_come().await {
                    continue;
                }
                return Ok(self.nobody());
            }
            self.header.any_generation = !has_asked;
            match self.call(pick, &link).await {
                Ok(report) => return Ok(report),
                Err(error) => {
                    if let Some(end) = self.again(id, error) {
                        return end;
                    }
                }
            }
        }
    }

    /// Waits for a scanner that has what is asked for, for a moment; false if none came.
    async fn holder_may_come(&mut self) -> bool {
        let Some((until, holders)) = &mut self.missing else {
            self.missing = Some((Instant::now() + HELD_WITHIN, self.inner.holders.subscribe()));
            // Whoever came before that is looked for once more.
            return true;
        };
        tokio::time::timeout_at((*until).into(), holders.changed()).await.is_ok_and(|changed| changed.is_ok())
    }

    /// Hands the object to one scanner.
    async fn call(&self, pick: Pick, link: &Link) -> Result<ScanReport, CallError> {
        let (begun, id) = (Instant::now(), pick.id());
        let metrics = &self.inner.metrics;
        let mut handed = Handed { pick: Some(pick), metrics };
        let left = self.deadline.saturating_duration_since(begun);
        // The scanner is to be the first who sees that the time is over: it knows why, and remembers.
        let left = left.saturating_sub((left / 20).min(MARGIN));
        let outcome = tokio::select! {
            biased;
            outcome = call::scan(link, &self.header, self.object, left, self.trace) => outcome,
            () = link.lost.cancelled() => Err(CallError::Lost("nothing was heard from it".to_owned())),
        };
        let (now, took) = (Instant::now(), begun.elapsed());
        let result = outcome.and_then(|response| {
            let load = response.load;
            self.inner.heard_plan(id, response.plan_generation);
            let report = convert::report(&response, self.epoch.signatures.id)
                .map_err(|invalid| CallError::Malformed(invalid.to_string()))?;
            Ok((report, load))
        });
        match result {
            Ok((mut report, load)) => {
                let load: Option<ReportedLoad> = load.map(|load| reported(&load, backlog(&load)));
                handed.finish(Ended::Answered, Outcome::Answered { took, load }, now);
                metrics.hop.observe(took.saturating_sub(report.waited + report.engine));
                if link.is_other() {
                    // Not to be remembered: here the same bytes may be judged otherwise.
                    report.decided_by = report.decided_by.or(Some(self.epoch.signatures.id));
                }
                Ok(report)
            }
            Err(error) => {
                let (ended, outcome) = match &error {
                    CallError::Refused(_) => (Ended::Refused, Outcome::Refused { load: None }),
                    CallError::Unavailable(_) | CallError::OtherSignatures | CallError::TooLarge => {
                        (Ended::Unavailable, Outcome::Cancelled)
                    }
                    CallError::Lost(_) => (Ended::Lost, Outcome::Lost),
                    CallError::Late => (Ended::Late, Outcome::Late),
                    CallError::Malformed(_) => (Ended::Malformed, Outcome::Lost),
                    CallError::Unread(_) => (Ended::Cancelled, Outcome::Cancelled),
                };
                handed.finish(ended, outcome, now);
                Err(error)
            }
        }
    }

    /// What follows from a failed call: the end, or another try.
    fn again(&mut self, id: EndpointId, error: CallError) -> Option<Result<ScanReport, Refusal>> {
        let Inner { budget, metrics, .. } = self.inner;
        let now = Instant::now();
        if now >= self.deadline {
            return Some(Ok(failed(FailedReason::Time)));
        }
        tracing::debug!(scanner = %id, %error, "A scan was not made.");
        let (why, is_free) = match error {
            CallError::Unavailable(_) | CallError::OtherSignatures | CallError::TooLarge => {
                self.is_too_large |= matches!(error, CallError::TooLarge);
                self.unavailable += 1;
                (Again::Unavailable, self.unavailable <= MAX_UNAVAILABLE)
            }
            CallError::Lost(_) => {
                self.lost += 1;
                self.tries += 1;
                // A scanner may have ended of it. Another one is tried, and no third.
                if self.lost > 1 {
                    return Some(Ok(failed(FailedReason::NoScanner)));
                }
                (Again::Lost, budget.take(Retry::Lost, self.tries, now))
            }
            CallError::Malformed(ref text) => {
                tracing::warn!(scanner = %id, error = text, "A scanner gave no answer to a scan.");
                self.tries += 1;
                (Again::Malformed, budget.take(Retry::Refused, self.tries, now))
            }
            CallError::Refused(refusal) => {
                self.tries += 1;
                if !budget.take(Retry::Refused, self.tries, now) {
                    return Some(Err(refusal));
                }
                self.tried.push(id);
                // Whoever is left may have room; if nobody is, this is the answer.
                let job = Job { bytes: self.object.len, generation: None, exclude: &self.tried };
                let Some(probe) = self.inner.balancer.pick(job, now) else { return Some(Err(refusal)) };
                probe.finish(Outcome::Cancelled, now);
                metrics.retries.inc(Again::Refused);
                return None;
            }
            CallError::Late => return Some(Ok(failed(FailedReason::Time))),
            CallError::Unread(error) => {
                tracing::error!(%error, "An object cannot be read.");
                return Some(Ok(failed(FailedReason::EngineError)));
            }
        };
        if !is_free {
            return Some(Ok(failed(FailedReason::NoScanner)));
        }
        self.tried.push(id);
        metrics.retries.inc(why);
        None
    }

    /// There is nobody to be asked.
    fn nobody(&self) -> ScanReport {
        self.inner.metrics.unsent.inc();
        failed(if self.is_too_large { FailedReason::Memory } else { FailedReason::NoScanner })
    }
}

/// What an answer says of the work that its scanner has: it tells how long the next scan waits.
fn backlog(load: &icapstan_proto::scan::Load) -> u64 {
    load.wait_us.saturating_mul(u64::from(load.workers.max(1)))
}

// === impl Handed ===

impl Handed<'_> {
    fn finish(&mut self, ended: Ended, outcome: Outcome, now: Instant) {
        if let Some(pick) = self.pick.take() {
            self.metrics.calls.inc(ended);
            pick.finish(outcome, now);
        }
    }
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        self.finish(Ended::Cancelled, Outcome::Cancelled, Instant::now());
    }
}
