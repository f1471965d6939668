//! What runs when a rule says so (`hooks`, `policies[].rules[].hooks[]`).

mod url;

pub use url::{HookHost, HookHostError, HookUrl, HookUrlError};

use crate::RuleText;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Programs and servers that rules may call, and how many at once (`hooks`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HookSettings {
    /// The programs. Rules name them, and no other.
    pub exec: Vec<ExecHook>,
    /// The servers.
    pub http: HttpHooks,
    /// How many calls wait at most.
    pub queue: u32,
    /// How many run at once.
    pub concurrency: u32,
}

/// A program that rules may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecHook {
    /// What rules call it by.
    pub name: String,
    /// The program.
    pub command: PathBuf,
    /// Its arguments, with variables. Each is one argument, whatever they stand for.
    #[serde(default)]
    pub args: Vec<RuleText>,
    /// After that it is killed, with all of its process group.
    #[serde(default = "default_timeout", with = "crate::duration")]
    pub timeout: Duration,
}

/// Servers that rules may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpHooks {
    /// Which ones.
    pub allowed_hosts: Vec<HookHost>,
    /// From the first attempt to connect to the head of the answer.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// The certificates, in PEM, one of which has to have signed a server's. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// What a rule calls: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::HOOK)))]
pub struct RuleHook {
    /// A program, by its name in `hooks.exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 63)))]
    pub exec: Option<String>,
    /// A server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpHook>,
}

/// A server that gets what happened by POST.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpHook {
    /// Where.
    pub url: HookUrl,
}

/// The one that a rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookTarget<'a> {
    /// A program.
    Exec(&'a str),
    /// A server.
    Http(&'a HookUrl),
}

// === impl HookSettings ===

impl HookSettings {
    /// The most programs. Metrics tell them apart by their place.
    pub const MAX_EXEC: usize = 16;
    /// The most arguments of a program.
    pub const MAX_ARGS: usize = 64;
    /// The most entries of `http.allowedHosts`.
    pub const MAX_HOSTS: usize = 64;
    /// The most calls that wait.
    pub const MAX_QUEUE: u32 = 65_536;
    /// The most that run at once.
    pub const MAX_CONCURRENCY: u32 = 64;

    /// Whether there is nothing that a rule could call.
    pub fn is_empty(&self) -> bool {
        self.exec.is_empty() && self.http.allowed_hosts.is_empty()
    }
}

impl Default for HookSettings {
    fn default() -> Self {
        Self { exec: Vec::new(), http: HttpHooks::default(), queue: 1024, concurrency: 4 }
    }
}

// === impl ExecHook ===

impl ExecHook {
    /// A program without arguments.
    pub fn new(name: impl Into<String>, command: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), command: command.into(), args: Vec::new(), timeout: default_timeout() }
    }
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

// === impl HttpHooks ===

impl HttpHooks {
    /// Whether a rule may call `url`.
    pub fn allows(&self, url: &HookUrl) -> bool {
        self.allowed_hosts.iter().any(|host| host.allows(url))
    }
}

impl Default for HttpHooks {
    fn default() -> Self {
        Self { allowed_hosts: Vec::new(), timeout: default_timeout(), ca_file: None }
    }
}

// === impl RuleHook ===

impl RuleHook {
    /// The most hooks of a rule.
    pub const MAX: usize = 4;

    /// The program of that name.
    pub fn exec(name: impl Into<String>) -> Self {
        Self { exec: Some(name.into()), http: None }
    }

    /// The one that is named. None if there are both, or neither.
    pub fn target(&self) -> Option<HookTarget<'_>> {
        match (&self.exec, &self.http) {
            (Some(name), None) => Some(HookTarget::Exec(name)),
            (None, Some(http)) => Some(HookTarget::Http(&http.url)),
            _ => None,
        }
    }
}
