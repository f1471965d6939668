//! Lists of URLs.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What URLs are looked up in (`urlLists`), by services that scan `url` or `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct UrlLists {
    /// The lists, which are compiled when the process starts and whenever one changes. Within a kind the
    /// first wins.
    pub sources: Vec<UrlSource>,
    /// A file that `icapstan lists compile` wrote, instead of sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Lists that have not changed for longer are called stale. Default: never.
    #[serde(with = "crate::duration::optional", skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// One list (`urlLists.sources[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UrlSource {
    /// What logs, pages and metrics call it.
    pub name: String,
    /// What it means to be in it.
    pub kind: UrlListKind,
    /// What rules call the URLs in it, for lists of the kind `category`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How it is written. Default: what its first lines look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<UrlListFormat>,
    /// The file.
    pub path: PathBuf,
}

/// What it means to be in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum UrlListKind {
    /// No other list counts.
    Allow,
    /// The verdict `DETECT`.
    Malware,
    /// The verdict `PHISHING`.
    Phishing,
    /// Nothing by itself; rules may ask for the category.
    Category,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum UrlListFormat {
    /// One URL, domain, address or network a line.
    Plain,
    /// A hosts file.
    Hosts,
    /// A zone of DNS response policies.
    Rpz,
    /// Adblock rules about whole hosts or paths.
    Adblock,
    /// Comma-separated values, as of URLhaus and PhishTank.
    Csv,
    /// `domains` of a squidGuard category.
    SquidguardDomains,
    /// `urls` of a squidGuard category.
    SquidguardUrls,
    /// ClamAV's `.gdb`.
    ClamavGdb,
}

// === impl UrlLists ===

impl UrlLists {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.file.is_none()
    }
}

// === impl UrlListKind ===

impl UrlListKind {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Malware => "malware",
            Self::Phishing => "phishing",
            Self::Category => "category",
        }
    }
}

// === impl UrlListFormat ===

impl UrlListFormat {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Hosts => "hosts",
            Self::Rpz => "rpz",
            Self::Adblock => "adblock",
            Self::Csv => "csv",
            Self::SquidguardDomains => "squidguard-domains",
            Self::SquidguardUrls => "squidguard-urls",
            Self::ClamavGdb => "clamav-gdb",
        }
    }
}
