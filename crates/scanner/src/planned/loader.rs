//! The thread that keeps those revisions loaded that a plan names.
//!
//! It lives as long as the scanner, since the kernel ends the zygotes together with the thread that started them.

use icapstan_model::{GenerationId, SignatureSet};
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{LoadFailure, LoadState, PlannedSignatures, StagedRevision, Wanted, memory, self_test, verify};
use crate::canary::Canary;
use crate::crew::{self, Crew};
use crate::engine::{Engine, Held};
use crate::forge::{self, LoadError};
use crate::loader::Wish;
use crate::metrics::ReloadResult;
use crate::pool::Pool;
use crate::published::Published;
use crate::zygote::{Zygote, ZygoteError};
use crate::{builtin, folder, temp};

/// No more revisions are loaded at once, whatever the plan says.
const MAX_HELD: usize = 4;
/// What failed for want of something is tried again after this time, doubled each time up to the largest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LARGEST_RETRY: Duration = Duration::from_mins(1);
/// How often it is looked whether what was let go has ended.
const LET_GO_INTERVAL: Duration = Duration::from_millis(50);
/// Workers that have all been missing for so long get another ancestor.
const UNSERVED_GRACE: Duration = Duration::from_secs(5);

/// The thread's own.
pub(crate) struct PlannedLoader {
    crew: Arc<Crew>,
    published: Arc<Published>,
    settings: PlannedSignatures,
    loaded: Vec<Loaded>,
    failed: HashMap<GenerationId, Failed>,
    /// The folder of the built-in signatures, once they were wanted.
    built_in: Option<temp::WorkerFolder>,
}

/// A revision in memory.
struct Loaded {
    revision: Arc<StagedRevision>,
    held: Arc<Held>,
    pool: Weak<Pool>,
    rules: u64,
    unserved_since: Option<Instant>,
}

/// What was not loaded.
struct Failed {
    failure: LoadFailure,
    again_at: Instant,
    pause: Duration,
}

/// Why a revision was not loaded, or that nobody wants it any more.
enum Halt {
    Failed(LoadFailure, String),
    Stopped,
}

// === impl PlannedLoader ===

impl PlannedLoader {
    pub(crate) fn new(crew: Arc<Crew>, published: Arc<Published>, settings: PlannedSignatures) -> Self {
        "there is no plan".clone_into(&mut published.missing.lock());
        Self { crew, published, settings, loaded: Vec::new(), failed: HashMap::new(), built_in: None }
    }

    /// The thread's work, until it is told to stop.
    pub(crate) fn run(mut self) {
        let runtime = self.crew.shared.runtime.clone();
        // The sockets of new workers are served by this runtime's reactor.
        let _entered = runtime.enter();
        loop {
            self.guarded(Self::work);
            match self.crew.wishes.next(self.crew.config.poll_interval) {
                Wish::Stop => return,
                Wish::Reload | Wish::Look => {}
                Wish::Layout(pool) => self.guarded(|loader| loader.replace_layout(&pool)),
            }
        }
    }

