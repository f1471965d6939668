//! Keeps the lists in use up to date with their files.

use super::HashLists;
use super::build::{HashListError, build};
use super::metrics::HashListMetrics;
use icapstan_api as api;
use icapstan_events::{Event, EventKind, Events, Text};
use icapstan_hashes::import::Report;
use icapstan_hashes::{ListFile, Lists};
use icapstan_telemetry::chain;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tracing::{error, info, warn};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often a failure is tried again although nothing changed, in looks.
const RETRY: u32 = 30;
/// So many lines that were left out of a list are logged; all are counted.
const LOGGED: usize = 5;

/// Loads lists whenever one of their files changes. Ends when dropped.
#[derive(Debug)]
pub struct HashListWatcher {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Lists that were loaded and are not yet in use.
#[derive(Debug)]
pub struct LoadedHashLists {
    follower: Follower,
    loaded: Loaded,
    states: Vec<State>,
}

/// Lists that are watched and not yet in use.
#[derive(Debug)]
pub struct WatchedHashLists {
    follower: Follower,
    loaded: Loaded,
    watcher: HashListWatcher,
}

#[derive(Debug, Default)]
struct Loaded {
    lists: Lists,
    left_out: u64,
}

/// What loads and puts into use.
#[derive(Clone, Debug)]
struct Follower {
    settings: api::HashLists,
    folder: PathBuf,
    lists: HashLists,
    metrics: HashListMetrics,
    events: Events,
}

/// What tells one state of a file from another: inode, length, seconds and nanoseconds of its change.
type State = Option<(u64, u64, i64, i64)>;

// === impl HashListWatcher ===

impl HashListWatcher {
    /// One that watches nothing.
    pub const fn none() -> Self {
        Self { stop: None, thread: None }
    }

    /// Loads what `settings` name, which is to be put into `lists` by [`WatchedHashLists::put`]. `folder`
    /// is for files in between; `events` get to know of later changes.
    pub fn load(
        settings: &api::HashLists,
        folder: &Path,
        lists: &HashLists,
        metrics: &HashListMetrics,
        events: &Events,
    ) -> Result<LoadedHashLists, HashListError> {
        let follower = Follower {
            settings: settings.clone(),
            folder: folder.to_owned(),
            lists: lists.clone(),
            metrics: metrics.clone(),
            events: events.clone(),
        };
        // Before they are read: what changes meanwhile is read again.
        let states = follower.states();
        let loaded = follower.load()?;
        Ok(LoadedHashLists { follower, loaded, states })
    }
}

impl Drop for HashListWatcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

// === impl LoadedHashLists ===

impl LoadedHashLists {
    /// Has their files watched: after each change others come into use.
    pub fn watch(self) -> Result<WatchedHashLists, HashListError> {
        let Self { follower, loaded, states } = self;
        let watcher = if follower.settings.is_empty() {
            HashListWatcher::none()
        } else {
            let watching = follower.clone();
            let (stop, stopped) = mpsc::channel();
            let thread = std::thread::Builder::new()
                .name("icapstan-hashes".to_owned())
                .spawn(move || watching.follow(states, &stopped))
                .map_err(HashListError::Thread)?;
            HashListWatcher { stop: Some(stop), thread: Some(thread) }
        };
        Ok(WatchedHashLists { follower, loaded, watcher })
    }
}

// === impl WatchedHashLists ===

impl WatchedHashLists {
    /// Puts them into use. Other watchers of the same lists are to be dropped before.
    pub fn put(self) -> HashListWatcher {
        self.follower.put(self.loaded);
        self.watcher
    }
}

// === impl Follower ===

impl Follower {
    fn follow(&self, mut known: Vec<State>, stopped: &mpsc::Receiver<()>) {
        let mut last = known.clone();
        let mut looks_until_retry = None;
        while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.age();
            let now = self.states();
            let is_at_rest = now == last;
            last.clone_from(&now);
            looks_until_retry = looks_until_retry.map(|looks: u32| looks.saturating_sub(1));
            let is_due = now != known || looks_until_retry == Some(0);
            // What still changes is being written.
            if is_at_rest && is_due {
                known = now;
                looks_until_retry = self.load_again().err().map(|()| RETRY);
            }
        }
    }

