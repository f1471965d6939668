//! Which of the plans that were heard is followed.

use icapstan_api::fleet::FleetPlanSpec;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::disk::StateFolder;
use crate::file::blocking;
use crate::metrics::{FollowMetrics, Outcome};
use crate::plan::{Origin, Plan, PlanWatch, checked};
use crate::source::{Heard, PlanSource, SourceError};

/// How often the age of the plan is told.
const TICK: Duration = Duration::from_secs(1);

/// How plans are followed.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// Where the plan is kept for the next start.
    pub state: Option<StateFolder>,
    /// How long the source may take at start until the plan that was kept is used.
    pub patience: Duration,
}

/// Follows a source of plans, until it is dropped.
#[derive(Debug)]
pub struct Follower {
    plans: PlanWatch,
    told: Arc<Mutex<Told>>,
    task: JoinHandle<()>,
}

/// What is known of the source.
#[derive(Debug)]
struct Told {
    /// Since when it has not been confirmed that the plan is the newest. Nothing while it is.
    silent_since: Option<Instant>,
    /// Why not.
    problem: Option<String>,
}

/// The task's own.
struct Following {
    source: Box<dyn PlanSource>,
    state: Option<StateFolder>,
    metrics: FollowMetrics,
    plans: watch::Sender<Option<Arc<Plan>>>,
    told: Arc<Mutex<Told>>,
    /// Of the last start; nothing once any plan was given out.
    kept: Option<FleetPlanSpec>,
}

/// Why a plan does not take the place of another.
enum Passed {
    Same,
    Older(String),
    Contradiction(String),
}

// === impl FollowOptions ===

impl Default for FollowOptions {
    fn default() -> Self {
        Self { state: None, patience: Duration::from_secs(5) }
    }
}

// === impl Follower ===

