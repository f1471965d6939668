//! How all scanners are, for who counts what they have to do; and all gateways, for who plans for them.

use super::ClientTls;
use super::call;
use super::discover::Lookup;
use super::endpoint::{PAUSES, chain, jittered};
use super::link;
use crate::convert::inert;
use icapstan_balance::EndpointId;
use icapstan_proto::fleet::{State, state::Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tracing::{info, warn};

/// No more scanners are watched; of more, those with the lowest addresses.
const MAX: usize = 4096;
/// A connection over which nothing was heard for so many beats is given up.
const SILENT_BEATS: u32 = 10;

/// Which scanners are watched, and how.
#[derive(Clone, Debug)]
pub struct WatchConfiguration {
    /// Where scanners are: `HOST:PORT`, where all addresses of a host count.
    pub addresses: Vec<String>,
    /// With what connections are secured.
    pub tls: Option<ClientTls>,
    /// How often the addresses of hosts are looked up.
    pub lookup: Duration,
    /// How often scanners are to say how they are.
    pub beat: Duration,
}

/// Who is told. None of it may wait for anything.
pub trait Watcher: Send + Sync + 'static {
    /// These scanners there are, and no others. Told again after each look, changed or not.
    fn known(&self, scanners: &BTreeSet<SocketAddr>);
    /// A scanner said how it is.
    fn heard(&self, scanner: SocketAddr, state: State);
    /// There is no connection to it.
    fn lost(&self, scanner: SocketAddr);
}

/// What is to be found at the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scanner,
    Gateway,
}

/// Where they are.
enum Places {
    /// At the addresses of hosts.
    Found(Lookup, Duration),
    /// Where somebody says.
    Told(watch::Receiver<BTreeSet<SocketAddr>>),
}

/// Watches scanners, or gateways, until it is dropped.
pub struct FleetWatch(JoinHandle<()>);

/// The task that watches one.
struct Keeper {
    config: Arc<WatchConfiguration>,
    watcher: Arc<dyn Watcher>,
    kind: Kind,
    address: SocketAddr,
    host: Arc<str>,
}

// === impl FleetWatch ===

impl FleetWatch {
    /// Begins to connect to scanners. Within a runtime.
    pub fn start(config: WatchConfiguration, watcher: Arc<dyn Watcher>) -> Self {
        Self::begin(config, Kind::Scanner, None, watcher)
    }

    /// The same with gateways, where they tell how they are ([`StatusServer`](crate::StatusServer)).
    pub fn start_gateways(config: WatchConfiguration, watcher: Arc<dyn Watcher>) -> Self {
        Self::begin(config, Kind::Gateway, None, watcher)
    }

    /// Watches scanners, or else gateways, where `places` says that they are, in the place of the addresses of `config`.
    /// Certificates have to be for the addresses, unless the settings name another server.
    pub fn start_told(
        config: WatchConfiguration,
        are_scanners: bool,
        places: watch::Receiver<BTreeSet<SocketAddr>>,
        watcher: Arc<dyn Watcher>,
    ) -> Self {
        let kind = if are_scanners { Kind::Scanner } else { Kind::Gateway };
        Self::begin(config, kind, Some(places), watcher)
    }

    fn begin(
        config: WatchConfiguration,
        kind: Kind,
        told: Option<watch::Receiver<BTreeSet<SocketAddr>>>,
        watcher: Arc<dyn Watcher>,
    ) -> Self {
        let places = match told {
            Some(told) => Places::Told(told),
            None => Places::Found(Lookup::new(&config.addresses), config.lookup),
        };
        Self(tokio::spawn(discover(Arc::new(config), kind, places, watcher)))
    }
}

// === impl Places ===

impl Places {
    /// All of them, each with the host that it is of.
    async fn look(&mut self) -> BTreeMap<EndpointId, Arc<str>> {
        match self {
            Self::Found(lookup, _) => lookup.look().await,
            Self::Told(told) => {
                let told = told.borrow_and_update();
                told.iter().map(|address| (EndpointId(*address), address.ip().to_string().into())).collect()
            }
        }
    }

