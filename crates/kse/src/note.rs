//! What could not be taken over as it was.

use icapstan_model::is_deceptive;
use std::fmt;

/// No more notes than this are kept; the last then says how many were left out.
pub const MAX_NOTES: usize = 1000;

/// Elements and values are cut here, in characters: they quote the input.
const MAX_QUOTE: usize = 200;

/// One thing that whoever moves should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The element, such as `ICAPSettings/Port`, or the line of the rules file, such as `rules:3`.
    pub element: String,
    /// What stands there; empty if nothing does.
    pub value: String,
    /// How much is lost.
    pub severity: Severity,
    /// Why, and what to do instead.
    pub message: String,
}

/// How much is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Taken over, but there is something to know.
    Remark,
    /// Taken over, but it does not do exactly the same.
    Approximated,
    /// Not taken over.
    Dropped,
}

/// The notes, in the order in which they came up.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    kept: Vec<Note>,
    left_out: usize,
}

// === impl Note ===

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity, self.element)?;
        if !self.value.is_empty() {
            write!(f, " = \"{}\"", self.value)?;
        }
        write!(f, ": {}", self.message)
    }
}

// === impl Severity ===

impl Severity {
    /// The word in front of a note.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Remark => "remark",
            Self::Approximated => "approximated",
            Self::Dropped => "dropped",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Notes ===

impl Notes {
    pub(crate) fn add(&mut self, severity: Severity, element: &str, value: &str, message: impl Into<String>) {
        if self.kept.len() >= MAX_NOTES - 1 {
            self.left_out += 1;
            return;
        }
        self.kept.push(Note {
            element: quotable(element),
            value: quotable(value),
            severity,
            message: message.into(),
        });
    }

    pub(crate) fn into_vec(mut self) -> Vec<Note> {
        if self.left_out > 0 {
            self.kept.push(Note {
                element: "notes".to_owned(),
                value: String::new(),
                severity: Severity::Dropped,
                message: format!("there are {} more; these come first", self.left_out),
            });
        }
        self.kept
    }
}

/// On one line, inert in a terminal, and short.
pub(crate) fn quotable(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTE).map(inert).collect();
    if text.chars().nth(MAX_QUOTE).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Control characters move a terminal, and invisible ones and those that change the direction make text
/// look like another.
fn inert(c: char) -> char {
    if is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_whatever_it_quotes() {
        let mut notes = Notes::default();
        notes.add(Severity::Dropped, "ICAPSettings/\u{1b}[2J", "a\nb\u{202e}c", "why");
        let line = notes.into_vec()[0].to_string();
        assert_eq!(line, "dropped: ICAPSettings/\u{fffd}[2J = \"a\u{fffd}b\u{fffd}c\": why");
    }

    #[test]
    fn notes_without_end_are_cut_and_say_so() {
        let mut notes = Notes::default();
        for _ in 0..MAX_NOTES + 5 {
            notes.add(Severity::Remark, "x", &"y".repeat(1000), "z");
        }
        let notes = notes.into_vec();
        assert_eq!(notes.len(), MAX_NOTES);
        assert!(notes[0].value.len() <= MAX_QUOTE + 3);
        assert_eq!(notes[MAX_NOTES - 1].message, "there are 6 more; these come first");
    }
}
