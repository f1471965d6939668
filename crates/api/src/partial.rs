//! What clients get of a download before its verdict.

use crate::{ByteSize, MediaRange};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Partial mode (`policies[].partial`): the beginning of a download goes out before its verdict, so that
/// whoever waits for it does not give up.
///
/// What begins so can only be cut when it turns out to be malware: no page can be shown any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::PARTIAL)))]
pub struct PartialSettings {
    /// Whether anything goes out before the verdict.
    pub enabled: bool,
    /// From the first byte of the body to the first piece that goes out.
    #[serde(with = "crate::duration")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::duration"))]
    pub delay: Duration,
    /// How much goes out in a second at most.
    pub chunk_size: ByteSize,
    /// How much of what has come is kept back at least: a program without its end is hardly one.
    pub tail: ByteSize,
    /// Bodies of these types are kept back wholly: what they do, their first bytes may do. Told by the bytes
    /// and by `Content-Type`.
    #[cfg_attr(feature = "kube", schemars(length(max = 1024)))]
    pub except_types: Vec<MediaRange>,
}

// === impl PartialSettings ===

impl PartialSettings {
    /// What browsers show or run while it comes, and what shells run line by line.
    const EXCEPTED: [&str; 9] = [
        "text/*",
        "multipart/*",
        "application/ecmascript",
        "application/javascript",
        "application/pdf",
        "application/x-javascript",
        "application/xhtml+xml",
        "application/xml",
        "image/svg+xml",
    ];

    /// Whether a body of this type, written in lower case without parameters, is kept back.
    pub fn keeps_back(&self, media_type: &str) -> bool {
        self.except_types.iter().any(|range| range.includes(media_type))
    }
}

impl Default for PartialSettings {
    /// The reference product's recommendation.
    fn default() -> Self {
        let range = |text: &str| MediaRange::try_from(text.to_owned()).expect("one of the ranges above");
        Self {
            enabled: true,
            delay: Duration::from_secs(10),
            chunk_size: ByteSize::kib(4),
            tail: ByteSize::kib(16),
            except_types: Self::EXCEPTED.map(range).to_vec(),
        }
    }
}
