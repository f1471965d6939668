//! The custom resources.
//!
//! ```text
//!  SignatureSource ──▶ SignatureSet ──▶ SignatureRevision     signatures: where from, how they come into use, history
//!  ScanPolicy ──▶ IcapService ◀── UrlList                     what clients find, and what follows from what is found
//!        └──────────────┴───── operator ─────▶ FleetPlan      what gateways and scanners follow
//! ```
//!
//! Types say what they are; [`crds`] makes of that what the API server is told, with the rules that it evaluates. What
//! icapstan.yaml has too is the same type here: a policy means the same in both.
//!
//! Refuses to do: requests, reconciling, anything with a network.
//!
//! Invariants
//! 1. Schemas are structural, and everything that a rule iterates over is bounded.
//! 2. What a schema lets pass can be read, but for faults that only the types see (a pattern of a host, a variable of a
//!    text): those who watch read through kube's `DeserializeGuard`.
//! 3. What is not known is refused in a spec, and let pass in a status.

#![expect(clippy::duplicated_attributes, reason = "columns of equal types are no duplicates")]

pub mod annotation;
pub mod condition;
pub mod conditions;
mod crd;
mod icap_service;
mod opaque;
pub mod reason;
mod scan_policy;
mod signature_revision;
mod signature_set;
mod signature_source;
mod source;
mod url_list;
pub mod verb;

pub use crate::fleet::FleetPlan;
pub use crd::{crds, manifests};
pub use icap_service::{IcapService, IcapServiceSpec, IcapServiceStatus, PolicyRef, ServiceTag};
pub use opaque::Opaque;
pub use scan_policy::{Gateways, ScanPolicy, ScanPolicySpec, ScanPolicyStatus};
pub use signature_revision::{
    RevisionFile, RevisionStage, SignatureRevision, SignatureRevisionSpec, SignatureRevisionStatus,
};
pub use signature_set::{
    FailedRevision, RevisionInUse, Sample, ScannerCounts, SetSelfTest, SetSource, SignatureSet,
    SignatureSetSpec, SignatureSetStatus,
};
pub use signature_source::{
    Checksum, Engine, SignatureSource, SignatureSourceSpec, SignatureSourceStatus, Verification,
    VerificationFormat,
};
pub use source::{
    ConfigMapSource, FetchedArtifact, FetchedFile, FileSource, HttpSource, KeyRef, NameRef, OciSource, Source,
};
pub use url_list::{UrlList, UrlListSpec, UrlListStatus};

/// The API group.
pub const GROUP: &str = "icapstan.dev";
/// The version.
pub const VERSION: &str = "v1alpha1";
/// The fleet of objects that name none.
pub const DEFAULT_FLEET: &str = "default";

fn default_fleet() -> String {
    DEFAULT_FLEET.to_owned()
}

const fn yes() -> bool {
    true
}
