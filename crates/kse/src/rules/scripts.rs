//! Scripts that rules call (`EXEC_CMD`): hooks.
//!
//! A line with a script and no page lets a message pass there. Here the script is called beside whatever other
//! lines say about the same result, and else beside icapstan's default, which is written down as a rule.

use super::{MODES, Place, word};
use crate::draft::Draft;
use icapstan_api::{
    ExecHook, HookSettings, ReasonWord, Rule, RuleAction, RuleHook, RuleMode, RuleVerdict, Template,
};
use icapstan_model::{Mode, NonScannedReason, Reason, VerdictKind};
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

/// What is to be called, as the lines say.
#[derive(Default)]
pub(super) struct Scripts {
    calls: Vec<Call>,
    /// Results about which only lines with scripts speak.
    by_default: HashSet<(Mode, VerdictKind)>,
}

struct Call {
    mode: RuleMode,
    kinds: Vec<VerdictKind>,
    hook: RuleHook,
    /// Where it stands.
    element: String,
    line: String,
}

/// Why a script cannot be a hook.
pub(super) enum Unknown {
    /// Nobody says where it is.
    Folder,
    /// Its path leads elsewhere.
    Path,
    /// It cannot be a hook's name.
    Name,
    /// Another one is called so.
    Taken,
    /// There is no more room.
    TooMany,
}

// === impl Scripts ===

impl Scripts {
    /// Makes the script a hook for these results; its name.
    pub(super) fn add(
        &mut self,
        script: &str,
        mode: RuleMode,
        kinds: Vec<VerdictKind>,
        place: Place<'_>,
        draft: &mut Draft,
    ) -> Result<String, Unknown> {
        let name = hook(script, draft)?;
        self.calls.push(Call {
            mode,
            kinds,
            hook: RuleHook::exec(&name),
            element: place.element.to_owned(),
            line: place.line.to_owned(),
        });
        Ok(name)
    }

    /// Whether the rules about this are icapstan's default, written down for a script.
    pub(super) fn is_default(&self, mode: Mode, kind: VerdictKind) -> bool {
        self.by_default.contains(&(mode, kind))
    }

    /// Puts the hooks to the rules, which are all there now.
    pub(super) fn attach(&mut self, draft: &mut Draft) {
        for Call { mode, kinds, hook, element, line } in std::mem::take(&mut self.calls) {
            let mut is_left_out = false;
            for kind in kinds {
                for way in MODES.into_iter().filter(|way| mode.includes(*way)) {
                    is_left_out |= !self.attach_to(way, kind, &hook, &mut draft.policy().rules);
                }
            }
            if is_left_out {
                let message = format!("a rule has at most {} hooks; some are left out", RuleHook::MAX);
                draft.dropped(&element, &line, message);
            }
        }
        merge(&mut draft.policy().rules);
    }

    /// False if there is no room.
    fn attach_to(&mut self, way: Mode, kind: VerdictKind, hook: &RuleHook, rules: &mut Vec<Rule>) -> bool {
        let verdict = word(kind);
        if !rules.iter().any(|rule| rule.verdict == verdict && rule.mode.includes(way)) {
            self.by_default.insert((way, kind));
            rules.extend(defaults(kind).into_iter().map(|rule| Rule { mode: only(way), ..rule }));
        }
        let mut index = 0;
        let mut has_room = true;
        let mut is_decided = false;
        while let Some(rule) = rules.get_mut(index).filter(|_| !is_decided) {
            index += 1;
            // Nothing of this way is left for those behind it.
            is_decided = decides(rule, way, verdict);
            if rule.verdict != verdict || !rule.mode.includes(way) || rule.hooks.contains(hook) {
                continue;
            }
            if rule.hooks.len() >= RuleHook::MAX {
                has_room = false;
                continue;
            }
            if rule.mode == RuleMode::Any {
                let others = MODES.into_iter().find(|other| *other != way).expect("there are two ways");
                let other = Rule { mode: only(others), ..rule.clone() };
                rule.mode = only(way);
                rule.hooks.push(hook.clone());
                // An earlier rule of the other way alone leaves it nothing.
                if !rules[..index - 1].iter().any(|earlier| decides(earlier, others, verdict)) {
                    rules.insert(index, other);
                }
            } else {
                rule.hooks.push(hook.clone());
            }
        }
        has_room
    }
}

