//! What pods of one kind say of themselves, as it changes.

use crate::roster::{Place, Roster};
use icapstan_proto::fleet::State;
use icapstan_scan_rpc::{ClientTls, FleetWatch, WatchConfiguration, Watcher};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// How often pods say how they are, if nothing changes.
const BEAT: Duration = Duration::from_secs(1);
/// Who misses so many beats is not heard.
const BEATS: u32 = 3;

/// Pods of one kind, and the connections to them. Ends when dropped.
pub struct Hearing {
    inner: Arc<Inner>,
    addresses: watch::Sender<BTreeSet<SocketAddr>>,
    _watch: FleetWatch,
}

struct Inner {
    roster: Mutex<Roster>,
    news: Arc<Notify>,
}

// === impl Hearing ===

impl Hearing {
    /// Begins with nobody. `news` is notified when somebody should look. Within a runtime.
    pub fn start(are_scanners: bool, tls: Option<ClientTls>, news: Arc<Notify>) -> Self {
        let inner = Arc::new(Inner { roster: Mutex::new(Roster::new(BEAT * BEATS)), news });
        let (addresses, told) = watch::channel(BTreeSet::new());
        let config = WatchConfiguration { addresses: Vec::new(), tls, lookup: BEAT, beat: BEAT };
        let watcher: Arc<dyn Watcher> = inner.clone();
        let watch = FleetWatch::start_told(config, are_scanners, told, watcher);
        Self { inner, addresses, _watch: watch }
    }

    /// They are there, and no others.
    pub fn place(&self, places: BTreeMap<SocketAddr, Place>) {
        let mut roster = self.inner.roster.lock();
        if roster.place(places) {
            let known = roster.addresses();
            drop(roster);
            self.addresses.send_if_modified(|addresses| {
                let is_new = *addresses != known;
                *addresses = known;
                is_new
            });
            self.inner.news.notify_one();
        }
    }

    /// What is known of them.
    pub fn roster<T>(&self, look: impl FnOnce(&Roster) -> T) -> T {
        look(&self.inner.roster.lock())
    }
}

impl Watcher for Inner {
    fn known(&self, _: &BTreeSet<SocketAddr>) {}

    fn heard(&self, address: SocketAddr, state: State) {
        if self.roster.lock().heard(address, state, Instant::now()) {
            self.news.notify_one();
        }
    }

    fn lost(&self, address: SocketAddr) {
        if self.roster.lock().lost(address) {
            self.news.notify_one();
        }
    }
}
