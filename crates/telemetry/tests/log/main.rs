//! The log of real processes. Each promise starts this program again as the process that logs, which
//! is why it brings its own `main`: the tests' own harness captures output and ends the process itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod child;
mod process;
mod promises;

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A promise by its name.
type Promise = (&'static str, fn());

/// What was asked for on the command line, as far as the usual harness understands it.
#[derive(Default)]
struct Choice {
    names: Vec<String>,
    skipped: Vec<String>,
    is_exact: bool,
    only_list: bool,
    only_ignored: bool,
}

fn main() -> ExitCode {
    if child::is_wanted() {
        child::run();
        return ExitCode::SUCCESS;
    }
    let choice = Choice::from_args(std::env::args().skip(1));
    let mut failed = 0_usize;
    for &(name, promise) in promises::ALL.iter().filter(|(name, _)| choice.has(name)) {
        if choice.only_list {
            println!("{name}: test");
        } else if catch_unwind(promise).is_ok() {
            println!("test {name} ... ok");
        } else {
            println!("test {name} ... FAILED");
            failed += 1;
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

// === impl Choice ===

impl Choice {
    fn from_args(mut args: impl Iterator<Item = String>) -> Self {
        let mut choice = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--exact" => choice.is_exact = true,
                "--list" => choice.only_list = true,
                "--ignored" => choice.only_ignored = true,
                "--skip" => choice.skipped.extend(args.next()),
                "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => drop(args.next()),
                option if option.starts_with('-') => {}
                _ => choice.names.push(arg),
            }
        }
        choice
    }

    fn has(&self, name: &str) -> bool {
        let is_meant =
            |pattern: &String| if self.is_exact { name == pattern } else { name.contains(pattern) };
        !self.only_ignored
            && (self.names.is_empty() || self.names.iter().any(is_meant))
            && !self.skipped.iter().any(is_meant)
    }
}
