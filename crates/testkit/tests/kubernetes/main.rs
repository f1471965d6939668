//! The control plane that tests run against, and what stands before it: what fails here is the harness's own fault.

mod accounts_may_do_what_their_role_says;
mod endpoints_follow_their_processes;
mod faults_are_what_they_say;
mod namespaces_are_apart;
mod nothing_is_left_behind;
mod types_are_served_with_their_rules;
mod watches_survive;

use icapstan_testkit::kube::{Cluster, Namespace};
use icapstan_testkit::skipped;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::ObjectMeta;

/// A namespace, unless these tests are left out.
async fn namespace(prefix: &str) -> Option<Namespace> {
    if skipped("kube") {
        return None;
    }
    Some(Cluster::get().await.namespace(prefix).await)
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some([("key".to_owned(), value.to_owned())].into()),
        ..ConfigMap::default()
    }
}

/// These verbs on config maps.
fn may(verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec!["configmaps".to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    }
}
