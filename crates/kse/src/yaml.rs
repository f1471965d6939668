//! The text of a configuration without what goes without saying.

use icapstan_api::{Config, IcapService, ScanPolicy};
use serde::Serialize;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeSet;

/// The first line.
const HEADING: &str = "# Written by `icapstan import-kse`; docs/migrating-from-kse.md tells what differs.\n";

/// Fields that say what an entry of a list is about.
const NAMING: [&str; 3] = ["services[].path", "services[].modes", "policies[].name"];

/// Leaves out what is as by default.
struct Pruning<'a> {
    /// Fields that stay.
    written: &'a BTreeSet<&'static str>,
}

/// What differs from the defaults, and the fields in `written`.
pub(crate) fn text(config: &Config, written: &BTreeSet<&'static str>) -> String {
    let mut base = plain(&Config::default());
    // Entries of lists are compared with what each of them would be by default.
    let services = config.services.iter().map(|service| IcapService::new(&service.path, &service.modes));
    let policies = config.policies.iter().map(|policy| ScanPolicy::new(&policy.name));
    base.insert("services".into(), services.map(|service| Value::from(plain(&service))).collect());
    base.insert("policies".into(), policies.map(|policy| Value::from(plain(&policy))).collect());
    let mut whole = plain(config);
    Pruning { written }.mapping(&mut whole, &base, "");
    // A policy of which nothing is left but its name is there anyway.
    let bare = |policy: &Value| policy.as_mapping().is_some_and(|policy| policy.len() == 1);
    if whole.get("policies").and_then(Value::as_sequence).is_some_and(|all| all.iter().all(bare)) {
        whole.shift_remove("policies");
    }
    let body = serde_yaml::to_string(&whole).expect("plain values can always be written");
    format!("{HEADING}{body}")
}

fn plain<T: Serialize>(settings: &T) -> Mapping {
    match serde_yaml::to_value(settings) {
        Ok(Value::Mapping(mapping)) => mapping,
        other => unreachable!("settings are fields with plain values: {other:?}"),
    }
}

// === impl Pruning ===

impl Pruning<'_> {
    fn mapping(&self, mapping: &mut Mapping, base: &Mapping, path: &str) {
        mapping.retain(|name, value| {
            let name = name.as_str().unwrap_or_default();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let keep = NAMING.contains(&path.as_str()) || self.written.contains(path.as_str());
            match (value, base.get(name)) {
                (Value::Mapping(inner), Some(Value::Mapping(base))) if !keep => {
                    self.mapping(inner, base, &path);
                    !inner.is_empty()
                }
                (Value::Sequence(entries), Some(Value::Sequence(bases)))
                    if path == "services" || path == "policies" =>
                {
                    for (entry, base) in entries.iter_mut().zip(bases) {
                        if let (Value::Mapping(entry), Value::Mapping(base)) = (entry, base) {
                            self.mapping(entry, base, &format!("{path}[]"));
                        }
                    }
                    true
                }
                (value, Some(base)) => keep || value != base,
                (_, None) => true,
            }
        });
    }
}
