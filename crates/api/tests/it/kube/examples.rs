//! The objects of deploy/examples can be used.

use super::{judge, repository};
use icapstan_api::kube::{IcapService, IcapServiceSpec, ScanPolicy, SignatureSet, SignatureSource, UrlList};
use icapstan_api::{Config, UrlLists};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// All documents, by the names of their files.
fn examples() -> BTreeMap<String, Vec<Value>> {
    let entries = std::fs::read_dir(repository("deploy/examples")).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = serde_yaml::Deserializer::from_str(&text);
            let objects = documents.map(|document| Value::deserialize(document).unwrap()).collect();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), objects)
        })
        .collect()
}

/// Those of the page, too.
#[test]
fn every_example_of_the_page_passes() {
    let page = std::fs::read_to_string(repository("docs/kubernetes.md")).unwrap();
    let examples: Vec<_> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        let object: Value = serde_yaml::from_str(example).unwrap();
        assert_eq!(judge(&object, None), Vec::<String>::new(), "{example}");
    }
}

pub(super) fn ours() -> Vec<(String, Value)> {
    let all = examples()
        .into_iter()
        .flat_map(|(file, objects)| objects.into_iter().map(move |object| (file.clone(), object)));
    all.filter(|(_, object)| object["apiVersion"] == "icapstan.dev/v1alpha1").collect()
}

#[test]
fn every_example_passes_and_can_be_read() {
    let mut kinds = BTreeMap::<_, u32>::new();
    for (file, object) in ours() {
        assert_eq!(judge(&object, None), Vec::<String>::new(), "{file}: {object}");
        let kind = object["kind"].as_str().unwrap().to_owned();
        let read = match kind.as_str() {
            "SignatureSource" => serde_json::from_value::<SignatureSource>(object).map(drop),
            "SignatureSet" => serde_json::from_value::<SignatureSet>(object).map(drop),
            "ScanPolicy" => serde_json::from_value::<ScanPolicy>(object).map(drop),
            "IcapService" => serde_json::from_value::<IcapService>(object).map(drop),
            "UrlList" => serde_json::from_value::<UrlList>(object).map(drop),
            other => panic!("{file}: {other}"),
        };
        read.unwrap_or_else(|error| panic!("{file}: {error}"));
        *kinds.entry(kind).or_default() += 1;
    }
    let least =
        [("SignatureSource", 3), ("SignatureSet", 3), ("ScanPolicy", 2), ("IcapService", 2), ("UrlList", 1)];
    for (kind, least) in least {
        assert!(kinds[kind] >= least, "{kinds:?}");
    }
}

/// What the operator makes of them holds together, as one file would have to.
#[test]
fn the_policies_services_and_lists_of_the_examples_go_together() {
    let mut config = Config { policies: Vec::new(), services: Vec::new(), ..Config::default() };
    let mut lists = UrlLists::default();
    for (_, object) in ours() {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        match object["kind"].as_str().unwrap() {
            "ScanPolicy" => {
                let policy: ScanPolicy = serde_json::from_value(object).unwrap();
                config.policies.push(policy.spec.policy(&name));
            }
            "IcapService" => {
                let spec: IcapServiceSpec = serde_json::from_value(object["spec"].clone()).unwrap();
                config.services.push(spec.service());
            }
            "UrlList" => {
                let list: UrlList = serde_json::from_value(object).unwrap();
                lists.sources.push(list.spec.source(&name, format!("/{name}")));
            }
            _ => {}
        }
    }
    config.url_lists = lists;
    assert_eq!(config.check(), Ok(()));
    assert!(config.services.len() >= 2);
}
