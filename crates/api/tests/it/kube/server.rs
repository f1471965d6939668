//! What a real API server makes of the definitions, of the examples, and of what is wrong.

use super::examples::ours;
use super::wrong::{Wrong, table};
use icapstan_api::kube::{GROUP, VERSION, crds};
use icapstan_testkit::kube::{Cluster, Namespace};
use icapstan_testkit::skipped;
use kube::Error;
use kube::api::DynamicObject;
use serde_json::{Value, json};

/// A namespace of a server that knows our kinds, unless these tests are left out.
async fn namespace(prefix: &str) -> Option<Namespace> {
    if skipped("kube") {
        return None;
    }
    let namespace = Cluster::get().await.namespace(prefix).await;
    namespace.cluster().install_crds(crds()).await;
    Some(namespace)
}

/// Writes an object as kubectl does: what is not known is refused.
async fn write(namespace: &Namespace, object: &Value, method: &str) -> Result<DynamicObject, Error> {
    let kind = object["kind"].as_str().unwrap();
    let definition = crds().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
    let (space, plural) = (namespace.name(), definition.spec.names.plural);
    let mut path = format!("/apis/{GROUP}/{VERSION}/namespaces/{space}/{plural}");
    if method == "PUT" {
        path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
    }
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{path}?fieldValidation=Strict"))
        .header("content-type", "application/json");
    namespace.client().request(request.body(serde_json::to_vec(object).unwrap()).unwrap()).await
}

#[tokio::test]
async fn every_example_is_taken() {
    let Some(namespace) = namespace("examples").await else { return };
    for (file, object) in ours() {
        let written = write(&namespace, &object, "POST").await;
        written.unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_the_name_of_its_field() {
    let Some(namespace) = namespace("wrong").await else { return };
    for (index, Wrong { kind, name, before, spec, field, says }) in table().into_iter().enumerate() {
        let name = name.unwrap_or_else(|| format!("wrong-{index}"));
        let object = |spec: &Value, version: Option<String>| {
            json!({
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": kind,
                "metadata": {"name": name, "resourceVersion": version},
                "spec": spec,
            })
        };
        let result = match before {
            None => write(&namespace, &object(&spec, None), "POST").await,
            Some(before) => {
                let there = write(&namespace, &object(&before, None), "POST").await.unwrap();
                write(&namespace, &object(&spec, there.metadata.resource_version), "PUT").await
            }
        };
        let told = format!("{kind} {spec}");
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
