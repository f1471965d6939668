//! What has to hold within a policy.

use super::identity::check_networks;
use super::{Checker, HOUR, check_path};
use crate::{ByteSize, Config, Problem, Rule, RuleAction, RuleHeader, ScanPolicy, SizeRange, Template, When};
use icapstan_model::{Mode, Reason, VerdictKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

// === impl ScanPolicy ===

impl ScanPolicy {
    /// Everything that is wrong with the values, each with its path within the policy.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        self.check_into(&mut Checker { path: String::new(), problems: &mut problems });
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    pub(super) fn check_into(&self, here: &mut Checker<'_>) {
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !self.name.chars().all(named) || self.name.starts_with('-') || self.name.ends_with('-') {
            here.report("name", "is made of lower-case letters, digits and inner hyphens");
        }
        here.count("name", self.name.len(), 1, 63);
        let scan = &self.scan;
        here.within("scan.maxObjectSize", scan.max_object_size, ByteSize::new(1), Config::MAX_OBJECT);
        here.lasts("scan.timeout", scan.timeout, Duration::from_millis(100), HOUR);
        here.within("scan.maxDepth", scan.max_depth, 1, 64);
        here.within("scan.maxFiles", scan.max_files, 1, 1_000_000);
        if scan.unpack.len() != scan.unpack.iter().collect::<BTreeSet<_>>().len() {
            here.report("scan.unpack", "names a kind twice");
        }
        self.partial.check(self, &mut here.at("partial"));
        super::skip::check(&self.skip, here);
        here.count("rules", self.rules.len(), 0, Config::MAX_RULES);
        let mut names = BTreeMap::new();
        for (index, rule) in self.rules.iter().enumerate().take(Config::MAX_RULES) {
            rule.check(&mut here.at(&format!("rules[{index}]")));
            if let Some(name) = rule.name.as_deref()
                && let Some(first) = names.insert(name, index)
            {
                let message = format!("\"{name}\" is already the name of rules[{first}]");
                here.report(&format!("rules[{index}].name"), message);
            }
            let earlier = self.rules.iter().take(index);
            if let Some(winner) = shadow(rule, earlier) {
                here.report(&format!("rules[{index}]"), format!("has no effect: {winner}"));
            }
        }
        super::policy_test::check(self, here);
    }

    /// Without a folder there are the shipped pages only.
    pub(super) fn check_templates(&self, here: &mut Checker<'_>) {
        for (index, rule) in self.rules.iter().enumerate().take(Config::MAX_RULES) {
            if let RuleAction::Block(template @ Template::Custom(_)) = &rule.action {
                let message = format!(
                    "there is no page \"{template}\"; there are: {}. Others are files in `templates.folder`",
                    Template::shipped_words()
                );
                here.report(&format!("rules[{index}].action.block"), message);
            }
        }
    }
}

/// One sort of outcome that rules without conditions can tell apart.
type Case = (Mode, VerdictKind, Option<Reason>);

/// Why no verdict ever reaches `rule`.
fn shadow<'a>(rule: &Rule, earlier: impl Iterator<Item = &'a Rule>) -> Option<String> {
    let mut left: Vec<Case> = cases().filter(|case| covers(rule, *case)).collect();
    let mut winners = Vec::new();
    for (index, other) in earlier.enumerate() {
        // The same conditions are the only ones that are sure to hold whenever these do.
        if !other.when.is_empty() && other.when != rule.when {
            continue;
        }
        let before = left.len();
        left.retain(|case| !covers(other, *case));
        if left.len() < before {
            winners.push(format!("rules[{index}]"));
        }
        if left.is_empty() {
            return (!winners.is_empty())
                .then(|| format!("{} before it match all that it matches", winners.join(" and ")));
        }
    }
    None
}

fn cases() -> impl Iterator<Item = Case> {
    [Mode::Reqmod, Mode::Respmod].into_iter().flat_map(|mode| {
        VerdictKind::ALL.into_iter().flat_map(move |kind| {
            let reasons: Vec<_> = reasons_of(kind).map(Some).collect();
            let reasons = if reasons.is_empty() { vec![None] } else { reasons };
            reasons.into_iter().map(move |reason| (mode, kind, reason))
        })
    })
}

