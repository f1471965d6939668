//! What watches goes on when its connection does not.

use super::{config_map, namespace};
use icapstan_testkit::PATIENCE;
use icapstan_testkit::kube::{FaultProxy, Namespace, Which, until};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Client, ResourceExt};
use std::pin::pin;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::timeout;
use tokio_stream::StreamExt;

/// What a watch says, in a task of its own, as a controller has it.
type Events = Receiver<watcher::Result<Event<ConfigMap>>>;

#[tokio::test]
async fn a_watch_that_is_cut_begins_again_and_misses_nothing() {
    let Some((namespace, proxy, mut events)) = watched("cut").await else { return };
    let before = proxy.count(&watches());
    proxy.cut_watches();
    create(&namespace, "while-it-was-cut").await;
    see(&mut events, "while-it-was-cut").await;
    assert!(proxy.count(&watches()) > before, "it is another watch");
}

#[tokio::test]
async fn a_watch_survives_a_server_that_refuses_connections() {
    let Some((namespace, proxy, mut events)) = watched("refused").await else { return };
    proxy.refuse();
    let error = std::net::TcpStream::connect(proxy.address()).expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    create(&namespace, "while-it-was-away").await;
    proxy.heal();
    see(&mut events, "while-it-was-away").await;
}

#[tokio::test]
async fn a_watch_in_silence_hears_later_what_was_said_meanwhile() {
    let Some((namespace, proxy, mut events)) = watched("silent").await else { return };
    let before = proxy.count(&watches());
    proxy.fall_silent();
    create(&namespace, "in-silence").await;
    let heard = timeout(std::time::Duration::from_millis(300), events.recv()).await;
    assert!(heard.is_err(), "{heard:?}");
    proxy.heal();
    see(&mut events, "in-silence").await;
    assert_eq!(proxy.count(&watches()), before, "it is the same watch");
}

#[tokio::test]
async fn a_watch_that_is_too_old_begins_anew() {
    let Some((namespace, proxy, mut events)) = watched("old").await else { return };
    let lists = Which::verb("GET").containing("/configmaps");
    let before = proxy.count(&lists);
    proxy.fail(watches(), 410, 1);
    proxy.cut_watches();
    until("it lists again", async || (proxy.count(&lists) > before).then_some(())).await;
    create(&namespace, "after-that").await;
    see(&mut events, "after-that").await;
}

/// A watch by way of a proxy, which has begun.
async fn watched(prefix: &str) -> Option<(Namespace, FaultProxy, Events)> {
    let namespace = namespace(prefix).await?;
    let proxy = FaultProxy::before(namespace.cluster());
    let client: Client = proxy.client(namespace.kubeconfig()).await;
    let stream = watch(Api::<ConfigMap>::default_namespaced(client), watcher::Config::default());
    let (said, mut events) = channel(100);
    tokio::spawn(async move {
        let mut stream = pin!(stream.default_backoff());
        while let Some(event) = stream.next().await
            && said.send(event).await.is_ok()
        {}
    });
    create(&namespace, "first").await;
    see(&mut events, "first").await;
    let is_begun = || proxy.seen().iter().any(|seen| seen.is_watch() && seen.answer.is_some());
    until("it watches", async || is_begun().then_some(())).await;
    while events.try_recv().is_ok() {}
    Some((namespace, proxy, events))
}

fn watches() -> Which {
    Which::verb("WATCH").containing("/configmaps")
}

/// Not by way of the proxy.
async fn create(namespace: &Namespace, name: &str) {
    let api: Api<ConfigMap> = Api::default_namespaced(namespace.client());
    api.create(&PostParams::default(), &config_map(name, "1")).await.expect("it is new");
}

async fn see(events: &mut Events, name: &str) {
    let seen = timeout(PATIENCE, async {
        loop {
            match events.recv().await.expect("it watches for ever") {
                Ok(Event::Apply(map) | Event::InitApply(map)) if map.name_any() == name => return,
                _ => {}
            }
        }
    });
    assert!(seen.await.is_ok(), "{name} was never seen");
}
