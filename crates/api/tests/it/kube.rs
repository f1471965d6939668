//! The custom resources: what can be written, what cannot, and what is said then.
//!
//! The API server judges objects by their schemas and by rules in CEL. Both are evaluated here as well, so that each
//! example and each wrong object is tried without one; against a real one they are tried by the tests of the program.

mod examples;
mod rules;
mod schemas;
mod server;
mod structural;
mod wrong;

use icapstan_api::kube::crds;
use kube_cel::Validator;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The schema of the whole object of that kind.
fn schema(kind: &str) -> Value {
    let definition = crds().into_iter().find(|definition| definition.spec.names.kind == kind);
    let definition = definition.unwrap_or_else(|| panic!("no kind {kind}"));
    let validation = definition.spec.versions.into_iter().next().unwrap().schema.unwrap();
    serde_json::to_value(validation.open_api_v3_schema.unwrap()).unwrap()
}

/// What an API server would say of the object, in the place of `old` if there was one.
fn judge(object: &Value, old: Option<&Value>) -> Vec<String> {
    let schema = schema(object["kind"].as_str().unwrap());
    let filled = |object: &Value| kube_cel::apply_defaults(&schema, &json!({"spec": object["spec"]}));
    let mut filled_object = filled(object);
    let problems = structural::problems(&schema, &filled_object);
    if !problems.is_empty() {
        return problems;
    }
    // The server knows what metadata is like.
    filled_object["metadata"] = json!({"name": object["metadata"]["name"].as_str().unwrap_or("x")});
    let old = old.map(|old| {
        let mut old = filled(old);
        old["metadata"] = filled_object["metadata"].clone();
        old
    });
    let object = filled_object;
    match Validator::new().validate(&schema, &object, old.as_ref()) {
        Ok(()) => Vec::new(),
        Err(errors) => {
            errors.iter().map(|error| format!("{}: {}", error.field_path, error.message)).collect()
        }
    }
}
