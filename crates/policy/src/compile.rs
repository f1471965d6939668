//! From settings to something that decides.

use crate::Action;
use crate::facts::NoFacts;
use crate::met;
use crate::types;
use icapstan_api::{
    Config, Facts, HeaderTarget, Heuristics, PartialSettings, Problem, Ranges, Rule, RuleText, RuleVariable,
    ScanPolicy, ScanSettings, SkipRule, UnpackKind,
};
use icapstan_model::{
    FailedReason, HeuristicLevel, Mode, NonScannedReason, ScanProfile, Unpack, Verdict, VerdictKind,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// All layers of an object together may be at least this large, in bytes...
const MIN_TOTAL_SIZE: u64 = 400 * 1024 * 1024;
/// ... and at least so many times as large as one layer.
const TOTAL_FACTOR: u64 = 4;

/// A policy that was checked and made ready to decide.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) fail_open: bool,
    skips: Box<[SkipRule]>,
    pub(crate) rules: Box<[Rule]>,
    /// Which rules concern verdicts of a kind, by mode and kind: most decisions look at few.
    concerning: [Box<[u16]>; 2 * VerdictKind::ALL.len()],
    /// Any of them adds header fields or has hooks.
    does_more: bool,
    name: Box<str>,
    asks_for_types: bool,
    partial: PartialSettings,
    quarantine: bool,
    pub(crate) ranges: Ranges,
    profile: Arc<ScanProfile>,
    hash: [u8; 32],
}

/// A policy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct CompileError {
    /// Its name.
    pub policy: String,
    /// All that is wrong with it.
    pub problems: Vec<Problem>,
}

// === impl Policy ===

impl Policy {
    /// Checks a policy and makes it ready. Its own tests have to pass.
    pub fn compile(source: &ScanPolicy) -> Result<Self, CompileError> {
        let refused = |problems| CompileError { policy: source.name.clone(), problems };
        source.check().map_err(refused)?;
        let unknown = types::unknown(source);
        if !unknown.is_empty() {
            return Err(refused(unknown));
        }
        let mut policy = Self {
            name: source.name.as_str().into(),
            fail_open: source.fail_open,
            concerning: concerning(&source.rules),
            skips: source.skip.as_slice().into(),
            rules: source.rules.as_slice().into(),
            asks_for_types: types::is_asked_for(source),
            does_more: source.rules.iter().any(met::does_more),
            partial: source.partial.clone(),
            quarantine: source.quarantine,
            ranges: source.ranges,
            profile: Arc::new(profile(&source.scan)),
            hash: [0; 32],
        };
        policy.hash = hash(&policy);
        let failures = policy.failures(source);
        if failures.is_empty() { Ok(policy) } else { Err(refused(failures)) }
    }

    /// The rules that concern such verdicts, in their order, each with its index.
    pub(crate) fn candidates(&self, mode: Mode, kind: VerdictKind) -> impl Iterator<Item = (usize, &Rule)> {
        let indexes = self.concerning[case(mode, kind)].iter().map(|&index| usize::from(index));
        indexes.map(|index| (index, &self.rules[index]))
    }

    /// The names of the ICAP fields that rules may add to answers, each once.
    pub fn icap_fields(&self) -> impl Iterator<Item = &str> {
        let headers = self.rules.iter().flat_map(|rule| &rule.headers);
        let names: BTreeMap<_, _> = headers
            .filter(|header| header.to == HeaderTarget::Icap)
            .map(|header| (header.name.to_ascii_lowercase(), header.name.as_str()))
            .collect();
        names.into_values()
    }

