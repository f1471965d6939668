//! What clients find under which ICAP path.

use crate::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// One ICAP service (`services[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IcapService {
    /// Its path in the ICAP URI, with the slash.
    pub path: String,
    /// More paths that lead to it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Which ICAP methods it answers. Both, unless it says otherwise.
    #[serde(default = "both_modes")]
    pub modes: Vec<ServiceMode>,
    /// What of a message it looks at.
    #[serde(default)]
    pub scan: ScanScope,
    /// The name of the [`ScanPolicy`](crate::ScanPolicy) that decides.
    #[serde(default = "default_policy")]
    pub policy: String,
    /// How many bytes of a body clients are asked to send ahead.
    #[serde(default)]
    pub preview: Preview,
    /// Whether unchanged messages may be answered with 204, where the client allows it.
    #[serde(default = "yes")]
    pub allow204: bool,
    /// Whether unchanged bodies may be answered with 206, where the client allows it.
    #[serde(default)]
    pub allow206: bool,
    /// Whose it is: services of one tenant share what they remember of URLs, those of others see none of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// Whether downloads may begin before their verdict, as [`ScanPolicy::partial`](crate::ScanPolicy::partial)
    /// says. For proxies: clients that scan files take an answer that has begun for a verdict. Default: if
    /// RESPMOD is its only mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// How long clients may keep what OPTIONS told them.
    #[serde(default = "default_options_ttl", with = "crate::duration")]
    pub options_ttl: Duration,
}

/// An ICAP method that a service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum ServiceMode {
    /// What clients send.
    Reqmod,
    /// What origins answer.
    Respmod,
}

/// What of a message is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ScanScope {
    /// The URL.
    Url,
    /// The body.
    Content,
    /// Both.
    #[default]
    All,
    /// Nothing: 204, or an echo, without looking.
    None,
}

/// The size of a preview; `off` and 0 are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview(Option<NonZeroU32>);

fn default_policy() -> String {
    crate::ScanPolicy::DEFAULT_NAME.to_owned()
}

fn both_modes() -> Vec<ServiceMode> {
    vec![ServiceMode::Reqmod, ServiceMode::Respmod]
}

fn default_options_ttl() -> Duration {
    Duration::from_hours(1)
}

fn yes() -> bool {
    true
}

// === impl IcapService ===

impl IcapService {
    /// A service with the defaults of all optional fields.
    pub fn new(path: &str, modes: &[ServiceMode]) -> Self {
        Self {
            path: path.to_owned(),
            aliases: Vec::new(),
            modes: modes.to_vec(),
            scan: ScanScope::default(),
            policy: default_policy(),
            preview: Preview::default(),
            allow204: true,
            allow206: false,
            partial: None,
            tenant: String::new(),
            options_ttl: default_options_ttl(),
        }
    }

    /// The services of a configuration that names none.
    pub fn shipped() -> Vec<Self> {
        let service = |path, aliases: &[&str], modes: &[ServiceMode], scan| Self {
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            scan,
            ..Self::new(path, modes)
        };
        vec![
            service("/reqmod", &["/req"], &[ServiceMode::Reqmod], ScanScope::All),
            service("/respmod", &["/resp"], &[ServiceMode::Respmod], ScanScope::Content),
            service(
                "/avscan",
                &["/virus_scan", "/srv_clamav"],
                &[ServiceMode::Reqmod, ServiceMode::Respmod],
                ScanScope::Content,
            ),
        ]
    }

    /// Whether downloads may begin before their verdict.
    pub fn begins_early(&self) -> bool {
        self.partial.unwrap_or(self.modes == [ServiceMode::Respmod])
    }

    /// The path and the aliases.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.path).chain(&self.aliases).map(String::as_str)
    }
}

// === impl ScanScope ===

impl ScanScope {
    /// Whether the URL is looked at.
    pub const fn url(self) -> bool {
        matches!(self, Self::Url | Self::All)
    }

    /// Whether the body is looked at.
    pub const fn content(self) -> bool {
        matches!(self, Self::Content | Self::All)
    }
}

// === impl Preview ===

impl Preview {
    /// No preview.
    pub const OFF: Self = Self(None);
    /// The largest preview that may be asked for, in bytes.
    pub const MAX: u32 = 64 * 1024;

    /// A preview of so many bytes; 0 is [`Preview::OFF`].
    pub const fn new(bytes: u32) -> Self {
        Self(NonZeroU32::new(bytes))
    }

    /// How many bytes, if there is a preview.
    pub fn bytes(self) -> Option<u32> {
        self.0.map(NonZeroU32::get)
    }
}

impl Default for Preview {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl Serialize for Preview {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(bytes) => serializer.serialize_u32(bytes.get()),
            None => serializer.serialize_str("off"),
        }
    }
}

impl<'de> Deserialize<'de> for Preview {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PreviewVisitor)
    }
}

struct PreviewVisitor;

impl de::Visitor<'_> for PreviewVisitor {
    type Value = Preview;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes such as 4096, or off")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Preview, E> {
        u32::try_from(bytes)
            .map(Preview::new)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(bytes), &self))
    }

    /// What `off` becomes on its way through tools that read YAML 1.1.
    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Preview, E> {
        if on { Err(E::invalid_type(de::Unexpected::Bool(on), &self)) } else { Ok(Preview::OFF) }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Preview, E> {
        if text == "off" {
            return Ok(Preview::OFF);
        }
        self.visit_u64(text.parse::<ByteSize>().map_err(E::custom)?.bytes())
    }
}
