//! Which messages are written to the log (`log.level`).

use crate::LogLevel;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A level, and others for parts of the program: `info,icapstan_scanner=debug`.
///
/// ```
/// use icapstan_api::LogFilter;
///
/// let filter: LogFilter = "warn, icapstan_scanner::pool = trace".parse()?;
/// assert_eq!(filter.to_string(), "warn,icapstan_scanner::pool=trace");
/// # Ok::<(), icapstan_api::LogFilterError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    level: LogLevel,
    /// Parts of the program, by the paths of their modules.
    parts: Vec<(String, Option<LogLevel>)>,
}

/// Why a text is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogFilterError {
    /// A word is no level.
    #[error(
        "unknown word \"{0}\"; known here: debug, error, info, trace, warn, with levels of parts behind them as in \
         info,icapstan_scanner=debug"
    )]
    Level(String),
    /// What is in front of an equals sign is not the path of a module.
    #[error("\"{0}\" is no part of the program, such as icapstan_scanner or icapstan_gateway::answer")]
    Part(String),
    /// There is no level for all the rest, or there are two.
    #[error("one level for all that has none of its own is missing, or there is more than one")]
    Rest,
    /// There are too many parts.
    #[error("more than {} parts", LogFilter::MAX_PARTS)]
    TooMany,
}

struct LogFilterVisitor;

// === impl LogFilter ===

impl LogFilter {
    /// So many parts have a level of their own at most.
    pub const MAX_PARTS: usize = 32;
    /// The longest name of a part.
    const MAX_NAME: usize = 128;

    fn part(name: &str, level: &str) -> Result<(String, Option<LogLevel>), LogFilterError> {
        let is_name =
            |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.len() > Self::MAX_NAME || !name.split("::").all(is_name) {
            return Err(LogFilterError::Part(cut(name)));
        }
        let level = if level == "off" { None } else { Some(word(level)?) };
        Ok((name.to_owned(), level))
    }
}

fn word(text: &str) -> Result<LogLevel, LogFilterError> {
    let mut levels =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace].into_iter();
    levels.find(|level| level.as_str() == text).ok_or_else(|| LogFilterError::Level(cut(text)))
}

fn cut(text: &str) -> String {
    text.chars().take(32).collect()
}

impl From<LogLevel> for LogFilter {
    fn from(level: LogLevel) -> Self {
        Self { level, parts: Vec::new() }
    }
}

impl FromStr for LogFilter {
    type Err = LogFilterError;

    fn from_str(text: &str) -> Result<Self, LogFilterError> {
        let (mut rest, mut parts) = (None, Vec::new());
        for directive in text.split(',').map(str::trim) {
            match directive.split_once('=') {
                Some(_) if parts.len() == Self::MAX_PARTS => return Err(LogFilterError::TooMany),
                Some((name, level)) => parts.push(Self::part(name.trim(), level.trim())?),
                None if rest.replace(word(directive)?).is_some() => return Err(LogFilterError::Rest),
                None => {}
            }
        }
        Ok(Self { level: rest.ok_or(LogFilterError::Rest)?, parts })
    }
}

/// As log filters know it.
impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.level.as_str())?;
        let mut parts = self.parts.iter();
        parts.try_for_each(|(name, level)| write!(f, ",{name}={}", level.map_or("off", LogLevel::as_str)))
    }
}

impl Serialize for LogFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LogFilterVisitor)
    }
}

impl de::Visitor<'_> for LogFilterVisitor {
    type Value = LogFilter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a level such as info, or levels such as info,icapstan_scanner=debug")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<LogFilter, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn levels_and_parts_are_read_and_nothing_else() {
        for (text, expected) in [
            ("debug", Ok("debug".to_owned())),
            (" warn , a_b::c=off,d=trace ", Ok("warn,a_b::c=off,d=trace".to_owned())),
            ("a=debug,info", Ok("info,a=debug".to_owned())),
            ("loud", Err(LogFilterError::Level("loud".to_owned()))),
            ("off", Err(LogFilterError::Level("off".to_owned()))),
            ("", Err(LogFilterError::Level(String::new()))),
            ("info,", Err(LogFilterError::Level(String::new()))),
            ("INFO", Err(LogFilterError::Level("INFO".to_owned()))),
            ("a=debug", Err(LogFilterError::Rest)),
            ("info,warn", Err(LogFilterError::Rest)),
            ("info,a=loud", Err(LogFilterError::Level("loud".to_owned()))),
            ("info,a:b=debug", Err(LogFilterError::Part("a:b".to_owned()))),
            ("info,=debug", Err(LogFilterError::Part(String::new()))),
            ("info,[span{a=1}]=debug", Err(LogFilterError::Part("[span{a".to_owned()))),
        ] {
            assert_eq!(text.parse::<LogFilter>().map(|filter| filter.to_string()), expected, "{text}");
        }
        let many = |count| format!("info{}", ",a=debug".repeat(count)).parse::<LogFilter>();
        assert!(many(32).is_ok());
        assert_eq!(many(33), Err(LogFilterError::TooMany));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[a-z_:=, ]{0,40}|info(,[a-z_]{1,8}=(off|warn|trace)){0,4}") {
            if let Ok(filter) = text.parse::<LogFilter>() {
                prop_assert_eq!(filter.to_string().parse(), Ok(filter));
            }
        }
    }
}
