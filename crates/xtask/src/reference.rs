//! The page about the fields of custom resources, from their schemas.

use anyhow::{Context, Result};
use icapstan_api::kube::crds;
use serde_json::Value;
use std::fmt::Write;

const HEAD: &str = "\
# Custom resources: reference

Generated from the types by `cargo run -p xtask -- crds`; a test fails when it is not up to date. What the kinds are for,
with examples, is in [kubernetes.md](kubernetes.md); what policies mean, in [configuration.md](configuration.md).

All kinds are of the group `icapstan.dev`, version `v1alpha1`, and belong to a namespace. `[]` is an entry of a list, `{}` a
value of a map. A field without a default that is not *required* may be left out. A time is written `10s`, `500ms`, `1h30m`; a
size `64Ki`, `1Gi`, or a number of bytes; an amount is a number or a percentage in quotes, `\"25%\"`. `status` is the
operator's.
";

/// One field.
struct Row {
    path: String,
    kind: String,
    default: String,
    what: String,
}

/// The page.
pub(crate) fn page() -> Result<String> {
    let mut page = HEAD.to_owned();
    for definition in crds() {
        let names = &definition.spec.names;
        let short = names.short_names.as_deref().unwrap_or_default().join(", ");
        let version = definition.spec.versions.first().context("a definition has a version")?;
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        let schema = serde_json::to_value(schema.context("a version has a schema")?)?;
        let about = schema["description"].as_str().unwrap_or_default();
        write!(page, "\n## {}\n\n{about} Short name: `{short}`.\n", names.kind)?;
        for part in ["spec", "status"] {
            let mut rows = Vec::new();
            collect("", &schema["properties"][part], &mut rows);
            write!(page, "\n| {part} | type | default | what |\n|---|---|---|---|\n")?;
            for Row { path, kind, default, what } in rows {
                writeln!(page, "| `{path}` | {kind} | {default} | {what} |")?;
            }
            rules(&schema["properties"][part], &mut page)?;
        }
    }
    Ok(page)
}

/// The fields of an object, each followed by those below it.
fn collect(path: &str, schema: &Value, rows: &mut Vec<Row>) {
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|required| required.iter().any(|field| field == name))
    };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let is_condition = path.starts_with("conditions");
        rows.push(Row {
            kind: kind_of(field),
            default: match &field["default"] {
                _ if required(name) => "*required*".to_owned(),
                // Fields of an object have theirs.
                Value::Null | Value::Object(_) => String::new(),
                Value::String(text) => format!("`{text}`"),
                other => format!("`{}`", other.to_string().replace(',', ", ")),
            },
            what: cell(field["description"].as_str().unwrap_or_default()),
            path: path.clone(),
        });
        if is_condition {
            continue;
        }
        collect(&path, field, rows);
        collect(&format!("{path}[]"), &field["items"], rows);
        collect(&format!("{path}{{}}"), &field["additionalProperties"], rows);
    }
}

fn kind_of(schema: &Value) -> String {
    // Values with a notation of their own are told by its pattern.
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    let known = [("(Ki|Mi|", "size"), ("%$", "amount"), ("^(off|", "size or `off`"), ("h)?([0-9]", "time")];
    if let Some((_, kind)) = known.iter().find(|(mark, _)| pattern.contains(mark)) {
        return (*kind).to_owned();
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    match schema["type"].as_str().unwrap_or_default() {
        "array" if schema["x-kubernetes-list-map-keys"][0] == "type" => "conditions".to_owned(),
        "array" => format!("list of {}", kind_of(&schema["items"])),
        "object" if schema.get("additionalProperties").is_some() => "map".to_owned(),
        "string" if schema["format"] == "date-time" => "moment".to_owned(),
        "string" => "text".to_owned(),
        "boolean" => "true, false".to_owned(),
        "integer" => match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            _ => "number".to_owned(),
        },
        other => other.to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// What has to hold, in the words that are said when it does not.
fn rules(schema: &Value, page: &mut String) -> Result<()> {
    let mut found = Vec::new();
    messages("", schema, &mut found);
    if found.is_empty() {
        return Ok(());
    }
    write!(page, "\nRefused, with these words:\n\n")?;
    for (path, message) in found {
        writeln!(page, "- `{path}`: {message}")?;
    }
    Ok(())
}

fn messages(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let field = rule["fieldPath"].as_str().unwrap_or_default();
        let at = format!("{path}{field}");
        let at = if at.is_empty() { "spec".to_owned() } else { at.trim_start_matches('.').to_owned() };
        found.push((at, rule["message"].as_str().unwrap_or_default().to_owned()));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        messages(&format!("{path}.{name}"), field, found);
    }
    for (word, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(word) {
            messages(&format!("{path}{mark}"), inner, found);
        }
    }
}
