//! The `icapstan-load` program.

use clap::Parser;
use icapstan_load::{Bare, Cli, Command, Settings, run};
use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

/// `EX_USAGE`
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.command {
        Command::Bare(args) => match Bare::start(args.listen) {
            Ok(bare) => {
                println!("listening on {}", bare.address());
                bare.wait()
            }
            Err(error) => failure(&error),
        },
        Command::Run(args) => match args.settings() {
            Ok(settings) => measure(&settings, args.json),
            Err(error) => usage(&error),
        },
    }
}

fn measure(settings: &Settings, json: bool) -> ExitCode {
    let report = match run(settings) {
        Ok(report) => report,
        Err(error) => return failure(&error),
    };
    let text = if json {
        serde_json::to_string(&report).expect("a report has string keys only") + "\n"
    } else {
        report.to_string()
    };
    if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
        return failure(&error);
    }
    if report.is_empty() {
        eprintln!("icapstan-load: no answer came");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version go to standard output and are no failure.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}

fn failure(error: &dyn Error) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    eprintln!("icapstan-load: {text}");
    ExitCode::FAILURE
}
