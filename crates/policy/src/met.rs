//! What rules do besides their action: header fields, hooks.

use crate::{DecidedBy, Decision, Policy};
use icapstan_api::{Facts, Rule};
use icapstan_model::{Findings, Mode, Verdict};

/// A rule, and the finding that it decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Met<'a> {
    /// Its place in `policies[].rules`.
    pub index: usize,
    /// The rule.
    pub rule: &'a Rule,
    /// The finding.
    pub verdict: &'a Verdict,
}

// === impl Policy ===

impl Policy {
    /// The rules with header fields or hooks that decided about a finding of an object: first the one that
    /// decided about the object, then those of the other findings, strongest first; each once. What is
    /// decided about clean objects is none of these unless it decided.
    pub fn met<'a>(
        &'a self,
        mode: Mode,
        findings: &'a Findings,
        facts: &dyn Facts,
        decision: &Decision<'a>,
    ) -> Vec<Met<'a>> {
        let mut met: Vec<Met<'a>> = Vec::new();
        if !self.does_more() {
            return met;
        }
        let mut add = |by: DecidedBy, verdict: &'a Verdict| {
            if let DecidedBy::Rule(index) = by
                && let Some(rule) = self.rule(index).filter(|rule| does_more(rule))
                && !met.iter().any(|known| known.index == index)
            {
                met.push(Met { index, rule, verdict });
            }
        };
        add(decision.by, decision.verdict);
        for verdict in findings {
            add(self.outcome(mode, verdict, facts).by, verdict);
        }
        met
    }
}

/// Whether the rule does anything besides its action.
pub(crate) fn does_more(rule: &Rule) -> bool {
    !rule.headers.is_empty() || !rule.hooks.is_empty()
}

#[cfg(test)]
mod tests {
    use crate::{NoFacts, Policy, TemplateId};
    use icapstan_api::{
        HeaderTarget, Rule, RuleAction, RuleHeader, RuleHook, RuleText, RuleVerdict, ScanPolicy,
    };
    use icapstan_model::{Findings, Mode, NonScannedReason, Verdict};

    fn header(name: &str, value: &str) -> RuleHeader {
        let value = RuleText::try_from(value.to_owned()).unwrap();
        RuleHeader { name: name.to_owned(), value, to: HeaderTarget::Icap }
    }

    fn with_header(verdict: RuleVerdict, action: RuleAction) -> Rule {
        Rule { headers: vec![header("X-A", "b")], ..Rule::new(verdict, action) }
    }

    fn policy(rules: Vec<Rule>) -> Policy {
        Policy::compile(&ScanPolicy { rules, ..ScanPolicy::new("default") }).unwrap()
    }

    fn met(policy: &Policy, findings: &Findings) -> Vec<(usize, Verdict)> {
        let decision = policy.decide(Mode::Respmod, findings, &NoFacts);
        let met = policy.met(Mode::Respmod, findings, &NoFacts, &decision);
        met.into_iter().map(|met| (met.index, met.verdict.clone())).collect()
    }

    #[test]
    fn the_rule_that_decided_comes_first_and_each_finding_has_its_own() {
        let policy = policy(vec![
            with_header(RuleVerdict::Macro, RuleAction::Log),
            Rule::new(RuleVerdict::Phishing, RuleAction::Log),
            with_header(RuleVerdict::NonScanned, RuleAction::Block(TemplateId::NotScanned)),
            with_header(RuleVerdict::Clean, RuleAction::None),
        ]);
        let (macros, size) = (Verdict::Macro("M".into()), Verdict::NonScanned(NonScannedReason::Size));
        let mut findings = Findings::from(macros.clone());
        assert_eq!(met(&policy, &findings), [(0, macros.clone())], "it is not clean");
        findings.add(Verdict::Macro("N".into()));
        findings.add(Verdict::Phishing("P".into()));
        findings.add(size.clone());
        assert_eq!(met(&policy, &findings), [(2, size), (0, macros)]);
        assert_eq!(met(&policy, &Findings::clean()), [(3, Verdict::Clean)]);
        assert_eq!(met(&policy, &Verdict::Infected("X".into()).into()), []);
    }

    #[test]
    fn headers_are_in_the_hash_and_hooks_are_not() {
        let hash = |rule: Rule| *policy(vec![rule]).hash();
        let plain = || Rule::new(RuleVerdict::Macro, RuleAction::Log);
        let with = |value: &str| Rule { headers: vec![header("X-A", value)], ..plain() };
        assert_ne!(hash(plain()), hash(with("b")));
        assert_ne!(hash(with("c")), hash(with("b")));
        let hooked = Rule { hooks: vec![RuleHook::exec("tell")], ..plain() };
        assert_eq!(hash(plain()), hash(hooked.clone()));
        assert_eq!(hash(with("b")), hash(Rule { hooks: hooked.hooks, ..with("b") }));
        let named = |value: &str| Rule { name: Some("n".into()), ..with(value) };
        assert_eq!(hash(with("b")), hash(named("b")));
        assert_ne!(hash(with("{rule}")), hash(named("{rule}")), "the answer tells it");
    }
}
