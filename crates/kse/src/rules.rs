//! The rules file: one rule on each line, `MODE RESULT ACTION`.
//!
//! A line can have a page and a script (`RESP DETECT SET_RESP=detect_res EXEC_CMD=send_syslog`); one without
//! either means `NONE`. Version 1.0 says `DETECTED` where later ones say `DETECT`.

mod line;
mod scripts;

use crate::draft::Draft;
use crate::note::quotable;
use icapstan_api::{Rule, RuleAction, RuleMode, RuleVerdict, Template};
use icapstan_model::{Mode, VerdictKind};
use line::{Line, LineError};
use scripts::Scripts;
use std::collections::HashSet;

const MODES: [Mode; 2] = [Mode::Reqmod, Mode::Respmod];

/// The words for results.
const RESULTS: &str = "NON_SCANNED, FAILED, PHISHING, DETECT, MACRO, CLEAN and ANY";

/// All results but CLEAN.
const UNCLEAN: [VerdictKind; 5] = [
    VerdictKind::Detect,
    VerdictKind::Phishing,
    VerdictKind::Macro,
    VerdictKind::Failed,
    VerdictKind::NonScanned,
];

/// The rules so far.
struct Import<'d> {
    draft: &'d mut Draft,
    /// What earlier rules have decided: icapstan refuses rules that nothing is left for.
    decided: HashSet<(Mode, VerdictKind)>,
    scripts: Scripts,
}

/// Where a rule stands, and all of its line.
#[derive(Clone, Copy)]
struct Place<'a> {
    element: &'a str,
    line: &'a str,
}

/// Turns lines into rules of the policy.
pub(crate) fn import(text: &str, draft: &mut Draft) {
    let mut import = Import { draft, decided: HashSet::new(), scripts: Scripts::default() };
    let mut count = 0;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let element = format!("rules:{}", index + 1);
        let place = Place { element: &element, line: line.trim() };
        match Line::parse(line) {
            Ok(None) => {}
            Ok(Some(line)) => {
                count += 1;
                import.line(&line, place);
            }
            Err(error) => import.dropped(place, unread(&error)),
        }
    }
    if count == 0 {
        import.draft.remark("rules", "", "has no rules; icapstan's defaults hold");
    } else {
        let message = "the reference asks the rules about the strongest result only; icapstan asks about every \
                       finding of an object, and a block by any of them is a block";
        import.draft.remark("rules", "", message);
    }
    import.finish();
}

fn unread(error: &LineError) -> String {
    match error {
        LineError::Mode => "begins with none of REQ, RESP and ANY; the line is left out".to_owned(),
        LineError::Result => {
            format!("the second word is none of {RESULTS}; the line is left out")
        }
        LineError::Action(word) => {
            format!("\"{}\" is none of SET_RESP=, EXEC_CMD= and NONE; the line is left out", quotable(word))
        }
        LineError::TwoActions => "says two things at once; the line is left out".to_owned(),
    }
}

// === impl Import ===

