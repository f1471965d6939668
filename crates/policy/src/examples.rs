//! The tests that a policy brings (`policies[].tests`).

use crate::explain::{Explanation, Step, shown};
use crate::{CompileError, DecidedBy, Policy};
use icapstan_api::{Expectation, PolicyTest, Problem, ScanPolicy};
use std::fmt::Write as _;

/// What is wrong with policies, each with its path in `icapstan.yaml`; that their own tests fail, too.
pub fn check_policies(policies: &[ScanPolicy]) -> Result<(), Vec<Problem>> {
    let broken =
        policies.iter().enumerate().filter_map(|(index, source)| {
            let CompileError { problems, .. } = Policy::compile(source).err()?;
            Some(problems.into_iter().map(move |Problem { path, message }| {
                Problem::new(format!("policies[{index}].{path}"), message)
            }))
        });
    let problems: Vec<_> = broken.flatten().collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

// === impl Policy ===

impl Policy {
    /// What `test` finds wrong with this policy, which was made from `source`.
    pub fn try_test(&self, source: &ScanPolicy, test: &PolicyTest) -> Result<(), String> {
        let found = self.explain(&test.given);
        let wanted = test.expect.rule_index(&source.rules);
        let is_right = match (&test.expect.rule, wanted, found.by) {
            (Some(_), Some(wanted), DecidedBy::Rule(index)) => wanted == index,
            (None, ..) | (Some(_), None, DecidedBy::Default) => true,
            (Some(_), ..) => false,
        };
        let skip = found.skip.map_or(Expectation::NO_SKIP, |index| self.skips()[index].name.as_str());
        if let Some(wanted) = test.expect.skip.as_deref().filter(|wanted| *wanted != skip) {
            return Err(self.other_skip(&found, &test.name, wanted, skip));
        }
        if is_right && test.expect.action == found.action {
            return Ok(());
        }
        let by = match &test.expect.rule {
            None => String::new(),
            Some(rule) if wanted.is_none() && rule == Expectation::DEFAULT => " by default".to_owned(),
            Some(rule) => format!(" by \"{}\"", shown(rule)),
        };
        let mut message = format!(
            "\"{}\": expected {}{by}, but it is {}",
            shown(&test.name),
            test.expect.action.as_str(),
            self.outcome_text(&found)
        );
        if let Some(wanted) = wanted
            && found.by != DecidedBy::Rule(wanted)
        {
            message.push_str(&self.miss(&found, wanted));
        }
        Err(message)
    }

    /// What is done, and what decided so.
    pub fn outcome_text(&self, found: &Explanation) -> String {
        let action = found.action.as_str();
        match found.by {
            DecidedBy::Rule(index) => format!("{action} by \"{}\"", shown(&self.rule_label(index))),
            DecidedBy::Default => format!("{action} by default"),
        }
    }

    /// That something else leaves it out than was wanted, or nothing does.
    fn other_skip(&self, found: &Explanation, test: &str, wanted: &str, skip: &str) -> String {
        let mut message = format!("\"{}\": expected skip \"{wanted}\", but it is \"{skip}\"", shown(test));
        let place = self.skips().iter().position(|entry| entry.name == wanted);
        if let Some(Step::Missed { field, why }) = place.and_then(|place| found.skips.get(place)) {
            let _ = write!(message, "; \"{wanted}\" does not hold: {field}: {why}");
        }
        message
    }

    /// Why it is not the rule that was wanted.
    fn miss(&self, found: &Explanation, wanted: usize) -> String {
        let label = shown(&self.rule_label(wanted));
        match found.asked.first().and_then(|asked| asked.steps.get(wanted)) {
            Some(Step::Missed { field, why }) => format!("; \"{label}\" does not match: {field}: {why}"),
            Some(Step::NotAsked) => format!("; \"{label}\" is not asked, as one before it matches"),
            Some(Step::Matched) | None => String::new(),
        }
    }

    /// All that the policy's own tests find wrong with it.
    pub(crate) fn failures(&self, source: &ScanPolicy) -> Vec<Problem> {
        let failed = source.tests.iter().enumerate().filter_map(|(index, test)| {
            let message = self.try_test(source, test).err()?;
            Some(Problem::new(format!("tests[{index}]"), message))
        });
        failed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_api::{ActionWord, Config, Given};
    use icapstan_model::Verdict;
    use proptest::prelude::*;

    const RULES: &str = "
policies:
- name: default
  rules:
  - {name: lab, verdict: DETECT, when: {clients: [192.0.2.0/24], hosts: ['*.friend.test']}, action: log}
  - {verdict: DETECT, mode: REQ, action: {block: refused}}
  - {name: programs, verdict: CLEAN, when: {urls: ['*.exe']}, action: {block: refused}}
  - {name: locked, verdict: NON_SCANNED, reason: encrypted, action: none}
";

    fn source(tests: &str) -> ScanPolicy {
        let config = Config::parse(&format!("{RULES}{tests}"), "icapstan.yaml").unwrap();
        config.policies[0].clone()
    }

    fn explain(case: &str) -> Explanation {
        Policy::compile(&source("")).unwrap().explain(&Given::from_case(case).unwrap())
    }

    fn missed(step: &Step) -> (&'static str, &str) {
        match step {
            Step::Missed { field, why } => (field, why),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_rule_says_whether_it_matched_and_what_first_did_not() {
        let found = explain("verdict=DETECT client=192.0.2.1 url=http://WWW.other.test/");
        assert_eq!((found.action, found.by), (ActionWord::Block, DecidedBy::Default));
        assert_eq!(found.asked.len(), 1);
        let steps = &found.asked[0].steps;
        assert_eq!(missed(&steps[0]), ("when.hosts", "www.other.test is not *.friend.test"));
        assert_eq!(missed(&steps[1]), ("mode", "the message is a RESPMOD"));
        assert_eq!(missed(&steps[2]).0, "verdict");

        let found = explain("verdict=DETECT host=a.friend.test client=::ffff:192.0.2.1");
        assert_eq!((found.action, found.by), (ActionWord::Log, DecidedBy::Rule(0)));
        assert_eq!(found.asked[0].steps[0], Step::Matched);
        assert_eq!(found.asked[0].steps[1], Step::NotAsked);

        let found = explain("verdict=NON_SCANNED reason=size");
        assert_eq!(missed(&found.asked[0].steps[3]), ("reason", "size, not encrypted"));
    }

    #[test]
    fn what_passes_is_asked_about_as_if_it_were_clean() {
        let found = explain("verdict=NON_SCANNED reason=encrypted url=http://o.test/a.exe");
        assert_eq!((found.action, found.target.as_str()), (ActionWord::Block, "refused"));
        assert_eq!(found.by, DecidedBy::Rule(2));
        assert_eq!(found.asked[0].steps[3], Step::Matched);
        assert_eq!((&found.asked[1].verdict, &found.asked[1].steps[2]), (&Verdict::Clean, &Step::Matched));
    }

    #[test]
    fn a_policy_whose_own_tests_fail_is_refused_with_the_reason() {
        let tests = "
  tests:
  - {name: right, given: {verdict: DETECT}, expect: {action: block, rule: default}}
  - {name: also right, given: {verdict: DETECT, mode: REQ}, expect: {action: block, rule: 'rules[1]'}}
  - {name: wrong, given: {verdict: DETECT, client: 10.0.0.1}, expect: {action: log, rule: lab}}
  - {name: wrong too, given: {verdict: CLEAN, url: 'http://o.test/x.exe'}, expect: {action: none}}
";
        let error = Policy::compile(&source(tests)).unwrap_err();
        let problems: Vec<_> = error.problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            problems,
            [
                "tests[2]: \"wrong\": expected log by \"lab\", but it is block by default; \"lab\" does not \
                 match: when.clients: 10.0.0.1 is not in 192.0.2.0/24",
                "tests[3]: \"wrong too\": expected none, but it is block by \"programs\"",
            ]
        );
        let problems = check_policies(&[ScanPolicy::new("other"), source(tests)]).unwrap_err();
        assert_eq!(problems[0].path, "policies[1].tests[2]");
    }

    #[test]
    fn what_is_left_out_is_not_looked_at() {
        let with = |tests: &str| {
            let config = format!(
                "{RULES}
  skip:
  - {{name: pictures, when: {{types: ['image/*'], size: {{min: 1k}}}}}}
  - {{name: friends, when: {{hosts: [friend.test]}}}}
  tests:
{tests}"
            );
            Config::parse(&config, "icapstan.yaml").unwrap().policies[0].clone()
        };
        let right = "
  - {name: a, given: {verdict: DETECT, type: image/png, size: 1k}, expect: {action: log, rule: default, skip: pictures}}
  - {name: b, given: {verdict: DETECT, type: image/png}, expect: {action: block, skip: none}}
  - {name: c, given: {url: 'http://friend.test/x.exe'}, expect: {action: block, rule: programs, skip: friends}}";
        let policy = Policy::compile(&with(right)).unwrap();
        let found = policy.explain(&Given::from_case("type=image/png size=2k host=friend.test").unwrap());
        assert_eq!((found.skip, &found.skips[..]), (Some(0), &[Step::Matched, Step::NotAsked][..]));
        assert_eq!(found.asked[0].verdict.reason().unwrap().as_str(), "excluded");

        let wrong = "
  - {name: d, given: {type: image/png, size: 1}, expect: {action: none, skip: pictures}}";
        let error = Policy::compile(&with(wrong)).unwrap_err();
        assert_eq!(
            error.problems[0].to_string(),
            "tests[0]: \"d\": expected skip \"pictures\", but it is \"none\"; \"pictures\" does not hold: \
             when.size: 1 is not at least 1000"
        );
    }

    proptest! {
        /// The explanation is of what is decided, and never something of its own.
        #[test]
        fn the_rule_that_is_said_to_match_is_the_one_that_decides(
            verdict in proptest::sample::select(&[
                "CLEAN", "DETECT", "MACRO", "PHISHING", "NON_SCANNED reason=encrypted", "FAILED reason=time",
            ][..]),
            mode in proptest::sample::select(&["REQ", "RESP"][..]),
            client in proptest::sample::select(&["192.0.2.1", "10.0.0.1"][..]),
            url in proptest::sample::select(&["http://a.friend.test/x.exe", "http://o.test/x"][..]),
        ) {
            let found = explain(&format!("mode={mode} verdict={verdict} client={client} url={url}"));
            let last = found.asked.last().unwrap();
            let matched = last.steps.iter().position(|step| *step == Step::Matched);
            let first = found.asked[0].steps.iter().position(|step| *step == Step::Matched);
            let by = match found.by {
                DecidedBy::Rule(index) => Some(index),
                DecidedBy::Default => None,
            };
            // What the clean object decides, counts only if it blocks.
            prop_assert!(by == matched || by == first, "{:?}", found);
            prop_assert!(found.action != ActionWord::Block || by == matched, "{:?}", found);
        }
    }
}
