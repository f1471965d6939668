//! Objects that are refused, and what is said of them. The same ones are tried against a real API server.

use super::{judge, repository};
use serde::Deserialize;
use serde_json::{Value, json};

/// One entry of the table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wrong {
    pub(super) kind: String,
    /// What it is called, where that is the fault.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// What is there already, where the fault is a change.
    #[serde(default)]
    pub(super) before: Option<Value>,
    pub(super) spec: Value,
    /// The field that is to blame.
    pub(super) field: String,
    /// What is said of it, where that is ours to say.
    #[serde(default)]
    pub(super) says: String,
}

pub(super) fn table() -> Vec<Wrong> {
    let text = std::fs::read_to_string(repository("tests/data/invalid-objects.yaml")).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

#[test]
fn what_is_wrong_is_refused_by_the_name_of_its_field() {
    let table = table();
    assert!(table.len() >= 60, "{}", table.len());
    for Wrong { kind, name, before, spec, field, says } in table {
        let object = |spec: &Value| json!({"kind": kind, "metadata": {"name": name}, "spec": spec});
        if let Some(before) = &before {
            assert_eq!(judge(&object(before), None), Vec::<String>::new(), "{kind} {before}");
        }
        let before = before.as_ref().map(object);
        let problems = judge(&object(&spec), before.as_ref());
        assert!(
            problems.iter().any(|problem| problem.contains(&field) && problem.contains(&says)),
            "{kind} {spec}: not \"{field}: {says}\", but {problems:?}"
        );
    }
}