    /// The rule of that index.
    pub(crate) fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }

    /// Whether any rule adds header fields or has hooks.
    pub(crate) const fn does_more(&self) -> bool {
        self.does_more
    }

    /// What the rule of that index is called.
    pub fn rule_name(&self, index: usize) -> Option<&str> {
        self.rules.get(index)?.name.as_deref()
    }

    /// What services call it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is not scanned.
    pub fn skips(&self) -> &[SkipRule] {
        &self.skips
    }

    /// Which of [`Policy::skips`] leaves such a message out: the first whose conditions hold.
    pub fn skip(&self, facts: &dyn Facts) -> Option<usize> {
        self.skips.iter().position(|skip| skip.when.holds(facts))
    }

    /// Whether anything may ask what a body is.
    pub fn asks_for_types(&self) -> bool {
        self.asks_for_types
    }

    /// What goes out before there is a verdict. Decides nothing.
    pub fn partial(&self) -> &PartialSettings {
        &self.partial
    }

    /// Whether infected objects are kept, where there is a quarantine. Decides nothing.
    pub const fn quarantine(&self) -> bool {
        self.quarantine
    }

    /// What becomes of pieces of objects.
    pub const fn ranges(&self) -> Ranges {
        self.ranges
    }

    /// How objects are scanned.
    pub fn profile(&self) -> &Arc<ScanProfile> {
        &self.profile
    }

    /// Equal for policies that scan alike and decide alike, whatever they are called and however
    /// their rules are written. Part of the ISTag.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// The place of such verdicts in [`Policy::concerning`].
fn case(mode: Mode, kind: VerdictKind) -> usize {
    let mode = match mode {
        Mode::Reqmod => 0,
        Mode::Respmod => 1,
    };
    mode * VerdictKind::ALL.len() + kind as usize
}

fn concerning(rules: &[Rule]) -> [Box<[u16]>; 2 * VerdictKind::ALL.len()] {
    const { assert!(Config::MAX_RULES <= u16::MAX as usize) }
    let mut found: [Vec<u16>; 2 * VerdictKind::ALL.len()] = Default::default();
    for (index, rule) in (0..).zip(rules) {
        for mode in [Mode::Reqmod, Mode::Respmod] {
            for kind in VerdictKind::ALL.into_iter().filter(|kind| rule.concerns(mode, *kind)) {
                found[case(mode, kind)].push(index);
            }
        }
    }
    found.map(Vec::into_boxed_slice)
}

fn profile(scan: &ScanSettings) -> ScanProfile {
    let max_object_size = scan.max_object_size.bytes();
    let opens = |kind| scan.unpack.contains(&kind);
    ScanProfile {
        max_object_size,
        max_total_size: max_object_size.saturating_mul(TOTAL_FACTOR).max(MIN_TOTAL_SIZE),
        timeout: scan.timeout,
        max_depth: scan.max_depth,
        max_files: scan.max_files,
        unpack: Unpack {
            packed: opens(UnpackKind::Packed),
            archives: opens(UnpackKind::Archives),
            mail: opens(UnpackKind::Mail),
            mail_databases: opens(UnpackKind::MailDatabases),
        },
        heuristics: match scan.heuristics {
            Heuristics::Off => HeuristicLevel::Off,
            Heuristics::Shallow => HeuristicLevel::Shallow,
            Heuristics::Medium => HeuristicLevel::Medium,
            Heuristics::Detail => HeuristicLevel::Detail,
        },
        phishing: scan.phishing,
        // Found for the log even where no rule is about them.
        macros: true,
        cache: scan.cache,
    }
}