    /// Loads the lists and puts them into use, or tells why not.
    fn load_again(&self) -> Result<(), ()> {
        let before = self.lists.get().identity();
        match self.load() {
            Ok(loaded) => {
                self.put(loaded);
                let lists = self.lists.get();
                if lists.identity() != before {
                    let (entries, count) = (lists.entries(), lists.lists().len());
                    let message = format!("Other hash lists are in use: {entries} entries in {count} lists.");
                    self.events.send(Event::new(EventKind::ListChange, Text::message(message)));
                }
                Ok(())
            }
            Err(fault) => {
                let cause = chain(&fault);
                error!(error = cause, "Hash lists cannot be loaded; those before stay in use.");
                let message = format!("Hash lists cannot be loaded; those before stay in use: {cause}");
                self.events.send(Event::new(EventKind::Failure, Text::message(message)));
                Err(())
            }
        }
    }

    fn load(&self) -> Result<Loaded, HashListError> {
        if self.settings.is_empty() {
            return Ok(Loaded::default());
        }
        let loaded = self.read();
        self.metrics.tried(loaded.is_ok());
        loaded
    }

    fn read(&self) -> Result<Loaded, HashListError> {
        let (file, reports) = match &self.settings.file {
            Some(path) => (ListFile::open(path)?, Vec::new()),
            None => self.compile()?,
        };
        for (source, report) in self.settings.sources.iter().zip(&reports) {
            tell(&source.name, report);
        }
        let left_out = reports.iter().map(|report| report.left_out).sum();
        Ok(Loaded { lists: Lists::new(file, SystemTime::now()), left_out })
    }

    fn compile(&self) -> Result<(ListFile, Vec<Report>), HashListError> {
        // Gone with what is in it as soon as the file is in memory.
        let folder = tempfile::Builder::new()
            .prefix("icapstan-hashes-")
            .tempdir_in(&self.folder)
            .map_err(HashListError::Folder)?;
        let target = folder.path().join("lists");
        let built = build(&self.settings.sources, &target)?;
        Ok((ListFile::open(&target)?, built.reports))
    }

    /// Puts lists into use.
    fn put(&self, Loaded { lists, left_out }: Loaded) {
        self.metrics.in_use(&lists, left_out);
        if self.settings.is_empty() {
            // There is nothing to tell.
        } else if lists.is_empty() {
            warn!("THE HASH LISTS ARE EMPTY: no object is found in them.");
        } else {
            info!(entries = lists.entries(), lists = lists.lists().len(), "Hash lists are in use.");
        }
        // The same again would be a new epoch for nothing.
        if lists.identity() != self.lists.get().identity() {
            self.lists.replace(lists);
        }
        self.age();
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let sources = self.settings.sources.iter().map(|source| source.path.as_path());
        self.settings.file.as_deref().into_iter().chain(sources)
    }

    fn states(&self) -> Vec<State> {
        let state = |path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
        };
        self.files().map(state).collect()
    }

    /// Says how old the files are.
    fn age(&self) {
        let modified = |path| std::fs::metadata(path).ok()?.modified().ok();
        let changed: Vec<SystemTime> = self.files().filter_map(modified).collect();
        let is_stale = |time: &&SystemTime| {
            let age = time.elapsed().unwrap_or_default();
            self.settings.max_age.is_some_and(|most| age > most)
        };
        self.metrics.aged(changed.iter().min().copied(), changed.iter().filter(is_stale).count());
    }
}

/// Logs what was left out of a list.
fn tell(name: &str, report: &Report) {
    for problem in report.problems.iter().take(LOGGED) {
        warn!(list = name, line = problem.line, "A line is left out: {}.", problem.reason);
    }
    info!(
        list = name,
        lines = report.lines,
        entries = report.entries,
        left_out = report.left_out,
        "A hash list was read."
    );
}
