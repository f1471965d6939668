//! One line of the rules file.

use icapstan_api::{RuleMode, RuleVerdict};

/// A line that is a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) mode: RuleMode,
    pub(super) result: RuleVerdict,
    /// The name behind `SET_RESP=`.
    pub(super) page: Option<&'a str>,
    /// The name behind `EXEC_CMD=`.
    pub(super) script: Option<&'a str>,
}

/// Why a line is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// The first word is no mode.
    Mode,
    /// The second word is no result.
    Result,
    /// A further word is no action.
    Action(String),
    /// The same action twice, or `NONE` beside another.
    TwoActions,
}

// === impl Line ===

impl<'a> Line<'a> {
    /// Reads a line; `None` if there is nothing on it.
    pub(super) fn parse(line: &'a str) -> Result<Option<Self>, LineError> {
        let mut rest = without_comment(line).trim();
        if rest.is_empty() {
            return Ok(None);
        }
        let mode = mode(next_word(&mut rest)).ok_or(LineError::Mode)?;
        let result = result(next_word(&mut rest)).ok_or(LineError::Result)?;
        let mut parsed = Self { mode, result, page: None, script: None };
        let mut none = false;
        while !rest.is_empty() {
            let (name, value) = next_action(&mut rest);
            let slot = match (name.to_ascii_uppercase().as_str(), value) {
                ("NONE", None) if !none => {
                    none = true;
                    continue;
                }
                ("NONE", None) => return Err(LineError::TwoActions),
                ("SET_RESP", Some(value)) => (&mut parsed.page, value),
                ("EXEC_CMD", Some(value)) => (&mut parsed.script, value),
                _ => return Err(LineError::Action(name.to_owned())),
            };
            if slot.0.replace(slot.1).is_some() {
                return Err(LineError::TwoActions);
            }
        }
        if none && (parsed.page.is_some() || parsed.script.is_some()) {
            return Err(LineError::TwoActions);
        }
        Ok(Some(parsed))
    }
}

/// Comments begin with `#`, `;` or `//`, at the beginning of a line or after white space.
fn without_comment(line: &str) -> &str {
    let begins = |at: usize| line[..at].chars().next_back().is_none_or(char::is_whitespace);
    let marks = ["#", ";", "//"];
    let starts = marks.iter().flat_map(|mark| line.match_indices(mark)).map(|(at, _)| at);
    match starts.filter(|at| begins(*at)).min() {
        Some(at) => &line[..at],
        None => line,
    }
}

/// Up to the next white space.
fn next_word<'a>(rest: &mut &'a str) -> &'a str {
    let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
    *rest = after.trim_start();
    word
}

/// `NAME`, or `NAME=VALUE` with white space around the `=` or not, and quotes around the value or not.
fn next_action<'a>(rest: &mut &'a str) -> (&'a str, Option<&'a str>) {
    let stop = |c: char| c.is_whitespace() || c == '=';
    let (name, after) = rest.split_at(rest.find(stop).unwrap_or(rest.len()));
    let Some(value) = after.trim_start().strip_prefix('=') else {
        *rest = after.trim_start();
        return (name, None);
    };
    let value = value.trim_start();
    if let Some((quoted, after)) = value.strip_prefix('"').and_then(|value| value.split_once('"')) {
        *rest = after.trim_start();
        return (name, Some(quoted));
    }
    *rest = value;
    (name, Some(next_word(rest)))
}

fn mode(word: &str) -> Option<RuleMode> {
    Some(match word.to_ascii_uppercase().as_str() {
        "REQ" => RuleMode::Req,
        "RESP" => RuleMode::Resp,
        "ANY" => RuleMode::Any,
        _ => return None,
    })
}

fn result(word: &str) -> Option<RuleVerdict> {
    Some(match word.to_ascii_uppercase().as_str() {
        "NON_SCANNED" => RuleVerdict::NonScanned,
        "FAILED" => RuleVerdict::Failed,
        "PHISHING" => RuleVerdict::Phishing,
        "DETECT" | "DETECTED" => RuleVerdict::Detect,
        "MACRO" => RuleVerdict::Macro,
        "CLEAN" => RuleVerdict::Clean,
        "ANY" => RuleVerdict::Any,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(line: &str) -> Option<Line<'_>> {
        Line::parse(line).expect("a rule, or nothing")
    }

    #[test]
    fn a_line_has_mode_result_and_actions_in_any_case_and_spacing() {
        let both = Line {
            mode: RuleMode::Resp,
            result: RuleVerdict::Detect,
            page: Some("detect_resp"),
            script: Some("admin_notify"),
        };
        for line in [
            "RESP DETECT SET_RESP=detect_resp EXEC_CMD=admin_notify",
            "  resp\tdetected   EXEC_CMD = admin_notify  set_resp= \"detect_resp\"  # told to Ann",
            "Resp Detect SET_RESP =detect_resp EXEC_CMD=admin_notify;",
        ] {
            let line = line.trim_end_matches(';');
            assert_eq!(read(line), Some(both), "{line}");
        }
        let bare = Line { mode: RuleMode::Req, result: RuleVerdict::Clean, page: None, script: None };
        assert_eq!(read("REQ CLEAN"), Some(bare));
        assert_eq!(read("REQ CLEAN NONE // nothing"), Some(bare));
    }

    #[test]
    fn empty_lines_and_comments_are_nothing() {
        for line in ["", " \t ", "# REQ DETECT", "; x", "// REQ CLEAN NONE", "   # x"] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_mark_within_a_name_begins_no_comment() {
        let line = read("ANY DETECT SET_RESP=pages//a#1;b").expect("a rule");
        assert_eq!(line.page, Some("pages//a#1;b"));
    }

    #[test]
    fn what_is_no_rule_is_told_apart() {
        let error = |line| Line::parse(line).expect_err(line);
        assert_eq!(error("BOTH DETECT NONE"), LineError::Mode);
        assert_eq!(error("REQ"), LineError::Result);
        assert_eq!(error("REQ INFECTED NONE"), LineError::Result);
        assert_eq!(error("REQ DETECT SET_RESP"), LineError::Action("SET_RESP".into()));
        assert_eq!(error("REQ DETECT DROP=1"), LineError::Action("DROP".into()));
        assert_eq!(error("REQ DETECT =x"), LineError::Action(String::new()));
        assert_eq!(error("REQ DETECT NONE SET_RESP=a"), LineError::TwoActions);
        assert_eq!(error("REQ DETECT SET_RESP=a SET_RESP=b"), LineError::TwoActions);
    }
}