impl Import<'_> {
    fn line(&mut self, line: &Line<'_>, place: Place<'_>) {
        if let Some(script) = line.script {
            self.script(line, script, place);
            if line.page.is_none() {
                // Another line about the same result may have the page. What none has keeps icapstan's default.
                return;
            }
        }
        match (line.page, line.result.kind()) {
            (Some(page), None) => {
                let message = "stands for every result but CLEAN, which cannot be blocked as a whole";
                self.approximated(place, message);
                for kind in UNCLEAN {
                    self.block(line.mode, kind, page, place);
                }
            }
            (None, None) => {
                let message = "the reference does not process such rules, so it is left out";
                self.draft.remark(place.element, place.line, message);
            }
            (Some(_), Some(VerdictKind::Clean)) => {
                let message =
                    "icapstan blocks what is clean only under a condition: write a rule with `when`";
                self.dropped(place, message);
            }
            (Some(page), Some(kind)) => self.block(line.mode, kind, page, place),
            (None, Some(kind)) => {
                self.add(line.mode, kind, RuleAction::None, place);
            }
        }
    }

    fn script(&mut self, line: &Line<'_>, script: &str, place: Place<'_>) {
        let kinds = line.result.kind().map_or_else(|| VerdictKind::ALL.to_vec(), |kind| vec![kind]);
        let shown = quotable(script);
        match self.scripts.add(script, line.mode, kinds, place, self.draft) {
            Ok(name) => {
                let message = format!(
                    "the script \"{shown}\" is the hook {name}: it gets what happened as JSON on standard input \
                     and no variables, so it has to be written anew, and to be there when icapstan starts"
                );
                self.approximated(place, message);
            }
            Err(unknown) => {
                let why = unknown.why();
                let instead = "list it in `hooks.exec`, and name it in the rule's `hooks`";
                if line.page.is_none() {
                    self.dropped(place, format!("is left out with its script \"{shown}\": {why}; {instead}"));
                } else {
                    self.approximated(place, format!("without its script \"{shown}\": {why}; {instead}"));
                }
            }
        }
    }

    fn block(&mut self, mode: RuleMode, kind: VerdictKind, page: &str, place: Place<'_>) {
        let (template, same) = template(page, kind);
        if self.add(mode, kind, RuleAction::Block(template), place) && !same {
            let kind = word(kind).as_str();
            let message = format!(
                "for {kind} there is icapstan's page {template} instead of \"{}\"; yours, written anew, can be put \
                 into templates.folder",
                quotable(page)
            );
            self.approximated(place, message);
        }
    }

    /// Adds a rule, unless earlier ones have decided all that it is about.
    fn add(&mut self, mode: RuleMode, kind: VerdictKind, action: RuleAction, place: Place<'_>) -> bool {
        let before = self.decided.len();
        self.decided.extend(MODES.into_iter().filter(|way| mode.includes(*way)).map(|way| (way, kind)));
        let verdict = word(kind);
        if self.decided.len() == before {
            let message =
                format!("earlier rules decide about {} already; this one is left out", verdict.as_str());
            self.dropped(place, message);
            return false;
        }
        let rule = Rule { mode, ..Rule::new(verdict, action) };
        self.draft.policy().rules.push(rule);
        true
    }

    /// Says what icapstan blocks though no rule does: there it would pass.
    fn finish(mut self) {
        self.scripts.attach(self.draft);
        for (kind, what) in [
            (VerdictKind::Detect, "blocks it"),
            (VerdictKind::Phishing, "blocks it"),
            (VerdictKind::Failed, "blocks it (`failOpen: true` turns that round)"),
            (VerdictKind::NonScanned, "blocks it for the reasons depth, count, ratio and malformed"),
        ] {
            let open = MODES.into_iter().filter(|mode| !self.decided.contains(&(*mode, kind)));
            let (called, open): (Vec<_>, Vec<_>) =
                open.partition(|mode| self.scripts.is_default(*mode, kind));
            if !called.is_empty() {
                let message = format!(
                    "only a script for it: the reference lets it pass, icapstan {what}. To let it pass, set the \
                     action of its rules to log"
                );
                self.draft.approximated("rules", word(kind).as_str(), message);
            }
            let mode = match open.as_slice() {
                [] => continue,
                [Mode::Reqmod] => "REQ",
                [Mode::Respmod] => "RESP",
                _ => "ANY",
            };
            let kind = word(kind).as_str();
            let message = format!(
                "no rule for it: the reference lets it pass, icapstan {what}. To let it pass, add \
                 {{mode: {mode}, verdict: {kind}, action: log}}"
            );
            self.draft.approximated("rules", &format!("{mode} {kind}"), message);
        }
    }

    fn dropped(&mut self, place: Place<'_>, message: impl Into<String>) {
        self.draft.dropped(place.element, place.line, message);
    }

    fn approximated(&mut self, place: Place<'_>, message: impl Into<String>) {
        self.draft.approximated(place.element, place.line, message);
    }
}

/// The page that comes nearest, and whether it says the same.
fn template(page: &str, kind: VerdictKind) -> (Template, bool) {
    let name = page.rsplit('/').next().unwrap_or(page).to_ascii_lowercase();
    let name = name.strip_suffix(".html").or_else(|| name.strip_suffix(".htm")).unwrap_or(&name);
    let detect = matches!(name, "detect_req" | "detect_res" | "detect_resp");
    let of_macros = matches!(name, "macro_req" | "macro_res" | "macro_resp");
    match kind {
        VerdictKind::Detect => (Template::Detected, detect),
        VerdictKind::Macro => (Template::Detected, detect || of_macros),
        VerdictKind::Phishing if detect => (Template::Detected, true),
        VerdictKind::Phishing => (Template::Phishing, false),
        VerdictKind::NonScanned => (Template::NotScanned, false),
        VerdictKind::Failed => (Template::Failed, false),
        VerdictKind::Clean => (Template::Refused, false),
    }
}

fn word(kind: VerdictKind) -> RuleVerdict {
    match kind {
        VerdictKind::Detect => RuleVerdict::Detect,
        VerdictKind::Phishing => RuleVerdict::Phishing,
        VerdictKind::Macro => RuleVerdict::Macro,
        VerdictKind::Failed => RuleVerdict::Failed,
        VerdictKind::NonScanned => RuleVerdict::NonScanned,
        VerdictKind::Clean => RuleVerdict::Clean,
    }
}
