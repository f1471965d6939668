//! `icapstan check-config`: whether a file can be used, and if not, why.

use crate::exit::{Exit, chain};
use crate::{certificates, listeners, settings};
use anyhow::Context;
use icapstan_api::{Config, Machine, Sizing};
use icapstan_events::Events;
use icapstan_gateway::{UrlListMetrics, UrlListWatcher, UrlLists};
use icapstan_hooks::Hooks;
use icapstan_policy::{Templates, check_policies};
use icapstan_quarantine::Quarantine;
use icapstan_scanner::{HashListMetrics, HashListWatcher, HashLists, check_rules, find_worker};
use prometheus::Registry;
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
    let sizing = config.sizing(&Machine::detect());
    match &sizing {
        Ok(sizing) => {
            for advice in config.advice(sizing) {
                eprintln!("{}: note: {advice}", file.display());
            }
        }
        Err(problems) => faults.extend(problems.iter().map(ToString::to_string)),
    }
    let sizing = sizing.ok();
    if let Err(problems) = check_policies(&config.policies) {
        faults.extend(problems.iter().map(ToString::to_string));
    }
    if let Err(error) = Templates::load(&config.templates, &config.policies) {
        faults.extend(error.faults.iter().map(|fault| format!("templates: {fault}")));
    }
    if let Err(error) = icapstan_cache::finder(&config.blocked_urls, &config.redis) {
        faults.push(chain(&error));
    }
    if let Err(error) = Hooks::check(&config.hooks) {
        faults.push(chain(&error));
    }
    if let Err(error) = Quarantine::check(&config.quarantine) {
        faults.push(chain(&error));
    }
    if let Some(sizing) = &sizing
        && let Err(error) = try_lists(&config, sizing)
    {
        faults.push(format!("urlLists: {error:#}"));
    }
    if let Some(sizing) = &sizing
        && let Err(error) = try_hashes(&config, sizing)
    {
        faults.push(format!("hashLists: {error:#}"));
    }
    if let Err(error) = try_rules(&config) {
        faults.push(format!("scanner.yaraRules: {error:#}"));
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

/// Reads the lists as a start would, and forgets them.
fn try_lists(config: &Config, sizing: &Sizing) -> anyhow::Result<()> {
    let metrics = UrlListMetrics::register(&Registry::new())?;
    let (lists, events) = (UrlLists::default(), Events::default());
    UrlListWatcher::load(&config.url_lists, &sizing.spool_dir, &lists, &metrics, &events)?;
    Ok(())
}

/// The same for hash lists.
fn try_hashes(config: &Config, sizing: &Sizing) -> anyhow::Result<()> {
    let metrics = HashListMetrics::register(&Registry::new())?;
    let (lists, events) = (HashLists::default(), Events::default());
    HashListWatcher::load(&config.hash_lists, &sizing.spool_dir, &lists, &metrics, &events)?;
    Ok(())
}

/// Has the worker compile the YARA rules, if there are any.
fn try_rules(config: &Config) -> anyhow::Result<()> {
    let Some(rules) = settings::yara_rules(config) else { return Ok(()) };
    let worker = find_worker()
        .context("icapstan-clamav-worker, which compiles them, is neither beside this program nor in PATH")?;
    check_rules(&worker, &rules)?;
    Ok(())
}
