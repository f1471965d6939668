//! Who ships is who is tested: an account has its role, and no more.

use super::{config_map, may, namespace};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Client, Error};

#[tokio::test]
async fn what_the_role_does_not_say_is_forbidden() {
    let Some(here) = namespace("role").await else { return };
    let Some(elsewhere) = namespace("role").await else { return };
    let account = here.identity("reader", vec![may(&["get", "list", "create"])]).await;
    let client = account.client();

    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &config_map("mine", "1")).await.expect("the role says create");
    maps.list(&ListParams::default()).await.expect("the role says list");
    forbidden(maps.delete("mine", &DeleteParams::default()).await, "delete");
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    forbidden(secrets.list(&ListParams::default()).await, "secrets");
    let others: Api<ConfigMap> = Api::namespaced(client.clone(), elsewhere.name());
    forbidden(others.list(&ListParams::default()).await, "another namespace");
    forbidden(Api::<ConfigMap>::all(client).list(&ListParams::default()).await, "all namespaces");
}

#[tokio::test]
async fn children_are_who_the_file_says() {
    let Some(namespace) = namespace("child").await else { return };
    let account = namespace.identity("nobody", Vec::new()).await;
    let kubeconfig = kube::config::Kubeconfig::read_from(account.kubeconfig()).expect("it is a file");
    let options = kube::config::KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("it is whole");
    assert_eq!(config.default_namespace, namespace.name());
    let client = Client::try_from(config).expect("the settings fit");
    let error = Api::<ConfigMap>::default_namespaced(client).get("any").await.expect_err("there is no rule");
    let wanted = format!("system:serviceaccount:{}:nobody", namespace.name());
    assert!(error.to_string().contains(&wanted), "{error}");
}

#[tokio::test]
async fn another_role_takes_the_place_of_the_first() {
    let Some(namespace) = namespace("role").await else { return };
    let first = namespace.identity("one", vec![may(&["get"])]).await;
    let second = namespace.identity("one", vec![may(&["list"])]).await;
    assert_eq!(first.name(), second.name());
    let maps: Api<ConfigMap> = Api::default_namespaced(second.client());
    maps.list(&ListParams::default()).await.expect("the second role says list");
    forbidden(maps.get("any").await, "get");
}

#[track_caller]
fn forbidden<T: std::fmt::Debug>(answer: kube::Result<T>, what: &str) {
    match answer {
        Err(Error::Api(status)) if status.code == 403 => {}
        other => panic!("{what} is not forbidden: {other:?}"),
    }
}
