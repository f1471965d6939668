//! The files that rules stand in.

use super::RulesError;
use std::fs;
use std::path::{Path, PathBuf};

/// Ends of the names of files that are read.
const EXTENSIONS: [&str; 2] = ["yar", "yara"];
/// No folder with more is loaded.
const MAX_FILES: usize = 10_000;
/// Nor with more text. The largest public collections have a fifth of it.
const MAX_TEXT: u64 = 64 << 20;

/// Before the name of a rule, besides its kind.
const RULE: &str = "rule";
const KINDS: [&str; 2] = ["private", "global"];

/// One file.
#[derive(Debug)]
pub(super) struct RuleFile {
    pub(super) folder: PathBuf,
    pub(super) name: String,
    pub(super) text: String,
}

/// Where a rule is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) rule: String,
    pub(super) line: usize,
    /// The byte with which it begins.
    pub(super) begin: usize,
}

/// Reads the files of the folder, in the order of their names. Other files are none.
pub(super) fn read(folder: &Path) -> Result<Vec<RuleFile>, RulesError> {
    let fault = |path: &Path, what: &dyn ToString| {
        RulesError::File(path.to_string_lossy().into_owned(), what.to_string())
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| fault(folder, &error))? {
        let path = entry.map_err(|error| fault(folder, &error))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|word| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(word))) {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(fault(folder, &format!("more than {MAX_FILES} files of rules")));
        }
    }
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    let mut total: u64 = 0;
    for path in paths {
        let metadata = fs::metadata(&path).map_err(|error| fault(&path, &error))?;
        if !metadata.is_file() {
            return Err(fault(&path, &"not a regular file"));
        }
        total = total.saturating_add(metadata.len());
        if total > MAX_TEXT {
            return Err(fault(folder, &format!("more than {} MiB of rules", MAX_TEXT >> 20)));
        }
        let text = fs::read_to_string(&path).map_err(|error| fault(&path, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(RuleFile { folder: folder.to_owned(), name, text });
    }
    Ok(files)
}

/// The rules of a text that is known to be sound, in their order.
pub(super) fn places(text: &str) -> Vec<Place> {
    use boreal_parser::file::YaraFileComponent;
    let Ok(file) = boreal_parser::parse(text) else { return Vec::new() };
    let rules = file.components.into_iter().filter_map(|component| match component {
        YaraFileComponent::Rule(rule) => Some(rule),
        YaraFileComponent::Import(_) | YaraFileComponent::Include(_) => None,
    });
    rules
        .map(|rule| {
            let at = rule.name_span.start;
            let line = text.as_bytes()[..at].split(|byte| *byte == b'\n').count();
            Place { rule: rule.name, line, begin: begin(text, at) }
        })
        .collect()
}

/// Where the rule begins whose name stands at `at`: the words in front of that are a part of it.
fn begin(text: &str, at: usize) -> usize {
    let mut rest = text[..at].trim_end();
    while let Some(word) = rest.split(|char: char| !char.is_ascii_alphanumeric()).next_back()
        && (word == RULE || KINDS.contains(&word))
    {
        rest = rest[..rest.len() - word.len()].trim_end();
    }
    rest.len()
}

/// The rule that the line, from 1 on, stands in or begins, as far as that can be told of a text that is
/// not sound.
pub(super) fn rule_around(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    lines.iter().rev().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip_while(|word| KINDS.contains(word));
        words.next().filter(|word| *word == RULE)?;
        let name = words.next()?;
        let end = name.find(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        Some(name[..end.unwrap_or(name.len())].to_owned()).filter(|name| !name.is_empty())
    })
}
