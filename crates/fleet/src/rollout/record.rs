//! What is remembered of a revision: the story of its rollout.

use crate::Reason;
use icapstan_api::fleet::ContentDigest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The story of a revision (`SignatureRevision.status`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Which.
    pub digest: ContentDigest,
    /// What became of it.
    pub outcome: Outcome,
    /// When its rollout began.
    pub begun_at: Timestamp,
    /// When all scanners had its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_at: Option<Timestamp>,
    /// When the first scanners had loaded and tried it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_at: Option<Timestamp>,
    /// When it could go on behind the canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
    /// When enough scanners had it loaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out_at: Option<Timestamp>,
    /// When it became active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// When its rollout, or its use, ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What became of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It is on its way.
    UnderWay,
    /// It is what the fleet judges by.
    Active,
    /// It was, until another took its place.
    Replaced,
    /// It came to nothing.
    RolledBack,
    /// Something newer came first.
    Superseded,
}

// === impl Record ===

impl Record {
    pub(crate) fn begun(digest: ContentDigest, begun_at: Timestamp) -> Self {
        Self {
            digest,
            outcome: Outcome::UnderWay,
            begun_at,
            staged_at: None,
            canary_at: None,
            approved_at: None,
            rolled_out_at: None,
            activated_at: None,
            ended_at: None,
            reason: None,
            message: String::new(),
        }
    }
}
