//! The command line.

use std::ffi::{CString, OsString};
use std::fmt;
use std::os::unix::ffi::OsStringExt as _;

/// For `--help` and for wrong command lines.
pub(crate) const USAGE: &str = "\
usage: icapstan-clamav-worker zygote --database DIR [--database DIR ...] [--temp DIR] [--nice N]
       icapstan-clamav-worker --version | --help

Started by icapstan with a control socket (AF_UNIX, SOCK_SEQPACKET) as descriptor 3.

  --database DIR  load all signature files of the folder; all folders go into one engine
  --temp DIR      for temporary files while loading (default /tmp)
  --nice N        the scheduling priority of the zygote and its workers, -20 to 19 (default 0)";

/// What the caller wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Args {
    Version,
    Help,
    Zygote(Settings),
}

/// Of a zygote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) databases: Vec<CString>,
    pub(crate) temp_dir: CString,
    pub(crate) nice: Option<i32>,
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
            _ => Err(ArgsError::UnknownCommand(lossy(&command))),
        }
    }
}

// === impl Settings ===

impl Settings {
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Self, ArgsError> {
        let mut settings = Self { databases: Vec::new(), temp_dir: c"/tmp".to_owned(), nice: None };
        while let Some(option) = args.next() {
            let option = lossy(&option);
            if !matches!(&*option, "--database" | "--temp" | "--nice") {
                return Err(ArgsError::UnknownOption(option));
            }
            let Some(value) = args.next().filter(|value| !value.is_empty()) else {
                return Err(ArgsError::NoValue(option));
            };
            match &*option {
                "--database" => settings.databases.push(path("--database", value)?),
                "--temp" => settings.temp_dir = path("--temp", value)?,
                _ => settings.nice = Some(nice(&value)?),
            }
        }
        if settings.databases.is_empty() {
            return Err(ArgsError::NoDatabase);
        }
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
            }))
        );
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
        ] {
            assert_eq!(parse(line).unwrap_err().to_string(), message, "{line}");
        }
    }
}
