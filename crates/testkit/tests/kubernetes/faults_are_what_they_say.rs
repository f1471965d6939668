//! Each fault does what it is called, and nothing more.

use super::{config_map, may, namespace};
use icapstan_testkit::kube::{FaultProxy, Namespace, Which, until};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Error;
use kube::api::{Api, ListParams, PostParams};
use std::time::{Duration, Instant};

/// A namespace and its config maps: as they are, and by way of a proxy.
struct Ground {
    namespace: Namespace,
    proxy: FaultProxy,
    real: Api<ConfigMap>,
    maps: Api<ConfigMap>,
}

#[tokio::test]
async fn an_answer_that_is_dropped_is_of_a_write_that_was_made() {
    let Some(ground) = ground("dropped").await else { return };
    ground.proxy.drop_answers(writes(), 1);
    let error = ground.create("one").await.expect_err("its answer is dropped");
    assert!(!matches!(error, Error::Api(_)), "the server did not say no: {error}");
    ground.real.get("one").await.expect("it was made");
    ground.create("two").await.expect("only one answer is dropped");
    let answers: Vec<_> = ground.proxy.seen().iter().map(|seen| (seen.verb.clone(), seen.answer)).collect();
    assert_eq!(answers, [("POST".to_owned(), None), ("POST".to_owned(), Some(201))]);
}

#[tokio::test]
async fn a_write_that_is_held_arrives_though_who_sent_it_is_gone() {
    let Some(ground) = ground("held").await else { return };
    let held = ground.proxy.hold(writes());
    let maps = ground.maps.clone();
    let writing =
        tokio::spawn(async move { maps.create(&PostParams::default(), &config_map("late", "1")).await });
    held.arrived().await;
    assert!(ground.real.get_opt("late").await.expect("it can be asked for").is_none());
    writing.abort();
    held.release();
    until("it arrives", async || ground.real.get_opt("late").await.ok().flatten()).await;
    ground.create("next").await.expect("nothing is held any more");
}

#[tokio::test]
async fn a_write_that_is_lost_never_arrives() {
    let Some(ground) = ground("lost").await else { return };
    let held = ground.proxy.hold(writes().containing("/configmaps"));
    let maps = ground.maps.clone();
    let writing =
        tokio::spawn(async move { maps.create(&PostParams::default(), &config_map("lost", "1")).await });
    held.arrived().await;
    ground.maps.list(&ListParams::default()).await.expect("others are not held");
    assert_eq!(held.count(), 1);
    held.lose();
    writing.await.expect("it ends").expect_err("it is lost");
    assert!(ground.real.get_opt("lost").await.expect("it can be asked for").is_none());
}

#[tokio::test]
async fn errors_come_as_often_as_asked_and_only_where_asked() {
    let Some(ground) = ground("errors").await else { return };
    ground.proxy.fail(Which::verb("GET").under("/api/v1/namespaces/").containing("/configmaps"), 500, 2);
    ground.create("one").await.expect("writes do not fail");
    for _ in 0..2 {
        let error = ground.maps.get("one").await.expect_err("the next two fail");
        assert!(matches!(&error, Error::Api(status) if status.code == 500), "{error}");
    }
    ground.maps.get("one").await.expect("that was all");

    // Who is told to come again does, after a second.
    ground.proxy.fail(Which::all(), 429, 1);
    let begun = Instant::now();
    ground.maps.get("one").await.expect("the client tries again");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let answers: Vec<_> = ground.proxy.seen().iter().filter_map(|seen| seen.answer).collect();
    assert_eq!(answers, [201, 500, 500, 200, 429, 200]);

    ground.proxy.fail(Which::all(), 503, usize::MAX);
    ground.proxy.heal();
    ground.maps.get("one").await.expect("nothing fails after healing");
}

#[tokio::test]
async fn answers_are_late_by_as_much_as_asked() {
    let Some(ground) = ground("late").await else { return };
    let late = Duration::from_millis(300);
    ground.proxy.delay(late);
    let begun = Instant::now();
    ground.create("one").await.expect("it is late and made");
    assert!(begun.elapsed() >= late);
}

#[tokio::test]
async fn in_silence_nothing_is_answered_and_nothing_ends() {
    let Some(ground) = ground("silent").await else { return };
    ground.create("before").await.expect("it is connected");
    ground.proxy.fall_silent();
    let maps = ground.maps.clone();
    let mut old = tokio::spawn(async move { maps.get("before").await });
    let fresh: Api<ConfigMap> =
        Api::default_namespaced(ground.proxy.client(ground.namespace.kubeconfig()).await);
    let mut new = tokio::spawn(async move { fresh.get("before").await });
    let wait = tokio::time::sleep(Duration::from_millis(300));
    tokio::select! {
        answer = &mut old => panic!("{answer:?} on the connection there was"),
        answer = &mut new => panic!("{answer:?} on a connection that came"),
        () = wait => {}
    }
    ground.proxy.heal();
    old.await.expect("it ends").expect("it is answered late");
    new.await.expect("it ends").expect("it is answered late");
}

#[tokio::test]
async fn connections_that_are_cut_are_made_again() {
    let Some(ground) = ground("cut").await else { return };
    let held = ground.proxy.hold(Which::verb("GET"));
    let maps = ground.maps.clone();
    let reading = tokio::spawn(async move { maps.get("any").await });
    held.arrived().await;
    ground.proxy.cut();
    let error = reading.await.expect("it ends").expect_err("its connection is cut");
    assert!(!matches!(error, Error::Api(_)), "{error}");
    drop(held);
    ground.create("one").await.expect("there are new connections");
}

#[tokio::test]
async fn who_asks_by_way_of_the_proxy_stays_who_it_is() {
    let Some(ground) = ground("who").await else { return };
    let account = ground.namespace.identity("reader", vec![may(&["get"])]).await;
    let maps: Api<ConfigMap> = Api::default_namespaced(ground.proxy.client(account.kubeconfig()).await);
    let error =
        maps.create(&PostParams::default(), &config_map("one", "1")).await.expect_err("no rule says so");
    let wanted = format!("system:serviceaccount:{}:reader", ground.namespace.name());
    assert!(error.to_string().contains(&wanted), "{error}");
    ground.create("one").await.expect("the administrator may");

    // A child gets the same from a file.
    let file = kube::config::Kubeconfig::read_from(ground.proxy.kubeconfig(account.kubeconfig()));
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(file.expect("it is a file"), &options).await;
    let client = kube::Client::try_from(config.expect("it is whole")).expect("the settings fit");
    Api::<ConfigMap>::default_namespaced(client).get("one").await.expect("its rule says so");
    assert_eq!(ground.proxy.count(&Which::verb("GET").containing("/configmaps/one")), 1);
}

// === impl Ground ===

impl Ground {
    async fn create(&self, name: &str) -> kube::Result<ConfigMap> {
        self.maps.create(&PostParams::default(), &config_map(name, "1")).await
    }
}

async fn ground(prefix: &str) -> Option<Ground> {
    let namespace = namespace(prefix).await?;
    let proxy = FaultProxy::before(namespace.cluster());
    let real = Api::default_namespaced(namespace.client());
    let maps = Api::default_namespaced(proxy.client(namespace.kubeconfig()).await);
    Some(Ground { namespace, proxy, real, maps })
}

fn writes() -> Which {
    Which::verb("POST")
}
