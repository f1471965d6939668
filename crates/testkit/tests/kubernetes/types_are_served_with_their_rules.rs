//! Types of one's own, with rules in CEL that the server itself applies.

use super::namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, PostParams};
use serde_json::json;

#[tokio::test]
async fn an_object_against_a_rule_is_refused_with_its_message() {
    let Some(namespace) = namespace("types").await else { return };
    // As tests do that run at a time: each asks for the types, and the first one waits for all.
    let cluster = namespace.cluster();
    tokio::join!(cluster.install_crds(vec![valves()]), cluster.install_crds(vec![valves()]));

    let resource = ApiResource {
        group: "testkit.icapstan.dev".to_owned(),
        version: "v1".to_owned(),
        api_version: "testkit.icapstan.dev/v1".to_owned(),
        kind: "Valve".to_owned(),
        plural: "valves".to_owned(),
    };
    let api: Api<DynamicObject> = Api::default_namespaced_with(namespace.client(), &resource);
    assert!(api.list(&ListParams::default()).await.expect("it is served").items.is_empty());
    let valve = |low: u32, high: u32| -> DynamicObject {
        let mut valve = DynamicObject::new("one", &resource);
        valve.data = json!({"spec": {"low": low, "high": high}});
        valve
    };
    let error = api.create(&PostParams::default(), &valve(3, 2)).await.expect_err("a rule forbids it");
    assert!(error.to_string().contains("low is at most high"), "{error}");
    api.create(&PostParams::default(), &valve(2, 3)).await.expect("no rule forbids it");
}

/// A type with one rule.
fn valves() -> CustomResourceDefinition {
    let number = json!({"type": "integer"});
    serde_json::from_value(json!({
        "metadata": {"name": "valves.testkit.icapstan.dev"},
        "spec": {
            "group": "testkit.icapstan.dev",
            "names": {"kind": "Valve", "listKind": "ValveList", "plural": "valves", "singular": "valve"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                    "type": "object",
                    "required": ["low", "high"],
                    "properties": {"low": number, "high": number},
                    "x-kubernetes-validations": [
                        {"rule": "self.low <= self.high", "message": "low is at most high"},
                    ],
                }}}},
            }],
        },
    }))
    .expect("it is a definition")
}
