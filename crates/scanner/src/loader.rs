//! The thread that watches the signatures, loads new ones beside the old, and swaps them.
//!
//! It lives as long as the scanner, since the kernel ends the zygotes together with the thread that
//! started them.
//!
//! ```text
//!  folder ─▶ two equal looks ─▶ digest ─▶ zygote loads ─▶ digest again ─▶ workers prove ─▶ swap
//!                  any failure: the old generation stays, until the folder changes again
//! ```

use icapstan_model::{GenerationId, SignatureSet};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::canary::Canary;
use crate::config::SignatureSource;
use crate::crew::{self, Crew, Job};
use crate::engine::{Engine as _, Held};
use crate::forge::{self, LoadError};
use crate::metrics::ReloadResult;
use crate::pool::Pool;
use crate::published::Published;
use crate::sources::{Snapshot, Sources};
use crate::zygote::{Zygote, ZygoteError};
use crate::{builtin, temp};

/// No more generations are in memory at once: the current one, one that transactions still hold, and a
/// new one. A load waits until there is room, which is made after a grace.
const MAX_GENERATIONS: usize = 3;

/// While nothing can be scanned a failed load is tried again after this time, since its cause may have
/// passed; doubled each time up to the largest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LARGEST_RETRY: Duration = Duration::from_secs(10);

/// Signatures in use whose workers have all been missing for this time are loaded again. Most are
/// replaced within milliseconds.
const UNSERVED_GRACE: Duration = Duration::from_secs(1);

/// What the thread is asked to do.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    stop: bool,
    reload: bool,
    layouts: Vec<Weak<Pool>>,
}

pub(crate) enum Wish {
    Stop,
    Reload,
    Layout(Weak<Pool>),
    /// None; it is time to look at the folder.
    Look,
}

/// The thread's own.
pub(crate) struct Loader {
    crew: Arc<Crew>,
    published: Arc<Published>,
    sources: Sources,
    test_only: bool,
    /// Of the built-in set.
    built_in: Option<temp::WorkerFolder>,
    seen: Option<Snapshot>,
    loaded: Option<Snapshot>,
    in_use: Weak<Pool>,
    rejected: Option<Rejected>,
    /// Since when the signatures in use have been without any worker.
    unserved_since: Option<Instant>,
    /// Since when a load has been waiting for older generations to end.
    crowded_since: Option<Instant>,
    /// The folder cannot be read, which was told.
    is_missing: bool,
}

/// What was not loaded.
struct Rejected {
    snapshot: Snapshot,
    at: Instant,
    retry: Duration,
}

// === impl Wishes ===

impl Wishes {
    pub(crate) fn stop(&self) {
        self.pending.lock().stop = true;
        self.changed.notify_all();
    }

    pub(crate) fn reload(&self) {
        self.pending.lock().reload = true;
        self.changed.notify_all();
    }

    pub(crate) fn layout(&self, pool: Weak<Pool>) {
        let mut pending = self.pending.lock();
        if !pending.layouts.iter().any(|known| known.ptr_eq(&pool)) {
            pending.layouts.push(pool);
        }
        drop(pending);
        self.changed.notify_all();
    }

    pub(crate) fn next(&self, timeout: Duration) -> Wish {
        let mut pending = self.pending.lock();
        let idle = |pending: &mut Pending| !pending.stop && !pending.reload && pending.layouts.is_empty();
        self.changed.wait_while_for(&mut pending, idle, timeout);
        if pending.stop {
            Wish::Stop
        } else if std::mem::take(&mut pending.reload) {
            Wish::Reload
        } else {
            pending.layouts.pop().map_or(Wish::Look, Wish::Layout)
        }
    }
}

// === impl Loader ===

