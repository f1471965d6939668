//! Who plans for a fleet is told how each gateway is.

use crate::rig::{PATIENCE, Scanner, listener, metric, until};
use icapstan_proto::fleet::{self, State, state::Role};
use icapstan_scan_rpc::{
    FleetWatch, GatewayStanding, StatusConfig, StatusMetrics, StatusServer, WatchConfiguration, Watcher,
};
use parking_lot::Mutex;
use prometheus::Registry;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

#[derive(Default)]
struct Told(Mutex<Vec<State>>);

impl Watcher for Told {
    fn known(&self, _: &BTreeSet<SocketAddr>) {}

    fn heard(&self, _: SocketAddr, state: State) {
        self.0.lock().push(state);
    }

    fn lost(&self, _: SocketAddr) {}
}

impl Told {
    fn last(&self) -> Option<(State, fleet::Gateway)> {
        let state = self.0.lock().last().cloned()?;
        let Some(Role::Gateway(gateway)) = state.role.clone() else { panic!("it is a gateway") };
        Some((state, gateway))
    }
}

/// A gateway of which only this is there.
struct Gateway {
    standing: Arc<Mutex<GatewayStanding>>,
    changes: watch::Sender<()>,
    server: StatusServer,
    registry: Registry,
}

impl Gateway {
    fn start() -> Self {
        let standing = Arc::new(Mutex::new(GatewayStanding::default()));
        let registry = Registry::new();
        let (changes, changed) = watch::channel(());
        let told = Arc::clone(&standing);
        let server = StatusServer::start(
            listener(),
            StatusConfig { name: "gateway-1".to_owned(), version: "0", tls: None },
            Arc::new(move || told.lock().clone()),
            changed,
            &StatusMetrics::register(&registry).unwrap(),
        )
        .unwrap();
        Self { standing, changes, server, registry }
    }
}

fn watch_gateways(address: SocketAddr, beat: Duration) -> (FleetWatch, Arc<Told>) {
    let told = Arc::new(Told::default());
    let config = WatchConfiguration {
        addresses: vec![address.to_string()],
        tls: None,
        lookup: Duration::from_secs(1),
        beat,
    };
    (FleetWatch::start_gateways(config, Arc::clone(&told) as _), told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_a_gateway_are_told_at_once_and_its_end_too() {
    let gateway = Gateway::start();
    // A beat that nobody waits for.
    let (_watch, told) = watch_gateways(gateway.server.local_addr(), Duration::from_secs(10));
    until(|| told.last().is_some()).await;
    let (state, said) = told.last().unwrap();
    assert_eq!((state.name.as_str(), state.plan_generation, said.active_epoch), ("gateway-1", 0, 0));
    assert_eq!(metric(&gateway.registry, "icapstan_plan_watcher_connections", None), 1);
    {
        let mut standing = gateway.standing.lock();
        standing.plan_generation = 7;
        standing.gateway.prepared_epoch = 3;
        standing.not_ready = "it is told so".to_owned();
    }
    gateway.changes.send_replace(());
    tokio::time::timeout(PATIENCE, until(|| told.last().unwrap().1.prepared_epoch == 3)).await.unwrap();
    let (state, _) = told.last().unwrap();
    assert_eq!((state.plan_generation, state.not_ready.as_str()), (7, "it is told so"));
    gateway.server.stop(PATIENCE).await;
    until(|| told.last().unwrap().0.draining).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scanner_is_no_gateway() {
    let scanner = Scanner::start(Some(1));
    let (_watch, told) = watch_gateways(scanner.address(), Duration::from_millis(50));
    until(|| metric(&scanner.registry, "icapstan_scan_server_connections", None) >= 1).await;
    until(|| metric(&scanner.registry, "icapstan_scan_server_connections", None) == 0).await;
    assert!(told.last().is_none());
}
