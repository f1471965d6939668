//! The command line.

use crate::rules::RuleSettings;
use std::ffi::{CString, OsString};
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// What rules may take for one object.
const DEFAULT_RULE_TIME: Duration = Duration::from_secs(1);

/// For `--help` and for wrong command lines.
pub(crate) const USAGE: &str = "\
usage: icapstan-clamav-worker zygote --database DIR [--database DIR ...] [--temp DIR] [--nice N]
                                      [--rules DIR [--rules DIR ...]] [--rule-time MS]
       icapstan-clamav-worker check-rules --rules DIR [--rules DIR ...] [--rule-time MS]
       icapstan-clamav-worker --version | --help

Started by icapstan with a control socket (AF_UNIX, SOCK_SEQPACKET) as descriptor 3.

  --database DIR  load all signature files of the folder; all folders go into one engine
  --temp DIR      for temporary files while loading (default /tmp)
  --nice N        the scheduling priority of the zygote and its workers, -20 to 19 (default 0)
  --rules DIR     compile all files of YARA rules of the folder (*.yar, *.yara)
  --rule-time MS  what rules may take for one object, in milliseconds (default 1000)

check-rules compiles the rules, tries how fast they are, and says what is wrong with them.";

/// What the caller wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Args {
    Version,
    Help,
    Zygote(Settings),
    CheckRules(RuleSettings),
}

/// Of a zygote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) databases: Vec<CString>,
    pub(crate) temp_dir: CString,
    pub(crate) nice: Option<i32>,
    pub(crate) rules: Option<RuleSettings>,
}

/// What is wrong with a command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ArgsError {
    NoCommand,
    UnknownCommand(String),
    UnknownOption(String),
    NoValue(String),
    BadValue(&'static str, String),
    NoDatabase,
    NoRules,
}

// === impl Args ===

impl Args {
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, ArgsError> {
        let mut args = args.into_iter();
        let command = args.next().ok_or(ArgsError::NoCommand)?;
        match command.to_str() {
            Some("--version" | "-V") => Ok(Self::Version),
            Some("--help" | "-h") => Ok(Self::Help),
            Some("zygote") => Settings::parse(args).map(Self::Zygote),
            Some("check-rules") => check_rules(args).map(Self::CheckRules),
            _ => Err(ArgsError::UnknownCommand(lossy(&command))),
        }
    }
}

// === impl Settings ===

impl Settings {
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Self, ArgsError> {
        let mut settings =
            Self { databases: Vec::new(), temp_dir: c"/tmp".to_owned(), nice: None, rules: None };
        let (mut rules, mut time) = (Vec::new(), DEFAULT_RULE_TIME);
        while let Some(option) = args.next() {
            let option = lossy(&option);
            if !matches!(&*option, "--database" | "--temp" | "--nice" | "--rules" | "--rule-time") {
                return Err(ArgsError::UnknownOption(option));
            }
            let Some(value) = args.next().filter(|value| !value.is_empty()) else {
                return Err(ArgsError::NoValue(option));
            };
            match &*option {
                "--database" => settings.databases.push(path("--database", value)?),
                "--temp" => settings.temp_dir = path("--temp", value)?,
                "--rules" => rules.push(PathBuf::from(value)),
                "--rule-time" => time = rule_time(&value)?,
                _ => settings.nice = Some(nice(&value)?),
            }
        }
        if settings.databases.is_empty() {
            return Err(ArgsError::NoDatabase);
        }
        settings.rules = (!rules.is_empty()).then_some(RuleSettings { folders: rules, time });
        Ok(settings)
    }
}

// === impl ArgsError ===

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => f.write_str("a command is needed"),
            Self::UnknownCommand(word) => write!(f, "unknown command {word:?}"),
            Self::UnknownOption(word) => write!(f, "unknown option {word:?}"),
            Self::NoValue(option) => write!(f, "{option} needs a value"),
            Self::BadValue(option, value) => write!(f, "{option} cannot be {value:?}"),
            Self::NoDatabase => f.write_str("at least one --database is needed"),
            Self::NoRules => f.write_str("--rules is needed"),
        }
    }
}