/// Whether nothing of these results is left for rules behind this one.
fn decides(rule: &Rule, way: Mode, verdict: RuleVerdict) -> bool {
    rule.verdict == verdict && rule.mode.includes(way) && rule.reason.is_none()
}

/// Two rules with hooks that differ in the way only become one.
fn merge(rules: &mut Vec<Rule>) {
    let mut index = 0;
    while index < rules.len() {
        let rule = &rules[index];
        if !rule.hooks.is_empty() && rule.mode != RuleMode::Any {
            let is_same = |other: &Rule| Rule { mode: rule.mode, ..other.clone() } == *rule;
            if let Some(other) = (index + 1..rules.len()).find(|other| is_same(&rules[*other])) {
                rules[index].mode = RuleMode::Any;
                rules.remove(other);
            }
        }
        index += 1;
    }
}

/// What icapstan does about such results without a rule.
fn defaults(kind: VerdictKind) -> Vec<Rule> {
    let rule = |action| Rule::new(word(kind), action);
    match kind {
        VerdictKind::Detect => vec![rule(RuleAction::Block(Template::Detected))],
        VerdictKind::Phishing => vec![rule(RuleAction::Block(Template::Phishing))],
        VerdictKind::Failed => vec![rule(RuleAction::Block(Template::Failed))],
        VerdictKind::NonScanned => {
            let evasive = NonScannedReason::ALL.into_iter().filter(|reason| reason.is_evasive());
            let blocked = evasive.map(|reason| Rule {
                reason: Some(ReasonWord(Reason::NonScanned(reason))),
                ..rule(RuleAction::Block(Template::NotScanned))
            });
            blocked.chain([rule(RuleAction::Log)]).collect()
        }
        VerdictKind::Macro => vec![rule(RuleAction::Log)],
        VerdictKind::Clean => vec![rule(RuleAction::None)],
    }
}

fn only(way: Mode) -> RuleMode {
    match way {
        Mode::Reqmod => RuleMode::Req,
        Mode::Respmod => RuleMode::Resp,
    }
}

/// The name of the hook for a script, which is made if there is none.
fn hook(script: &str, draft: &mut Draft) -> Result<String, Unknown> {
    let command = command(script, draft.scripts.as_deref())?;
    let name = command.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !(1..=63).contains(&name.len()) || !name.chars().all(is_plain) {
        return Err(Unknown::Name);
    }
    let hooks = &mut draft.config.hooks.exec;
    match hooks.iter().find(|hook| hook.name == name) {
        Some(known) if known.command == command => {}
        Some(_) => return Err(Unknown::Taken),
        None if hooks.len() >= HookSettings::MAX_EXEC => return Err(Unknown::TooMany),
        None => hooks.push(ExecHook::new(name, &command)),
    }
    Ok(name.to_owned())
}

/// Where a script is, if that can be told.
fn command(script: &str, folder: Option<&Path>) -> Result<PathBuf, Unknown> {
    let script = Path::new(script);
    if script.components().any(|part| !matches!(part, Component::Normal(_) | Component::RootDir)) {
        return Err(Unknown::Path);
    }
    if script.is_absolute() {
        return Ok(script.to_owned());
    }
    folder.map(|folder| folder.join(script)).ok_or(Unknown::Folder)
}

// === impl Unknown ===

impl Unknown {
    /// For people.
    pub(super) const fn why(&self) -> &'static str {
        match self {
            Self::Folder => "the folder of scripts (CmdPath) is not known",
            Self::Path => "its path leads elsewhere",
            Self::Name => "its name is not made of letters, digits and - _ .",
            Self::Taken => "another script is called so",
            Self::TooMany => "there are too many",
        }
    }
}