fn covers(rule: &Rule, (mode, kind, reason): Case) -> bool {
    rule.concerns(mode, kind) && rule.reason.is_none_or(|word| Some(word.0) == reason)
}

pub(super) fn reasons_of(kind: VerdictKind) -> impl Iterator<Item = Reason> {
    Reason::all().filter(move |reason| match reason {
        Reason::NonScanned(_) => kind == VerdictKind::NonScanned,
        Reason::Failed(_) => kind == VerdictKind::Failed,
    })
}

// === impl Rule ===

impl Rule {
    fn check(&self, here: &mut Checker<'_>) {
        if let Some(name) = &self.name {
            here.count("name", name.len(), 1, 128);
            if let Some(odd) = name.chars().find(|c| c.is_control()) {
                here.report("name", format!("has the control character {odd:?}"));
            }
        }
        self.check_reason(here);
        self.when.check(&mut here.at("when"));
        RuleHeader::check_all(&self.headers, here);
        self.check_hooks(here);
        match (&self.action, self.verdict.kind()) {
            (RuleAction::Block(_) | RuleAction::Redirect(_), None | Some(VerdictKind::Clean))
                if self.when.is_empty() =>
            {
                let message = "clean objects cannot be blocked without a condition; name one in `when`";
                here.report("action", message);
            }
            (RuleAction::Block(template), kind) => {
                let suits = |template: &Template| match kind {
                    Some(kind) => template.suits(kind),
                    None => matches!(template, Template::Refused | Template::Custom(_)),
                };
                if !suits(template) {
                    let suitable: Vec<_> = Template::ALL
                        .iter()
                        .filter(|template| suits(template))
                        .map(Template::as_str)
                        .collect();
                    let message = format!(
                        "the page \"{template}\" would not tell the truth about {}; use {}",
                        self.verdict.as_str(),
                        suitable.join(" or ")
                    );
                    here.report("action.block", message);
                }
            }
            _ => {}
        }
    }

    fn check_reason(&self, here: &mut Checker<'_>) {
        let Some(word) = self.reason else { return };
        let allowed: Vec<_> = VerdictKind::ALL
            .into_iter()
            .filter(|kind| self.verdict.includes(*kind))
            .flat_map(reasons_of)
            .collect();
        if allowed.contains(&word.0) {
            return;
        }
        let allowed = match allowed.as_slice() {
            [] => "it has none; leave the reason out".to_owned(),
            reasons => {
                let words: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
                format!("its reasons are {}", words.join(", "))
            }
        };
        let verdict = self.verdict.as_str();
        here.report("reason", format!("\"{}\" is no reason of {verdict}: {allowed}", word.0));
    }
}

// === impl When ===

impl When {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        let lengths = [
            ("services", self.services.len()),
            ("clients", self.clients.len()),
            ("clientCertificates", self.client_certificates.len()),
            ("users", self.users.len()),
            ("groups", self.groups.len()),
            ("hosts", self.hosts.len()),
            ("urls", self.urls.len()),
            ("categories", self.categories.len()),
            ("methods", self.methods.len()),
            ("types", self.types.len()),
        ];
        for (field, length) in lengths {
            here.count(field, length, 0, Config::MAX_CONDITIONS);
        }
        for (index, path) in self.services.iter().enumerate().take(Config::MAX_CONDITIONS) {
            check_path(here, &format!("services[{index}]"), path);
        }
        check_networks(here, "clients", &self.clients);
        for (index, method) in self.methods.iter().enumerate().take(Config::MAX_CONDITIONS) {
            check_method(here, &format!("methods[{index}]"), method);
        }
        match self.size {
            Some(SizeRange { min: None, max: None }) => here.report("size", "names neither min nor max"),
            Some(SizeRange { min: Some(min), max: Some(max) }) if min > max => {
                here.report("size", format!("min ({min}) is more than max ({max})"));
            }
            _ => {}
        }
    }
}

pub(super) fn check_method(here: &mut Checker<'_>, field: &str, method: &str) {
    let token = |c: char| c.is_ascii_uppercase() || c == '-' || c == '_';
    if method.is_empty() || method.len() > 32 || !method.chars().all(token) {
        here.report(field, "is no HTTP method; write it in capital letters, such as POST");
    }
}
