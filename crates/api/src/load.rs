//! From text to a checked [`Config`].

use crate::{Config, ConfigError, Problem, ScanPolicy};
use icapstan_model::is_deceptive;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// No configuration is longer, in bytes.
pub const MAX_CONFIG_LEN: u64 = 1024 * 1024;

/// Messages are cut here, in characters: they quote the file.
const MAX_MESSAGE: usize = 400;

// === impl Config ===

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let fault = |source| ConfigError::Read { file: file.clone(), source };
        let mut bytes = Vec::new();
        let opened = File::open(path).map_err(fault)?;
        opened.take(MAX_CONFIG_LEN + 1).read_to_end(&mut bytes).map_err(fault)?;
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotText { file: file.clone() })?;
        Self::parse(&text, &file)
    }

    /// Reads and checks a text. `file` is what errors call it.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let file = file.to_owned();
        if text.len() as u64 > MAX_CONFIG_LEN {
            return Err(ConfigError::TooLarge { file, limit: MAX_CONFIG_LEN });
        }
        let reader = serde_yaml::Deserializer::from_str(text);
        let mut config: Self = match serde_path_to_error::deserialize(reader) {
            Ok(config) => config,
            Err(error) => {
                let position = error.inner().location().map(|place| (place.line(), place.column()));
                return Err(ConfigError::Malformed { file, position, problem: explain(&error) });
            }
        };
        if !names_services(text) {
            config.services = config.preset.services();
        }
        if config.policy(ScanPolicy::DEFAULT_NAME).is_none() {
            config.policies.push(ScanPolicy::new(ScanPolicy::DEFAULT_NAME));
        }
        match config.check() {
            Ok(()) => Ok(config),
            Err(problems) => Err(ConfigError::Invalid { file, problems }),
        }
    }
}

/// Whether the text has services of its own.
fn names_services(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Named {
        services: Option<IgnoredAny>,
    }
    serde_yaml::from_str::<Named>(text).is_ok_and(|named| named.services.is_some())
}

/// Takes the reader's message apart: place and path stand elsewhere in ours.
pub(crate) fn explain(error: &serde_path_to_error::Error<serde_yaml::Error>) -> Problem {
    let path = match error.path().to_string() {
        root if root == "." => String::new(),
        path => path,
    };
    let whole = error.inner().to_string();
    let mut message = whole.as_str();
    if let Some(place) = error.inner().location() {
        let suffix = format!(" at line {} column {}", place.line(), place.column());
        message = message.strip_suffix(&suffix).unwrap_or(message);
    }
    if let Some((front, rest)) = message.split_once(": ")
        && !front.is_empty()
        && path.starts_with(front)
    {
        message = rest;
    }
    let message = allowed_words(message).unwrap_or_else(|| plain_words(message));
    Problem::new(printable(&path), printable(&message))
}

/// Serde's `unknown field` and `unknown variant` messages, with the word that was probably meant
/// in front of all that are allowed.
fn allowed_words(message: &str) -> Option<String> {
    let (what, rest) = match message.strip_prefix("unknown field `") {
        Some(rest) => ("unknown field", rest),
        None => ("unknown word", message.strip_prefix("unknown variant `")?),
    };
    let (word, rest) = rest.rsplit_once("`, expected ")?;
    let mut known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    known.sort_unstable();
    let hint = match nearest(word, &known) {
        Some(meant) => format!("; did you mean \"{meant}\"?"),
        None => ".".to_owned(),
    };
    Some(format!("{what} \"{}\"{hint} Known here: {}", clip(word, 64), known.join(", ")))
}

/// The reader calls shapes what this program calls them.
fn plain_words(message: &str) -> String {
    let message = message.replace("invalid type: unit value", "invalid type: nothing");
    if message == "invalid IP address syntax" {
        return "is no network; write 192.0.2.0/24 or 2001:db8::/32, and 192.0.2.7/32 for one address".into();
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.replace(
            "deserializing from YAML containing more than one document is not supported",
            "holds more than one document; write one, without a line of ---",
        );
    };
    let expected = match expected {
        "u8" => "a whole number up to 255",
        "u16" => "a whole number up to 65535",
        "u32" => "a whole number up to 4294967295",
        "u64" | "usize" => "a whole number, not below 0",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        shape if shape.starts_with("struct ") => "a mapping of fields to values",
        other => other,
    };
    format!("{found}, expected {expected}")
}

fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).take(64).collect::<String>().to_ascii_lowercase()
    };
    let word = plain(word);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word, &plain(candidate));
    known
        .iter()
        .map(|candidate| (distance(candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 2.min(candidate.len() / 2))
        .min()
        .map(|(_, candidate)| candidate)
}

fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Messages quote the file and end up in terminals and logs.
pub(crate) fn printable(text: &str) -> String {
    let safe: String = text.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect();
    clip(&safe, MAX_MESSAGE)
}