/// Over the profile, and over what is decided in every case there is. Hashing outcomes and not
/// rules makes the order of rules that do not overlap, and rules that say what holds anyway,
/// irrelevant. With conditions there are more cases than could be tried, and header fields are told in the
/// answers; then the rules count too. Hooks change no answer.
fn hash(policy: &Policy) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("icapstan ScanPolicy v1");
    // Taken apart by name, so that a new field cannot be forgotten.
    let ScanProfile {
        max_object_size,
        max_total_size,
        timeout,
        max_depth,
        max_files,
        unpack: Unpack { packed, archives, mail, mail_databases },
        heuristics,
        phishing,
        macros,
        // Verdicts are the same with it and without.
        cache: _,
    } = *policy.profile;
    for number in [max_object_size, max_total_size, max_depth.into(), max_files.into()] {
        hasher.update(&number.to_le_bytes());
    }
    hasher.update(&timeout.as_nanos().to_le_bytes());
    let flags = [packed, archives, mail, mail_databases, phishing, macros];
    hasher.update(&flags.map(u8::from));
    hasher.update(&[heuristics as u8]);
    for mode in [Mode::Reqmod, Mode::Respmod] {
        for verdict in every_case() {
            let outcome = policy.outcome(mode, &verdict, &NoFacts);
            let reason = verdict.reason().map_or("", |reason| reason.as_str());
            let action = match &outcome.action {
                Action::Pass => "pass",
                Action::Block(template) => template.as_str(),
                Action::Redirect(url) => url.as_str(),
            };
            // No word contains a zero byte, so that the encoding can be read in one way only.
            for word in [mode.as_str(), verdict.kind().as_str(), reason, action] {
                hasher.update(word.as_bytes());
                hasher.update(&[0]);
            }
            hasher.update(&[u8::from(outcome.log)]);
        }
    }
    let mut add = |text: &[u8]| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    // What follows came out of text of this kind; there is no value that has none.
    if policy.rules.iter().any(|rule| !rule.when.is_empty() || !rule.headers.is_empty()) {
        for rule in &policy.rules {
            let told = rule.headers.iter().any(|header| tells_name(&header.value));
            let name = rule.name.clone().filter(|_| told);
            let nameless = Rule { name, hooks: Vec::new(), ..rule.clone() };
            add(&serde_json::to_vec(&nameless).expect("rules can be written"));
        }
    }
    // What blocks is among the cases above.
    if policy.ranges == Ranges::Strip {
        add(b"ranges: strip");
    }
    if !policy.skips.is_empty() {
        add(b"skip");
        // Whichever of them holds, the same follows.
        let texts =
            policy.skips.iter().map(|skip| serde_json::to_vec(&skip.when).expect("rules can be written"));
        texts.collect::<BTreeSet<_>>().iter().for_each(|text| add(text));
    }
    *hasher.finalize().as_bytes()
}

/// Whether an answer with such a value has the rule's name in it.
fn tells_name(value: &RuleText) -> bool {
    value.variables().any(|variable| variable == RuleVariable::Rule)
}

/// One verdict of each sort that rules can tell apart.
fn every_case() -> impl Iterator<Item = Verdict> {
    [
        Verdict::Clean,
        Verdict::Macro("any".into()),
        Verdict::Phishing("any".into()),
        Verdict::Infected("any".into()),
    ]
    .into_iter()
    .chain(NonScannedReason::ALL.map(Verdict::NonScanned))
    .chain(FailedReason::ALL.map(Verdict::Failed))
}

