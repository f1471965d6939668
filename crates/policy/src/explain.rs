//! Which rule fires, and why the others do not.

use crate::given::{self, GivenMessage};
use crate::{Action, DecidedBy, Policy};
use icapstan_api::{ActionWord, BodySize, Condition, Facts, Given, Rule, RuleAction, SizeRange, When};
use icapstan_model::is_deceptive;
use icapstan_model::{Findings, Mode, NonScannedReason, Verdict};
use std::fmt::{Display, Write as _};

/// Of a list no more entries are shown.
const MAX_SHOWN: usize = 5;
/// No entry is shown longer, in characters.
const MAX_TEXT: usize = 120;

/// What a policy does with a message, and how it comes to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// One step for each entry of `skip`, in their order.
    pub skips: Vec<Step>,
    /// The entry that leaves the message out, so that it is not looked at.
    pub skip: Option<usize>,
    /// What was asked about, in this order: what was found, and where that passes, whether the message
    /// would pass clean.
    pub asked: Vec<Asked>,
    /// What is done.
    pub action: ActionWord,
    /// The page, or the address of a redirect; else empty.
    pub target: String,
    /// What decided, about the last that was asked about.
    pub by: DecidedBy,
}

/// How the rules met a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The finding.
    pub verdict: Verdict,
    /// One step for each rule, in their order.
    pub steps: Vec<Step>,
}

/// How a rule met a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It decides.
    Matched,
    /// It is for something else.
    Missed {
        /// The first field that does not fit, such as `verdict` or `when.clients`.
        field: &'static str,
        /// Why not.
        why: String,
    },
    /// One before it decides.
    NotAsked,
}

// === impl Policy ===

impl Policy {
    /// What becomes of a message, and how the policy comes to that. One that is left out is not looked
    /// at: whatever would be found in it is not.
    pub fn explain(&self, given: &Given) -> Explanation {
        let message = GivenMessage::new(given);
        let skip = self.skip(&message);
        let skips = self.skips().iter().enumerate().map(|(index, entry)| match entry.when.unmet(&message) {
            _ if skip.is_some_and(|decides| decides < index) => Step::NotAsked,
            Some(condition) => missed(&entry.when, condition, &message),
            None => Step::Matched,
        });
        let skips = skips.collect();
        let mode = given::mode(given);
        let verdict = match skip {
            Some(_) => Verdict::NonScanned(NonScannedReason::Excluded),
            None => given::verdict(given),
        };
        let mut asked = vec![self.ask(mode, verdict.clone(), &message)];
        let first = self.outcome(mode, &verdict, &message);
        if first.action == Action::Pass && verdict != Verdict::Clean {
            asked.push(self.ask(mode, Verdict::Clean, &message));
        }
        let findings = Findings::from(verdict);
        let decision = self.decide(mode, &findings, &message);
        let (action, target) = match decision.action {
            Action::Pass if decision.log => (ActionWord::Log, String::new()),
            Action::Pass => (ActionWord::None, String::new()),
            Action::Block(template) => (ActionWord::Block, template.to_string()),
            Action::Redirect(url) => (ActionWord::Redirect, url.as_str().to_owned()),
        };
        Explanation { skips, skip, asked, action, target, by: decision.by }
    }

    /// Every rule, one after the other: no index is asked which of them could match.
    fn ask(&self, mode: Mode, verdict: Verdict, message: &GivenMessage<'_>) -> Asked {
        let mut is_decided = false;
        let steps = self.rules.iter().map(|rule| {
            if is_decided {
                return Step::NotAsked;
            }
            let step = step(rule, mode, &verdict, message);
            is_decided = step == Step::Matched;
            step
        });
        Asked { steps: steps.collect(), verdict }
    }

    /// What rules are called where they have to be found: by their name, else by their place.
    pub fn rule_label(&self, index: usize) -> String {
        self.rule_name(index).map_or_else(|| format!("rules[{index}]"), str::to_owned)
    }

    /// What a rule does, in the words of the configuration.
    pub fn rule_action(&self, index: usize) -> Option<String> {
        Some(match &self.rules.get(index)?.action {
            RuleAction::None => "none".to_owned(),
            RuleAction::Log => "log".to_owned(),
            RuleAction::Block(template) => format!("block: {template}"),
            RuleAction::Redirect(url) => format!("redirect: {}", shown(url.as_str())),
        })
    }
}

