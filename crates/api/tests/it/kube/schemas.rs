//! What schemas have to be.

use super::schema;
use icapstan_api::kube::crds;
use icapstan_api::kube::{IcapServiceSpec, ScanPolicySpec};
use icapstan_api::{Config, IcapService, RuleAction, RuleVerdict, ScanPolicy, ServiceMode};
use serde_json::{Value, json};

fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), inner, visit);
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(word) {
            walk(&format!("{path}[]"), inner, visit);
        }
    }
}

#[test]
fn every_field_is_described_and_bounded() {
    for definition in crds() {
        let kind = definition.spec.names.kind;
        walk(&kind, &schema(&kind), &mut |path, schema| {
            let is_field = !path.ends_with("[]") && path.matches('.').count() > 1;
            if is_field {
                let description = schema["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{path} has no description");
                assert!(!description.contains("[`") && !description.contains('\n'), "{path}: {description}");
            }
            match schema["type"].as_str() {
                Some("array") => assert!(schema["maxItems"].is_number(), "{path} may be of any length"),
                Some("object") if schema.get("additionalProperties").is_some() => {
                    assert!(schema["maxProperties"].is_number(), "{path} may be of any size");
                }
                Some("string") => {
                    let is_bounded =
                        ["maxLength", "enum", "format"].iter().any(|word| schema.get(word).is_some());
                    assert!(is_bounded, "{path} may be of any length");
                }
                _ => {}
            }
        });
    }
}

#[test]
fn kinds_have_the_names_that_people_type() {
    let names = |kind: &str| {
        let definition = crds().into_iter().find(|definition| definition.spec.names.kind == kind).unwrap();
        let names = definition.spec.names;
        (
            definition.metadata.name.unwrap(),
            names.short_names.unwrap().join(","),
            names.categories.unwrap_or_default(),
        )
    };
    for (kind, name, short, is_listed) in [
        ("SignatureSource", "signaturesources", "sigsrc", true),
        ("SignatureSet", "signaturesets", "sigset", true),
        ("SignatureRevision", "signaturerevisions", "sigrev", true),
        ("ScanPolicy", "scanpolicies", "scanpol", true),
        ("IcapService", "icapservices", "icapsvc", true),
        ("UrlList", "urllists", "urllist", true),
        ("FleetPlan", "fleetplans", "fplan", false),
    ] {
        let categories: &[String] = if is_listed { &["icapstan".to_owned()] } else { &[] };
        let expected = (format!("{name}.icapstan.dev"), short.to_owned(), categories.to_vec());
        assert_eq!(names(kind), expected);
    }
}

#[test]
fn a_policy_and_a_service_mean_the_same_in_both_notations() {
    let text = "
        policies:
        - name: strict
          failOpen: true
          scan: {timeout: 5s, maxObjectSize: 1Mi, heuristics: detail}
          skip: [{name: x, when: {methods: [GET]}}]
          rules:
          - {verdict: DETECT, action: {block: detected}}
          - {verdict: FAILED, reason: time, action: log}
          - {verdict: MACRO, action: none, headers: [{name: X-A, value: x, to: icap}], hooks: []}
          tests: [{name: x, given: {verdict: DETECT}, expect: {action: block}}]
        services: [{path: /x, policy: strict, preview: off, optionsTtl: 2m, partial: true, tenant: y}]";
    let config = Config::parse(text, "both").unwrap();
    let policy = config.policy("strict").unwrap();
    let spec = ScanPolicySpec::of(policy.clone());
    assert_eq!(&spec.policy("strict"), policy);
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(written["rules"][1]["action"], json!({"log": {}}), "the only notation of custom resources");
    assert_eq!(&serde_json::from_value::<ScanPolicySpec>(written).unwrap().policy("strict"), policy);
    let service = &config.services[0];
    let spec = IcapServiceSpec::of(service.clone());
    assert_eq!(&spec.service(), service);
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(&serde_json::from_value::<IcapServiceSpec>(written).unwrap().service(), service);
}

#[test]
fn what_is_left_out_means_the_same_in_both_notations() {
    let policy: ScanPolicySpec = serde_json::from_value(filled("ScanPolicy", &json!({}))).unwrap();
    assert_eq!(policy.policy("x"), ScanPolicy::new("x"));
    let service: IcapServiceSpec =
        serde_json::from_value(filled("IcapService", &json!({"path": "/x", "modes": ["RESPMOD"]}))).unwrap();
    assert_eq!(service.service(), IcapService::new("/x", &[ServiceMode::Respmod]));
}

/// As the API server stores it.
fn filled(kind: &str, spec: &Value) -> Value {
    kube_cel::apply_defaults(&schema(kind), &json!({"spec": spec}))["spec"].clone()
}

#[test]
fn a_policy_of_a_resource_has_each_setting_that_one_of_a_file_has() {
    let mut policy = ScanPolicy::new("x");
    policy.rules.push(icapstan_api::Rule::new(RuleVerdict::Detect, RuleAction::Log));
    let file = serde_json::to_value(&policy).unwrap();
    let resource = schema("ScanPolicy");
    for field in file.as_object().unwrap().keys().filter(|field| *field != "name") {
        assert!(resource["properties"]["spec"]["properties"].get(field).is_some(), "{field}");
    }
}
