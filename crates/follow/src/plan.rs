//! A plan, and how it is read.

use icapstan_api::fleet::FleetPlanSpec;
use std::ops::Deref;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::watch;

/// No plan is longer, in bytes: more does not fit into an object of Kubernetes.
pub(crate) const MAX_PLAN: usize = 2 << 20;

/// The plan that is followed. `None` until there is one; then always some.
pub type PlanWatch = watch::Receiver<Option<Arc<Plan>>>;

/// A plan that can be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done.
    pub spec: FleetPlanSpec,
    /// How it came here.
    pub origin: Origin,
}

/// How a plan came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the state folder: the source has said nothing yet.
    Disk,
    /// From a file that somebody keeps.
    File,
    /// From an object of Kubernetes.
    Kubernetes,
}

/// Why a text is no plan that can be followed.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Too long to be one.
    #[error("a plan of {0} bytes is longer than {MAX_PLAN}")]
    TooLong(usize),
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// It has no generation: it stands for no plan.
    #[error("generation: 0 is no plan")]
    NoGeneration,
    /// It contradicts itself.
    #[error(transparent)]
    Contradiction(#[from] icapstan_api::fleet::PlanError),
}

// === impl Plan ===

impl Deref for Plan {
    type Target = FleetPlanSpec;

    fn deref(&self) -> &FleetPlanSpec {
        &self.spec
    }
}

// === impl Origin ===

impl Origin {
    /// For logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::File => "file",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// Reads a plan (JSON or YAML: `FleetPlan.spec`), and sees whether it can be followed.
pub fn read_plan(text: &str) -> Result<FleetPlanSpec, ReadError> {
    if text.len() > MAX_PLAN {
        return Err(ReadError::TooLong(text.len()));
    }
    let malformed = |error: &dyn std::fmt::Display| ReadError::Malformed(error.to_string());
    let spec: FleetPlanSpec = if text.trim_start().starts_with('{') {
        let mut reader = serde_json::Deserializer::from_str(text);
        let spec = serde_path_to_error::deserialize(&mut reader).map_err(|error| malformed(&error))?;
        reader.end().map_err(|error| malformed(&error))?;
        spec
    } else {
        let reader = serde_yaml::Deserializer::from_str(text);
        serde_path_to_error::deserialize(reader).map_err(|error| malformed(&error))?
    };
    checked(spec)
}

/// One that can be followed.
pub(crate) fn checked(spec: FleetPlanSpec) -> Result<FleetPlanSpec, ReadError> {
    if spec.generation == 0 {
        return Err(ReadError::NoGeneration);
    }
    spec.check()?;
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_from_json_and_from_yaml() {
        let json = read_plan(r#"{"generation": 3, "artifacts": ["http://a:7347"]}"#).unwrap();
        let yaml = read_plan("# of a fleet\ngeneration: 3\nartifacts: [\"http://a:7347\"]\n").unwrap();
        assert_eq!(json, yaml);
        assert_eq!((json.generation, json.artifacts.len()), (3, 1));
    }

    #[test]
    fn what_is_no_plan_says_why() {
        for (text, why) in [
            ("{\"generation\": 1", "EOF"),
            ("{\"generation\": 1} {", "trailing"),
            ("{\"generation\": 1, \"hold\": {\"everyone\": [\"md5:1\"]}}", "hold.everyone[0]"),
            ("generation: 1\nno: 2\n", "unknown field `no`"),
            ("{}", "0 is no plan"),
            ("", "0 is no plan"),
        ] {
            let error = read_plan(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        let unknown = "generation: 1\nmirror: {percent: 1, revision: \"sha256:\
                       e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}";
        assert!(matches!(read_plan(unknown), Err(ReadError::Contradiction(_))));
        assert!(matches!(read_plan(&" ".repeat(MAX_PLAN + 1)), Err(ReadError::TooLong(_))));
    }
}
