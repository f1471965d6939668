//! What is answered to what there is no room for, and what one client may take of the room.

use ipnet::IpNet;
use serde::de::{self, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU32;

/// The ICAP status of each refusal (`limits.refusals`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RefusalStatuses {
    /// Of requests on connections beyond `limits.sessions`, and beyond `limits.perClient`.
    pub sessions: u16,
    /// Of messages whose scan would not begin in time.
    pub queue: u16,
    /// Of messages for which there is neither memory nor spool space.
    pub memory: u16,
}

/// What `Max-Connections` tells clients (`limits.advertisedSessions`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdvertisedSessions {
    /// The field is left out.
    Nothing,
    /// So many connections.
    Count(NonZeroU32),
}

/// What one client may take (`limits.perClient`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PerClient {
    /// Connections at once; 0 sets no limit.
    pub sessions: u32,
    /// REQMOD and RESPMOD a second in the long run; 0 sets no limit.
    pub requests_per_second: u32,
    /// How many of them may come at once. Default: what comes in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// Clients without these limits.
    pub exempt: Vec<IpNet>,
}

// === impl RefusalStatuses ===

impl RefusalStatuses {
    /// What may be answered.
    pub const ALLOWED: [u16; 3] = [429, 500, 503];
}

impl Default for RefusalStatuses {
    fn default() -> Self {
        Self { sessions: 429, queue: 500, memory: 503 }
    }
}

// === impl AdvertisedSessions ===

impl Serialize for AdvertisedSessions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_str("none"),
            Self::Count(count) => serializer.serialize_u32(count.get()),
        }
    }
}

impl<'de> Deserialize<'de> for AdvertisedSessions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AdvertisedVisitor)
    }
}

struct AdvertisedVisitor;

impl de::Visitor<'_> for AdvertisedVisitor {
    type Value = AdvertisedSessions;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of connections of at least 1, or none")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<AdvertisedSessions, E> {
        u32::try_from(count)
            .ok()
            .and_then(NonZeroU32::new)
            .map(AdvertisedSessions::Count)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(count), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<AdvertisedSessions, E> {
        match text {
            "none" => Ok(AdvertisedSessions::Nothing),
            _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

// === impl PerClient ===

impl PerClient {
    /// Whether there is any limit.
    pub const fn is_on(&self) -> bool {
        self.sessions > 0 || self.requests_per_second > 0
    }

    /// How many requests may come at once.
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.requests_per_second).max(1)
    }
}
