//! Keeps the lists in use up to date with their files.

use super::UrlLists;
use super::build::{UrlListError, build};
use super::metrics::UrlListMetrics;
use icapstan_api as api;
use icapstan_events::{Event, EventKind, Events, Text};
use icapstan_telemetry::chain;
use icapstan_urls::import::Report;
use icapstan_urls::{Keep, ListFile, Lists};
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
pub struct UrlListWatcher {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Lists that were loaded and are not yet in use.
#[derive(Debug)]
pub struct LoadedUrlLists {
    loader: Loader,
    lists: Lists,
    left_out: u64,
    states: Vec<State>,
}

/// Lists of files that never change, which an epoch has for itself.
#[derive(Debug)]
pub struct FixedUrlLists {
    loader: Loader,
    left_out: u64,
}

/// Lists that are watched and not yet in use.
#[derive(Debug)]
pub struct WatchedUrlLists {
    loader: Loader,
    lists: Lists,
    left_out: u64,
    watcher: UrlListWatcher,
}

/// What loads.
#[derive(Clone, Debug)]
struct Loader {
    settings: api::UrlLists,
    folder: PathBuf,
    lists: UrlLists,
    metrics: UrlListMetrics,
    events: Events,
}

/// What tells one state of a file from another: inode, length, seconds and nanoseconds of its change.
type State = Option<(u64, u64, i64, i64)>;

// === impl UrlListWatcher ===

impl UrlListWatcher {
    /// One that watches nothing.
    pub const fn none() -> Self {
        Self { stop: None, thread: None }
    }

    /// Loads what `settings` name, which is to be put into `lists` by [`WatchedUrlLists::put`]. `folder`
    /// is for files in between; `events` get to know of later changes.
    pub fn load(
        settings: &api::UrlLists,
        folder: &Path,
        lists: &UrlLists,
        metrics: &UrlListMetrics,
        events: &Events,
    ) -> Result<LoadedUrlLists, UrlListError> {
        let loader = Loader {
            settings: settings.clone(),
            folder: folder.to_owned(),
            lists: lists.clone(),
            metrics: metrics.clone(),
            events: events.clone(),
        };
        // Before they are read: what changes meanwhile is read again.
        let states = loader.states();
        let (lists, left_out) = loader.load()?;
        Ok(LoadedUrlLists { loader, lists, left_out, states })
    }
}

impl Drop for UrlListWatcher {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

// === impl LoadedUrlLists ===

impl LoadedUrlLists {
    /// Puts them where they are to be looked up, which nobody does yet, and has nothing watched.
    pub fn fix(self) -> FixedUrlLists {
        let Self { loader, lists, left_out, states: _ } = self;
        loader.lists.replace(lists);
        FixedUrlLists { loader, left_out }
    }

    /// Has their files watched: after each change others come into use.
    pub fn watch(self) -> Result<WatchedUrlLists, UrlListError> {
        let Self { loader, lists, left_out, states } = self;
        if loader.settings.is_empty() {
            return Ok(WatchedUrlLists { loader, lists, left_out, watcher: UrlListWatcher::none() });
        }
        let watching = loader.clone();
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("icapstan-lists".to_owned())
            .spawn(move || watching.watch(states, &stopped))
            .map_err(UrlListError::Folder)?;
        let watcher = UrlListWatcher { stop: Some(stop), thread: Some(thread) };
        Ok(WatchedUrlLists { loader, lists, left_out, watcher })
    }
}

// === impl FixedUrlLists ===

impl FixedUrlLists {
    /// Where they are looked up.
    pub fn lists(&self) -> &UrlLists {
        &self.loader.lists
    }

