//! From types to what the API server is told.

use super::{FleetPlan, IcapService, ScanPolicy, SignatureRevision, SignatureSet, SignatureSource, UrlList};
use crate::schema::cel;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation, JSONSchemaProps,
};
use kube::CustomResourceExt;
use kube::core::object::{HasSpec, HasStatus};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Kinds whose objects' names stand in settings, in metrics and in names of other objects.
const NAMED_ELSEWHERE: [&str; 4] = ["SignatureSet", "ScanPolicy", "UrlList", "FleetPlan"];

/// All custom resources, in the order in which they stand in documents.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        crd::<SignatureSource>(),
        crd::<SignatureSet>(),
        crd::<SignatureRevision>(),
        crd::<ScanPolicy>(),
        crd::<IcapService>(),
        crd::<UrlList>(),
        crd::<FleetPlan>(),
    ]
}

/// The same as documents: from the name of each to its YAML.
pub fn manifests() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    let manifest = |definition: CustomResourceDefinition| {
        let text = quote_switches(&serde_yaml::to_string(&definition)?);
        Ok((definition.metadata.name.unwrap_or_default(), text))
    };
    crds().into_iter().map(manifest).collect()
}

/// kubectl reads YAML 1.1, where a bare `off` is `false`.
fn quote_switches(yaml: &str) -> String {
    let mut quoted = String::with_capacity(yaml.len() + 16);
    for line in yaml.lines() {
        let value = line.rsplit_once(": ").map_or_else(|| line.trim_start(), |(_, value)| value);
        let word = value.strip_prefix("- ").unwrap_or(value);
        if ["y", "n", "yes", "no", "on", "off"].contains(&word.to_ascii_lowercase().as_str()) {
            quoted.push_str(line.strip_suffix(word).unwrap_or_default());
            quoted.extend(["'", word, "'"]);
        } else {
            quoted.push_str(line);
        }
        quoted.push('\n');
    }
    quoted
}

fn crd<K>() -> CustomResourceDefinition
where
    K: CustomResourceExt + HasSpec + HasStatus,
    K::Spec: JsonSchema,
    K::Status: JsonSchema,
{
    let mut definition = K::crd();
    let spec = schema_of::<K::Spec>();
    let description = spec.get("description").cloned().unwrap_or_default();
    let mut status = Value::Object(schema_of::<K::Status>());
    leave_defaults_out(&mut status);
    let mut root = json!({
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {"spec": spec, "status": status},
    });
    if NAMED_ELSEWHERE.contains(&definition.spec.names.kind.as_str()) {
        root["x-kubernetes-validations"] = json!(cel::NAME);
    }
    let schema: JSONSchemaProps =
        serde_json::from_value(root).expect("a schema is made of keywords that are known");
    for version in &mut definition.spec.versions {
        version.schema = Some(CustomResourceValidation { open_api_v3_schema: Some(schema.clone()) });
    }
    definition
}

fn schema_of<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.transforms.clear();
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut value = schema.to_value();
    rewrite(&mut value);
    match value {
        Value::Object(map) => map,
        _ => unreachable!("structs have schemas of objects"),
    }
}

/// Makes a schema structural, as Kubernetes wants them: one type for each value, no words that it does not know.
fn rewrite(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    for word in ["$schema", "title", "writeOnly", "readOnly"] {
        map.remove(word);
    }
    leave_null_out(map);
    gather_words(map);
    bound_numbers(map);
    if let Some(word) = map.remove("const") {
        map.insert("enum".to_owned(), json!([word]));
    }
    // Unknown fields are refused (or dropped) in any case.
    if map.get("additionalProperties") == Some(&Value::Bool(false)) {
        map.remove("additionalProperties");
    }
    // Nothing has a default of nothing.
    if map.get("default").is_some_and(|default| default.is_null() || *default == json!([])) {
        map.remove("default");
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = plain(text);
    }
    for word in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(word) {
            rewrite(inner);
            // The field that has them says what they are; words say what each of them means.
            if let Value::Object(inner) = inner
                && !inner.contains_key("enum")
            {
                inner.remove("description");
            }
        }
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(rewrite);
    }
}

/// Nobody writes a status but the operator: what it did not say is not there.
fn leave_defaults_out(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    map.remove("default");
    for word in ["items", "additionalProperties"] {
        map.get_mut(word).into_iter().for_each(leave_defaults_out);
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(leave_defaults_out);
    }
}

/// What may be left out is not `null`: the API server drops nulls.
fn leave_null_out(map: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = map.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [kind] = types.as_slice() {
            let kind = kind.clone();
            map.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(words)) = map.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let is_optional = |either: &Vec<Value>| either.len() == 2 && either[1] == json!({"type": "null"});
    if map.get("anyOf").and_then(Value::as_array).is_some_and(is_optional)
        && let Some(Value::Array(mut either)) = map.remove("anyOf")
        && let Value::Object(inner) = either.swap_remove(0)
    {
        for (word, value) in inner {
            map.entry(word).or_insert(value);
        }
    }
}

