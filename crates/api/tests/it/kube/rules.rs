//! The rules in CEL: whether they can be evaluated, and at what cost.

use super::schema;
use icapstan_api::kube::crds;
use kube_cel::{ScopeContext, analyze_rule, compile_schema};
use serde_json::Value;

/// Each part of a schema that has rules, with its path.
fn with_rules<'a>(path: &str, schema: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    if schema.get("x-kubernetes-validations").is_some() {
        found.push((path.to_owned(), schema));
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        with_rules(&format!("{path}.{name}"), inner, found);
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(word) {
            with_rules(&format!("{path}[]"), inner, found);
        }
    }
}

#[test]
fn every_rule_can_be_compiled_and_is_cheap() {
    let mut count = 0;
    for definition in crds() {
        let kind = definition.spec.names.kind;
        let schema = schema(&kind);
        let mut found = Vec::new();
        with_rules(&kind, &schema, &mut found);
        for (path, part) in found {
            let compiled = compile_schema(part);
            assert!(!compiled.has_errors(), "{path}: {:?}", compiled.compilation_errors());
            for rule in part["x-kubernetes-validations"].as_array().unwrap() {
                let text = rule["rule"].as_str().unwrap();
                let mut warnings = analyze_rule(text, &compiled, ScopeContext::CrdValidation);
                // It does not know what a rule binds itself, as in `self.all(wave, ...)`.
                warnings.retain(|warning| {
                    let name = warning.message.split('\'').nth(1).unwrap_or_default();
                    !text.contains(&format!("({name}, "))
                });
                assert!(warnings.is_empty(), "{path}: {text}: {warnings:?}");
                assert!(rule["message"].as_str().is_some_and(|message| message.len() > 8), "{path}: {text}");
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count}");
}
