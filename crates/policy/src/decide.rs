//! From findings to an answer.

use crate::{Policy, TemplateId};
use icapstan_api::{Facts, Ranges, RedirectUrl, RuleAction};
use icapstan_model::{Findings, Mode, NonScannedReason, Verdict};

/// What is to be done with an object, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// What is to be done.
    pub action: Action<'a>,
    /// Whether the log is to say so: when the object is blocked, or when any of its findings asks.
    pub log: bool,
    /// The finding that decided: the first that blocks, else the strongest. [`Verdict::Clean`] if the
    /// object would be blocked even if nothing were found.
    pub verdict: &'a Verdict,
    /// What decided about that finding.
    pub by: DecidedBy,
}

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action<'a> {
    /// It goes on as it is.
    Pass,
    /// A page goes out in its place.
    Block(TemplateId),
    /// The client is sent elsewhere in its place.
    Redirect(&'a RedirectUrl),
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
pub(crate) struct Outcome<'a> {
    pub(crate) action: Action<'a>,
    pub(crate) log: bool,
    pub(crate) by: DecidedBy,
}

// === impl Policy ===

impl Policy {
    /// What is to be done with an object that travels this way and has these findings.
    pub fn decide<'a>(&'a self, mode: Mode, findings: &'a Findings, facts: &dyn Facts) -> Decision<'a> {
        let strongest = findings.strongest();
        let mut decided = (strongest, self.outcome(mode, strongest, facts));
        let mut log = decided.1.log;
        if decided.1.action == Action::Pass {
            // What is not let through clean is not let through with a finding that passes either.
            let clean = (*strongest != Verdict::Clean).then_some(&Verdict::Clean);
            for verdict in findings.iter().skip(1).chain(clean) {
                let outcome = self.outcome(mode, verdict, facts);
                log |= outcome.log && *verdict != Verdict::Clean;
                if outcome.action != Action::Pass {
                    (decided, log) = ((verdict, outcome), true);
                    break;
                }
            }
        }
        let (verdict, Outcome { action, by, .. }) = decided;
        Decision { action, log, verdict, by }
    }

