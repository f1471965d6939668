//! YARA rules, tried on every layer that libclamav shows.
//!
//! ```text
//!  folder ─▶ files: each a namespace ─▶ compile ─▶ probe: fast enough? ─▶ shared by all workers
//!              any fault: none of them is used, and file, line and rule are named
//! ```
//!
//! A match of a rule is a detection, unless the rule has the tag `log`. One object has so much time
//! for all of its layers; what is not looked at in that time is told, and never clean.

mod files;
mod probe;
#[cfg(test)]
mod tests;

use boreal::Compiler;
use boreal::compiler::CompilerParams;
use boreal::scanner::{ScanCallbackResult, ScanError, ScanEvent, ScanParams, Scanner};
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// In front of the names of rules.
const PREFIX: &str = "YARA.";
/// Rules with this tag are told of and detect nothing.
const LOG_TAG: &str = "log";

/// Where rules are, and how long they may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleSettings {
    pub(crate) folders: Vec<PathBuf>,
    /// For all layers of one object.
    pub(crate) time: Duration,
}

/// Compiled rules, of which copies share the memory.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    scanner: Scanner,
    pub(crate) count: u64,
    time: Duration,
}

/// The rules at work on one object.
#[derive(Debug)]
pub(crate) struct Turn {
    scanner: Scanner,
    /// What the rules may still take.
    left: Duration,
    /// When the scan is to end, whatever takes the time.
    until: Instant,
}

/// What the rules say of one layer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The names of those that detect.
    pub(crate) detected: Vec<Vec<u8>>,
    /// The names of those that are told of only.
    pub(crate) noted: Vec<Vec<u8>>,
    /// Not all of them were tried.
    pub(crate) is_cut: bool,
}

/// Why rules cannot be used: for the operator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RulesError {
    /// A file or the folder, and what is wrong with it.
    File(String, String),
    /// A folder without any rule.
    Empty(String),
    /// What boreal says, behind file, line and column; and in which rule, if that can be told.
    Broken(String, Option<String>),
    /// Together they take longer than they may.
    Slow(probe::Slow),
}

// === impl Rules ===

impl Rules {
    /// Compiles all files of the folders, or none.
    pub(crate) fn load(settings: &RuleSettings) -> Result<Self, RulesError> {
        let mut files = Vec::new();
        for folder in &settings.folders {
            files.append(&mut files::read(folder)?);
        }
        let scanner = compile(files.iter().map(|file| (&*file.name, &*file.text)))?;
        for folder in &settings.folders {
            let is_of = |namespace| files.iter().any(|file| file.folder == *folder && file.name == namespace);
            if !scanner.rules().any(|rule| is_of(rule.namespace)) {
                return Err(RulesError::Empty(folder.to_string_lossy().into_owned()));
            }
        }
        let count = scanner.rules().count() as u64;
        probe::check(&scanner, &files, settings.time).map_err(RulesError::Slow)?;
        Ok(Self { scanner, count, time: settings.time })
    }

    /// To be tried on one object, which has `time` in all.
    pub(crate) fn begin(&self, time: Duration) -> Turn {
        Turn { scanner: self.scanner.clone(), left: self.time, until: Instant::now() + time }
    }
}

// === impl Turn ===

impl Turn {
    /// Tries all rules on a layer.
    pub(crate) fn look(&mut self, bytes: &[u8]) -> Look {
        let mut look = Look::default();
        let begin = Instant::now();
        let time = self.left.min(self.until.saturating_duration_since(begin));
        if time.is_zero() {
            look.is_cut = true;
            return look;
        }
        self.scanner.set_scan_params(ScanParams::default().timeout_duration(Some(time)));
        let scanner = &self.scanner;
        let result = scanner.scan_mem_with_callback(bytes, |event| {
            if let ScanEvent::RuleMatch(rule) = event {
                let is_noted = rule.tags.iter().any(|tag| scanner.get_string_symbol(*tag) == LOG_TAG);
                let names = if is_noted { &mut look.noted } else { &mut look.detected };
                names.push([PREFIX.as_bytes(), rule.name.as_bytes()].concat());
            }
            ScanCallbackResult::Continue
        });
        // There is no other error of bytes in memory, and none of them is a reason to call these clean.
        look.is_cut = !is_whole(&result);
        self.left = self.left.saturating_sub(begin.elapsed());
        look
    }
}

// === impl RulesError ===

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, what) => write!(f, "{path}: {what}"),
            Self::Empty(folder) => write!(f, "{folder}: holds no rule"),
            Self::Broken(what, None) => f.write_str(what),
            Self::Broken(what, Some(rule)) => write!(f, "{what} (rule {rule})"),
            Self::Slow(slow) => slow.fmt(f),
        }
    }
}

impl std::error::Error for RulesError {}

/// Compiles these files, each of which is a name and a text.
fn compile<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Scanner, RulesError> {
    let mut compiler = Compiler::new();
    // What is included would be no part of what tells these rules from others.
    compiler.set_params(CompilerParams::default().disable_includes(true));
    for (name, text) in files {
        if let Err(error) = compiler.add_rules_str_in_namespace(text, name) {
            let said = error.to_string();
            let said = said.strip_prefix("mem").unwrap_or(&said);
            let line = said.split(':').nth(1).and_then(|line| line.parse().ok());
            let rule = line.and_then(|line| files::rule_around(text, line));
            return Err(RulesError::Broken(format!("{name}{said}"), rule));
        }
    }
    Ok(compiler.finalize())
}

/// Whether a scan came to its end.
fn is_whole(result: &Result<(), ScanError>) -> bool {
    result.is_ok()
}