    /// Until it is time to look again.
    async fn changed(&mut self) {
        match self {
            Self::Found(lookup, _) if lookup.is_fixed() => std::future::pending().await,
            Self::Found(_, interval) => tokio::time::sleep(*interval).await,
            Self::Told(told) => {
                if told.changed().await.is_err() {
                    // Nobody says anything any more.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

impl Drop for FleetWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Keeps a task for each that there is. They live as long as this one.
async fn discover(
    config: Arc<WatchConfiguration>,
    kind: Kind,
    mut places: Places,
    watcher: Arc<dyn Watcher>,
) {
    let mut keepers = JoinSet::new();
    let mut aborts: BTreeMap<SocketAddr, AbortHandle> = BTreeMap::new();
    let mut is_too_much = false;
    loop {
        let mut found = places.look().await;
        if std::mem::replace(&mut is_too_much, found.len() > MAX) != is_too_much && is_too_much {
            warn!(there_are = found.len(), most = MAX, "There are more {}s than are watched.", kind.as_str());
        }
        while found.len() > MAX {
            found.pop_last();
        }
        watcher.known(&found.keys().map(|id| id.0).collect());
        aborts.retain(|address, abort| {
            let stays = found.contains_key(&(*address).into());
            if !stays {
                abort.abort();
            }
            stays
        });
        for (id, host) in found {
            aborts.entry(id.0).or_insert_with(|| {
                let (config, watcher) = (Arc::clone(&config), Arc::clone(&watcher));
                keepers.spawn(Keeper { config, watcher, kind, address: id.0, host }.run())
            });
        }
        // Those that were ended are not kept for their results.
        while keepers.try_join_next().is_some() {}
        places.changed().await;
    }
}

// === impl Kind ===

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Scanner => "scanner",
            Self::Gateway => "gateway",
        }
    }
}

// === impl Keeper ===

impl Keeper {
    /// Connects again and again.
    async fn run(self) {
        let (mut pause, mut said) = (PAUSES.0, String::new());
        loop {
            let broken = match link::connect(self.address, &self.host, self.config.tls.as_ref()).await {
                Err(error) => chain(&error),
                Ok(link) => {
                    let mut was_heard = false;
                    let broken = self.listen(&link, &mut was_heard).await;
                    link.closed.cancel();
                    if was_heard {
                        pause = PAUSES.0;
                        said.clear();
                    }
                    broken
                }
            };
            self.watcher.lost(self.address);
            if said != broken {
                warn!(address = %self.address, error = broken, "A {} is not heard.", self.kind.as_str());
                said = broken;
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Passes on what it says, until it says nothing more; tells why.
    async fn listen(&self, link: &link::Link, was_heard: &mut bool) -> String {
        let beat = self.config.beat;
        let states = tokio::time::timeout(beat * SILENT_BEATS, call::watch(link, beat)).await;
        let mut states = match states {
            Ok(Ok(states)) => states,
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "it says nothing".to_owned(),
        };
        loop {
            let state = match tokio::time::timeout(beat * SILENT_BEATS, states.next()).await {
                Ok(Ok(Some(state))) => state,
                Ok(Ok(None)) => return "it said nothing more".to_owned(),
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return "it says nothing".to_owned(),
            };
            let found = match state.role {
                Some(Role::Scanner(_)) => Some(Kind::Scanner),
                Some(Role::Gateway(_)) => Some(Kind::Gateway),
                None => None,
            };
            if found != Some(self.kind) {
                return format!("it is no {}", self.kind.as_str());
            }
            if !std::mem::replace(was_heard, true) {
                info!(
                    address = %self.address,
                    name = inert(&state.name),
                    version = inert(&state.version),
                    "A {} is heard.",
                    self.kind.as_str()
                );
            }
            self.watcher.heard(self.address, state);
        }
    }
}
