//! What ICAP answers say of a threat.

use serde::{Deserialize, Serialize};

/// Fields of ICAP answers that keep something back in which a threat was found (`detectionHeaders`).
/// `X-Infection-Found` and `X-Response-Info` are always there (draft-stecher-icap-subid-00).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DetectionHeaders {
    /// The field with nothing but the name of the threat.
    pub threat: String,
    /// The field with the time at which the signatures were made; none is sent if it is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_time: Option<String>,
    /// Whether `X-Response-Desc` tells in a few words what was found.
    pub description: bool,
    /// Whether `X-Violations-Found` counts and names what was found, on one line.
    pub violations: bool,
}

// === impl DetectionHeaders ===

impl DetectionHeaders {
    /// The fields that icapstan fills itself, and that no setting may give another meaning.
    pub const OWN: [&str; 5] = [
        "X-Infection-Found",
        "X-Response-Info",
        "X-Response-Desc",
        "X-Violations-Found",
        "X-Icapstan-Reason",
    ];
}

impl Default for DetectionHeaders {
    fn default() -> Self {
        Self { threat: "X-Virus-ID".to_owned(), database_time: None, description: false, violations: false }
    }
}
