//! What has to hold of header fields that rules add.

use super::Checker;
use crate::{Config, DetectionHeaders, HeaderTarget, RuleHeader, RuleVariable, is_field_name};

/// Fields of one connection (RFC 9110 section 7.6.1), and those that say where a body ends. Nobody may set
/// them beside the body that they are about.
const FRAMING: [&str; 11] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What ICAP gives a meaning (RFC 3507 sections 4.3, 4.7 and 4.10), and what icapstan says there itself.
const OF_ICAP: [&str; 21] = [
    "allow",
    "date",
    "encapsulated",
    "host",
    "istag",
    "max-connections",
    "methods",
    "opt-body-type",
    "options-ttl",
    "preview",
    "service",
    "service-id",
    "transfer-complete",
    "transfer-ignore",
    "transfer-preview",
    "x-include",
    "x-infection-found",
    "x-response-desc",
    "x-response-info",
    "x-violations-found",
    "x-virus-id",
];

/// What says where an HTTP message goes and what its body is, and fields that stand more than once.
const OF_HTTP: [&str; 10] = [
    "content-encoding",
    "content-range",
    "content-type",
    "encapsulated",
    "expect",
    "host",
    "istag",
    "location",
    "set-cookie",
    "www-authenticate",
];

/// Programs behind gateways take `_` for `-` (RFC 3875 section 4.1.18), and so does whatever removes a peer's
/// field: names that differ in that only are the same.
fn same(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

// === impl Config ===

impl Config {
    /// No rule sets a field that says what was detected.
    pub(super) fn check_rule_headers(&self, root: &mut Checker<'_>) {
        let DetectionHeaders { threat, database_time, .. } = &self.detection_headers;
        let fields = [("threat", Some(threat)), ("databaseTime", database_time.as_ref())];
        for (policy_index, policy) in self.policies.iter().enumerate().take(Self::MAX_ENTRIES) {
            for (index, rule) in policy.rules.iter().enumerate().take(Self::MAX_RULES) {
                for (place, header) in rule.headers.iter().enumerate().take(RuleHeader::MAX) {
                    let is_same = |name: &&String| same(name) == same(&header.name);
                    let taken = fields.iter().find(|(_, name)| name.as_ref().is_some_and(is_same));
                    if let (HeaderTarget::Icap, Some((field, _))) = (header.to, taken)
                        && !OF_ICAP.contains(&same(&header.name).as_str())
                    {
                        root.report(
                            &format!("policies[{policy_index}].rules[{index}].headers[{place}].name"),
                            format!("\"{}\" is the name of `detectionHeaders.{field}`", header.name),
                        );
                    }
                }
            }
        }
    }
}

// === impl RuleHeader ===

impl RuleHeader {
    /// Checks all of a rule.
    pub(super) fn check_all(headers: &[Self], here: &mut Checker<'_>) {
        here.count("headers", headers.len(), 0, Self::MAX);
        for (index, header) in headers.iter().enumerate().take(Self::MAX) {
            header.check(&mut here.at(&format!("headers[{index}]")));
            let is_same = |other: &&Self| other.to == header.to && same(&other.name) == same(&header.name);
            if let Some(first) = headers.iter().take(index).position(|other| is_same(&other)) {
                let message = format!("\"{}\" is already set by headers[{first}]", header.name);
                here.report(&format!("headers[{index}].name"), message);
            }
        }
    }

    fn check(&self, here: &mut Checker<'_>) {
        here.count("name", self.name.len(), 1, Self::MAX_NAME);
        if !self.name.is_empty() && !is_field_name(&self.name) {
            here.report("name", "is no name of a header field, such as X-Scanned");
        }
        let lower = same(&self.name);
        let taken = match self.to {
            HeaderTarget::Icap => OF_ICAP.contains(&lower.as_str()) || lower.starts_with("x-icapstan-"),
            HeaderTarget::Http => OF_HTTP.contains(&lower.as_str()),
        };
        if FRAMING.contains(&lower.as_str()) {
            let message = format!(
                "\"{}\" belongs to the connection or to the framing of the message; no rule may set it",
                self.name
            );
            here.report("name", message);
        } else if taken {
            let whose = match self.to {
                HeaderTarget::Icap => "has a meaning in ICAP, or icapstan sends it itself",
                HeaderTarget::Http => {
                    "says where the message goes or what it is, or may stand more than once"
                }
            };
            here.report("name", format!("\"{}\" {whose}; no rule may set it", self.name));
        }
        let value = self.value.as_str();
        if value.trim() != value || value.is_empty() {
            here.report("value", "is empty, or has blanks at its ends");
        }
        let allowed = |variable: &RuleVariable| RuleVariable::IN_HEADERS.contains(variable);
        if let Some(odd) = self.value.variables().find(|variable| !allowed(variable)) {
            let message = format!(
                "has the variable {{{}}}, which is for arguments of hooks only; in header fields there are: {}",
                odd.as_str(),
                RuleVariable::names(&RuleVariable::IN_HEADERS)
            );
            here.report("value", message);
        }
    }
}
