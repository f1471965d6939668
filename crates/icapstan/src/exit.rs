//! How the program ends.

use std::error::Error;
use std::process::ExitCode;

/// The exit codes; those of `scan` are clamscan's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well; `scan`: clean.
    Success,
    /// `scan`: infected.
    Found,
    /// `scan`: not scanned, or an error.
    NotScanned,
    /// The program could not do its work.
    Failure,
    /// The command line or the configuration is wrong (`EX_USAGE`).
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::Found | Exit::Failure => 1,
            Exit::NotScanned => 2,
            Exit::Usage => 64,
        })
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
