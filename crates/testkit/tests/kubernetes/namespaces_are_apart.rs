//! Tests run at a time, and see nothing of each other.

use super::{config_map, namespace};
use icapstan_testkit::Process;
use icapstan_testkit::kube::kubectl;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use std::process::Command;

#[tokio::test]
async fn two_namespaces_of_one_prefix_hold_the_same_name_at_a_time() {
    let Some(first) = namespace("apart").await else { return };
    let Some(second) = namespace("apart").await else { return };
    assert_ne!(first.name(), second.name());
    let write = async |namespace: &icapstan_testkit::kube::Namespace, value| {
        let api: Api<ConfigMap> = Api::default_namespaced(namespace.client());
        api.create(&PostParams::default(), &config_map("same", value)).await.expect("it is new");
        let all = api.list(&ListParams::default()).await.expect("it can be listed");
        all.items
            .into_iter()
            .filter(|map| map.name_any() == "same")
            .map(|map| map.data.expect("it has data")["key"].clone())
            .collect::<Vec<_>>()
    };
    let (first, second) = tokio::join!(write(&first, "1"), write(&second, "2"));
    assert_eq!((first, second), (vec!["1".to_owned()], vec!["2".to_owned()]));
}

#[tokio::test]
async fn pods_can_be_written_down() {
    let Some(namespace) = namespace("pods").await else { return };
    let pod: Pod = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "one"},
        "spec": {"containers": [{"name": "main", "image": "localhost/none:0"}]},
    }))
    .expect("it is a pod");
    let api: Api<Pod> = Api::default_namespaced(namespace.client());
    api.create(&PostParams::default(), &pod).await.expect("nothing is missing that a pod needs");
}

#[tokio::test]
async fn children_find_their_namespace_in_the_file() {
    let Some(namespace) = namespace("child").await else { return };
    let api: Api<ConfigMap> = Api::default_namespaced(namespace.client());
    api.create(&PostParams::default(), &config_map("seen", "by a child")).await.expect("it is new");
    let mut command = Command::new(kubectl());
    command.env("KUBECONFIG", namespace.kubeconfig()).args(["get", "configmap", "seen"]);
    command.args(["-o", "jsonpath={.data.key}"]);
    let process = Process::start("kubectl", command);
    let said = process.wait_for("the value", |line| line.contains("by a child").then(|| line.to_owned()));
    assert_eq!(said, "by a child");
}