    /// Tells that they are in use now.
    pub fn tell(&self) {
        self.loader.metrics.in_use(&self.loader.lists.get(), self.left_out);
        self.loader.age();
    }
}

// === impl WatchedUrlLists ===

impl WatchedUrlLists {
    /// Puts them into use. Other watchers of the same lists are to be dropped before.
    pub fn put(self) -> UrlListWatcher {
        self.loader.put(self.lists, self.left_out);
        self.watcher
    }
}

// === impl Loader ===

impl Loader {
    fn watch(&self, mut loaded: Vec<State>, stopped: &mpsc::Receiver<()>) {
        let mut seen = loaded.clone();
        let mut retry = None;
        while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
            self.age();
            let now = self.states();
            retry = retry.map(|left: u32| left.saturating_sub(1));
            // What still changes is written at this moment.
            let is_stable = std::mem::replace(&mut seen, now.clone()) == now;
            if !is_stable || (now == loaded && retry != Some(0)) {
                continue;
            }
            loaded = now;
            let before = self.lists.identity();
            retry = match self.load() {
                Ok((lists, left_out)) => {
                    self.put(lists, left_out);
                    if self.lists.identity() != before {
                        self.tell_change();
                    }
                    None
                }
                Err(fault) => {
                    let cause = chain(&fault);
                    error!(error = cause, "URL lists cannot be loaded; those before stay in use.");
                    let message = format!("URL lists cannot be loaded; those before stay in use: {cause}");
                    self.events.send(Event::new(EventKind::Failure, Text::message(message)));
                    Some(RETRY)
                }
            };
        }
    }

    fn tell_change(&self) {
        let lists = self.lists.get();
        let (entries, count) = (lists.entries(), lists.lists().len());
        let message = format!("Other URL lists are in use: {entries} entries in {count} lists.");
        self.events.send(Event::new(EventKind::ListChange, Text::message(message)));
    }

    /// Loads all lists. The number is that of lines that were left out.
    fn load(&self) -> Result<(Lists, u64), UrlListError> {
        if self.settings.is_empty() {
            return Ok((Lists::default(), 0));
        }
        let loaded = self.read();
        self.metrics.tried(loaded.is_ok());
        loaded
    }

    fn read(&self) -> Result<(Lists, u64), UrlListError> {
        let (file, reports) = match &self.settings.file {
            Some(path) => (ListFile::open(path, &Keep::Memory)?, Vec::new()),
            None => self.compile()?,
        };
        for (source, report) in self.settings.sources.iter().zip(&reports) {
            tell(&source.name, report);
        }
        let left_out = reports.iter().map(|report| report.left_out).sum();
        Ok((Lists::new(file, SystemTime::now()), left_out))
    }

    /// Puts lists into use.
    fn put(&self, lists: Lists, left_out: u64) {
        self.metrics.in_use(&lists, left_out);
        if self.settings.is_empty() {
            // There is nothing to tell.
        } else if lists.is_empty() {
            warn!("THE URL LISTS ARE EMPTY: no URL is found in them.");
        } else {
            info!(entries = lists.entries(), lists = lists.lists().len(), "URL lists are in use.");
        }
        self.lists.replace(lists);
        self.age();
    }

    fn compile(&self) -> Result<(ListFile, Vec<Report>), UrlListError> {
        // Gone with what is in it as soon as the file is in memory.
        let folder = tempfile::Builder::new()
            .prefix("icapstan-lists-")
            .tempdir_in(&self.folder)
            .map_err(UrlListError::Folder)?;
        let target = folder.path().join("lists");
        let built = build(&self.settings.sources, &target)?;
        Ok((ListFile::open(&target, &Keep::Memory)?, built.reports))
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
        let changed: Vec<_> =
            self.files().filter_map(|path| std::fs::metadata(path).ok()?.modified().ok()).collect();
        let is_stale = |time: &&SystemTime| {
            let age = time.elapsed().unwrap_or_default();
            self.settings.max_age.is_some_and(|most| age > most)
        };
        self.metrics.aged(changed.iter().min().copied(), changed.iter().filter(is_stale).count());
    }
}

/// Logs what was left out of a list.
fn tell(name: &str, report: &Report) {
    for problem in report.problems.iter().filter(|problem| !problem.reason.is_remark()).take(LOGGED) {
        warn!(list = name, line = problem.line, "A line is left out: {}.", problem.reason);
    }
    info!(
        list = name,
        lines = report.lines,
        entries = report.entries,
        left_out = report.left_out,
        "A URL list was read."
    );
}
