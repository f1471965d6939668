//! From findings to an answer.

use crate::{Policy, TemplateId};
use icapstan_api::{Rule, RuleAction};
use icapstan_model::{Findings, Mode, Verdict};

/// What is to be done with an object, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What is to be done.
    pub action: Action,
    /// Whether the log is to say so: when the object is blocked, or when any of its findings asks.
    pub log: bool,
    /// The finding that decided: the first that blocks, else the strongest.
    pub verdict: &'a Verdict,
    /// What decided about that finding.
    pub by: DecidedBy,
}

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It goes on as it is.
    Pass,
    /// A page goes out in its place.
    Block(TemplateId),
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecidedBy {
    /// The rule of that index in `policies[].rules`.
    Rule(usize),
    /// No rule is about this finding.
    Default,
}

/// A decision about one finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) action: Action,
    pub(crate) log: bool,
    pub(crate) by: DecidedBy,
}

// === impl Policy ===

impl Policy {
    /// What is to be done with an object that travels this way and has these findings.
    pub fn decide<'a>(&self, mode: Mode, findings: &'a Findings) -> Decision<'a> {
        let strongest = findings.strongest();
        let mut decided = (strongest, self.outcome(mode, strongest));
        let mut log = false;
        for verdict in findings {
            let outcome = self.outcome(mode, verdict);
            log |= outcome.log;
            if matches!(outcome.action, Action::Block(_)) {
                decided = (verdict, outcome);
                log = true;
                break;
            }
        }
        let (verdict, Outcome { action, by, .. }) = decided;
        Decision { action, log, verdict, by }
    }

    pub(crate) fn outcome(&self, mode: Mode, verdict: &Verdict) -> Outcome {
        let matching = self.rules.iter().enumerate().find(|(_, rule)| rule.matches(mode, verdict));
        let Some((index, Rule { action, .. })) = matching else {
            let action = self.shipped(verdict);
            return Outcome { action, log: *verdict != Verdict::Clean, by: DecidedBy::Default };
        };
        let (action, log) = match action {
            RuleAction::None => (Action::Pass, false),
            RuleAction::Log => (Action::Pass, true),
            RuleAction::Block(template) => (Action::Block(*template), true),
        };
        Outcome { action, log, by: DecidedBy::Rule(index) }
    }

    /// What holds where no rule says otherwise.
    fn shipped(&self, verdict: &Verdict) -> Action {
        match verdict {
            Verdict::Infected(_) => Action::Block(TemplateId::Detected),
            Verdict::Phishing(_) => Action::Block(TemplateId::Phishing),
            Verdict::Failed(_) if !self.fail_open => Action::Block(TemplateId::Failed),
            Verdict::NonScanned(reason) if reason.is_evasive() => Action::Block(TemplateId::NotScanned),
            Verdict::Failed(_) | Verdict::NonScanned(_) | Verdict::Macro(_) | Verdict::Clean => Action::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_api::{ReasonWord, RuleMode, RuleVerdict, ScanPolicy};
    use icapstan_model::{FailedReason, NonScannedReason, Reason, VerdictKind};
    use proptest::prelude::*;

    fn policy(rules: Vec<Rule>) -> Policy {
        Policy::compile(&ScanPolicy { rules, ..ScanPolicy::new("default") }).unwrap()
    }

    fn rule(mode: RuleMode, verdict: RuleVerdict, action: RuleAction) -> Rule {
        Rule { mode, verdict, reason: None, action }
    }

    fn action(policy: &Policy, verdict: Verdict) -> Action {
        policy.decide(Mode::Respmod, &Findings::from(verdict)).action
    }

    #[test]
    fn without_rules_threats_failures_and_evasion_block_and_the_rest_passes() {
        let shipped = policy(vec![]);
        assert_eq!(action(&shipped, Verdict::Infected("X".into())), Action::Block(TemplateId::Detected));
        assert_eq!(action(&shipped, Verdict::Phishing("X".into())), Action::Block(TemplateId::Phishing));
        assert_eq!(action(&shipped, Verdict::Macro("X".into())), Action::Pass);
        assert_eq!(action(&shipped, Verdict::Clean), Action::Pass);
        for reason in FailedReason::ALL {
            assert_eq!(action(&shipped, Verdict::Failed(reason)), Action::Block(TemplateId::Failed));
        }
        for reason in NonScannedReason::ALL {
            let expected = match reason {
                NonScannedReason::Depth
                | NonScannedReason::Count
                | NonScannedReason::Ratio
                | NonScannedReason::Malformed => Action::Block(TemplateId::NotScanned),
                _ => Action::Pass,
            };
            assert_eq!(action(&shipped, Verdict::NonScanned(reason)), expected, "{reason}");
        }
    }

    #[test]
    fn all_that_passes_unproven_is_logged_and_clean_is_not() {
        let shipped = policy(vec![]);
        let log = |verdict: Verdict| shipped.decide(Mode::Reqmod, &Findings::from(verdict)).log;
        assert!(log(Verdict::Macro("X".into())));
        assert!(log(Verdict::NonScanned(NonScannedReason::Size)));
        assert!(!log(Verdict::Clean));
    }

    #[test]
    fn fail_open_lets_failures_pass_and_nothing_else() {
        let open = Policy::compile(&ScanPolicy { fail_open: true, ..ScanPolicy::new("default") }).unwrap();
        assert_eq!(action(&open, Verdict::Failed(FailedReason::Crash)), Action::Pass);
        assert!(open.decide(Mode::Reqmod, &Verdict::Failed(FailedReason::Crash).into()).log);
        let evasive = Verdict::NonScanned(NonScannedReason::Ratio);
        assert_eq!(action(&open, evasive), Action::Block(TemplateId::NotScanned));
        assert_eq!(action(&open, Verdict::Infected("X".into())), Action::Block(TemplateId::Detected));
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_is_named() {
        let rules = vec![
            rule(RuleMode::Req, RuleVerdict::Detect, RuleAction::Log),
            rule(RuleMode::Any, RuleVerdict::Detect, RuleAction::Block(TemplateId::Refused)),
        ];
        let policy = policy(rules);
        let findings = Findings::from(Verdict::Infected("X".into()));
        let request = policy.decide(Mode::Reqmod, &findings);
        assert_eq!((request.action, request.log, request.by), (Action::Pass, true, DecidedBy::Rule(0)));
        let response = policy.decide(Mode::Respmod, &findings);
        assert_eq!(response.action, Action::Block(TemplateId::Refused));
        assert_eq!(response.by, DecidedBy::Rule(1));
    }

    #[test]
    fn a_rule_with_a_reason_is_about_that_reason_only() {
        let encrypted = Rule {
            reason: Some(ReasonWord(Reason::NonScanned(NonScannedReason::Encrypted))),
            ..rule(RuleMode::Any, RuleVerdict::NonScanned, RuleAction::Block(TemplateId::NotScanned))
        };
        let policy = policy(vec![encrypted]);
        let blocked = Action::Block(TemplateId::NotScanned);
        assert_eq!(action(&policy, Verdict::NonScanned(NonScannedReason::Encrypted)), blocked);
        assert_eq!(action(&policy, Verdict::NonScanned(NonScannedReason::Size)), Action::Pass);
    }

    #[test]
    fn a_finding_that_passes_does_not_hide_one_that_blocks() {
        let policy = policy(vec![rule(RuleMode::Any, RuleVerdict::Detect, RuleAction::None)]);
        let mut findings = Findings::from(Verdict::Infected("Allowed".into()));
        findings.add(Verdict::NonScanned(NonScannedReason::Depth));
        findings.add(Verdict::Macro("M".into()));
        let decision = policy.decide(Mode::Respmod, &findings);
        assert_eq!(decision.action, Action::Block(TemplateId::NotScanned));
        assert_eq!(*decision.verdict, Verdict::NonScanned(NonScannedReason::Depth));
    }

    #[test]
    fn what_passes_is_told_by_its_strongest_finding_and_logged_for_any() {
        let policy = policy(vec![rule(RuleMode::Any, RuleVerdict::Macro, RuleAction::None)]);
        let mut findings = Findings::from(Verdict::Macro("M".into()));
        assert!(!policy.decide(Mode::Respmod, &findings).log);
        findings.add(Verdict::NonScanned(NonScannedReason::Size));
        let decision = policy.decide(Mode::Respmod, &findings);
        assert_eq!((decision.action, decision.log), (Action::Pass, true));
        assert_eq!(decision.verdict.kind(), VerdictKind::Macro);
        assert_eq!(decision.by, DecidedBy::Rule(0));
    }

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Clean),
            proptest::sample::select(&NonScannedReason::ALL[..]).prop_map(Verdict::NonScanned),
            proptest::sample::select(&FailedReason::ALL[..]).prop_map(Verdict::Failed),
            "[A-C]".prop_map(|name| Verdict::Infected(name.as_str().into())),
            "[A-C]".prop_map(|name| Verdict::Phishing(name.as_str().into())),
            "[A-C]".prop_map(|name| Verdict::Macro(name.as_str().into())),
        ]
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let verdicts = [
            RuleVerdict::NonScanned,
            RuleVerdict::Failed,
            RuleVerdict::Phishing,
            RuleVerdict::Detect,
            RuleVerdict::Macro,
            RuleVerdict::Clean,
        ];
        let reasons: Vec<_> = std::iter::once(None).chain(Reason::all().map(Some)).collect();
        (
            proptest::sample::select(&[RuleMode::Req, RuleMode::Resp, RuleMode::Any][..]),
            proptest::sample::select(verdicts.to_vec()),
            proptest::sample::select(reasons),
            0..3u8,
        )
            .prop_map(|(mode, verdict, reason, action)| {
                let suits = |template: &TemplateId| template.suits(verdict.kind());
                let action = match (action, TemplateId::ALL.into_iter().find(suits)) {
                    (0, _) => RuleAction::None,
                    (2, Some(template)) => RuleAction::Block(template),
                    _ => RuleAction::Log,
                };
                Rule { mode, verdict, reason: reason.map(ReasonWord), action }
            })
    }

    /// Random rules, without those that do not fit.
    fn any_policy() -> impl Strategy<Value = Policy> {
        (any::<bool>(), proptest::collection::vec(any_rule(), 0..12)).prop_map(|(fail_open, rules)| {
            let mut source = ScanPolicy { fail_open, ..ScanPolicy::new("default") };
            for rule in rules {
                source.rules.push(rule);
                if source.check().is_err() {
                    source.rules.pop();
                }
            }
            Policy::compile(&source).unwrap()
        })
    }

    proptest! {
        #[test]
        fn adding_a_finding_never_turns_a_block_into_a_pass(
            policy in any_policy(),
            verdicts in proptest::collection::vec(any_verdict(), 1..Findings::MAX),
            added in any_verdict(),
            mode in proptest::sample::select(&[Mode::Reqmod, Mode::Respmod][..]),
        ) {
            let mut findings = Findings::clean();
            for verdict in verdicts {
                findings.add(verdict);
            }
            let before = policy.decide(mode, &findings).action;
            let mut more = findings.clone();
            more.add(added);
            let after = policy.decide(mode, &more).action;
            prop_assert!(before == Action::Pass || after != Action::Pass, "{before:?} {after:?} {more:?}");
        }

        #[test]
        fn a_decision_is_one_that_some_finding_asked_for(
            policy in any_policy(),
            verdicts in proptest::collection::vec(any_verdict(), 1..Findings::MAX),
        ) {
            let mut findings = Findings::clean();
            for verdict in verdicts {
                findings.add(verdict);
            }
            let decision = policy.decide(Mode::Reqmod, &findings);
            let outcome = policy.outcome(Mode::Reqmod, decision.verdict);
            prop_assert_eq!((outcome.action, outcome.by), (decision.action, decision.by));
            let any_blocks = findings
                .iter()
                .any(|verdict| policy.outcome(Mode::Reqmod, verdict).action != Action::Pass);
            prop_assert_eq!(any_blocks, decision.action != Action::Pass);
        }
    }
}
