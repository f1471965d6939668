//! Scans objects with libclamav in a process of its own.
//!
//! ```text
//!  icapstan ──▶ zygote: loads the databases once ──fork──▶ worker: one object at a time
//!                 │ control socket, descriptor 3              │ object socket, descriptor 3
//! ```
//!
//! The zygote has one thread and never scans. Workers share its engine copy-on-write, have one
//! thread each, and set the limits of each object on their own copy.
//!
//! Refuses to do: judging. What libclamav said and what the callbacks saw goes back in full; only
//! the reader of a reply says "clean".
//!
//! Invariants:
//! 1. A database that is not wholly loaded is never served.
//! 2. A worker holds no descriptor but its object socket, the null device and the log.
//! 3. A worker that cannot keep the protocol ends; it never guesses.
//! 4. No panic crosses into C: an unwinding callback ends the process.
//! 5. From its first object on a worker can reach nothing but its temporary folder, its socket and the
//!    log, as far as the kernel can see to that; what it cannot, the zygote tells.

mod args;
mod callbacks;
mod database;
mod digests;
mod engine;
mod ffi;
mod messages;
mod pages;
mod preload;
mod rules;
mod sandbox;
mod socket;
mod sys;
mod worker;
mod zygote;

use args::Args;
use rules::{RuleSettings, Rules};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::OnceLock;

/// A wrong command line, as in `sysexits.h`.
const EX_USAGE: u8 = 64;

/// Where lines go in a worker, whose standard error is the null device.
static LOG: OnceLock<File> = OnceLock::new();

fn main() -> ExitCode {
    match Args::parse(std::env::args_os().skip(1)) {
        Ok(Args::Version) => {
            println!("{}", args::version(&engine::version()));
            ExitCode::SUCCESS
        }
        Ok(Args::Help) => {
            println!("{}", args::USAGE);
            ExitCode::SUCCESS
        }
        Ok(Args::Zygote(settings)) => zygote::run(&settings),
        Ok(Args::CheckRules(settings)) => check_rules(&settings),
        Err(error) => usage(&error.to_string()),
    }
}

/// Says whether rules can be used.
fn check_rules(settings: &RuleSettings) -> ExitCode {
    match Rules::load(settings) {
        Ok(rules) => {
            println!("{} rules", rules.count);
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong with the way this program was started.
pub(crate) fn usage(message: &str) -> ExitCode {
    log(&format!("{message}\n{}", args::USAGE));
    ExitCode::from(EX_USAGE)
}

/// One line for the operator, on standard error or where it led. Only faults are worth one.
pub(crate) fn log(line: &str) {
    let line = format!("icapstan-clamav-worker[{}]: {line}\n", std::process::id());
    // Nothing can be done about an output that is gone, and it must not end a scan.
    let _ = match LOG.get() {
        Some(mut file) => file.write_all(line.as_bytes()),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
}

/// From now on lines, and the last words of a panic, go there.
pub(crate) fn log_to(fd: OwnedFd) {
    if LOG.set(File::from(fd)).is_ok() {
        std::panic::set_hook(Box::new(|panic| log(&panic.to_string())));
    }
}
