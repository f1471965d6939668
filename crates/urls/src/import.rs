//! Lists as others publish them, read line by line.
//!
//! ```text
//!  bytes ──▶ lines (bounded) ──▶ Importer: a line of this Format ──▶ Imported: number, Entry, Action
//!                                            └─▶ Problem: number, Reason ──▶ Report
//! ```
//!
//! No line stops an import: what cannot be used is left out and reported with its number and reason, and
//! what is used in another sense than it was written in is remarked on. Nothing but [`categories`] does I/O
//! of its own.
//!
//! What is meant by "this host" and "this domain"
//! - A domain stands for itself and all below it: bare names of plain lists, Adblock's `||name^`, `*.name` in
//!   RPZ and squidGuard's `domains`. RPZ's wildcards exclude the name itself; here they include it.
//! - A host stands for itself alone: hosts files, names in RPZ, and URLs with a scheme and nothing behind the
//!   host (`http://name/`), which are about one site and not about those below it.
//! - A domain that is a public suffix by registry (`com`, `co.uk`) is left out, since nobody means it; one that
//!   is a private suffix (`github.io`), whose owners let others use names below it, is taken with a remark.
//! - Bare addresses and CIDR ranges are networks.

mod adblock;
mod csv;
mod detect;
mod folder;
mod gdb;
mod hosts;
mod lines;
mod names;
mod out;
mod plain;
mod report;
mod rpz;
mod squidguard;

pub use detect::detect;
pub use folder::{Category, Folder, categories};
pub use lines::MAX_LINE;
pub use report::{Problem, Reason, Report};

use crate::entry::{Action, Entry};
use lines::{Line, Lines};
use out::Out;
use std::fmt;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::str::FromStr;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// One URL, domain, address or CIDR range a line.
    Plain,
    /// Hosts files: a sink address, and the names to block.
    Hosts,
    /// Zones of DNS response policies.
    Rpz,
    /// Adblock rules that are about whole hosts or paths: `||host^`, `||host/path^`, with `@@` for exceptions.
    Adblock,
    /// Comma-separated values with a column of URLs, as of URLhaus and PhishTank.
    Csv,
    /// The file `domains` of a category of squidGuard or UT1.
    SquidGuardDomains,
    /// The file `urls` of such a category.
    SquidGuardUrls,
    /// ClamAV's `.gdb`, hashes of Safe Browsing expressions. Only full hashes can be looked up here: the
    /// prefixes say no more than which hosts have full hashes.
    ClamavGdb,
}

/// One thing that a line stands for. A line may stand for several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is listed.
    pub entry: Entry,
    /// What for.
    pub action: Action,
}

/// A name that no format has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown list format {word:?}; one of {}", Format::ALL.map(Format::word).join(", "))]
pub struct UnknownFormat {
    /// What was asked for.
    pub word: String,
}

/// Reads the lines of one list, which are pushed into it.
#[derive(Debug)]
pub struct Importer {
    state: State,
    out: Out,
    report: Report,
}

/// What a format remembers from line to line.
#[derive(Debug)]
enum State {
    Stateless(fn(&[u8], &mut Out) -> Result<(), Reason>),
    Zone(rpz::Zone),
    Table(csv::Table),
}

/// Imports a whole list: calls `each` with each entry until it breaks.
///
/// Fails if the input does; the entries up to there have been seen then.
pub fn import(
    format: Format,
    input: impl BufRead,
    mut each: impl FnMut(Imported) -> ControlFlow<()>,
) -> io::Result<Report> {
    let mut importer = Importer::new(format);
    let mut lines = Lines::new(input);
    while let Some(line) = lines.next()? {
        let flow = match line {
            Line::Whole(line) => importer.line(line, &mut each),
            Line::TooLong => {
                importer.too_long();
                ControlFlow::Continue(())
            }
        };
        if flow.is_break() {
            importer.report.stopped = true;
            break;
        }
    }
    Ok(importer.finish())
}

// === impl Format ===

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Plain,
        Self::Hosts,
        Self::Rpz,
        Self::Adblock,
        Self::Csv,
        Self::SquidGuardDomains,
        Self::SquidGuardUrls,
        Self::ClamavGdb,
    ];

    /// Its name in configurations.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Hosts => "hosts",
            Self::Rpz => "rpz",
            Self::Adblock => "adblock",
            Self::Csv => "csv",
            Self::SquidGuardDomains => "squidguard-domains",
            Self::SquidGuardUrls => "squidguard-urls",
            Self::ClamavGdb => "clamav-gdb",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or_else(|| UnknownFormat { word: word.to_owned() })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

// === impl Importer ===

impl Importer {
    /// An importer before its first line.
    pub fn new(format: Format) -> Self {
        let state = match format {
            Format::Plain => State::Stateless(plain::line),
            Format::Hosts => State::Stateless(hosts::line),
            Format::Rpz => State::Zone(rpz::Zone::default()),
            Format::Adblock => State::Stateless(adblock::line),
            Format::Csv => State::Table(csv::Table::default()),
            Format::SquidGuardDomains => State::Stateless(squidguard::domains_line),
            Format::SquidGuardUrls => State::Stateless(squidguard::urls_line),
            Format::ClamavGdb => State::Stateless(gdb::line),
        };
        Self { state, out: Out::default(), report: Report::default() }
    }

    /// Takes one line, with or without its end, and calls `each` with what it stands for until it breaks.
    pub fn line(
        &mut self,
        line: &[u8],
        mut each: impl FnMut(Imported) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if line.len() > MAX_LINE {
            self.too_long();
            return ControlFlow::Continue(());
        }
        let number = self.report.next_line();
        let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let line = line.trim_ascii_end();
        let outcome = match &mut self.state {
            State::Stateless(read) => read(line, &mut self.out),
            State::Zone(zone) => zone.line(line, &mut self.out),
            State::Table(table) => table.line(line, &mut self.out),
        };
        for reason in self.out.problems.drain(..).chain(outcome.err()) {
            self.report.problem(number, reason);
        }
        let mut flow = ControlFlow::Continue(());
        for (entry, action) in self.out.entries.drain(..) {
            if flow.is_continue() {
                self.report.entries += 1;
                flow = each(Imported { line: number, entry, action });
            }
        }
        flow
    }

    /// Takes note of a line that is longer than [`MAX_LINE`] and that nobody has read.
    pub fn too_long(&mut self) {
        let number = self.report.next_line();
        self.report.problem(number, Reason::TooLong);
    }

    /// What happened.
    pub fn finish(self) -> Report {
        self.report
    }
}

#[cfg(test)]
mod tests;
