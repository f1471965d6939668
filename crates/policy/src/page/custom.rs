//! Pages that an operator wrote: text with variables in double braces, and nothing else that means anything.
//!
//! A variable stands only where its value, escaped for the format, can be nothing but text. Where that is
//! not so the page is refused when it is loaded.

mod html;
mod json;
mod scan;

use super::{Format, MAX_TEXT, MAX_URL, PageContext};
use crate::text::{Cut, Escape, push_inert};
use scan::Scanner;
use thiserror::Error;

/// A page that can be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CustomPage {
    pieces: Vec<Piece>,
    format: Format,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Value(PageVariable),
}

/// What `{{name}}` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageVariable {
    Url,
    Threat,
    Verdict,
    Reason,
    Client,
    User,
    Transaction,
    Trace,
    Time,
    Service,
    Rule,
}

/// Why a page cannot be used, and in which line, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{line}: {problem}")]
pub(super) struct PageError {
    pub(super) line: usize,
    pub(super) problem: PageProblem,
}

/// Why a page cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum PageProblem {
    #[error("is not UTF-8 text")]
    NotText,
    #[error(
        "the variable {{{{{0}}}}} is unknown; there are: {names}", names = PageVariable::names()
    )]
    Unknown(String),
    #[error("{{{{ without }}}} in the same line")]
    Opened,
    #[error("}}}} without {{{{ before it")]
    Closed,
    #[error("has more than {} variables", CustomPage::MAX_VARIABLES)]
    TooMany,
    #[error("a variable may not stand {0}")]
    Place(&'static str),
    #[error("a variable may not stand in the attribute {0}; it may in {allowed}", allowed = html::ALLOWED)]
    Attribute(String),
    #[error("<{0}> has no place on a block page")]
    Element(String),
    #[error("{0} has no end")]
    Unclosed(&'static str),
    #[error("is not JSON: {0}")]
    Json(String),
}

// === impl CustomPage ===

impl CustomPage {
    /// The most variables of a page.
    pub(super) const MAX_VARIABLES: usize = 64;

    pub(super) fn parse(bytes: &[u8], format: Format) -> Result<Self, PageError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            PageError { line: 1 + before.matches('\n').count(), problem: PageProblem::NotText }
        })?;
        // Some editors begin files with it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut scanner = Scanner::new(text);
        let checked = match format {
            Format::Html => html::check(&mut scanner),
            Format::Json => json::check(&mut scanner),
            Format::Text => scanner.text(|_| true).map(|_| ()),
        };
        let line = scanner.line();
        checked.map_err(|problem| PageError { line, problem })?;
        let page = Self { pieces: scanner.into_pieces(), format };
        if format == Format::Json {
            page.check_json()?;
        }
        Ok(page)
    }

    /// The page about this.
    pub(super) fn fill(&self, context: &PageContext<'_>, rule: &str) -> String {
        let escape = match self.format {
            Format::Html => Escape::Html,
            Format::Text => Escape::Nothing,
            Format::Json => Escape::Json,
        };
        let mut page = String::with_capacity(8 * 1024);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => page.push_str(text),
                Piece::Value(variable) => {
                    let (most, cut) = match variable {
                        PageVariable::Url => (MAX_URL, Cut::Middle),
                        _ => (MAX_TEXT, Cut::End),
                    };
                    push_inert(&mut page, variable.of(context, rule), escape, most, cut);
                }
            }
        }
        page
    }

    /// Whether it is JSON with each variable filled in.
    fn check_json(&self) -> Result<(), PageError> {
        let filled = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text,
            // Keeps escapes in front of it from becoming complete.
            Piece::Value(_) => "x",
        });
        let filled: String = filled.collect();
        serde_json::from_str::<serde_json::Value>(&filled).map(|_| ()).map_err(|error| PageError {
            line: error.line().max(1),
            problem: PageProblem::Json(error.to_string()),
        })
    }
}

// === impl PageVariable ===

impl PageVariable {
    pub(super) const ALL: [Self; 11] = [
        Self::Url,
        Self::Threat,
        Self::Verdict,
        Self::Reason,
        Self::Client,
        Self::User,
        Self::Transaction,
        Self::Trace,
        Self::Time,
        Self::Service,
        Self::Rule,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Threat => "threat",
            Self::Verdict => "verdict",
            Self::Reason => "reason",
            Self::Client => "client",
            Self::User => "user",
            Self::Transaction => "transaction",
            Self::Trace => "trace",
            Self::Time => "time",
            Self::Service => "service",
            Self::Rule => "rule",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.as_str() == name)
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    fn of<'a>(self, context: &PageContext<'a>, rule: &'a str) -> &'a str {
        match self {
            Self::Url => context.url,
            Self::Threat => context.threat(),
            Self::Verdict => context.verdict.kind().as_str(),
            Self::Reason => context.reason(),
            Self::Client => context.client,
            Self::User => context.user,
            Self::Transaction => context.transaction,
            Self::Trace => context.trace,
            Self::Time => context.time,
            Self::Service => context.service,
            Self::Rule => rule,
        }
    }
}

#[cfg(test)]
mod tests;