    /// The end of this thread would be the end of every worker, so that no fault may end it.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!("Loading signatures met a fault of the program and was given up.");
            self.crew.shared.metrics.reloaded(ReloadResult::Failed);
        }
    }

    /// Brings what is loaded to what is wanted, one revision after the other.
    fn work(&mut self) {
        loop {
            let wanted = self.settings.wanted.get();
            self.forget(&wanted);
            self.let_go(&wanted);
            self.order(&wanted);
            self.look_for_workers();
            self.refuse_more(&wanted);
            let Some(revision) = self.next(&wanted) else { return };
            let begin = Instant::now();
            match self.load(&revision, &wanted) {
                Ok(loaded) => self.take(loaded, begin.elapsed()),
                Err(Halt::Stopped) => return,
                Err(Halt::Failed(failure, detail)) => self.fail(revision.id, failure, detail),
            }
        }
    }

    /// Who is no longer wanted may be tried again when it is.
    fn forget(&mut self, wanted: &Wanted) {
        let is_wanted = |id: &GenerationId| wanted.hold.contains(id);
        self.failed.retain(|id, _| is_wanted(id));
        let (failed, loaded) = (&self.failed, &self.loaded);
        let is_known = |id: &GenerationId| {
            failed.contains_key(id) || loaded.iter().any(|loaded| loaded.revision.id == *id)
        };
        self.published.loads.send_if_modified(|loads| {
            let is_old = loads.states.keys().any(|id| !is_known(id));
            if is_old {
                Arc::make_mut(loads).states.retain(|id, _| is_known(id));
            }
            is_old
        });
        self.settle();
    }

    /// A failure that is over is no problem any more.
    fn settle(&self) {
        let is_failed = |state: &LoadState| matches!(state, LoadState::Failed(..));
        if !self.published.loads.borrow().states.values().any(is_failed) {
            *self.published.problem.lock() = None;
        }
    }

    /// What is not wanted any more ends when its last scan does; not before something that is wanted can be asked
    /// for.
    fn let_go(&mut self, wanted: &Wanted) {
        let is_wanted = |loaded: &Loaded| wanted.hold.contains(&loaded.revision.id);
        if self.loaded.iter().any(is_wanted) && !self.loaded.iter().all(is_wanted) {
            self.drop_unwanted(wanted);
        }
    }

    /// Those that ended, or will.
    fn drop_unwanted(&mut self, wanted: &Wanted) -> Vec<Weak<Pool>> {
        let is_unwanted = |loaded: &mut Loaded| !wanted.hold.contains(&loaded.revision.id);
        let gone: Vec<_> = self.loaded.extract_if(.., is_unwanted).collect();
        for loaded in &gone {
            tracing::info!(revision = %loaded.revision.id, "A revision is no longer held.");
            self.tell_state(loaded.revision.id, None);
        }
        self.publish();
        gone.into_iter().map(|loaded| loaded.pool).collect()
    }

    /// Puts what is scanned with by itself first.
    fn order(&mut self, wanted: &Wanted) {
        let place = |id: &GenerationId| {
            let held = wanted.hold.iter().position(|held| held == id).unwrap_or(usize::MAX);
            (wanted.active != Some(*id), held)
        };
        if !self.loaded.is_sorted_by_key(|loaded| place(&loaded.revision.id)) {
            self.loaded.sort_by_key(|loaded| place(&loaded.revision.id));
            self.publish();
        }
    }

    /// A plan that has too many held is told so.
    fn refuse_more(&mut self, wanted: &Wanted) {
        for id in wanted.hold.iter().skip(MAX_HELD) {
            if !self.failed.contains_key(id) {
                let detail = format!("no more than {MAX_HELD} revisions are held at once");
                self.fail(*id, LoadFailure::Memory, detail);
            }
        }
    }

    /// What is loaded next.
    fn next(&self, wanted: &Wanted) -> Option<Arc<StagedRevision>> {
        let is_open = |id: &GenerationId| {
            let is_loaded = self.loaded.iter().any(|loaded| loaded.revision.id == *id);
            let failed = self.failed.get(id);
            let again = failed.is_none_or(|it| it.failure.passes() && it.again_at <= Instant::now());
            !is_loaded && again
        };
        let first = wanted.active.filter(|active| wanted.hold.contains(active));
        let first = first.or_else(|| wanted.hold.first().copied());
        let is_settled = |id: &GenerationId| {
            self.failed.contains_key(id) || self.loaded.iter().any(|loaded| loaded.revision.id == *id)
        };
        // What comes to the disk earlier is not to take the memory of what matters most.
        let is_turn = |id: &GenerationId| first.is_none_or(|first| first == *id || is_settled(&first));
        let open = wanted.hold.iter().take(MAX_HELD).filter(|id| is_open(id) && is_turn(id));
        let mut ids: Vec<_> = open.collect();
        ids.sort_by_key(|id| wanted.active != Some(**id));
        let staged = |id: &GenerationId| wanted.staged.iter().find(|staged| staged.id == *id);
        ids.into_iter().find_map(staged).cloned()
    }

    fn load(&mut self, revision: &Arc<StagedRevision>, wanted: &Wanted) -> Result<Loaded, Halt> {
        let id = revision.id;
        self.tell_state(id, Some(LoadState::Loading));
        verify::verify(revision, &self.crew.stop).map_err(|(failure, text)| self.halt(failure, text))?;
        self.make_room(revision, wanted)?;
        let folder =
            self.databases(revision).map_err(|error| Halt::Failed(LoadFailure::Disk, error.to_string()))?;
        let canary = Canary::create(&self.crew.run, revision.rules.is_some())
            .map_err(|error| Halt::Failed(LoadFailure::Disk, LoadError::Canary(error).to_string()))?;
        let zygote = self.start_zygote(revision, &canary, &folder).map_err(|error| self.sort(&error))?;
        let count = zygote.signatures.saturating_sub(Canary::SIGNATURES);
        let rules = zygote.rules.saturating_sub(Canary::RULES);
        if count == 0 && rules == 0 {
            return Err(self.sort(&LoadError::Nothing));
        }
        if let Some(gaps) = zygote.gaps() {
            tracing::warn!(generation = %id, "This kernel does not keep workers from {gaps}.");
        }
        let signatures = SignatureSet {
            id,
            count,
            test_only: revision.test_only,
            engine: zygote.engine.clone(),
            released: folder::released(&folder),
        };
        let pool = Pool::new(self.crew.clone(), Arc::new(zygote), canary, signatures);
        // Retires it, too, if anything goes wrong from here on.
        let engine: Arc<dyn Engine> = pool.clone();
        let held = Arc::new(Held(Arc::clone(&engine)));
        self.crew.look_after(&pool);
        forge::staff(&self.crew, &pool).map_err(|error| self.sort(&error))?;
        let shared = Arc::clone(&self.crew.shared);
        let test = self_test::run(&shared, &engine, revision, self.settings.sample_timeout);
        shared.runtime.block_on(test).map_err(|(failure, text)| self.halt(failure, text))?;
        let pool = Arc::downgrade(&pool);
        Ok(Loaded { revision: Arc::clone(revision), held, pool, rules, unserved_since: None })
    }

    fn take(&mut self, loaded: Loaded, took: Duration) {
        let signatures = loaded.held.0.signatures().clone();
        self.failed.remove(&loaded.revision.id);
        self.loaded.push(loaded);
        let wanted = self.settings.wanted.get();
        self.tell_state(signatures.id, Some(LoadState::Serving));
        // In its place, or gone again if nobody wants it any more.
        self.publish();
        self.order(&wanted);
        self.crew.shared.metrics.reloaded(ReloadResult::Loaded);
        tracing::info!(
            revision = %signatures.id, signatures = signatures.count, engine = %signatures.engine,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "A revision can be asked for."
        );
    }

    fn fail(&mut self, id: GenerationId, failure: LoadFailure, detail: String) {
        let last = self.failed.get(&id).map_or(FIRST_RETRY / 2, |failed| failed.pause);
        let pause = (2 * last).min(LARGEST_RETRY);
        self.failed.insert(id, Failed { failure, again_at: Instant::now() + pause, pause });
        self.crew.shared.metrics.reloaded(ReloadResult::Failed);
        tracing::error!(revision = %id, failure = failure.as_str(), detail, "A revision cannot be loaded.");
        let kept = if self.loaded.is_empty() { "none is in use" } else { "those in use stay" };
        let problem = format!("the revision {id} cannot be loaded: {detail}");
        *self.published.problem.lock() = Some(format!("{problem}; {kept}"));
        *self.published.missing.lock() = problem;
        self.tell_state(id, Some(LoadState::Failed(failure, detail)));
    }

    fn halt(&self, failure: LoadFailure, detail: String) -> Halt {
        if self.crew.is_stopping() { Halt::Stopped } else { Halt::Failed(failure, detail) }
    }

    /// Whose fault it is that an engine was not made.
    fn sort(&self, error: &LoadError) -> Halt {
        let failure = match error {
            LoadError::Zygote(ZygoteError::Stopped) => return Halt::Stopped,
            LoadError::Zygote(ZygoteError::Died(_)) | LoadError::Workers(_) => LoadFailure::Crash,
            LoadError::Zygote(ZygoteError::Slow(_)) => LoadFailure::Slow,
            LoadError::Zygote(ZygoteError::Spawn(_)) => LoadFailure::Memory,
            LoadError::Canary(_) | LoadError::Read(_) => LoadFailure::Disk,
            _ => LoadFailure::Load,
        };
        self.halt(failure, error.to_string())
    }

    /// Sees to it that there is the memory for one more. What is not wanted any more is let go for it. With nothing
    /// in use there is nothing to lose, and no reason to trust an estimate.
    fn make_room(&mut self, revision: &StagedRevision, wanted: &Wanted) -> Result<(), Halt> {
        if self.has_room(revision).is_ok() {
            return Ok(());
        }
        let gone = self.drop_unwanted(wanted);
        let over = Instant::now() + self.crew.config.generation_grace;
        let is_there = |pool: &Weak<Pool>| pool.upgrade().is_some_and(|pool| !pool.is_closed());
        while gone.iter().any(is_there) && !self.crew.is_stopping() {
            if Instant::now() >= over {
                tracing::warn!("Scans with a revision that is let go are cut, since another one waits.");
                gone.iter().filter_map(Weak::upgrade).for_each(|pool| crew::retire(&pool));
            }
            std::thread::sleep(LET_GO_INTERVAL);
        }
        self.has_room(revision).map_err(|text| self.halt(LoadFailure::Memory, text))
    }

    fn has_room(&self, revision: &StagedRevision) -> Result<(), String> {
        let (needed, reserve) = (memory::estimate(revision), self.settings.memory_reserve);
        let Some(left) = memory::headroom().filter(|_| !self.loaded.is_empty()) else { return Ok(()) };
        if needed.saturating_add(reserve) <= left {
            return Ok(());
        }
        let mib = |bytes: u64| bytes >> 20;
        Err(format!(
            "it takes about {} MiB, and {} MiB of {} MiB are to be left free",
            mib(needed),
            mib(reserve),
            mib(left)
        ))
    }

    /// The folder with the databases.
    fn databases(&mut self, revision: &StagedRevision) -> io::Result<PathBuf> {
        match &revision.databases {
            Some(databases) => Ok(databases.path.clone()),
            None => self.built_in(revision.test_only),
        }
    }

    /// A folder with the built-in signatures; an empty one for who has rules only.
    fn built_in(&mut self, is_wanted: bool) -> io::Result<PathBuf> {
        let folder = match self.built_in.take() {
            Some(folder) => folder,
            None => self.crew.run.subfolder("signatures")?,
        };
        let folder = self.built_in.insert(folder);
        self.crew.run.restore(folder)?;
        let (test, none) = (folder.path().join("test"), folder.path().join("none"));
        std::fs::create_dir_all(&test)?;
        std::fs::create_dir_all(&none)?;
        builtin::write(&test)?;
        Ok(if is_wanted { test } else { none })
    }

    fn start_zygote(
        &self,
        revision: &StagedRevision,
        canary: &Canary,
        databases: &Path,
    ) -> Result<Zygote, LoadError> {
        let rules = revision.rules.as_ref().map(|rules| (&*rules.path, self.settings.rule_timeout));
        forge::start_zygote(&self.crew, canary, databases, rules)
    }

    /// Publishes what is loaded.
    fn publish(&self) {
        if self.crew.is_stopping() {
            return;
        }
        let before = self.published.current.load().as_ref().map(|epoch| epoch.signatures.clone());
        let held: Vec<_> =
            self.loaded.iter().map(|loaded| (loaded.revision.id, Arc::clone(&loaded.held))).collect();
        self.crew.config.hash_lists.publish_all(&self.published, &held);
        let Some(first) = self.loaded.first() else { return };
        let signatures = first.held.0.signatures();
        let now = self.published.current.load().as_ref().map(|epoch| epoch.signatures.clone());
        if before == now {
            return;
        }
        self.crew.shared.metrics.in_use(signatures, first.rules);
        tracing::info!(revision = %signatures.id, "This revision is scanned with when none is asked for.");
        if signatures.test_only {
            tracing::warn!(
                "ONLY THE BUILT-IN TEST SIGNATURES ARE IN USE: they find the EICAR test file and NO MALWARE. \
                 Give the fleet a source of signatures."
            );
        }
    }

    fn tell_state(&self, id: GenerationId, state: Option<LoadState>) {
        self.published.tell(|loads| match state {
            Some(state) => drop(loads.states.insert(id, state)),
            None => drop(loads.states.remove(&id)),
        });
        self.settle();
    }

    fn look_for_workers(&mut self) {
        let mut lost = Vec::new();
        for loaded in &mut self.loaded {
            let is_unserved = loaded.held.0.in_service() == 0;
            loaded.unserved_since = is_unserved.then(|| loaded.unserved_since.unwrap_or_else(Instant::now));
            if loaded.unserved_since.is_some_and(|since| since.elapsed() >= UNSERVED_GRACE) {
                loaded.unserved_since = Some(Instant::now());
                lost.push(loaded.pool.clone());
            }
        }
        for pool in &lost {
            self.replace_layout(pool);
        }
    }

    /// Loads the same signatures once more, so that memory lies differently.
    fn replace_layout(&mut self, pool: &Weak<Pool>) {
        let revision = self.loaded.iter().find(|loaded| loaded.pool.ptr_eq(pool));
        let revision = revision.map(|loaded| Arc::clone(&loaded.revision));
        let Some((pool, revision)) = pool.upgrade().filter(|pool| !pool.is_closed()).zip(revision) else {
            return;
        };
        if let Err((_, text)) = verify::verify(&revision, &self.crew.stop) {
            tracing::warn!(revision = %revision.id, text, "Workers crash, but their signatures are gone.");
            return;
        }
        let folder = match pool.canary.restore(&self.crew.run).and_then(|()| self.databases(&revision)) {
            Ok(folder) => folder,
            Err(error) => {
                tracing::error!(%error, "The workers' common ancestor cannot be replaced.");
                return;
            }
        };
        match self.start_zygote(&revision, &pool.canary, &folder) {
            Ok(zygote) => {
                pool.set_zygote(zygote);
                self.crew.shared.metrics.layouts_replaced.inc();
                self.crew.send(crew::Job::Refresh(Arc::downgrade(&pool)));
                tracing::warn!(revision = %revision.id, "The workers' common ancestor was replaced.");
            }
            Err(error) => tracing::error!(%error, "The workers' common ancestor cannot be replaced."),
        }
    }
}