impl std::error::Error for ArgsError {}

/// What `--version` prints.
pub(crate) fn version(libclamav: &str) -> String {
    format!(
        "icapstan-clamav-worker {}\nlibclamav {libclamav}\nlicence: GPL-2.0-only, as libclamav's",
        env!("CARGO_PKG_VERSION")
    )
}

fn path(option: &'static str, value: OsString) -> Result<CString, ArgsError> {
    CString::new(value.into_vec())
        .map_err(|error| ArgsError::BadValue(option, String::from_utf8_lossy(&error.into_vec()).into_owned()))
}

fn check_rules(mut args: impl Iterator<Item = OsString>) -> Result<RuleSettings, ArgsError> {
    let (mut folders, mut time) = (Vec::new(), DEFAULT_RULE_TIME);
    while let Some(option) = args.next() {
        let option = lossy(&option);
        if !matches!(&*option, "--rules" | "--rule-time") {
            return Err(ArgsError::UnknownOption(option));
        }
        let Some(value) = args.next().filter(|value| !value.is_empty()) else {
            return Err(ArgsError::NoValue(option));
        };
        if option == "--rules" {
            folders.push(PathBuf::from(value));
        } else {
            time = rule_time(&value)?;
        }
    }
    if folders.is_empty() { Err(ArgsError::NoRules) } else { Ok(RuleSettings { folders, time }) }
}

fn rule_time(value: &OsString) -> Result<Duration, ArgsError> {
    let value = lossy(value);
    match value.parse() {
        Ok(time @ 1..=3_600_000) => Ok(Duration::from_millis(time)),
        _ => Err(ArgsError::BadValue("--rule-time", value)),
    }
}

fn nice(value: &OsString) -> Result<i32, ArgsError> {
    let value = lossy(value);
    match value.parse() {
        Ok(nice) if (-20..=19).contains(&nice) => Ok(nice),
        _ => Err(ArgsError::BadValue("--nice", value)),
    }
}

fn lossy(word: &OsString) -> String {
    word.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, ArgsError> {
        Args::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_option_is_read() {
        assert_eq!(
            parse("zygote --database /a --nice 5 --database b/c --temp /t"),
            Ok(Args::Zygote(Settings {
                databases: vec![c"/a".to_owned(), c"b/c".to_owned()],
                temp_dir: c"/t".to_owned(),
                nice: Some(5),
                rules: None,
            }))
        );
        let rules = RuleSettings { folders: vec!["/r".into()], time: Duration::from_millis(200) };
        assert_eq!(
            parse("zygote --rule-time 200 --database /a --rules /r"),
            Ok(Args::Zygote(Settings {
                databases: vec![c"/a".to_owned()],
                temp_dir: c"/tmp".to_owned(),
                nice: None,
                rules: Some(rules.clone()),
            }))
        );
        assert_eq!(parse("check-rules --rules /r --rule-time 200"), Ok(Args::CheckRules(rules)));
        assert_eq!(parse("--version"), Ok(Args::Version));
    }

    #[test]
    fn a_wrong_command_line_says_what_is_wrong() {
        for (line, message) in [
            ("", "a command is needed"),
            ("scan x", "unknown command \"scan\""),
            ("zygote", "at least one --database is needed"),
            ("zygote --database", "--database needs a value"),
            ("zygote --database /a --quick", "unknown option \"--quick\""),
            ("zygote --database /a --nice 20", "--nice cannot be \"20\""),
            ("zygote --database /a --nice x", "--nice cannot be \"x\""),
            ("zygote --database /a --rule-time 0", "--rule-time cannot be \"0\""),
            ("check-rules", "--rules is needed"),
            ("check-rules --rules", "--rules needs a value"),
            ("check-rules --database /a", "unknown option \"--database\""),
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), message, "{line}");
        }
    }
}
