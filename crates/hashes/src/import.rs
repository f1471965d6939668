//! Lists as others publish them, read line by line.
//!
//! ```text
//!  bytes ──▶ lines (bounded) ──▶ Importer: a line of this Format ──▶ Imported: number, Entry, name
//!                                            └─▶ Problem: number, Reason ──▶ Report
//! ```
//!
//! No line stops an import: what cannot be used is left out and reported with its number and reason.

mod clamav;
mod csv;
mod detect;
mod lines;
mod plain;
mod report;

pub use detect::detect;
pub use lines::MAX_LINE;
pub use report::{Problem, Reason, Report};

use crate::digest::{Digest, Entry};
use crate::lists::Kind;
use lines::{Line, Lines};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead};
use std::ops::ControlFlow;
use std::str::FromStr;

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// A digest in hexadecimal digits a line, perhaps with a name behind it.
    Plain,
    /// What `sha256sum`, `sha1sum` and `md5sum` write.
    Sha256sum,
    /// Comma-separated values with a column of digests, as of abuse.ch and MISP.
    Csv,
    /// ClamAV's `.hdb`, `.hsb`, `.fp` and `.sfp`: digest, size and name.
    Clamav,
}

/// What a line stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported<'a> {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is listed.
    pub entry: Entry,
    /// What the list calls it; empty if it does not say.
    pub name: &'a str,
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
    format: Format,
    kind: Kind,
    table: csv::Table,
    report: Report,
}

/// What a line says, before it was looked at whether that can be used. `None`: nothing.
type Said<'a> = Option<(Entry, Cow<'a, [u8]>)>;

/// Imports a whole list of this kind: calls `each` with each entry until it breaks.
///
/// Fails if the input does; the entries up to there have been seen then.
pub fn import(
    format: Format,
    kind: Kind,
    input: impl BufRead,
    mut each: impl FnMut(Imported<'_>) -> ControlFlow<()>,
) -> io::Result<Report> {
    let mut importer = Importer::new(format, kind);
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
    pub const ALL: [Self; 4] = [Self::Plain, Self::Sha256sum, Self::Csv, Self::Clamav];

    /// Its name in configurations.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Sha256sum => "sha256sum",
            Self::Csv => "csv",
            Self::Clamav => "clamav",
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        let format = Self::ALL.into_iter().find(|format| format.word() == word);
        format.ok_or_else(|| UnknownFormat { word: word.to_owned() })
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
    pub fn new(format: Format, kind: Kind) -> Self {
        Self { format, kind, table: csv::Table::default(), report: Report::default() }
    }

    /// Takes one line, with or without its end, and calls `each` with what it stands for.
    pub fn line(
        &mut self,
        line: &[u8],
        each: impl FnOnce(Imported<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if line.len() > MAX_LINE {
            self.too_long();
            return ControlFlow::Continue(());
        }
        self.report.lines += 1;
        let number = self.report.lines;
        let line = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let line = line.trim_ascii();
        if line.is_empty() || (line.starts_with(b"#") && self.format != Format::Csv) {
            return ControlFlow::Continue(());
        }
        let said = match self.format {
            Format::Plain => plain::line(line),
            Format::Sha256sum => plain::sum(line),
            Format::Csv => self.table.line(line),
            Format::Clamav => clamav::line(line),
        };
        match said.and_then(|said| said.map(|said| self.usable(said)).transpose()) {
            Ok(Some((entry, name))) => {
                self.report.entries += 1;
                each(Imported { line: number, entry, name: &name })
            }
            Ok(None) => ControlFlow::Continue(()),
            Err(reason) => {
                self.report.problem(number, reason);
                ControlFlow::Continue(())
            }
        }
    }

    /// Takes note of a line that is longer than [`MAX_LINE`] and that nobody has read.
    pub fn too_long(&mut self) {
        self.report.lines += 1;
        self.report.problem(self.report.lines, Reason::TooLong);
    }

    /// What happened.
    pub fn finish(self) -> Report {
        self.report
    }

    fn usable(&self, (entry, name): (Entry, Cow<'_, [u8]>)) -> Result<(Entry, String), Reason> {
        if entry.digest.is_of_nothing() {
            return Err(Reason::Nothing);
        }
        if self.kind == Kind::Allow && !entry.digest.algorithm().is_strong() {
            return Err(Reason::Weak);
        }
        let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        Ok((entry, String::from_utf8_lossy(&name).trim().chars().map(printable).collect()))
    }
}

/// An entry of any size.
fn of_any_size(digest: Digest) -> Entry {
    Entry { digest, size: None }
}

#[cfg(test)]
mod tests;
