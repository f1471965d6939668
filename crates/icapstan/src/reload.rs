//! Takes up changed settings while the program runs.
//!
//! ```text
//!  SIGHUP, or files that changed and came to rest ──▶ read and check all ──▶ load URL lists ──▶ swap
//!                          any failure: the settings before stay, and log, metric, event, /readyz say so
//! ```

use crate::cli::Flags;
use crate::exit::chain;
use crate::file_state::{State, state};
use crate::listeners::{self, ClientsError};
use crate::settings::{Settings, SettingsError};
use icapstan_api::{Config, Problem};
use icapstan_events::{Event, EventKind, Events, Text};
use icapstan_gateway::{
    Gateway, GatewayError, LoadedUrlLists, UrlListError, UrlListMetrics, UrlListWatcher, UrlLists,
    WatchedUrlLists,
};
use icapstan_icap_server::AccessControl;
use icapstan_scanner::{
    HashListError, HashListMetrics, HashListWatcher, HashLists, LoadedHashLists, WatchedHashLists,
};
use icapstan_telemetry::ReloadMetrics;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;
use tracing::{error, info, warn};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// No more files with pages are looked at.
const MAX_PAGES: usize = 4096;

/// What follows the settings.
pub(crate) struct Followers {
    /// Where ICAP is served.
    pub(crate) serving: Option<Serving>,
    /// Where objects are scanned.
    pub(crate) hashes: Option<Hashes>,
    pub(crate) events: Events,
    pub(crate) metrics: ReloadMetrics,
}

/// What follows them where ICAP is served.
pub(crate) struct Serving {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) access: AccessControl,
    pub(crate) url_lists: UrlLists,
    pub(crate) metrics: UrlListMetrics,
    pub(crate) watcher: UrlListWatcher,
    /// Where a plan says what is served: who is told what the process has for itself.
    pub(crate) base: Option<watch::Sender<Arc<Settings>>>,
}

/// What follows them where objects are scanned.
pub(crate) struct Hashes {
    pub(crate) lists: HashLists,
    pub(crate) metrics: HashListMetrics,
    pub(crate) watcher: HashListWatcher,
}

/// Reads the settings again when told so, and when their files change. Ends when dropped.
pub(crate) struct Reloader {
    wishes: Sender<()>,
    problem: Arc<Mutex<Option<String>>>,
    lists: Option<UrlListMetrics>,
    hashes: Option<HashListMetrics>,
}

/// What there is to be said of the settings, as it changes.
#[derive(Clone)]
pub(crate) struct Notes {
    problem: Arc<Mutex<Option<String>>>,
    lists: Option<UrlListMetrics>,
    hashes: Option<HashListMetrics>,
}

/// The thread's own.
struct Keeper {
    args: Flags,
    settings: Settings,
    followers: Followers,
    /// What somebody should see to.
    problem: Arc<Mutex<Option<String>>>,
    /// Of the files that were read last.
    states: States,
    /// What waits for a restart.
    fixed: Option<String>,
    /// Settings that were not used, for a cause that may be mended in a file that they name.
    refused: Option<Config>,
}

