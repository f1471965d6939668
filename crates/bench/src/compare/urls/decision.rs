//! How long a policy of a thousand rules takes to decide.

use super::cpu_time;
use crate::bound::Bound;
use crate::compare::target::Judged;
use crate::context::Context;
use crate::stats::Spread;
use anyhow::{Context as _, ensure};
use icapstan_api::{BodySize, Config, Facts};
use icapstan_model::{Findings, Mode, Verdict};
use icapstan_policy::{DecidedBy, Policy};
use serde::Serialize;
use std::fmt::Write;
use std::hint::black_box;
use std::net::IpAddr;

/// Microseconds of processor time.
#[derive(Debug, Serialize)]
pub(in crate::compare) struct DecisionReport {
    pub(in crate::compare) rules: usize,
    /// To make the policy ready.
    pub(in crate::compare) compile: Spread,
    /// About a message without a finding that no rule is about, which all are asked.
    pub(in crate::compare) none: Spread,
    /// About one with a finding that the last rule is about.
    pub(in crate::compare) last: Spread,
    pub(in crate::compare) target: Judged,
}

const RULES: usize = 1000;

/// A decision may take so long, in microseconds.
const BOUND: Bound = Bound::AtMost(20.0);

/// Decisions in a round.
const DECISIONS: u32 = 20_000;

/// Compiles, checks what is decided, and decides.
pub(super) fn measure(context: &Context, rounds: u32) -> anyhow::Result<DecisionReport> {
    let config = Config::parse(&rules(), "rules")?;
    let source = config.policies.first().context("there is a policy")?;
    let policy = Policy::compile(source)?;
    let (other, last) = (Message { user: "jane" }, Message { user: "last" });
    let (clean, found) = (Findings::clean(), Findings::from(Verdict::Infected("Bench".into())));
    let by = |findings, facts: &Message| policy.decide(Mode::Respmod, findings, facts).by;
    ensure!(by(&clean, &other) == DecidedBy::Default, "a rule is about a message that none is about");
    ensure!(by(&found, &last) == DecidedBy::Rule(RULES - 1), "the last rule is not about its message");
    let (mut compile, mut nones, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        context.check()?;
        compile.push(micros(1, || drop(black_box(Policy::compile(black_box(source))))));
        for (times, findings, facts) in [(&mut nones, &clean, &other), (&mut lasts, &found, &last)] {
            times.push(micros(DECISIONS, || {
                black_box(policy.decide(Mode::Respmod, black_box(findings), black_box(facts)));
            }));
        }
    }
    let spread = |values: &[f64]| Spread::of(values).context("a time is no number");
    let (none, last) = (spread(&nones)?, spread(&lasts)?);
    let slower = none.median.max(last.median);
    Ok(DecisionReport {
        rules: RULES,
        compile: spread(&compile)?,
        none,
        last,
        target: Judged {
            what: format!("microseconds to decide by {RULES} rules: {BOUND}"),
            value: Some(slower),
            met: BOUND.holds(slower),
        },
    })
}

/// Of processor time: what else runs on the machine counts little.
fn micros(times: u32, work: impl Fn()) -> f64 {
    let begun = cpu_time();
    (0..times).for_each(|_| work());
    cpu_time().saturating_sub(begun).as_secs_f64() * 1e6 / f64::from(times)
}

/// Rules by host, URL, client, user and size in turn, of which the last is by user.
fn rules() -> String {
    let mut text = "policies:\n  - name: default\n    rules:\n".to_owned();
    for number in 0..RULES {
        let when = match number % 5 {
            0 => format!("hosts: ['*.site{number}.test', site{number}.test]"),
            1 => format!("urls: ['*://*.site{number}.test/downloads/*.exe']"),
            2 => format!("clients: [10.{}.{}.0/24]", number / 250, number % 250),
            3 => format!("size: {{min: {number}Mi, max: {}Mi}}, methods: [POST]", number + 1),
            _ if number == RULES - 1 => "users: [last]".to_owned(),
            _ => format!("users: ['*\\user{number}']"),
        };
        let _ = writeln!(text, "      - {{verdict: ANY, when: {{{when}}}, action: log}}");
    }
    text
}

/// A usual download.
struct Message {
    user: &'static str,
}

impl Facts for Message {
    fn service(&self) -> &'static str {
        "/respmod"
    }

    fn client(&self) -> Option<IpAddr> {
        Some([192, 0, 2, 7].into())
    }

    fn client_certificate(&self) -> &'static [Box<str>] {
        &[]
    }

    fn user(&self) -> Option<&str> {
        Some(self.user)
    }

    fn groups(&self) -> &[String] {
        &[]
    }

    fn host(&self) -> &'static str {
        "cdn7.img.shop1a2b3c.com"
    }

    fn url(&self) -> &'static str {
        "https://cdn7.img.shop1a2b3c.com/assets/93/7fe1/picture-1234567.jpeg?size=1024&v=0123456789abcdef"
    }

    fn categories(&self) -> &[Box<str>] {
        &[]
    }

    fn method(&self) -> &'static str {
        "GET"
    }

    fn size(&self) -> BodySize {
        BodySize::Whole(12_345)
    }

    fn media_type(&self) -> Option<&str> {
        Some("image/jpeg")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_a_policy_of_which_each_kind_is_a_fifth() {
        let config = Config::parse(&rules(), "rules").unwrap();
        let rules = &config.policies[0].rules;
        assert_eq!(rules.len(), RULES);
        assert_eq!(rules.iter().filter(|rule| !rule.when.urls.is_empty()).count(), RULES / 5);
        assert_eq!(rules.iter().filter(|rule| rule.when.size.is_some()).count(), RULES / 5);
    }
}
