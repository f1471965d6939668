//! How objects are scanned and what follows from what was found.

use crate::{ByteSize, PartialSettings, PolicyTest, Ranges, Rule, SkipRule};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::time::Duration;

/// Limits of the scan and rules for its outcome (`policies[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanPolicy {
    /// What services call it by.
    pub name: String,
    /// Whether objects whose scan broke pass. A rule for `FAILED` comes before this.
    #[serde(default)]
    pub fail_open: bool,
    /// How much is opened and how much that may cost.
    #[serde(default)]
    pub scan: ScanSettings,
    /// Whether infected objects are kept, where there is a quarantine.
    #[serde(default = "yes")]
    pub quarantine: bool,
    /// What goes out before there is a verdict.
    #[serde(default)]
    pub partial: PartialSettings,
    /// What becomes of pieces of objects.
    #[serde(default)]
    pub ranges: Ranges,
    /// What is not scanned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<SkipRule>,
    /// The first that matches decides; behind the last stand the shipped defaults.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Examples, and what is to become of them. Where something else would, the policy is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<PolicyTest>,
}

/// How much is opened and how much that may cost (`policies[].scan`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::SCAN)))]
pub struct ScanSettings {
    /// Larger objects are not scanned (`NON_SCANNED`, reason `size`).
    pub max_object_size: ByteSize,
    /// From the last byte of the body to the verdict.
    #[serde(with = "crate::duration")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::duration"))]
    pub timeout: Duration,
    /// How many containers may lie inside each other.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 64)))]
    pub max_depth: u32,
    /// How many files all containers of one object may hold.
    #[cfg_attr(feature = "kube", schemars(range(min = 1, max = 1_000_000)))]
    pub max_files: u32,
    /// What is opened.
    #[cfg_attr(feature = "kube", schemars(length(max = 4), extend("x-kubernetes-list-type" = "set")))]
    pub unpack: Vec<UnpackKind>,
    /// Heuristic detections.
    pub heuristics: Heuristics,
    /// Deceptive links in mail.
    pub phishing: bool,
    /// Whether what was found in an equal object may count (`verdictCache`).
    pub cache: bool,
}

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum UnpackKind {
    /// Packed and protected executables.
    Packed,
    /// Archives and documents.
    Archives,
    /// Mail messages.
    Mail,
    /// Mail boxes.
    MailDatabases,
}

/// How hard heuristics try. Each level does what the one before does, and more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Heuristics {
    /// Not at all.
    Off,
    /// ClamAV's own heuristics.
    #[default]
    Shallow,
    /// Disks besides whose partitions lie in each other.
    Medium,
    /// Programs and pictures besides that are not built as their format says.
    Detail,
}

const fn yes() -> bool {
    true
}

// === impl ScanPolicy ===

impl ScanPolicy {
    /// The policy of services that name none.
    pub const DEFAULT_NAME: &'static str = "default";

    /// A policy with the shipped defaults.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            fail_open: false,
            scan: ScanSettings::default(),
            quarantine: true,
            partial: PartialSettings::default(),
            ranges: Ranges::default(),
            skip: Vec::new(),
            rules: Vec::new(),
            tests: Vec::new(),
        }
    }
}

// === impl ScanSettings ===

impl Default for ScanSettings {
    /// The reference product's recommendation.
    fn default() -> Self {
        Self {
            max_object_size: ByteSize::kib(10343),
            timeout: Duration::from_secs(10),
            max_depth: 5,
            max_files: 10_000,
            unpack: UnpackKind::ALL.to_vec(),
            heuristics: Heuristics::default(),
            phishing: true,
            cache: true,
        }
    }
}

// === impl UnpackKind ===

impl UnpackKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Packed, Self::Archives, Self::Mail, Self::MailDatabases];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Packed => "packed",
            Self::Archives => "archives",
            Self::Mail => "mail",
            Self::MailDatabases => "mailDatabases",
        }
    }
}

// === impl Heuristics ===

impl<'de> Deserialize<'de> for Heuristics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeuristicsVisitor)
    }
}

struct HeuristicsVisitor;

impl de::Visitor<'_> for HeuristicsVisitor {
    type Value = Heuristics;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("off, shallow, medium or detail")
    }

    /// What `off` becomes on its way through tools that read YAML 1.1.
    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Heuristics, E> {
        if on { Err(E::invalid_type(de::Unexpected::Bool(on), &self)) } else { Ok(Heuristics::Off) }
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Heuristics, E> {
        match word {
            "off" => Ok(Heuristics::Off),
            "shallow" => Ok(Heuristics::Shallow),
            "medium" => Ok(Heuristics::Medium),
            "detail" => Ok(Heuristics::Detail),
            _ => Err(E::unknown_variant(word, &["off", "shallow", "medium", "detail"])),
        }
    }
}
