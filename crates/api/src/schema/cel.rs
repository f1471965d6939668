//! The rules that the API server evaluates, in the Common Expression Language.
//!
//! Each is about what an object says of itself: what needs another object, or much arithmetic, the operator says in
//! a condition. Rules see defaults, and run only where each value is of its type and within its bounds.

use serde::Serialize;

/// One rule, as `x-kubernetes-validations` has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cel {
    /// What has to be true.
    rule: &'static str,
    /// What is said otherwise.
    message: &'static str,
    /// The field that is to blame, within the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    field_path: Option<&'static str>,
}

const fn cel(rule: &'static str, message: &'static str) -> Cel {
    Cel { rule, message, field_path: None }
}

const fn cel_at(field_path: &'static str, rule: &'static str, message: &'static str) -> Cel {
    Cel { rule, message, field_path: Some(field_path) }
}

/// Of whole objects.
pub(crate) const NAME: &[Cel] = &[cel(
    "self.metadata.name.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$') && self.metadata.name.size() <= 63",
    "metadata.name is made of lower-case letters, digits and inner hyphens, at most 63",
)];

// What rules of policies say.
pub(crate) const ACTION: &[Cel] = &[cel(
    "(has(self.none) ? 1 : 0) + (has(self.log) ? 1 : 0) + (has(self.block) ? 1 : 0) + (has(self.redirect) ? 1 : 0) == 1",
    "a rule has exactly one action: none, log, block or redirect",
)];
pub(crate) const RULE: &[Cel] = &[
    cel_at(
        ".action",
        "!(self.verdict in ['CLEAN', 'ANY']) || has(self.when) || has(self.action.none) || has(self.action.log)",
        "clean objects cannot be blocked without a condition; name one in when",
    ),
    cel_at(
        ".reason",
        "!has(self.reason) || self.verdict in ['NON_SCANNED', 'FAILED', 'ANY']",
        "only NON_SCANNED and FAILED have reasons",
    ),
];
pub(crate) const HOOK: &[Cel] =
    &[cel("has(self.exec) != has(self.http)", "a hook is exactly one of exec and http")];
pub(crate) const SIZE_RANGE: &[Cel] = &[cel("has(self.min) || has(self.max)", "names neither min nor max")];
pub(crate) const SCAN: &[Cel] = &[cel_at(
    ".timeout",
    "duration(self.timeout) >= duration('100ms') && duration(self.timeout) <= duration('1h')",
    "a scan may take from 100ms to 1h",
)];
pub(crate) const PARTIAL: &[Cel] = &[cel_at(
    ".delay",
    "duration(self.delay) >= duration('1s') && duration(self.delay) <= duration('1h')",
    "the first piece goes out after 1s to 1h",
)];
pub(crate) const GIVEN: &[Cel] = &[
    cel_at(".host", "!(has(self.host) && has(self.url))", "host stands beside url, which has it"),
    cel_at(".mode", "!has(self.mode) || self.mode != 'ANY'", "a message travels one way; write REQ or RESP"),
];

// What rollouts say.
pub(crate) const WAVES: &[Cel] = &[
    cel("self.size() > 0 && self[self.size() - 1] == 100", "the last wave is 100"),
    cel(
        "self.isSorted() && self.all(wave, self.exists_one(other, other == wave))",
        "each wave is more than the one before",
    ),
];
pub(crate) const ROLLOUT: &[Cel] = &[
    cel_at(
        ".bakeTime",
        "duration(self.bakeTime) <= duration(self.progressDeadline)",
        "bakeTime is longer than progressDeadline",
    ),
    cel_at(
        ".progressDeadline",
        "duration(self.progressDeadline) >= duration('10s')",
        "progressDeadline is at least 10s",
    ),
    cel_at(".ackTimeout", "duration(self.ackTimeout) >= duration('1s')", "ackTimeout is at least 1s"),
];
pub(crate) const CANARY: &[Cel] =
    &[cel_at(".scanners", "!(string(self.scanners) in ['0', '0%'])", "a canary has at least one scanner")];

// What sources say.
pub(crate) const SOURCE: &[Cel] = &[cel(
    "(has(self.http) ? 1 : 0) + (has(self.oci) ? 1 : 0) + (has(self.file) ? 1 : 0) + (has(self.configMap) ? 1 : 0) == 1",
    "a source is exactly one of http, oci, file and configMap",
)];
pub(crate) const HTTP: &[Cel] = &[cel_at(
    ".secretRef",
    "!has(self.secretRef) || self.url.startsWith('https://')",
    "secrets are sent over https only",
)];
pub(crate) const OCI: &[Cel] = &[cel_at(
    ".secretRef",
    "!has(self.secretRef) || !self.insecure",
    "secrets are not sent to registries without TLS",
)];
pub(crate) const VERIFICATION: &[Cel] = &[
    cel_at(
        ".publicKeys",
        "self.format in ['None', 'Cvd'] || has(self.publicKeys) || has(self.keySecretRefs)",
        "signatures need a key: name one in publicKeys or keySecretRefs",
    ),
    cel_at(
        ".format",
        "!(self.format in ['None', 'Cvd']) || !(has(self.publicKeys) || has(self.keySecretRefs))",
        "keys are there, and the format None or Cvd asks for none; write Minisign or Ed25519",
    ),
    cel_at(
        ".sha256",
        "!(has(self.sha256) && has(self.manifest))",
        "sha256 stands beside manifest; name one of the two",
    ),
];
pub(crate) const SIGNATURE_SOURCE: &[Cel] = &[
    cel_at(
        ".verification.format",
        "self.verification.format != 'Cvd' || self.engine == 'clamav'",
        "Cvd is the format of ClamAV's databases; write Minisign, Ed25519 or None",
    ),
    cel_at(
        ".verification.sha256",
        "!has(self.verification.sha256) || !has(self.source.http) || !has(self.source.http.files)",
        "one digest cannot stand for several files; name a manifest",
    ),
];
pub(crate) const INTERVAL: &[Cel] =
    &[cel("duration(self) >= duration('10s') && duration(self) <= duration('720h')", "is from 10s to 720h")];
pub(crate) const TIMEOUT: &[Cel] =
    &[cel("duration(self) >= duration('1s') && duration(self) <= duration('6h')", "is from 1s to 6h")];
pub(crate) const IMMUTABLE: &[Cel] =
    &[cel("self == oldSelf", "cannot be changed; make another object in its place")];

// What plans say.
pub(crate) const PLAN: &[Cel] = &[cel_at(
    ".generation",
    "self.generation >= oldSelf.generation",
    "a plan is never replaced by an earlier one",
)];

// What services and lists say.
pub(crate) const OPTIONS_TTL: &[Cel] =
    &[cel("duration(self) >= duration('1m') && duration(self) <= duration('720h')", "is from 1m to 720h")];
pub(crate) const ICAP_SERVICE: &[Cel] = &[cel_at(
    ".aliases",
    "!has(self.aliases) || !(self.path in self.aliases)",
    "the path is among its own aliases",
)];
pub(crate) const URL_LIST: &[Cel] = &[cel_at(
    ".category",
    "has(self.category) == (self.kind == 'category')",
    "lists of the kind category have a category, and no others have",
)];
pub(crate) const SAMPLE: &[Cel] =
    &[cel("has(self.file) != has(self.configMap)", "a sample is exactly one of file and configMap")];