    pub(crate) fn outcome(&self, mode: Mode, verdict: &Verdict, facts: &dyn Facts) -> Outcome<'_> {
        let mut candidates = self.candidates(mode, verdict.kind());
        let Some((index, rule)) = candidates.find(|(_, rule)| rule.fits(verdict) && rule.when.holds(facts))
        else {
            let action = self.shipped(verdict);
            return Outcome { action, log: *verdict != Verdict::Clean, by: DecidedBy::Default };
        };
        let (action, log) = match &rule.action {
            RuleAction::None => (Action::Pass, false),
            RuleAction::Log => (Action::Pass, true),
            RuleAction::Block(template) => (Action::Block(*template), true),
            RuleAction::Redirect(url) => (Action::Redirect(url), true),
        };
        Outcome { action, log, by: DecidedBy::Rule(index) }
    }

    /// What holds where no rule says otherwise.
    pub(crate) fn shipped(&self, verdict: &Verdict) -> Action<'static> {
        match verdict {
            Verdict::Infected(_) => Action::Block(TemplateId::Detected),
            Verdict::Phishing(_) => Action::Block(TemplateId::Phishing),
            Verdict::Failed(_) if !self.fail_open => Action::Block(TemplateId::Failed),
            Verdict::NonScanned(NonScannedReason::PartialContent) if self.ranges == Ranges::Block => {
                Action::Block(TemplateId::NotScanned)
            }
            Verdict::NonScanned(reason) if reason.is_evasive() => Action::Block(TemplateId::NotScanned),
            Verdict::Failed(_) | Verdict::NonScanned(_) | Verdict::Macro(_) | Verdict::Clean => Action::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::NoFacts;
    use icapstan_api::{ByteSize, ReasonWord, Rule, RuleMode, RuleVerdict, ScanPolicy, SizeRange, When};
    use icapstan_model::{FailedReason, Reason, VerdictKind};
    use proptest::prelude::*;

    fn policy(rules: Vec<Rule>) -> Policy {
        Policy::compile(&ScanPolicy { rules, ..ScanPolicy::new("default") }).unwrap()
    }

    #[test]
    fn pieces_pass_unless_they_are_to_be_blocked_and_rules_come_before_that() {
        let piece = || Verdict::NonScanned(NonScannedReason::PartialContent);
        let compile =
            |ranges, rules| Policy::compile(&ScanPolicy { ranges, rules, ..ScanPolicy::new("default") });
        let [mark, strip, block] =
            [Ranges::Mark, Ranges::Strip, Ranges::Block].map(|ranges| compile(ranges, Vec::new()).unwrap());
        assert_eq!(action(&mark, piece()), Action::Pass);
        assert_eq!(action(&strip, piece()), Action::Pass);
        assert_eq!(action(&block, piece()), Action::Block(TemplateId::NotScanned));
        let size = Verdict::NonScanned(NonScannedReason::Size);
        assert_eq!(action(&block, size), Action::Pass, "other reasons are not meant");
        let hashes = [mark.hash(), strip.hash(), block.hash()];
        assert!(
            hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2],
            "clients are told"
        );
        let log = rule(RuleMode::Any, RuleVerdict::NonScanned, RuleAction::Log);
        assert_eq!(action(&compile(Ranges::Block, vec![log]).unwrap(), piece()), Action::Pass);
    }

    fn rule(mode: RuleMode, verdict: RuleVerdict, action: RuleAction) -> Rule {
        Rule { mode, ..Rule::new(verdict, action) }
    }

    fn action(policy: &Policy, verdict: Verdict) -> Action<'_> {
        // The page is a word of the program, not a part of the policy.
        match policy.decide(Mode::Respmod, &Findings::from(verdict), &NoFacts).action {
            Action::Block(template) => Action::Block(template),
            Action::Pass => Action::Pass,
            Action::Redirect(url) => panic!("{url:?}"),
        }
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
        let log = |verdict: Verdict| shipped.decide(Mode::Reqmod, &Findings::from(verdict), &NoFacts).log;
        assert!(log(Verdict::Macro("X".into())));
        assert!(log(Verdict::NonScanned(NonScannedReason::Size)));
        assert!(!log(Verdict::Clean));
    }

    #[test]
    fn fail_open_lets_failures_pass_and_nothing_else() {
        let open = Policy::compile(&ScanPolicy { fail_open: true, ..ScanPolicy::new("default") }).unwrap();
        assert_eq!(action(&open, Verdict::Failed(FailedReason::Crash)), Action::Pass);
        assert!(open.decide(Mode::Reqmod, &Verdict::Failed(FailedReason::Crash).into(), &NoFacts).log);
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
        let request = policy.decide(Mode::Reqmod, &findings, &NoFacts);
        assert_eq!((request.action, request.log, request.by), (Action::Pass, true, DecidedBy::Rule(0)));
        let response = policy.decide(Mode::Respmod, &findings, &NoFacts);
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
        let decision = policy.decide(Mode::Respmod, &findings, &NoFacts);
        assert_eq!(decision.action, Action::Block(TemplateId::NotScanned));
        assert_eq!(*decision.verdict, Verdict::NonScanned(NonScannedReason::Depth));
    }

    #[test]
    fn what_passes_is_told_by_its_strongest_finding_and_logged_for_any() {
        let policy = policy(vec![rule(RuleMode::Any, RuleVerdict::Macro, RuleAction::None)]);
        let mut findings = Findings::from(Verdict::Macro("M".into()));
        assert!(!policy.decide(Mode::Respmod, &findings, &NoFacts).log);
        findings.add(Verdict::NonScanned(NonScannedReason::Size));
        let decision = policy.decide(Mode::Respmod, &findings, &NoFacts);
        assert_eq!((decision.action, decision.log), (Action::Pass, true));
        assert_eq!(decision.verdict.kind(), VerdictKind::Macro);
        assert_eq!(decision.by, DecidedBy::Rule(0));
    }

    #[test]
    fn what_is_blocked_clean_is_blocked_with_a_finding_that_passes() {
        let unknown =
            When { size: Some(SizeRange { min: Some(ByteSize::new(0)), max: None }), ..When::default() };
        let rules = vec![
            rule(RuleMode::Any, RuleVerdict::Macro, RuleAction::None),
            Rule {
                when: unknown,
                ..rule(RuleMode::Any, RuleVerdict::Any, RuleAction::Block(TemplateId::Refused))
            },
        ];
        let policy = policy(rules);
        for findings in [Findings::clean(), Verdict::Macro("M".into()).into()] {
            let decision = policy.decide(Mode::Respmod, &findings, &NoFacts);
            assert_eq!(decision.action, Action::Block(TemplateId::Refused), "{findings:?}");
            assert_eq!(
                (decision.verdict, decision.log, decision.by),
                (&Verdict::Clean, true, DecidedBy::Rule(1))
            );
        }
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
                let suits = |template: &TemplateId| verdict.kind().is_some_and(|kind| template.suits(kind));
                let action = match (action, TemplateId::ALL.into_iter().find(suits)) {
                    (0, _) => RuleAction::None,
                    (2, Some(template)) => RuleAction::Block(template),
                    _ => RuleAction::Log,
                };
                Rule { mode, reason: reason.map(ReasonWord), ..Rule::new(verdict, action) }
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
            let before = policy.decide(mode, &findings, &NoFacts).action;
            let mut more = findings.clone();
            more.add(added);
            let after = policy.decide(mode, &more, &NoFacts).action;
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
            let decision = policy.decide(Mode::Reqmod, &findings, &NoFacts);
            let outcome = policy.outcome(Mode::Reqmod, decision.verdict, &NoFacts);
            prop_assert_eq!((outcome.action, outcome.by), (decision.action, decision.by));
            let any_blocks = findings
                .iter()
                .any(|verdict| policy.outcome(Mode::Reqmod, verdict, &NoFacts).action != Action::Pass);
            prop_assert_eq!(any_blocks, decision.action != Action::Pass);
        }
    }
}
