//! Values against structural schemas, as far as ours have words.

use regex::Regex;
use serde_json::Value;

/// Everything that is wrong with `value`, each with its path.
pub(super) fn problems(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, value, "", &mut found);
    found
}

fn check(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    for word in schema.as_object().unwrap().keys() {
        let known = [
            "type",
            "description",
            "default",
            "properties",
            "required",
            "items",
            "additionalProperties",
            "enum",
            "pattern",
            "format",
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "maxProperties",
            "anyOf",
            "x-kubernetes-validations",
            "x-kubernetes-int-or-string",
            "x-kubernetes-list-type",
            "x-kubernetes-list-map-keys",
            "x-kubernetes-preserve-unknown-fields",
        ];
        assert!(known.contains(&word.as_str()), "{path}: nobody looks at {word}");
    }
    let mut say = |message: String| found.push(format!("{path}: {message}"));
    let is_either = schema["x-kubernetes-int-or-string"] == true;
    let is_right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        None if is_either => value.is_i64() || value.is_u64() || value.is_string(),
        other => panic!("{path}: the type {other:?}"),
    };
    if !is_right {
        say(format!("must be of type {}", schema["type"].as_str().unwrap_or("integer or string")));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        say(format!("Unsupported value: {value}"));
    }
    match value {
        Value::String(text) => {
            let length = text.chars().count() as u64;
            if schema["minLength"].as_u64().is_some_and(|least| length < least) {
                say(format!("should be at least {} chars long", schema["minLength"]));
            }
            if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
                say(format!("may not be more than {} bytes", schema["maxLength"]));
            }
            if let Some(pattern) = schema["pattern"].as_str()
                && !Regex::new(pattern).unwrap().is_match(text)
            {
                say(format!("should match '{pattern}'"));
            }
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            if schema["minimum"].as_f64().is_some_and(|least| number < least) {
                say(format!("should be greater than or equal to {}", schema["minimum"]));
            }
            if schema["maximum"].as_f64().is_some_and(|most| number > most) {
                say(format!("should be less than or equal to {}", schema["maximum"]));
            }
        }
        Value::Array(items) => check_items(schema, items, path, found),
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    found.push(format!("{path}.{name}: Required value").trim_start_matches('.').to_owned());
                }
            }
            for (name, value) in fields {
                let below = format!("{path}.{name}").trim_start_matches('.').to_owned();
                match schema["properties"].get(name).or_else(|| schema.get("additionalProperties")) {
                    Some(schema) => check(schema, value, &below, found),
                    None if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
                    None => found.push(format!("unknown field \"{below}\"")),
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_items(schema: &Value, items: &[Value], path: &str, found: &mut Vec<String>) {
    let count = items.len() as u64;
    if schema["minItems"].as_u64().is_some_and(|least| count < least) {
        found.push(format!("{path}: should have at least {} items", schema["minItems"]));
    }
    if schema["maxItems"].as_u64().is_some_and(|most| count > most) {
        found.push(format!("{path}: must have at most {} items", schema["maxItems"]));
    }
    let keys: Vec<_> = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().collect();
    for (index, item) in items.iter().enumerate() {
        let same = |other: &&Value| match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => *other == item,
            Some("map") => keys.iter().all(|key| other[key.as_str().unwrap()] == item[key.as_str().unwrap()]),
            _ => false,
        };
        if items[..index].iter().any(|other| same(&other)) {
            found.push(format!("{path}[{index}]: Duplicate value"));
        }
        check(&schema["items"], item, &format!("{path}[{index}]"), found);
    }
}