/// Says so if the thread ends by a fault of the program.
pub(crate) struct EndIsTold(pub(crate) Arc<Mutex<Option<String>>>, pub(crate) &'static str);

/// Why changed settings are not used.
#[derive(Debug, Error)]
enum ReloadError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the URL lists cannot be used")]
    Lists(#[from] UrlListError),
    #[error("the hash lists cannot be used")]
    Hashes(#[from] HashListError),
    #[error(transparent)]
    Clients(#[from] ClientsError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error("{0} is {1}")]
    NoFile(String, &'static str),
    /// The settings fit each other, but not those that only a restart changes.
    #[error("only a restart can take this up: {}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
    Fixed(Vec<Problem>),
}

/// What tells one state of the files from another; `None` is a file that cannot be looked at.
type States = Vec<Option<State>>;

// === impl Reloader ===

impl Reloader {
    /// `settings` are those in use, which `args` led to.
    pub(crate) fn start(args: &Flags, settings: &Settings, followers: Followers) -> std::io::Result<Self> {
        let problem = Arc::new(Mutex::new(None));
        let lists = followers.serving.as_ref().map(|serving| serving.metrics.clone());
        let hashes = followers.hashes.as_ref().map(|hashes| hashes.metrics.clone());
        let mut keeper = Keeper {
            args: args.clone(),
            settings: settings.clone(),
            followers,
            problem: Arc::clone(&problem),
            states: States::new(),
            fixed: None,
            refused: None,
        };
        keeper.states = keeper.look();
        let (wishes, wanted) = mpsc::channel();
        std::thread::Builder::new().name("icapstan-config".to_owned()).spawn(move || keeper.keep(&wanted))?;
        Ok(Self { wishes, problem, lists, hashes })
    }

    /// Has the settings read now.
    pub(crate) fn reload(&self) {
        // Without the thread there is nobody to be told.
        let _ = self.wishes.send(());
    }

    pub(crate) fn notes(&self) -> Notes {
        Notes { problem: Arc::clone(&self.problem), lists: self.lists.clone(), hashes: self.hashes.clone() }
    }
}

// === impl Notes ===

impl Notes {
    /// What is wrong with the settings.
    pub(crate) fn config(&self) -> Option<String> {
        self.problem.lock().clone()
    }

    /// What is wrong with the lists.
    pub(crate) fn url_lists(&self) -> Option<String> {
        self.lists.as_ref()?.note()
    }

    /// The same of hash lists.
    pub(crate) fn hash_lists(&self) -> Option<String> {
        self.hashes.as_ref()?.note()
    }
}

// === impl EndIsTold ===

impl Drop for EndIsTold {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.lock() = Some(format!("a fault of the program has ended {}; restart it", self.1));
        }
    }
}

// === impl Keeper ===

impl Keeper {
    fn keep(mut self, wanted: &mpsc::Receiver<()>) {
        let _told = EndIsTold(Arc::clone(&self.problem), "the reading of changed settings");
        let mut seen = self.states.clone();
        loop {
            match wanted.recv_timeout(INTERVAL) {
                Err(RecvTimeoutError::Disconnected) => return,
                // Many wishes at once are one.
                Ok(()) => while wanted.try_recv().is_ok() {},
                Err(RecvTimeoutError::Timeout) => {
                    let now = self.look();
                    // What still changes is being written.
                    let is_stable = std::mem::replace(&mut seen, now.clone()) == now;
                    if !is_stable || now == self.states {
                        continue;
                    }
                }
            }
            self.states = self.look();
            self.reload();
        }
    }

    fn reload(&mut self) {
        self.refused = None;
        let changed = match self.take_up() {
            Ok(changed) => changed,
            Err(fault) => {
                self.states = self.look();
                return self.tell_failure(&chain(&fault));
            }
        };
        self.refused = None;
        let fixed = self.settings.fixed_until_restart(&changed);
        let names = self.settings.differences(&changed);
        for advice in changed.advice() {
            warn!(setting = advice.path, "{}", advice.message);
        }
        self.followers.metrics.succeeded(!fixed.is_empty());
        self.fixed = (!fixed.is_empty())
            .then(|| format!("changes of {} are used only from the next start on", fixed.join(", ")));
        self.problem.lock().clone_from(&self.fixed);
        if names.is_empty() {
            info!("The settings were read again; they say what they said before.");
        } else {
            info!(changed = names.join(" "), "Changed settings are in use.");
            let message = format!("Changed settings are in use: {}.", names.join(", "));
            self.followers.events.send(Event::new(EventKind::ConfigurationChange, Text::message(message)));
        }
        if !fixed.is_empty() {
            warn!(
                settings = fixed.join(" "),
                "Changes of these settings are used only from the next start on."
            );
        }
        // What is fixed is kept, so that it is told again until there was a restart.
        self.settings.follow(changed);
        if let Some(base) = self.followers.serving.as_ref().and_then(|serving| serving.base.as_ref()) {
            base.send_replace(Arc::new(self.settings.clone()));
        }
    }

    /// Reads the settings and puts them into use, all of them or none.
    fn take_up(&mut self) -> Result<Settings, ReloadError> {
        let file = self.args.common.config.as_deref().filter(|path| !path.is_file());
        if let Some(path) = file {
            // Reading it might never end.
            let what = if path.exists() { "no file" } else { "missing" };
            return Err(ReloadError::NoFile(path.display().to_string(), what));
        }
        let config = Settings::read(&self.args).map_err(SettingsError::File)?;
        // Until they are in use.
        self.refused = Some(config.clone());
        let changed = Settings::new(config, self.args.common.config.as_deref())?;
        self.settings.fit(&changed).map_err(ReloadError::Fixed)?;
        let hashes = self.load_hashes(&changed)?;
        let lists = self.load_lists(&changed)?;
        let prepared = match &self.followers.serving {
            None => None,
            Some(Serving { gateway, base, .. }) => {
                let access = listeners::access(&changed.config.clients)?;
                let is_planned = base.is_some();
                let prepared = if is_planned { None } else { Some(gateway.prepare(&changed.served())?) };
                Some((access, prepared))
            }
        };
        // From here on nothing can fail.
        if let Some(serving) = &mut self.followers.serving {
            if let Some(lists) = lists {
                // Waits for what it is loading, which is not to come after the new ones.
                serving.watcher = UrlListWatcher::none();
                serving.watcher = lists.put();
            }
            if let Some((access, prepared)) = prepared {
                serving.access.put(access);
                if let Some(prepared) = prepared {
                    serving.gateway.apply(prepared);
                }
            }
        }
        if let (Some(own), Some(hashes)) = (&mut self.followers.hashes, hashes) {
            own.watcher = HashListWatcher::none();
            own.watcher = hashes.put();
        }
        if changed.config.log.level != self.settings.config.log.level {
            // It was checked, so it is one.
            let _ = icapstan_telemetry::set_log_filter(&changed.config.log.level.to_string());
        }
        Ok(changed)
    }

    /// The URL lists of changed settings, if they differ.
    fn load_lists(&self, changed: &Settings) -> Result<Option<WatchedUrlLists>, ReloadError> {
        let Followers { serving, events, .. } = &self.followers;
        let Some(Serving { url_lists, metrics, base, .. }) = serving else { return Ok(None) };
        if base.is_some() || changed.config.url_lists == self.settings.config.url_lists {
            return Ok(None);
        }
        let loaded = changed.url_lists(url_lists, metrics, events)?;
        Ok(Some(LoadedUrlLists::watch(loaded)?))
    }

    /// The hash lists of changed settings, if they differ.
    fn load_hashes(&self, changed: &Settings) -> Result<Option<WatchedHashLists>, ReloadError> {
        let Followers { hashes, events, .. } = &self.followers;
        let Some(Hashes { lists, metrics, .. }) = hashes else { return Ok(None) };
        if changed.config.hash_lists == self.settings.config.hash_lists {
            return Ok(None);
        }
        let loaded = changed.hash_lists(lists, metrics, events)?;
        Ok(Some(LoadedHashLists::watch(loaded)?))
    }

    fn tell_failure(&self, cause: &str) {
        self.followers.metrics.failed();
        error!(error = cause, "Changed settings cannot be used; those before stay in use.");
        let message = format!("Changed settings cannot be used; those before stay in use: {cause}");
        self.followers.events.send(Event::new(EventKind::Failure, Text::message(message.clone())));
        *self.problem.lock() = Some(match &self.fixed {
            Some(fixed) => format!("{message}; besides, {fixed}"),
            None => message,
        });
    }

    /// The states of the file with the settings, of the pages and the users that it names, and of all that settings name
    /// which were not used. Lists in use have a watcher of their own.
    fn look(&self) -> States {
        let mut states: States = self.args.common.config.iter().map(|path| state(path)).collect();
        let folders = [Some(&self.settings.config), self.refused.as_ref()];
        for folder in folders.into_iter().flatten().filter_map(|config| config.templates.folder.as_ref()) {
            states.extend(pages(folder));
        }
        let configs = [Some(&self.settings.config), self.refused.as_ref()];
        let users = configs.into_iter().flatten().filter_map(|config| config.clients.authentication.as_ref());
        states.extend(users.map(|settings| state(&settings.users_file)));
        if let Some(Config { url_lists, hash_lists, .. }) = &self.refused {
            let sources = url_lists.sources.iter().map(|source| &source.path);
            states.extend(url_lists.file.iter().chain(sources).map(|path| state(path)));
            let sources = hash_lists.sources.iter().map(|source| &source.path);
            states.extend(hash_lists.file.iter().chain(sources).map(|path| state(path)));
        }
        states
    }
}

fn pages(folder: &Path) -> States {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut pages: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).take(MAX_PAGES).collect();
    pages.sort_unstable();
    std::iter::once(state(folder)).chain(pages.iter().map(|page| state(page))).collect()
}
