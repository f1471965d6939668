//! How new signatures take the place of those in use.

use super::Amount;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The stages that new signatures go through (`SignatureSet.spec.rollout`).
///
/// Verification and the self-test are not among them: no setting leaves those out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::ROLLOUT)))]
pub struct Rollout {
    /// The first scanners that load them.
    pub canary: Canary,
    /// How many of a hundred scanners have them loaded after each wave. Each is more than the one before; the
    /// last is 100.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 10), inner(range(min = 1, max = 100)), extend("x-kubernetes-validations" = crate::schema::cel::WAVES)))]
    pub waves: Vec<u8>,
    /// From the end of a wave to the beginning of the next one.
    #[serde(with = "crate::duration")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::duration"))]
    pub wave_interval: Duration,
    /// How long a stage may take in which nothing moves, before it has failed.
    #[serde(with = "crate::duration")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::duration"))]
    pub progress_deadline: Duration,
    /// How long they are watched after they have become active. Not longer than `progressDeadline`.
    #[serde(with = "crate::duration")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::duration"))]
    pub bake_time: Duration,
    /// How long gateways may take to prepare for an epoch before that is told as a fault. Nothing is activated over
    /// a gateway that is ready and has not prepared.
    #[serde(with = "crate::duration")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::duration"))]
    pub ack_timeout: Duration,
    /// How many scanners have the signatures in use loaded at each moment, at least. Not less than half are ever
    /// meant.
    pub min_ready: Amount,
    /// Who says that they may go on behind the canary.
    pub approval: Approval,
    /// What follows when a stage fails.
    pub on_failure: OnFailure,
    /// Whether scanners have both loaded while one follows the other.
    pub overlap: Overlap,
    /// Leaves out the soak, the waves and the bake time. For signatures that cannot wait.
    pub emergency: bool,
}

/// The first scanners that load new signatures (`SignatureSet.spec.rollout.canary`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::CANARY)))]
pub struct Canary {
    /// How many; at least one.
    pub scanners: Amount,
    /// How long they scan copies of what comes before anything else happens. 0 leaves it out.
    #[serde(with = "crate::duration")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::duration"))]
    pub soak: Duration,
    /// How many of a hundred scans are made a second time, while there are workers without anything to do. What the
    /// first one found counts.
    #[cfg_attr(feature = "kube", schemars(range(max = 100)))]
    pub mirror_percent: u8,
    /// What second scans may show.
    pub thresholds: Thresholds,
}

/// What scans with new signatures may show, beside those in use (`SignatureSet.spec.rollout.canary.thresholds`).
/// Percentages are of all that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Thresholds {
    /// Objects that only the new ones find something in.
    pub max_newly_detected: Amount,
    /// Objects that only those in use find something in.
    pub max_newly_clean: Amount,
    /// Scans with the new ones that failed though the other one did not.
    pub max_failed: Amount,
    /// Time in engines with the new ones, in percent of that with those in use: 200 is twice as long.
    #[cfg_attr(feature = "kube", schemars(range(min = 100, max = 10_000)))]
    pub max_latency_percent: u32,
    /// With less compared, nothing follows from the numbers above.
    pub min_compared: u32,
}

/// Who says that a rollout may go on behind the canary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
pub enum Approval {
    /// Nobody has to.
    #[default]
    Automatic,
    /// Somebody who sets the annotation `icapstan.dev/promote`.
    Manual,
}

/// What follows when a stage fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
pub enum OnFailure {
    /// All scanners go back to the signatures in use.
    #[default]
    Rollback,
    /// All stays as it is until somebody says how to go on.
    Pause,
}

/// Whether scanners have two revisions loaded at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
pub enum Overlap {
    /// Both, until the old one is not asked for any more: about twice the memory.
    #[default]
    Dual,
    /// One: some scanners have the old one, and some the new one.
    Drain,
}

// === impl Rollout ===

impl Rollout {
    /// The most waves.
    pub const MAX_WAVES: usize = 10;
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            canary: Canary::default(),
            waves: vec![25, 50, 100],
            wave_interval: Duration::from_secs(30),
            progress_deadline: Duration::from_mins(15),
            bake_time: Duration::from_mins(10),
            ack_timeout: Duration::from_secs(30),
            min_ready: Amount::Percent(50),
            approval: Approval::default(),
            on_failure: OnFailure::default(),
            overlap: Overlap::default(),
            emergency: false,
        }
    }
}

// === impl Canary ===

impl Default for Canary {
    fn default() -> Self {
        Self {
            scanners: Amount::Number(1),
            soak: Duration::from_mins(5),
            mirror_percent: 10,
            thresholds: Thresholds::default(),
        }
    }
}

// === impl Thresholds ===

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_newly_detected: Amount::Percent(1),
            max_newly_clean: Amount::Percent(1),
            max_failed: Amount::Percent(1),
            max_latency_percent: 200,
            min_compared: 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_reads_back_as_it_was_written_and_has_defaults() {
        let rollout: Rollout = serde_json::from_str("{}").unwrap();
        assert_eq!(rollout, Rollout::default());
        assert_eq!(rollout.waves.last(), Some(&100));
        assert!(rollout.bake_time <= rollout.progress_deadline);
        let text = r#"{"canary":{"scanners":"10%","soak":"0s"},"waves":[100],"onFailure":"Pause"}"#;
        let rollout: Rollout = serde_json::from_str(text).unwrap();
        assert_eq!((rollout.canary.scanners, rollout.on_failure), (Amount::Percent(10), OnFailure::Pause));
        let text = serde_json::to_string(&rollout).unwrap();
        assert_eq!(serde_json::from_str::<Rollout>(&text).unwrap(), rollout);
    }
}