impl Follower {
    /// Begins to follow. Needs a runtime of tokio.
    pub fn start(source: Box<dyn PlanSource>, options: FollowOptions, metrics: FollowMetrics) -> Self {
        let kept = options.state.as_ref().and_then(|state| {
            state.plan().unwrap_or_else(|error| {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, why, "The plan that was kept is not used.");
                None
            })
        });
        let told = Arc::new(Mutex::new(Told { silent_since: Some(Instant::now()), problem: None }));
        let (plans, watch) = watch::channel(None);
        let following =
            Following { source, state: options.state, metrics, plans, told: Arc::clone(&told), kept };
        let task = tokio::spawn(following.run(options.patience));
        Self { plans: watch, told, task }
    }

    /// The plan that is followed, now and whenever it changes.
    pub fn plans(&self) -> PlanWatch {
        self.plans.clone()
    }

    /// For how long nobody has confirmed that the plan is the newest. Zero while its source answers.
    pub fn plan_age(&self) -> Duration {
        self.told.lock().age()
    }

    /// What is wrong with the source, for people: it cannot be asked, or its plan not be followed.
    pub fn problem(&self) -> Option<String> {
        self.told.lock().problem.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Told ===

impl Told {
    fn age(&self) -> Duration {
        self.silent_since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

// === impl Following ===

impl Following {
    async fn run(mut self, patience: Duration) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let patience = tokio::time::sleep(patience);
        tokio::pin!(patience);
        let mut has_waited = false;
        loop {
            tokio::select! {
                heard = self.source.hear() => self.take(heard).await,
                () = &mut patience, if !has_waited => {
                    // Not what the timer says: it may have run out while something else was heard.
                    has_waited = true;
                    self.use_kept();
                }
                _ = tick.tick() => self.metrics.age.set(self.told.lock().age().as_secs_f64()),
                () = self.plans.closed() => return,
            }
        }
    }

    fn use_kept(&mut self) {
        let Some(spec) = self.kept.take().filter(|_| self.plans.borrow().is_none()) else { return };
        tracing::warn!(
            generation = spec.generation,
            source = self.source.describe(),
            "There is no newer plan to be had: the one that was kept is followed."
        );
        self.publish(Plan { spec, origin: Origin::Disk });
    }

    fn publish(&self, plan: Plan) {
        self.metrics.generation.set(i64::try_from(plan.generation).unwrap_or(i64::MAX));
        self.plans.send_replace(Some(Arc::new(plan)));
    }

    async fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Plan(spec) => match checked(*spec) {
                Ok(spec) => self.consider(spec).await,
                Err(error) => self.complain(&error.into()),
            },
            Heard::Same => self.confirm(),
            Heard::None => {
                // What is followed goes on: a plan that was deleted is no plan to do nothing.
                let has_plan = self.plans.borrow().is_some();
                let problem =
                    if has_plan { "the plan is gone: the one before stays" } else { "there is no plan" };
                self.note(problem.to_owned());
            }
            Heard::Trouble(error) => self.complain(&error),
        }
    }

    async fn consider(&mut self, spec: FleetPlanSpec) {
        let passed = {
            let current = self.plans.borrow();
            let known = current.as_deref().map(|plan| &plan.spec).or(self.kept.as_ref());
            known.and_then(|known| passes(known, &spec))
        };
        match passed {
            None => {}
            // It is known from the disk that it is no other, but nobody was told of it.
            Some(Passed::Same) if self.plans.borrow().is_none() => {}
            Some(Passed::Same) => return self.settle(),
            Some(Passed::Older(why)) => {
                self.metrics.heard.inc(Outcome::Older);
                return self.note(why);
            }
            Some(Passed::Contradiction(why)) => {
                self.metrics.heard.inc(Outcome::Unusable);
                return self.note(why);
            }
        }
        self.metrics.heard.inc(Outcome::Taken);
        // Kept first, so that no restart goes back behind what anybody was told.
        if let Some(state) = self.state.clone() {
            let copy = spec.clone();
            if let Err(error) = blocking(move || state.keep(&copy)).await {
                self.metrics.unkept.inc();
                tracing::error!(%error, generation = spec.generation, "The plan cannot be kept for the next start.");
            }
        }
        self.kept = None;
        tracing::info!(
            generation = spec.generation,
            holder = spec.issued_by.holder,
            term = spec.issued_by.term,
            active = spec.active.as_ref().map(|epoch| epoch.number),
            pending = spec.pending.as_ref().map(|pending| pending.epoch.number),
            "A plan is followed."
        );
        let origin = self.source.origin();
        self.publish(Plan { spec, origin });
        self.settle();
    }

    /// The source has what is followed.
    fn settle(&self) {
        let mut told = self.told.lock();
        if told.problem.take().is_some() {
            tracing::info!(source = self.source.describe(), "The newest plan is followed.");
        }
        told.silent_since = None;
    }

    fn confirm(&self) {
        let mut told = self.told.lock();
        // After a plan that cannot be followed the same is no better.
        if told.problem.is_none() && self.plans.borrow().is_some() {
            told.silent_since = None;
        }
    }

    fn complain(&self, error: &SourceError) {
        self.metrics.heard.inc(match error {
            SourceError::Unreachable(_) => Outcome::Unreachable,
            SourceError::Unusable(_) => Outcome::Unusable,
        });
        self.note(error.to_string());
    }

    /// Told once, as long as it is the same.
    fn note(&self, problem: String) {
        let mut told = self.told.lock();
        told.silent_since.get_or_insert_with(Instant::now);
        if told.problem.as_ref() != Some(&problem) {
            tracing::warn!(source = self.source.describe(), problem, "No newer plan is followed.");
            told.problem = Some(problem);
        }
    }
}

/// Why `newer` does not take the place of `known`; nothing if it does.
fn passes(known: &FleetPlanSpec, newer: &FleetPlanSpec) -> Option<Passed> {
    if known == newer {
        return Some(Passed::Same);
    }
    let (generation, before) = (newer.generation, known.generation);
    if generation < before {
        return Some(Passed::Older(format!(
            "the plan {generation} is older than {before}, which is followed"
        )));
    }
    if generation == before {
        return Some(Passed::Contradiction(format!(
            "another plan {generation} is followed: a plan that differs has a larger number"
        )));
    }
    let (term, led) = (newer.issued_by.term, known.issued_by.term);
    (term < led).then(|| {
        Passed::Older(format!(
            "the plan {generation} is of the term {term}, and one of the term {led} is followed"
        ))
    })
}
