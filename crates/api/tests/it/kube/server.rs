//! What a real API server makes of the definitions, of the examples, and of what is wrong.

use super::examples::ours;
use super::wrong::{Wrong, table};
use icapstan_api::kube::crds;
use icapstan_testkit::kube::{Cluster, Namespace};
use icapstan_testkit::skipped;
use kube::Error;
use kube::api::{Api, ApiResource, DynamicObject, PostParams, ValidationDirective};
use serde_json::Value;

/// A namespace of a server that knows our kinds, unless these tests are left out.
async fn namespace(prefix: &str) -> Option<Namespace> {
    if skipped("kube") {
        return None;
    }
    let namespace = Cluster::get().await.namespace(prefix).await;
    namespace.cluster().install_crds(crds()).await;
    Some(namespace)
}

fn api(namespace: &Namespace, kind: &str) -> (Api<DynamicObject>, ApiResource) {
    let definition = crds().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let resource = ApiResource {
        group: definition.spec.group.clone(),
        version: "v1alpha1".to_owned(),
        api_version: format!("{}/v1alpha1", definition.spec.group),
        kind: kind.to_owned(),
        plural: definition.spec.names.plural,
    };
    (Api::default_namespaced_with(namespace.client(), &resource), resource)
}

/// As kubectl asks: what is not known is refused.
fn strict() -> PostParams {
    PostParams { field_validation: Some(ValidationDirective::Strict), ..PostParams::default() }
}

#[tokio::test]
async fn every_example_is_taken() {
    let Some(namespace) = namespace("examples").await else { return };
    for (file, object) in ours() {
        let (api, _) = api(&namespace, object["kind"].as_str().unwrap());
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let created = api.create(&strict(), &object).await;
        created.unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_the_name_of_its_field() {
    let Some(namespace) = namespace("wrong").await else { return };
    for (index, Wrong { kind, before, spec, field, says }) in table().into_iter().enumerate() {
        let (api, resource) = api(&namespace, &kind);
        let object = |spec: Value| {
            let mut object = DynamicObject::new(&format!("wrong-{index}"), &resource);
            object.data = serde_json::json!({"spec": spec});
            object
        };
        let told = format!("{kind} {spec}");
        let result = match before {
            None => api.create(&strict(), &object(spec)).await,
            Some(before) => {
                let version = api.create(&strict(), &object(before)).await.unwrap().metadata.resource_version;
                let mut object = object(spec);
                object.metadata.resource_version = version;
                api.replace(&format!("wrong-{index}"), &strict(), &object).await
            }
        };
        match result {
            Err(Error::Api(status)) => {
                let message = &status.message;
                assert!(matches!(status.code, 400 | 422), "{told}: {message}");
                assert!(
                    message.contains(&field) && message.contains(&says),
                    "{told}: not \"{field}: {says}\", but {message}"
                );
            }
            other => panic!("{told}: {other:?}"),
        }
    }
}
