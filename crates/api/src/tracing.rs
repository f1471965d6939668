//! What is told of where transactions take their time (`tracing`).

use crate::ReputationEndpoint;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Spans of some transactions, sent to a collector by OTLP over gRPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct TracingSettings {
    /// Where the collector is: `http://host:4317`. Without it nothing is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The share of transactions that are told, of those that belong to no trace.
    pub sample_ratio: Share,
    /// Whether those are told whose parent in `traceparent` is, and of others with a parent none.
    pub respect_parent: bool,
    /// So many a second of those at most; beyond, `sampleRatio` decides.
    pub parents_per_second: u32,
    /// What this program is called there.
    pub service_name: String,
    /// How long the collector may take for one call.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// The certificates, in PEM, one of which has to have signed the collector's. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Header fields that go with each call, a line each: `name: value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_file: Option<PathBuf>,
}

/// A share from 0 to 1, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u32);

struct ShareVisitor;

const MILLION: u32 = 1_000_000;

// === impl TracingSettings ===

impl TracingSettings {
    /// Where the collector is. `None`: nowhere, or the URL is none.
    pub fn collector(&self) -> Option<ReputationEndpoint> {
        let url = self.endpoint.as_deref()?;
        let is_bare = |it: &ReputationEndpoint| {
            it.target == "/" && !url.contains('?') && it.authority.ends_with(&format!(":{}", it.port))
        };
        ReputationEndpoint::parse(url).filter(is_bare)
    }
}

impl Default for TracingSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: Share(MILLION / 100),
            respect_parent: true,
            parents_per_second: 10,
            service_name: "icapstan".to_owned(),
            timeout: Duration::from_secs(5),
            ca_file: None,
            headers_file: None,
        }
    }
}

// === impl Share ===

impl Share {
    /// As a number from 0 to 1, cut to millionths. `None`: it is none.
    pub fn new(share: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is within 0 and a million"
        )]
        (0.0..=1.0).contains(&share).then(|| Self((share * f64::from(MILLION)).round() as u32))
    }

    /// From 0 to 1.
    pub fn get(self) -> f64 {
        f64::from(self.0) / f64::from(MILLION)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShareVisitor)
    }
}

impl de::Visitor<'_> for ShareVisitor {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share from 0 to 1, such as 0.01")
    }

    fn visit_f64<E: de::Error>(self, share: f64) -> Result<Share, E> {
        Share::new(share).ok_or_else(|| E::invalid_value(de::Unexpected::Float(share), &self))
    }

    fn visit_u64<E: de::Error>(self, share: u64) -> Result<Share, E> {
        let invalid = || E::invalid_value(de::Unexpected::Unsigned(share), &self);
        u32::try_from(share).ok().and_then(|share| Share::new(share.into())).ok_or_else(invalid)
    }

    fn visit_i64<E: de::Error>(self, share: i64) -> Result<Share, E> {
        let invalid = || E::invalid_value(de::Unexpected::Signed(share), &self);
        u64::try_from(share).map_err(|_| invalid()).and_then(|share| self.visit_u64(share))
    }
}
