//! Compares icapstan with c-icap and with a bare loop, in one run, and proves what it endures.
//!
//! ```text
//!  sigdb ──▶ a folder of signatures, the same bytes for the same arguments
//!  compare ──▶ server A ─┐
//!          ──▶ server B ─┼─ in turn, round by round ─▶ icapstan-load ─▶ medians, ratios, targets
//!          ──▶ server C ─┘
//!  endure ──▶ icapstan ◀── large bodies, idle and slow clients, hostile objects
//!                      ◀── icapstan-load ─▶ what ordinary clients see of that, memory
//! ```
//!
//! Every server gets the same signatures, the same requests and settings that make it fast. A run in
//! which a single answer was wrong is no measurement, and is reported as such.

mod bound;
mod cli;
mod compare;
mod context;
mod daemon;
mod endure;
mod icapstan;
mod interrupt;
mod sigdb;
mod stats;

use anyhow::Context;
use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let result = match cli.command {
        Command::Sigdb(args) => make_signatures(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Endure(args) => endure::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("icapstan-bench: {error:#}");
            Exit::Failed.into()
        }
    }
}

fn make_signatures(args: &cli::Sigdb) -> anyhow::Result<Exit> {
    let plan = sigdb::Plan::new(args.preset, args.counts(), args.seed, args.real.clone())?;
    let count =
        sigdb::write(&args.out, &plan).with_context(|| format!("{} is not written", args.out.display()))?;
    println!("{}: {count} signatures", args.out.display());
    Ok(Exit::Success)
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// All was measured, and every target was met.
    Success,
    /// All was measured; a target was missed.
    Missed,
    /// Something could not be measured, or not in a valid way.
    Failed,
    /// The command line is wrong (`EX_USAGE` of sysexits.h).
    Usage,
}

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Missed => Self::from(1),
            Exit::Failed => Self::from(2),
            Exit::Usage => Self::from(64),
        }
    }
}
