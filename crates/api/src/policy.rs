//! How objects are scanned and what follows from what was found.

use crate::ByteSize;
use icapstan_model::{Mode, Reason, Verdict, VerdictKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::sync::LazyLock;
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
    /// The first that matches decides; behind the last stand the shipped defaults.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// How much is opened and how much that may cost (`policies[].scan`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanSettings {
    /// Larger objects are not scanned (`NON_SCANNED`, reason `size`).
    pub max_object_size: ByteSize,
    /// From the last byte of the body to the verdict.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// How many containers may lie inside each other.
    pub max_depth: u32,
    /// How many files all containers of one object may hold.
    pub max_files: u32,
    /// What is opened.
    pub unpack: Vec<UnpackKind>,
    /// Heuristic detections.
    pub heuristics: Heuristics,
    /// Deceptive links in mail.
    pub phishing: bool,
}

/// A kind of container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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

/// How hard heuristics try. ClamAV knows on and off only, so that all but `off` are the same to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Heuristics {
    /// Not at all.
    Off,
    /// A little.
    #[default]
    Shallow,
    /// More.
    Medium,
    /// Most.
    Detail,
}

/// What follows from one kind of finding (`policies[].rules[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Which way the object travels.
    #[serde(default)]
    pub mode: RuleMode,
    /// What was found.
    pub verdict: RuleVerdict,
    /// Why, for `NON_SCANNED` and `FAILED`. Without it the rule is for every reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonWord>,
    /// What follows.
    pub action: RuleAction,
}

/// Which way an object travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RuleMode {
    /// Sent by the client (REQMOD).
    Req,
    /// Sent by the origin (RESPMOD).
    Resp,
    /// Either.
    #[default]
    Any,
}

/// The words of rules for what a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleVerdict {
    /// [`Verdict::NonScanned`](icapstan_model::Verdict::NonScanned)
    NonScanned,
    /// [`Verdict::Failed`](icapstan_model::Verdict::Failed)
    Failed,
    /// [`Verdict::Phishing`](icapstan_model::Verdict::Phishing)
    Phishing,
    /// [`Verdict::Infected`](icapstan_model::Verdict::Infected)
    Detect,
    /// [`Verdict::Macro`](icapstan_model::Verdict::Macro)
    Macro,
    /// [`Verdict::Clean`](icapstan_model::Verdict::Clean)
    Clean,
}

/// The word of a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReasonWord(pub Reason);

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// `none`: the object passes.
    None,
    /// `log`: the object passes and the log says so.
    Log,
    /// `{block: template}`: the client gets a page instead, and the log says so.
    Block(Template),
}

/// The wording of a block page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Template {
    /// A threat was found.
    Detected,
    /// A deceptive page or link.
    Phishing,
    /// Not, or not wholly, scanned.
    NotScanned,
    /// The scan broke.
    Failed,
    /// Not allowed, whatever the scan said.
    Refused,
}

// === impl ScanPolicy ===

impl ScanPolicy {
    /// The policy of services that name none.
    pub const DEFAULT_NAME: &'static str = "default";

    /// A policy with the shipped defaults.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), fail_open: false, scan: ScanSettings::default(), rules: Vec::new() }
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
            max_files: 2000,
            unpack: UnpackKind::ALL.to_vec(),
            heuristics: Heuristics::default(),
            phishing: true,
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

// === impl Rule ===

impl Rule {
    /// Whether the rule is for such a verdict on an object that travels this way.
    pub fn matches(&self, mode: Mode, verdict: &Verdict) -> bool {
        self.mode.includes(mode)
            && self.verdict.kind() == verdict.kind()
            && self.reason.is_none_or(|word| verdict.reason() == Some(word.0))
    }
}

// === impl RuleMode ===

impl RuleMode {
    /// Whether objects that travel this way are meant.
    pub const fn includes(self, mode: Mode) -> bool {
        match self {
            Self::Req => matches!(mode, Mode::Reqmod),
            Self::Resp => matches!(mode, Mode::Respmod),
            Self::Any => true,
        }
    }
}

// === impl RuleVerdict ===

impl RuleVerdict {
    /// The same in the words of the model.
    pub const fn kind(self) -> VerdictKind {
        match self {
            Self::NonScanned => VerdictKind::NonScanned,
            Self::Failed => VerdictKind::Failed,
            Self::Phishing => VerdictKind::Phishing,
            Self::Detect => VerdictKind::Detect,
            Self::Macro => VerdictKind::Macro,
            Self::Clean => VerdictKind::Clean,
        }
    }

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NonScanned => "NON_SCANNED",
            Self::Failed => "FAILED",
            Self::Phishing => "PHISHING",
            Self::Detect => "DETECT",
            Self::Macro => "MACRO",
            Self::Clean => "CLEAN",
        }
    }
}

// === impl ReasonWord ===

impl Serialize for ReasonWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for ReasonWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ReasonVisitor)
    }
}

struct ReasonVisitor;

impl de::Visitor<'_> for ReasonVisitor {
    type Value = ReasonWord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reason such as size or time")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<ReasonWord, E> {
        static WORDS: LazyLock<Vec<&'static str>> =
            LazyLock::new(|| Reason::all().map(Reason::as_str).collect());
        Reason::all()
            .find(|reason| reason.as_str() == word)
            .map(ReasonWord)
            .ok_or_else(|| E::unknown_variant(word, &WORDS))
    }
}

// === impl RuleAction ===

impl Serialize for RuleAction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Log => serializer.serialize_str("log"),
            Self::Block(template) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("block", template)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for RuleAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleActionVisitor)
    }
}

struct RuleActionVisitor;

impl<'de> de::Visitor<'de> for RuleActionVisitor {
    type Value = RuleAction;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none, log or {block: TEMPLATE}")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<RuleAction, E> {
        match word {
            "none" => Ok(RuleAction::None),
            "log" => Ok(RuleAction::Log),
            "block" => {
                Err(E::custom("a block needs a page; write {block: TEMPLATE}, such as {block: detected}"))
            }
            _ => Err(E::unknown_variant(word, &["none", "log", "{block: TEMPLATE}"])),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RuleAction, A::Error> {
        let template = match map.next_key::<ActionKey>()? {
            Some(ActionKey::Block) => map.next_value()?,
            None => return Err(de::Error::invalid_length(0, &self)),
        };
        match map.next_key::<ActionKey>()? {
            Some(ActionKey::Block) => Err(de::Error::duplicate_field("block")),
            None => Ok(RuleAction::Block(template)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", field_identifier)]
enum ActionKey {
    Block,
}

// === impl Template ===

impl Template {
    /// Every template.
    pub const ALL: [Self; 5] =
        [Self::Detected, Self::Phishing, Self::NotScanned, Self::Failed, Self::Refused];

    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Phishing => "phishing",
            Self::NotScanned => "notScanned",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    /// Whether the page would tell the truth about such a verdict.
    pub const fn suits(self, verdict: VerdictKind) -> bool {
        match self {
            Self::Detected => {
                matches!(verdict, VerdictKind::Detect | VerdictKind::Phishing | VerdictKind::Macro)
            }
            Self::Phishing => matches!(verdict, VerdictKind::Phishing),
            Self::NotScanned => matches!(verdict, VerdictKind::NonScanned),
            Self::Failed => matches!(verdict, VerdictKind::Failed),
            Self::Refused => !matches!(verdict, VerdictKind::Clean),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
