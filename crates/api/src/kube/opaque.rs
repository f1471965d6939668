//! What one program stores for itself.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// State that the operator keeps in a status, in whatever shape: no promise to anybody else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Opaque(serde_json::Map<String, serde_json::Value>);

// === impl Opaque ===

impl Opaque {
    /// Holds `state`, which has to be a struct or a map.
    pub fn of<T: Serialize>(state: &T) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::to_value(state)?)
    }

    /// What it holds.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_value(serde_json::Value::Object(self.0.clone()))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Opaque {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Opaque".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Rollout;

    #[test]
    fn what_is_stored_reads_back_and_texts_cannot_be_stored() {
        let rollout = Rollout { emergency: true, ..Rollout::default() };
        let stored = Opaque::of(&rollout).unwrap();
        assert_eq!(stored.read::<Rollout>().unwrap(), rollout);
        assert!(Opaque::default().is_empty() && !stored.is_empty());
        assert!(Opaque::of(&"text").is_err());
    }
}
