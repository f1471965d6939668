//! The `icapstan` program: the command line, and what each command wires together.

mod blocked_urls;
mod certificates;
mod check_config;
mod cli;
mod client;
mod counts;
mod exit;
mod file_state;
mod fleet;
mod hashes;
mod hooks;
mod import_kse;
mod listeners;
mod lists;
mod memory;
mod options;
mod planned;
mod policy;
mod process;
mod quarantine;
mod reload;
mod scaler;
mod scan;
mod scanner;
mod scanner_plan;
mod scanning;
mod settings;
mod siem;
mod standalone;
mod standing;
mod statistics;
mod tally;
mod unpack_worker;

use clap::Parser;
use cli::{Cli, Command};
use standalone::Tier;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let _ = error.print();
            return if error.use_stderr() { exit::Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let exit = match cli.command {
        Command::UnpackWorker(args) => return unpack_worker::run(&args),
        Command::Standalone(args) => standalone::run(&args.flags(), Tier::Standalone),
        Command::Gateway(args) => standalone::run(&args.flags(), Tier::Gateway),
        Command::Scanner(args) => scanner::run(&args.flags()),
        Command::Scaler(args) => scaler::run(&args.flags()),
        Command::Scan(args) => scan::run(&args),
        Command::Options(args) => options::run(&args.uri, &args.tls, args.timeout),
        Command::CheckConfig(args) => check_config::run(&args.file),
        Command::ImportKse(args) => import_kse::run(&args.xml, args.rules.as_deref()),
        Command::Lists(command) => lists::run(&command),
        Command::Hashes(command) => hashes::run(&command),
        Command::BlockedUrls(command) => blocked_urls::run(&command),
        Command::Policy(command) => policy::run(&command),
        Command::Quarantine(command) => quarantine::run(&command),
    };
    exit.into()
}
