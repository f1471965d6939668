//! What follows from what was found.

use crate::input::Input;
use icapstan_api::{
    BodySize, Facts, Heuristics, ReasonWord, Rule, RuleAction, RuleMode, RuleVerdict, ScanPolicy, Template,
    When,
};
use icapstan_model::{FailedReason, Findings, Mode, NonScannedReason, Reason, ThreatName, Verdict};
use icapstan_policy::{Action, DecidedBy, Policy};
use std::net::{IpAddr, Ipv4Addr};

/// Compiles a policy of any rules, and asks it about findings one by one.
///
/// - One more finding never turns a block into a pass.
/// - What the shipped defaults block passes only by a rule, or by `failOpen` if it failed.
/// - A block is always logged, and decided by a finding that is there.
/// - The name of a policy does not matter to its hash; rules behind one that takes everything do not.
pub fn policy(data: &[u8]) {
    let mut input = Input::new(data);
    let mut source = ScanPolicy::new("default");
    source.fail_open = input.bit();
    source.scan.heuristics = input.pick(&[Heuristics::Off, Heuristics::Shallow, Heuristics::Detail]);
    source.scan.max_files = input.word().into();
    let all: Vec<Reason> = Reason::all().collect();
    for _ in 0..input.byte() % 8 {
        let (mode, verdict) = (input.pick(&MODES), input.pick(&VERDICTS));
        let reason = input.byte();
        let action = ACTIONS[usize::from(input.byte()) % ACTIONS.len()].clone();
        let methods = if input.bit() { vec!["GET".to_owned()] } else { Vec::new() };
        let when = When { methods, ..When::default() };
        let reason = all.get(usize::from(reason)).map(|reason| ReasonWord(*reason));
        source.rules.push(Rule { mode, reason, when, ..Rule::new(verdict, action) });
    }
    let Ok(compiled) = Policy::compile(&source) else { return };
    let renamed = ScanPolicy { name: "other".to_owned(), ..source.clone() };
    let renamed = Policy::compile(&renamed).expect("a name is a name");
    assert_eq!(renamed.hash(), compiled.hash());
    let mode = input.pick(&[Mode::Reqmod, Mode::Respmod]);
    let facts = Method(if input.bit() { "GET" } else { "PUT" });
    let mut findings = Findings::clean();
    let mut blocked = false;
    while !input.is_over() {
        findings.add(verdict(&mut input));
        let decision = compiled.decide(mode, &findings, &facts);
        let blocks = matches!(decision.action, Action::Block(_));
        assert!(blocks >= blocked, "a finding more, and it passes");
        blocked = blocks;
        let clean = [Verdict::Clean];
        assert!(findings.iter().chain(&clean).any(|finding| finding == decision.verdict));
        assert!(decision.log || !blocks);
        if blocks {
            continue;
        }
        let single = |finding: &Verdict| compiled.decide(mode, &Findings::from(finding.clone()), &facts).by;
        for finding in &findings {
            let shipped = match finding {
                Verdict::Infected(_) | Verdict::Phishing(_) => true,
                Verdict::Failed(_) => !source.fail_open,
                Verdict::NonScanned(reason) => reason.is_evasive(),
                Verdict::Macro(_) | Verdict::Clean => false,
            };
            assert!(!shipped || single(finding) != DecidedBy::Default, "{finding:?} passes by itself");
        }
    }
}

const MODES: [RuleMode; 3] = [RuleMode::Any, RuleMode::Req, RuleMode::Resp];
const VERDICTS: [RuleVerdict; 7] = [
    RuleVerdict::Any,
    RuleVerdict::Clean,
    RuleVerdict::NonScanned,
    RuleVerdict::Failed,
    RuleVerdict::Macro,
    RuleVerdict::Phishing,
    RuleVerdict::Detect,
];
const ACTIONS: [RuleAction; 4] = [
    RuleAction::None,
    RuleAction::Log,
    RuleAction::Block(Template::Detected),
    RuleAction::Block(Template::Refused),
];

/// A message of which only the method is known.
struct Method(&'static str);

impl Facts for Method {
    fn service(&self) -> &'static str {
        "/x"
    }

    fn client(&self) -> Option<IpAddr> {
        Some(Ipv4Addr::LOCALHOST.into())
    }

    fn client_certificate(&self) -> &'static [Box<str>] {
        &[]
    }

    fn user(&self) -> Option<&'static str> {
        None
    }

    fn groups(&self) -> &'static [String] {
        &[]
    }

    fn host(&self) -> &'static str {
        ""
    }

    fn url(&self) -> &'static str {
        ""
    }

    fn categories(&self) -> &'static [Box<str>] {
        &[]
    }

    fn method(&self) -> &'static str {
        self.0
    }

    fn media_type(&self) -> Option<&'static str> {
        None
    }

    fn size(&self) -> BodySize {
        BodySize::AtLeast(0)
    }
}

/// Any verdict, out of two bytes.
pub(crate) fn verdict(input: &mut Input<'_>) -> Verdict {
    let (kind, detail) = (input.byte(), input.byte());
    let index = usize::from(detail);
    match kind % 6 {
        0 => Verdict::Clean,
        1 => Verdict::NonScanned(NonScannedReason::ALL[index % NonScannedReason::ALL.len()]),
        2 => Verdict::Failed(FailedReason::ALL[index % FailedReason::ALL.len()]),
        3 => Verdict::Macro(ThreatName::new(&[detail])),
        4 => Verdict::Phishing(ThreatName::new(&[detail])),
        _ => Verdict::Infected(ThreatName::new(&[detail])),
    }
}
