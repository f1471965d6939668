//! `icapstan check-config`: whether a file can be used, and if not, why.

use crate::exit::{Exit, chain};
use crate::{certificates, listeners};
use icapstan_api::{Config, Machine};
use icapstan_policy::{Templates, check_policies};
use std::path::Path;

/// Checks the file, prints what is wrong with it, and says how to end.
pub(crate) fn run(file: &Path) -> Exit {
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{}", chain(&error));
            return Exit::Usage;
        }
    };
    let mut faults = Vec::new();
    // What depends on the machine is checked against this one.
    match config.sizing(&Machine::detect()) {
        Ok(sizing) => {
            for advice in config.advice(&sizing) {
                eprintln!("{}: note: {advice}", file.display());
            }
        }
        Err(problems) => faults.extend(problems.iter().map(ToString::to_string)),
    }
    if let Err(problems) = check_policies(&config.policies) {
        faults.extend(problems.iter().map(ToString::to_string));
    }
    if let Err(error) = Templates::load(&config.templates, &config.policies) {
        faults.extend(error.faults.iter().map(|fault| format!("templates: {fault}")));
    }
    if let Some(tls) = &config.tls
        && let Err(error) = certificates::files(tls).load()
    {
        faults.push(format!("tls: {}", chain(&error)));
    }
    if let Err(error) = listeners::access(&config.clients) {
        faults.push(format!("clients: {}", chain(&error)));
    }
    if faults.is_empty() {
        println!("{}: OK", file.display());
        return Exit::Success;
    }
    for fault in faults {
        eprintln!("{}: {fault}", file.display());
    }
    Exit::Usage
}
