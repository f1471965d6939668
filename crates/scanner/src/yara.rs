//! YARA rules: the worker compiles and tries them; here is what is asked of it besides.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use thiserror::Error;

use crate::config::YaraRules;

/// What a worker writes about rules is read so far.
const MOST_SAID: u64 = 16 << 10;

/// In front of the names of all rules.
const PREFIX: &[u8] = b"YARA.";

/// Why rules cannot be used.
#[derive(Debug, Error)]
pub enum RulesError {
    /// The worker cannot be asked.
    #[error("the worker cannot be started: {0}")]
    Worker(std::io::Error),
    /// What it says.
    #[error("{0}")]
    Broken(String),
}

/// Has the worker's executable compile the rules and try how fast they are. Gives how many there are.
/// Takes as long as that takes: for rules that are too slow up to some minutes.
pub fn check_rules(worker: &Path, rules: &YaraRules) -> Result<u64, RulesError> {
    let mut command = Command::new(worker);
    command.arg("check-rules").args(arguments(&[&rules.folder], rules));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(RulesError::Worker)?;
    let mut said = Vec::new();
    let read = child.stdout.take().map(|stdout| stdout.take(MOST_SAID).read_to_end(&mut said));
    // Whoever still writes is told that nobody reads.
    let status = child.wait().map_err(RulesError::Worker)?;
    read.transpose().map_err(RulesError::Worker)?;
    let said = String::from_utf8_lossy(&said);
    let said = said.trim_end();
    let count = said.strip_suffix(" rules").and_then(|count| count.parse().ok());
    match count {
        Some(count) if status.success() => Ok(count),
        _ if said.is_empty() => Err(RulesError::Broken(format!("the worker ended ({status})"))),
        _ => Err(RulesError::Broken(said.to_owned())),
    }
}

/// What tells a worker of rules.
pub(crate) fn arguments(folders: &[&Path], rules: &YaraRules) -> Vec<std::ffi::OsString> {
    let folders = folders.iter().flat_map(|folder| ["--rules".into(), folder.as_os_str().to_owned()]);
    let time = rules.timeout.as_millis().max(1).to_string();
    folders.chain(["--rule-time".into(), time.into()]).collect()
}

/// Whether a detection of this name is that of a rule.
pub(crate) fn is_rule(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}