/// Words that are described become a list of words, and a description of the whole.
fn gather_words(map: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = map.get("oneOf") else { return };
    let mut words = Vec::new();
    let mut lines = String::new();
    for choice in choices {
        let described = choice.get("description").and_then(Value::as_str).unwrap_or_default();
        match (choice.get("const"), choice.get("enum")) {
            (Some(Value::String(word)), _) => {
                lines.extend([" ", word, ": ", &plain(described)]);
                words.push(json!(word));
            }
            (_, Some(Value::Array(plain))) => words.extend(plain.iter().cloned()),
            _ => return,
        }
    }
    map.remove("oneOf");
    map.insert("type".to_owned(), json!("string"));
    map.insert("enum".to_owned(), Value::Array(words));
    let description = map.entry("description").or_insert_with(|| json!(""));
    if let Value::String(text) = description {
        text.push_str(&lines);
        *text = text.trim().to_owned();
    }
}

/// Numbers of the sizes that Kubernetes knows, with the bounds that the others have.
fn bound_numbers(map: &mut Map<String, Value>) {
    let Some(format) = map.get("format").and_then(Value::as_str) else { return };
    let (format, most) = match format {
        "uint8" => ("int32", Some(u64::from(u8::MAX))),
        "uint16" => ("int32", Some(u64::from(u16::MAX))),
        "uint32" => ("int64", Some(u64::from(u32::MAX))),
        "uint64" | "uint" => ("int64", None),
        _ => return,
    };
    map.insert("format".to_owned(), json!(format));
    map.entry("minimum").or_insert_with(|| json!(0));
    if let Some(most) = most {
        map.entry("maximum").or_insert_with(|| json!(most));
    }
}

/// Documentation as people read it who have no links: one line, `[X](y)` and `[X]` are X.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        plain.push_str(before);
        plain.push_str(name);
        rest = match after.strip_prefix('(').and_then(|target| target.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_becomes_a_truth_value_on_its_way_through_kubectl() {
        assert_eq!(
            quote_switches("a:\n- off\n- offer\nb: No\nc: is off\n"),
            "a:\n- 'off'\n- offer\nb: 'No'\nc: is off\n"
        );
        let policies = manifests().unwrap().into_iter().find(|(name, _)| name.starts_with("scanpolicies"));
        assert!(policies.unwrap().1.contains("- 'off'\n"));
    }

    #[test]
    fn descriptions_have_no_links() {
        assert_eq!(plain("The [`Rule`](crate::Rule) of\n[`X`]."), "The Rule of X.");
        assert_eq!(plain("not [`closed"), "not [`closed");
    }

    #[test]
    fn nothing_of_a_schema_is_lost_on_its_way_into_a_definition() {
        for definition in crds() {
            let schema = definition.spec.versions[0].schema.as_ref().unwrap();
            let told = serde_json::to_value(schema.open_api_v3_schema.as_ref().unwrap()).unwrap();
            let spec = match definition.spec.names.kind.as_str() {
                "SignatureSource" => schema_of::<super::super::SignatureSourceSpec>(),
                "SignatureSet" => schema_of::<super::super::SignatureSetSpec>(),
                "SignatureRevision" => schema_of::<super::super::SignatureRevisionSpec>(),
                "ScanPolicy" => schema_of::<super::super::ScanPolicySpec>(),
                "IcapService" => schema_of::<super::super::IcapServiceSpec>(),
                "UrlList" => schema_of::<super::super::UrlListSpec>(),
                "FleetPlan" => schema_of::<crate::fleet::FleetPlanSpec>(),
                other => panic!("{other}"),
            };
            let lost = difference("spec", &Value::Object(spec), &told["properties"]["spec"]);
            assert_eq!(lost, None, "{}", definition.spec.names.kind);
        }
    }

    /// The first place at which `wanted` is not in `found`; numbers may be written as fractions.
    fn difference(path: &str, wanted: &Value, found: &Value) -> Option<String> {
        match (wanted, found) {
            (Value::Object(wanted), Value::Object(found)) => wanted.iter().find_map(|(key, value)| {
                difference(&format!("{path}.{key}"), value, found.get(key).unwrap_or(&Value::Null))
            }),
            (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
                wanted.iter().zip(found).enumerate().find_map(|(index, (wanted, found))| {
                    difference(&format!("{path}[{index}]"), wanted, found)
                })
            }
            (Value::Number(wanted), Value::Number(found)) if wanted.as_f64() == found.as_f64() => None,
            _ if wanted == found => None,
            _ => Some(path.to_owned()),
        }
    }
}
