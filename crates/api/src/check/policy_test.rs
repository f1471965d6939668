//! What has to hold within the tests of a policy.

use super::policy::reasons_of;
use super::{Checker, check_path};
use crate::{Config, Expectation, Given, Problem, Rule, RuleMode, ScanPolicy};
use icapstan_model::VerdictKind;

/// No URL of a test is longer, in bytes.
const MAX_URL: usize = 8 * 1024;

/// Checks the tests of a policy.
pub(super) fn check(policy: &ScanPolicy, here: &mut Checker<'_>) {
    let tests = &policy.tests;
    here.count("tests", tests.len(), 0, Config::MAX_TESTS);
    for (index, test) in tests.iter().enumerate().take(Config::MAX_TESTS) {
        let mut here = here.at(&format!("tests[{index}]"));
        check_text(&mut here, "name", &test.name, 128);
        test.given.check_into(&mut here.at("given"));
        test.expect.check(&mut here.at("expect"), policy);
    }
}

fn check_text(here: &mut Checker<'_>, field: &str, text: &str, most: usize) {
    here.count(field, text.len(), 1, most);
    if let Some(odd) = text.chars().find(|c| c.is_control()) {
        here.report(field, format!("has the control character {odd:?}"));
    }
}

// === impl Given ===

impl Given {
    /// Everything that is wrong with the values.
    pub(crate) fn check(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        self.check_into(&mut Checker { path: String::new(), problems: &mut problems });
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn check_into(&self, here: &mut Checker<'_>) {
        if self.mode == Some(RuleMode::Any) {
            here.report("mode", "a message travels one way; write REQ or RESP");
        }
        match self.verdict().kind() {
            None => here.report("verdict", "a message has one; write one such as CLEAN or DETECT"),
            Some(kind) => self.check_reason(here, kind),
        }
        if let Some(path) = &self.service {
            check_path(here, "service", path);
        }
        let texts = [("user", &self.user, 1024), ("host", &self.host, 255), ("url", &self.url, MAX_URL)];
        for (field, text, most) in texts {
            if let Some(text) = text {
                check_text(here, field, text, most);
            }
        }
        if self.host.is_some() && self.url.is_some() {
            here.report("host", "stands beside `url`, which has it");
        }
        let lists = [
            ("clientCertificates", &self.client_certificates),
            ("groups", &self.groups),
            ("categories", &self.categories),
        ];
        for (field, list) in lists {
            here.count(field, list.len(), 0, Config::MAX_CONDITIONS);
            for (index, text) in list.iter().enumerate().take(Config::MAX_CONDITIONS) {
                check_text(here, &format!("{field}[{index}]"), text, 1024);
            }
        }
        if self.media_type.as_ref().is_some_and(|range| range.exact().is_none()) {
            here.report("type", "a body has one; write one such as image/png");
        }
        if let Some(method) = &self.method {
            super::policy::check_method(here, "method", method);
        }
    }

    fn check_reason(&self, here: &mut Checker<'_>, kind: VerdictKind) {
        let allowed: Vec<_> = reasons_of(kind).collect();
        let words = || allowed.iter().map(|reason| reason.as_str()).collect::<Vec<_>>().join(", ");
        let verdict = self.verdict().as_str();
        match self.reason {
            None if !allowed.is_empty() => {
                here.report("reason", format!("{verdict} has one; it is one of {}", words()));
            }
            Some(word) if !allowed.contains(&word.0) => {
                let known = if allowed.is_empty() {
                    "it has none; leave the reason out".to_owned()
                } else {
                    format!("its reasons are {}", words())
                };
                here.report("reason", format!("\"{}\" is no reason of {verdict}: {known}", word.0));
            }
            _ => {}
        }
    }
}

// === impl Expectation ===

impl Expectation {
    fn check(&self, here: &mut Checker<'_>, policy: &ScanPolicy) {
        if let Some(wanted) = &self.skip
            && wanted != Self::NO_SKIP
            && !policy.skip.iter().any(|skip| skip.name == *wanted)
        {
            here.report("skip", format!("there is no \"{wanted}\"; write its name, or {}", Self::NO_SKIP));
        }
        self.check_rule(here, &policy.rules);
    }

    fn check_rule(&self, here: &mut Checker<'_>, rules: &[Rule]) {
        let Some(wanted) = &self.rule else { return };
        let is_named = rules.iter().any(|rule| rule.name.as_ref() == Some(wanted));
        if wanted != Self::DEFAULT && !is_named && place(wanted).is_none_or(|index| index >= rules.len()) {
            let message = format!(
                "there is no rule \"{wanted}\"; write its name, its place such as rules[0], or {}",
                Self::DEFAULT
            );
            here.report("rule", message);
        }
    }

    /// The index of the rule that is meant, of those called so the first. `None`: no rule is.
    pub fn rule_index(&self, rules: &[Rule]) -> Option<usize> {
        let wanted = self.rule.as_ref()?;
        rules.iter().position(|rule| rule.name.as_ref() == Some(wanted)).or_else(|| place(wanted))
    }
}

/// `rules[3]` is 3.
fn place(text: &str) -> Option<usize> {
    text.strip_prefix("rules[")?.strip_suffix(']')?.parse().ok()
}
