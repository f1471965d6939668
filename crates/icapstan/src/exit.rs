//! How the program ends.

use std::process::ExitCode;

pub(crate) use icapstan_telemetry::chain;

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