impl Loader {
    pub(crate) fn new(crew: Arc<Crew>, published: Arc<Published>) -> io::Result<Self> {
        let (folder, built_in) = match &crew.config.signatures {
            SignatureSource::Folder(folder) => (std::path::absolute(folder)?, None),
            SignatureSource::BuiltIn => {
                let folder = crew.run.subfolder("signatures")?;
                builtin::write(folder.path())?;
                (folder.path().to_owned(), Some(folder))
            }
            SignatureSource::Planned(_) => {
                return Err(io::Error::other("a plan has no folder"));
            }
        };
        let rules = crew.config.rules.as_ref().map(|rules| std::path::absolute(&rules.folder)).transpose()?;
        let test_only = built_in.is_some();
        Ok(Self {
            sources: Sources { signatures: folder, rules, opens_more: crew.config.unpack.is_some() },
            crew,
            published,
            test_only,
            built_in,
            seen: None,
            loaded: None,
            in_use: Weak::new(),
            rejected: None,
            unserved_since: None,
            crowded_since: None,
            is_missing: false,
        })
    }

    /// The thread's work, until it is told to stop.
    pub(crate) fn run(mut self) {
        let runtime = self.crew.shared.runtime.clone();
        // The sockets of new workers are served by this runtime's reactor.
        let _entered = runtime.enter();
        self.guarded(Self::load_now);
        loop {
            match self.crew.wishes.next(self.crew.config.poll_interval) {
                Wish::Stop => return,
                Wish::Reload => self.guarded(Self::load_now),
                Wish::Layout(pool) => self.guarded(|loader| loader.replace_layout(&pool)),
                Wish::Look => self.guarded(Self::look),
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

    /// Loads if the folder has come to rest in a state that was not tried yet.
    fn look(&mut self) {
        let snapshot = self.take_snapshot().ok();
        let at_rest = snapshot.is_some() && snapshot == self.seen;
        self.seen = snapshot;
        self.look_for_workers();
        let is_loaded = self.seen == self.loaded && self.loaded.is_some() && self.serves();
        if is_loaded {
            self.crowded_since = None;
            // What could not be loaded is gone again.
            *self.published.problem.lock() = None;
        }
        if at_rest && !is_loaded && !self.is_rejected() {
            self.load_now();
        }
    }

    fn is_rejected(&self) -> bool {
        let Some(rejected) = &self.rejected else { return false };
        let again = !self.serves() && rejected.at.elapsed() >= rejected.retry;
        Some(&rejected.snapshot) == self.seen.as_ref() && !again
    }

    /// The generation in use.
    fn current(&self) -> Option<Arc<Pool>> {
        self.in_use.upgrade()
    }

    fn look_for_workers(&mut self) {
        let is_unserved = self.current().is_some_and(|pool| pool.in_service() == 0);
        self.unserved_since = is_unserved.then(|| self.unserved_since.unwrap_or_else(Instant::now));
    }

    /// Whether there are signatures in use, with workers or with some to come soon.
    fn serves(&self) -> bool {
        self.published.current.load().is_some()
            && self.unserved_since.is_none_or(|since| since.elapsed() < UNSERVED_GRACE)
    }

    fn take_snapshot(&mut self) -> io::Result<Snapshot> {
        if let Some(folder) = &self.built_in {
            // Somebody who cleans up may have removed it.
            self.crew.run.restore(folder)?;
            builtin::write(folder.path())?;
        }
        let snapshot = self.sources.snapshot();
        match &snapshot {
            Err(error) if !self.is_missing => {
                let folder = self.sources.shown();
                tracing::warn!(%folder, %error, "The folder with the signatures cannot be read.");
            }
            Ok(_) if self.is_missing => {
                tracing::info!(folder = %self.sources.shown(), "The folder with the signatures is back.");
            }
            _ => {}
        }
        self.is_missing = snapshot.is_err();
        snapshot
    }

    fn load_now(&mut self) {
        let begin = Instant::now();
        let snapshot = self.take_snapshot();
        let result = snapshot
            .as_ref()
            .map_err(|error| LoadError::Read(io::Error::new(error.kind(), error.to_string())))
            .and_then(|snapshot| self.load(snapshot));
        let snapshot = snapshot.ok();
        match result {
            Ok(Some(pool)) => {
                self.loaded = snapshot;
                self.rejected = None;
                *self.published.problem.lock() = None;
                self.swap(pool, begin.elapsed());
            }
            Ok(None) => {
                self.loaded = snapshot;
                self.rejected = None;
                *self.published.problem.lock() = None;
                self.crew.shared.metrics.reloaded(ReloadResult::Unchanged);
                tracing::info!("The signatures are those in use already.");
            }
            Err(LoadError::Zygote(ZygoteError::Stopped)) => {}
            Err(error) => {
                let again = matches!(error, LoadError::Unstable | LoadError::Crowded);
                let last = self.rejected.take();
                self.rejected = snapshot.filter(|_| !again).map(|snapshot| {
                    let last = last.filter(|last| last.snapshot == snapshot);
                    let retry = last.map_or(FIRST_RETRY, |last| (2 * last.retry).min(LARGEST_RETRY));
                    Rejected { snapshot, at: Instant::now(), retry }
                });
                // It is tried again at each look, and told once.
                let waits = matches!(error, LoadError::Crowded);
                if waits && self.crowded_since.is_some() {
                    return;
                }
                self.crowded_since = waits.then(Instant::now);
                self.crew.shared.metrics.reloaded(ReloadResult::Failed);
                let kept = if self.published.current.load().is_some() {
                    "those in use stay"
                } else {
                    "none are in use"
                };
                let problem = format!("signatures cannot be loaded: {error}");
                *self.published.problem.lock() = Some(format!("{problem}; {kept}"));
                *self.published.missing.lock() = problem;
                tracing::error!(folder = %self.sources.shown(), %error, "Signatures cannot be loaded; {kept}.");
            }
        }
    }

    /// A new generation that is ready for use; nothing if it would be the one in use.
    fn load(&mut self, snapshot: &Snapshot) -> Result<Option<Arc<Pool>>, LoadError> {
        if snapshot.is_empty() {
            return Err(LoadError::Empty(self.sources.signatures.clone()));
        }
        if self.crowded_since.is_some() {
            // Reading all files again while it waits would be of no use.
            self.make_room()?;
        }
        let id = self.sources.digest().map_err(LoadError::Read)?;
        let in_use = self.current().filter(|pool| pool.signatures.id == id);
        if in_use.is_some_and(|pool| pool.in_service() > 0) {
            return Ok(None);
        }
        self.make_room()?;
        let canary =
            Canary::create(&self.crew.run, self.sources.rules.is_some()).map_err(LoadError::Canary)?;
        let zygote = self.start_zygote(id, &canary)?;
        let count = zygote.signatures.saturating_sub(Canary::SIGNATURES);
        if count == 0 {
            return Err(LoadError::Nothing);
        }
        if let Some(gaps) = zygote.gaps() {
            tracing::warn!(generation = %id, "This kernel does not keep workers from {gaps}.");
        }
        let signatures = SignatureSet {
            id,
            count,
            test_only: self.test_only,
            engine: zygote.engine.clone(),
            released: self.sources.released(),
        };
        if self.sources.rules.is_some() {
            tracing::info!(generation = %id, rules = zygote.rules.saturating_sub(Canary::RULES), "YARA rules are compiled.");
        }
        let pool = Pool::new(self.crew.clone(), Arc::new(zygote), canary, signatures);
        forge::staff(&self.crew, &pool)?;
        Ok(Some(pool))
    }

    /// Sees to it that one more generation may be in memory. Epochs are held as long as transactions take,
    /// which may be for ever; so after a grace the oldest generations that no scan is using end.
    fn make_room(&mut self) -> Result<(), LoadError> {
        let current = self.current();
        let is_current =
            |pool: &Arc<Pool>| current.as_ref().is_some_and(|current| Arc::ptr_eq(current, pool));
        let is_over =
            self.crowded_since.is_some_and(|since| since.elapsed() >= self.crew.config.generation_grace);
        loop {
            // The oldest comes first.
            let pools = self.crew.pools();
            if pools.len() < MAX_GENERATIONS {
                self.crowded_since = None;
                return Ok(());
            }
            let idle =
                pools.iter().find(|pool| !is_current(pool) && pool.scans().load(Ordering::SeqCst) == 0);
            let Some(pool) = idle.filter(|_| is_over) else { return Err(LoadError::Crowded) };
            tracing::warn!(
                generation = %pool.signatures.id,
                "Signatures that transactions still hold end, since new ones wait and no scan is using them."
            );
            crew::retire(pool);
        }
    }

    /// Loads what has the digest `id`, and nothing else.
    fn start_zygote(&self, id: GenerationId, canary: &Canary) -> Result<Zygote, LoadError> {
        let rules = self.sources.rules.as_deref().zip(self.crew.config.rules.as_ref());
        let rules = rules.map(|(folder, rules)| (folder, rules.timeout));
        let zygote = forge::start_zygote(&self.crew, canary, &self.sources.signatures, rules);
        // Also after a failure: half a file that was just being written is no reason to reject the whole.
        if self.sources.digest().map_err(LoadError::Read)? != id {
            return Err(LoadError::Unstable);
        }
        zygote
    }

    fn swap(&mut self, pool: Arc<Pool>, took: Duration) {
        let signatures = pool.signatures.clone();
        let old = self.current();
        self.in_use = Arc::downgrade(&pool);
        self.crew.look_after(&pool);
        let rules = pool.zygote().map_or(0, |zygote| zygote.rules);
        self.crew.shared.metrics.in_use(&signatures, rules.saturating_sub(Canary::RULES));
        self.crew.shared.metrics.reloaded(ReloadResult::Loaded);
        self.crew.config.hash_lists.publish(&self.published, Held(pool));
        if let Some(old) = old.filter(|old| old.in_service() == 0) {
            // It serves nobody, and who holds it is served by the new one if that has the same signatures.
            self.crew.send(Job::Retire(old));
        }
        tracing::info!(
            generation = %signatures.id, signatures = signatures.count, engine = %signatures.engine,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "Signatures are in use."
        );
        if signatures.test_only {
            tracing::warn!(
                "ONLY THE BUILT-IN TEST SIGNATURES ARE IN USE: they find the EICAR test file and NO MALWARE. \
                 Give a folder with ClamAV databases."
            );
        }
    }

    /// Loads the same signatures once more, so that memory lies differently.
    fn replace_layout(&mut self, pool: &Weak<Pool>) {
        let Some(pool) = pool.upgrade().filter(|pool| !pool.is_closed()) else { return };
        let restored = self.take_snapshot().and_then(|_| pool.canary.restore(&self.crew.run));
        if let Err(error) = restored {
            tracing::error!(%error, "The workers' common ancestor cannot be replaced.");
            return;
        }
        let same = self.sources.digest().is_ok_and(|id| id == pool.signatures.id);
        if !same {
            tracing::warn!(
                generation = %pool.signatures.id,
                "Workers crash, but their signatures are no longer in the folder to be loaded again."
            );
            return;
        }
        match self.start_zygote(pool.signatures.id, &pool.canary) {
            Ok(zygote) => {
                pool.set_zygote(zygote);
                // Its workers come next.
                self.unserved_since = None;
                self.crew.shared.metrics.layouts_replaced.inc();
                self.crew.send(Job::Refresh(Arc::downgrade(&pool)));
                tracing::warn!(generation = %pool.signatures.id, "The workers' common ancestor was replaced.");
            }
            Err(error) => {
                tracing::error!(%error, "The workers' common ancestor cannot be replaced.");
            }
        }
    }
}