// === impl CompileError ===

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy \"{}\"", self.policy)?;
        self.problems.iter().try_for_each(|problem| write!(f, "; {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_api::{ByteSize, ReasonWord, RuleAction, RuleMode, RuleVerdict, Template, When};
    use icapstan_model::Reason;
    use std::time::Duration;

    fn hash_of(change: impl Fn(&mut ScanPolicy)) -> [u8; 32] {
        let mut source = ScanPolicy::new("default");
        change(&mut source);
        *Policy::compile(&source).unwrap().hash()
    }

    fn rule(verdict: RuleVerdict, reason: Option<Reason>, action: RuleAction) -> Rule {
        let reason = reason.map(ReasonWord);
        Rule { reason, ..Rule::new(verdict, action) }
    }

    #[test]
    fn the_shipped_policy_is_the_models_default_profile() {
        let policy = Policy::compile(&ScanPolicy::new("default")).unwrap();
        assert_eq!(**policy.profile(), ScanProfile::default());
    }

    #[test]
    fn whatever_changes_a_verdict_or_a_decision_changes_the_hash() {
        let size = Reason::NonScanned(NonScannedReason::Size);
        let changes: [&dyn Fn(&mut ScanPolicy); 17] = [
            &|_| (),
            &|policy| policy.fail_open = true,
            &|policy| policy.scan.max_object_size = ByteSize::mib(1),
            &|policy| policy.scan.max_object_size = ByteSize::mib(200),
            &|policy| policy.scan.timeout = Duration::from_millis(10_001),
            &|policy| policy.scan.max_depth = 6,
            &|policy| policy.scan.max_files = 6,
            &|policy| policy.scan.unpack = vec![UnpackKind::Packed],
            &|policy| policy.scan.unpack = vec![UnpackKind::Mail],
            &|policy| policy.scan.heuristics = Heuristics::Off,
            &|policy| policy.scan.heuristics = Heuristics::Medium,
            &|policy| policy.scan.heuristics = Heuristics::Detail,
            &|policy| policy.scan.phishing = false,
            &|policy| policy.rules = vec![rule(RuleVerdict::Macro, None, RuleAction::None)],
            &|policy| {
                policy.rules = vec![rule(RuleVerdict::Macro, None, RuleAction::Block(Template::Detected))];
            },
            &|policy| {
                policy.rules = vec![rule(RuleVerdict::Macro, None, RuleAction::Block(Template::Refused))];
            },
            &|policy| policy.rules = vec![rule(RuleVerdict::NonScanned, Some(size), RuleAction::None)],
        ];
        let mut hashes = changes.map(hash_of).to_vec();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), changes.len());
    }

    #[test]
    fn names_and_orders_without_a_meaning_leave_the_hash_alone() {
        let plain = hash_of(|_| ());
        assert_eq!(plain, hash_of(|policy| policy.name = "other".into()));
        assert_eq!(plain, hash_of(|policy| policy.scan.unpack.reverse()));
        let says_what_holds = rule(RuleVerdict::Detect, None, RuleAction::Block(Template::Detected));
        assert_eq!(plain, hash_of(|policy| policy.rules = vec![says_what_holds.clone()]));

        let one = rule(RuleVerdict::Macro, None, RuleAction::None);
        let two = rule(RuleVerdict::Clean, None, RuleAction::Log);
        assert_eq!(
            hash_of(|policy| policy.rules = vec![one.clone(), two.clone()]),
            hash_of(|policy| policy.rules = vec![two.clone(), one.clone()])
        );
    }

    #[test]
    fn where_rules_overlap_their_order_is_in_the_hash() {
        let size = Reason::NonScanned(NonScannedReason::Size);
        let narrow = rule(RuleVerdict::NonScanned, Some(size), RuleAction::Block(Template::NotScanned));
        let wide = Rule { mode: RuleMode::Req, ..rule(RuleVerdict::NonScanned, None, RuleAction::None) };
        assert_ne!(
            hash_of(|policy| policy.rules = vec![narrow.clone(), wide.clone()]),
            hash_of(|policy| policy.rules = vec![wide.clone(), narrow.clone()])
        );
    }

    #[test]
    fn conditions_are_in_the_hash_and_names_are_not() {
        let methods = |methods: &[&str]| When {
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            ..When::default()
        };
        let with = |name: Option<&str>, when: &When| {
            let plain = rule(RuleVerdict::Clean, None, RuleAction::Log);
            let rules = vec![Rule { name: name.map(str::to_owned), when: when.clone(), ..plain }];
            hash_of(|policy| policy.rules.clone_from(&rules))
        };
        let (get, post) = (methods(&["GET"]), methods(&["POST"]));
        assert_ne!(with(None, &get), with(None, &post));
        assert_ne!(with(None, &get), with(None, &When::default()));
        assert_eq!(with(None, &get), with(Some("downloads"), &get));
    }

    #[test]
    fn what_is_left_out_is_in_the_hash_and_its_names_and_order_are_not() {
        let skip = |name: &str, method: &str| SkipRule {
            name: name.to_owned(),
            when: When { methods: vec![method.to_owned()], ..When::default() },
        };
        let with = |skips: &[SkipRule]| hash_of(|policy| policy.skip = skips.to_vec());
        assert_ne!(with(&[]), with(&[skip("a", "GET")]));
        assert_ne!(with(&[skip("a", "PUT")]), with(&[skip("a", "GET")]));
        assert_eq!(with(&[skip("a", "GET")]), with(&[skip("b", "GET")]));
        assert_eq!(with(&[skip("a", "GET"), skip("b", "PUT")]), with(&[skip("a", "PUT"), skip("b", "GET")]));
    }

    #[test]
    fn a_policy_that_does_not_fit_is_refused_with_every_problem() {
        let mut source = ScanPolicy::new("tight");
        source.scan.timeout = Duration::ZERO;
        source.scan.max_depth = 0;
        let error = Policy::compile(&source).unwrap_err();
        assert_eq!(error.problems.len(), 2);
        let text = error.to_string();
        assert!(
            text.contains("\"tight\"") && text.contains("scan.timeout") && text.contains("scan.maxDepth")
        );
    }
}
