//! Reads a page from front to back and takes its variables out.

use super::{CustomPage, PageProblem, PageVariable, Piece};
use icapstan_model::is_deceptive;

/// A place in a page, and what stands before it.
pub(super) struct Scanner<'a> {
    rest: &'a str,
    line: usize,
    pieces: Vec<Piece>,
    text: String,
    variables: usize,
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, pieces: Vec::new(), text: String::new(), variables: 0 }
    }

    /// The line of the place, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// What is still to come.
    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    /// Whether a variable comes next, or what looks like one.
    pub(super) fn at_variable(&self) -> bool {
        self.rest.starts_with("{{")
    }

    /// Takes the next character, whatever it is.
    pub(super) fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        self.text.push(c);
        Some(c)
    }

    /// Takes `expected`, in whatever case, if it comes next.
    pub(super) fn take_word(&mut self, expected: &str) -> bool {
        let found = self.rest.get(..expected.len()).is_some_and(|next| next.eq_ignore_ascii_case(expected));
        if found {
            for _ in expected.chars() {
                self.take();
            }
        }
        found
    }

    /// Takes all up to `end` and that too. No variable may stand there.
    pub(super) fn take_until(&mut self, end: &str, place: &'static str) -> Result<(), PageProblem> {
        while !self.take_word(end) {
            self.take_literal(place)?.ok_or_else(|| PageProblem::Unclosed(place_name(place)))?;
        }
        Ok(())
    }

    /// Takes the next character, which is not to begin a variable.
    pub(super) fn take_literal(&mut self, place: &'static str) -> Result<Option<char>, PageProblem> {
        if self.at_variable() {
            return Err(PageProblem::Place(place));
        }
        Ok(self.take())
    }

    /// Takes text and variables as long as `goes_on` likes what comes next. Whether there was a variable.
    pub(super) fn text(&mut self, goes_on: impl Fn(&str) -> bool) -> Result<bool, PageProblem> {
        let mut any = false;
        while !self.rest.is_empty() && goes_on(self.rest) {
            if self.at_variable() {
                self.variable()?;
                any = true;
            } else if self.rest.starts_with("}}") {
                return Err(PageProblem::Closed);
            } else {
                self.take();
            }
        }
        Ok(any)
    }

    /// Takes a variable.
    pub(super) fn variable(&mut self) -> Result<(), PageProblem> {
        let inner = self.rest.strip_prefix("{{").unwrap_or(self.rest);
        let end = inner.find(['\n', '}']).filter(|&end| inner[end..].starts_with("}}"));
        let name = &inner[..end.ok_or(PageProblem::Opened)?];
        let Some(variable) = PageVariable::named(name) else {
            return Err(PageProblem::Unknown(quotable(name)));
        };
        self.variables += 1;
        if self.variables > CustomPage::MAX_VARIABLES {
            return Err(PageProblem::TooMany);
        }
        self.rest = &inner[name.len() + 2..];
        self.flush();
        self.pieces.push(Piece::Value(variable));
        Ok(())
    }

    pub(super) fn into_pieces(mut self) -> Vec<Piece> {
        self.flush();
        self.pieces
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text).into_boxed_str()));
        }
    }
}

/// The beginning of a name from a page, for a message that a terminal may show.
pub(super) fn quotable(name: &str) -> String {
    name.chars().take(64).map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect()
}

/// `in a comment` without its preposition.
fn place_name(place: &'static str) -> &'static str {
    place.strip_prefix("in ").unwrap_or(place)
}
