//! What follows from what was found (`policies[].rules[]`).

use crate::{RedirectUrl, RuleHeader, RuleHook, TemplateName, TemplateNameError, When};
use icapstan_model::{Mode, Reason, Verdict, VerdictKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::sync::LazyLock;

/// What follows from a finding (`policies[].rules[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::RULE)))]
pub struct Rule {
    /// What logs, events and tests call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 128)))]
    pub name: Option<String>,
    /// Which way the object travels.
    #[serde(default)]
    pub mode: RuleMode,
    /// What was found.
    pub verdict: RuleVerdict,
    /// Why, for `NON_SCANNED` and `FAILED`. Without it the rule is for every reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonWord>,
    /// What else has to be so.
    #[serde(default, skip_serializing_if = "When::is_empty")]
    pub when: When,
    /// What follows.
    pub action: RuleAction,
    /// Header fields that are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 16)))]
    pub headers: Vec<RuleHeader>,
    /// What runs besides. Changes no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 4)))]
    pub hooks: Vec<RuleHook>,
}

/// Which way an object travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleVerdict {
    /// Not, or not wholly, scanned.
    NonScanned,
    /// The scan broke.
    Failed,
    /// A deceptive page or link.
    Phishing,
    /// A threat.
    Detect,
    /// A document with macros.
    Macro,
    /// Nothing.
    Clean,
    /// Whatever it is.
    Any,
}

/// The word of a [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReasonWord(pub Reason);

/// What a rule does. `none` and `log` may also be written `{none: {}}` and `{log: {}}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RuleAction {
    /// `none`: the object passes.
    None,
    /// `log`: the object passes and the log says so.
    Log,
    /// `{block: template}`: the client gets a page instead, and the log says so.
    Block(Template),
    /// `{redirect: URL}`: the client is sent there instead, and the log says so.
    Redirect(RedirectUrl),
}

/// The wording of a block page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    /// Whatever an operator wrote (`templates.folder`).
    Custom(TemplateName),
}

// === impl Rule ===

impl Rule {
    /// A rule of that verdict, either way and without conditions, that does nothing else.
    pub fn new(verdict: RuleVerdict, action: RuleAction) -> Self {
        Self {
            name: None,
            mode: RuleMode::default(),
            verdict,
            reason: None,
            when: When::default(),
            action,
            headers: Vec::new(),
            hooks: Vec::new(),
        }
    }

    /// Whether the rule is for such verdicts on objects that travel this way, if their reason fits and
    /// what it asks for in [`Rule::when`] is so.
    pub fn concerns(&self, mode: Mode, kind: VerdictKind) -> bool {
        self.mode.includes(mode) && self.verdict.includes(kind)
    }

    /// Whether the reason is one that the rule is for.
    pub fn fits(&self, verdict: &Verdict) -> bool {
        self.reason.is_none_or(|word| verdict.reason() == Some(word.0))
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
    /// The same in the words of the model; `None` is any.
    pub const fn kind(self) -> Option<VerdictKind> {
        Some(match self {
            Self::NonScanned => VerdictKind::NonScanned,
            Self::Failed => VerdictKind::Failed,
            Self::Phishing => VerdictKind::Phishing,
            Self::Detect => VerdictKind::Detect,
            Self::Macro => VerdictKind::Macro,
            Self::Clean => VerdictKind::Clean,
            Self::Any => return None,
        })
    }

    /// Whether such verdicts are meant.
    pub fn includes(self, kind: VerdictKind) -> bool {
        self.kind().is_none_or(|meant| meant == kind)
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
            Self::Any => "ANY",
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
            Self::Redirect(url) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("redirect", url)?;
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
        f.write_str("none, log, {block: TEMPLATE} or {redirect: URL}")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<RuleAction, E> {
        match word {
            "none" => Ok(RuleAction::None),
            "log" => Ok(RuleAction::Log),
            "block" => {
                Err(E::custom("a block needs a page; write {block: TEMPLATE}, such as {block: detected}"))
            }
            "redirect" => Err(E::custom("a redirect needs a URL; write {redirect: URL}")),
            _ => Err(E::unknown_variant(word, &["none", "log", "{block: TEMPLATE}", "{redirect: URL}"])),
        }
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<RuleAction, A::Error> {
        let action = match map.next_key::<ActionKey>()? {
            Some(ActionKey::None) => map.next_value::<Nothing>().map(|_| RuleAction::None)?,
            Some(ActionKey::Log) => map.next_value::<Nothing>().map(|_| RuleAction::Log)?,
            Some(ActionKey::Block) => RuleAction::Block(map.next_value()?),
            Some(ActionKey::Redirect) => RuleAction::Redirect(map.next_value()?),
            None => return Err(de::Error::invalid_length(0, &self)),
        };
        match map.next_key::<ActionKey>()? {
            Some(_) => Err(de::Error::custom("a rule has one action")),
            None => Ok(action),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", field_identifier)]
enum ActionKey {
    None,
    Log,
    Block,
    Redirect,
}

/// What stands behind a word that needs nothing, where each action has to be a mapping: in custom resources.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

// === impl Template ===

impl Template {
    /// Every template that is shipped.
    pub const ALL: [Self; 5] =
        [Self::Detected, Self::Phishing, Self::NotScanned, Self::Failed, Self::Refused];

    /// The word in the configuration.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Detected => "detected",
            Self::Phishing => "phishing",
            Self::NotScanned => "notScanned",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Custom(name) => name.as_str(),
        }
    }

    /// The words of all that are shipped, for people.
    pub fn shipped_words() -> String {
        let mut words: Vec<_> = Self::ALL.iter().map(Self::as_str).collect();
        words.sort_unstable();
        words.join(", ")
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
            // What an operator wrote is for the operator to know.
            Self::Refused | Self::Custom(_) => true,
        }
    }
}

impl TryFrom<&str> for Template {
    type Error = TemplateNameError;

    fn try_from(word: &str) -> Result<Self, TemplateNameError> {
        let shipped = Self::ALL.into_iter().find(|template| template.as_str() == word);
        shipped.map_or_else(|| TemplateName::try_from(word).map(Self::Custom), Ok)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        Self::try_from(&*word).map_err(de::Error::custom)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
