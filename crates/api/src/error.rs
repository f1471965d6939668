//! What is wrong with a configuration, in words that lead to the line.

use std::fmt;
use std::io;
use thiserror::Error;

/// Why a configuration cannot be used. `Display` names the file, and the line where it is known.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{file}: cannot be read")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no configuration.
    #[error("{file}: larger than {limit} bytes")]
    TooLarge {
        /// The file.
        file: String,
        /// [`MAX_CONFIG_LEN`](crate::MAX_CONFIG_LEN).
        limit: u64,
    },
    /// The file is no text.
    #[error("{file}: not UTF-8 text")]
    NotText {
        /// The file.
        file: String,
    },
    /// The text is not YAML, or not of the right shape. The first such fault.
    #[error("{file}:{}{problem}", Place(*position))]
    Malformed {
        /// The file.
        file: String,
        /// Line and column, both from 1, where the reader knows them.
        position: Option<(usize, usize)>,
        /// What is wrong there.
        problem: Problem,
    },
    /// The shape is right, but values do not fit. Every such fault.
    #[error("{}", Lines(file, problems))]
    Invalid {
        /// The file.
        file: String,
        /// What is wrong; never empty.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `policies[0].scan.timeout`; empty for the whole.
    pub path: String,
    /// What is wrong with it and what is allowed.
    pub message: String,
}

/// `12:5: `, or a blank.
struct Place(Option<(usize, usize)>);

/// `file: problem`, each on its own line.
struct Lines<'a>(&'a str, &'a [Problem]);

// === impl Problem ===

impl Problem {
    /// From a path and a message.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((line, column)) => write!(f, "{line}:{column}: "),
            None => f.write_str(" "),
        }
    }
}

// === impl Lines ===

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.1.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}: {problem}", self.0)?;
        }
        Ok(())
    }
}
