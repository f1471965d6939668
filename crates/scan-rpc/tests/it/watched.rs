//! Who watches a fleet is told of each scanner what it says, and when it says nothing more.

use crate::rig::{PATIENCE, Scanner, epoch, listener, until};
use icapstan_proto::fleet::{State, state::Role};
use icapstan_scan_rpc::{FleetWatch, WatchConfiguration, Watcher};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What was told.
#[derive(Default)]
struct Told {
    known: Mutex<Option<BTreeSet<SocketAddr>>>,
    last: Mutex<BTreeMap<SocketAddr, State>>,
    lost: Mutex<BTreeSet<SocketAddr>>,
}

impl Watcher for Told {
    fn known(&self, scanners: &BTreeSet<SocketAddr>) {
        *self.known.lock() = Some(scanners.clone());
    }

    fn heard(&self, scanner: SocketAddr, state: State) {
        self.lost.lock().remove(&scanner);
        self.last.lock().insert(scanner, state);
    }

    fn lost(&self, scanner: SocketAddr) {
        self.lost.lock().insert(scanner);
    }
}

impl Told {
    fn last(&self, scanner: SocketAddr) -> Option<State> {
        self.last.lock().get(&scanner).cloned()
    }

    fn is_lost(&self, scanner: SocketAddr) -> bool {
        self.lost.lock().contains(&scanner)
    }

    fn held(&self, scanner: SocketAddr) -> usize {
        match self.last(scanner).and_then(|state| state.role) {
            Some(Role::Scanner(scanner)) => scanner.held.len(),
            _ => 0,
        }
    }
}

fn watch(addresses: &[String], beat: Duration) -> (FleetWatch, Arc<Told>) {
    let told = Arc::new(Told::default());
    let addresses = addresses.to_vec();
    let config = WatchConfiguration { addresses, tls: None, lookup: Duration::from_secs(1), beat };
    (FleetWatch::start(config, Arc::clone(&told) as _), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_scanner_is_heard_also_one_that_cannot_scan_yet() {
    let (ready, loading) = (Scanner::start(Some(1)), Scanner::start(None));
    // By a name, and by an address.
    let addresses = [format!("localhost:{}", ready.address().port()), loading.address().to_string()];
    let (_watch, told) = watch(&addresses, Duration::from_millis(100));
    until(|| told.held(ready.address()) == 1 && told.last(loading.address()).is_some()).await;
    let known = told.known.lock().clone().unwrap();
    assert!(known.contains(&ready.address()) && known.contains(&loading.address()), "{known:?}");
    assert_eq!(told.held(loading.address()), 0);
    loading.engine.epochs.send_replace(Some(epoch(2)));
    until(|| told.held(loading.address()) == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_scanner_is_told_and_that_it_is_back() {
    let scanner = Scanner::start(Some(1));
    let address = scanner.address();
    let (_watch, told) = watch(&[address.to_string()], Duration::from_millis(100));
    until(|| told.last(address).is_some_and(|state| !state.draining)).await;
    assert!(scanner.server.stop(PATIENCE).await);
    // It said so itself.
    until(|| told.last(address).is_some_and(|state| state.draining)).await;
    until(|| told.is_lost(address)).await;
    drop(scanner);
    let again = std::net::TcpListener::bind(address).unwrap();
    let _again = Scanner::start_at(again, Some(1), |_| {});
    until(|| told.last(address).is_some_and(|state| !state.draining) && !told.is_lost(address)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_nothing_is_lost() {
    let mute = listener();
    let address = mute.local_addr().unwrap();
    let (_watch, told) = watch(&[address.to_string()], Duration::from_millis(50));
    // Connections come about, and nobody speaks.
    until(|| told.is_lost(address)).await;
    assert!(told.last(address).is_none());
}