fn step(rule: &Rule, mode: Mode, verdict: &Verdict, message: &GivenMessage<'_>) -> Step {
    let otherwise = |field, why| Step::Missed { field, why };
    if !rule.mode.includes(mode) {
        return otherwise("mode", format!("the message is a {}", mode.as_str()));
    }
    if !rule.verdict.includes(verdict.kind()) {
        return otherwise("verdict", format!("{}, not {}", verdict.kind(), rule.verdict.as_str()));
    }
    if !rule.fits(verdict) {
        let wanted = rule.reason.map_or("", |word| word.0.as_str());
        let why = match verdict.reason() {
            Some(reason) => format!("{reason}, not {wanted}"),
            None => format!("there is none, and {wanted} is wanted"),
        };
        return otherwise("reason", why);
    }
    match rule.when.unmet(message) {
        Some(condition) => missed(&rule.when, condition, message),
        None => Step::Matched,
    }
}

fn missed(when: &When, condition: Condition, message: &GivenMessage<'_>) -> Step {
    Step::Missed { field: field(condition), why: why_not(when, condition, message) }
}

const fn field(condition: Condition) -> &'static str {
    match condition {
        Condition::Services => "when.services",
        Condition::Methods => "when.methods",
        Condition::Size => "when.size",
        Condition::Clients => "when.clients",
        Condition::ClientCertificates => "when.clientCertificates",
        Condition::Categories => "when.categories",
        Condition::Hosts => "when.hosts",
        Condition::Users => "when.users",
        Condition::Groups => "when.groups",
        Condition::Urls => "when.urls",
        Condition::Types => "when.types",
    }
}

/// Why a condition does not hold.
fn why_not(when: &When, condition: Condition, message: &GivenMessage<'_>) -> String {
    let one = |known: &str, wanted: String| match known {
        "" => format!("not known; wanted is {wanted}"),
        known => format!("{} is not {wanted}", shown(known)),
    };
    let many = |known: Vec<&str>, wanted: String| match known.as_slice() {
        [] => format!("not known; wanted is {wanted}"),
        known => format!("{} is not {wanted}", list(known.iter())),
    };
    match condition {
        Condition::Services => one(message.service(), list(when.services.iter())),
        Condition::Methods => one(message.method(), list(when.methods.iter())),
        Condition::Size => size(when.size.unwrap_or_default(), message.size()),
        Condition::Clients => match message.client() {
            Some(client) => format!("{} is not in {}", client.to_canonical(), list(when.clients.iter())),
            None => format!("not known; wanted is {}", list(when.clients.iter())),
        },
        Condition::ClientCertificates => many(
            message.client_certificate().iter().map(|known| &**known).collect(),
            list(when.client_certificates.iter().map(icapstan_api::Glob::as_str)),
        ),
        Condition::Categories => {
            many(message.categories().iter().map(|known| &**known).collect(), list(when.categories.iter()))
        }
        Condition::Hosts => one(message.host(), list(when.hosts.iter())),
        Condition::Users => {
            one(message.user().unwrap_or_default(), list(when.users.iter().map(icapstan_api::Glob::as_str)))
        }
        Condition::Groups => many(
            message.groups().iter().map(String::as_str).collect(),
            list(when.groups.iter().map(icapstan_api::Glob::as_str)),
        ),
        Condition::Types => one(message.media_type().unwrap_or_default(), list(when.types.iter())),
        Condition::Urls => one(message.url(), list(when.urls.iter().map(icapstan_api::Glob::as_str))),
    }
}

fn size(wanted: SizeRange, known: BodySize) -> String {
    let wanted = match (wanted.min, wanted.max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any".to_owned(),
    };
    match known {
        BodySize::Whole(bytes) => format!("{} is not {wanted}", icapstan_api::ByteSize::new(bytes)),
        BodySize::AtLeast(_) => format!("not known; wanted is {wanted}"),
    }
}

/// The first entries of a list.
fn list<T: Display>(entries: impl ExactSizeIterator<Item = T>) -> String {
    let (mut text, count) = (String::new(), entries.len());
    for (index, entry) in entries.enumerate().take(MAX_SHOWN) {
        let _ = write!(text, "{}{}", if index == 0 { "" } else { ", " }, shown(&entry.to_string()));
    }
    if count > MAX_SHOWN {
        let _ = write!(text, " and {} more", count - MAX_SHOWN);
    }
    if count > 1 { format!("one of {text}") } else { text }
}

/// Fit for a terminal.
pub(crate) fn shown(text: &str) -> String {
    let inert = |c: char| if is_deceptive(c) { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(MAX_TEXT).map(inert).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        shown.push('\u{2026}');
    }
    shown
}
