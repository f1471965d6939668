//! `icapstan policy test`: what a policy does with a message, and why.

use crate::exit::{Exit, chain};
use clap::{Args, Subcommand};
use icapstan_api::{Config, Given, ScanPolicy, ScanScope};
use icapstan_model::Verdict;
use icapstan_policy::{Asked, DecidedBy, Explanation, Policy, Step};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell which rule of a policy decides about a message, and why
    #[command(after_help = TEST_EXAMPLES)]
    Test(Test),
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The configuration file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A message: pairs key=value of mode, verdict, reason, service, client, user, groups, url, host,
    /// categories, method, size and type. Can be given several times; without it the policies' own tests
    /// (`policies[].tests`) are run
    #[arg(long = "case", value_name = "PAIRS")]
    cases: Vec<String>,
    /// Ask this policy only. Without it, that of the case's service, else each
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Print one line of JSON for each case and policy
    #[arg(long)]
    json: bool,
}

const TEST_EXAMPLES: &str = "\
In a case, commas or blanks part the pairs; a value with such stands in double quotes. `mode` is
RESP and `verdict` CLEAN unless told. What is not told is not known, and matches nothing.

Exit codes: 0 it was told, or all tests pass, 1 a test fails, 64 the file or a case is wrong.

Examples:
  icapstan policy test icapstan.yaml --case \"verdict=DETECT client=192.0.2.7\"
  icapstan policy test icapstan.yaml --case 'mode=REQ, verdict=MACRO, user=\"Ann Smith\"'
  icapstan policy test icapstan.yaml";

/// A policy that is asked.
struct Subject<'c> {
    source: &'c ScanPolicy,
    policy: Policy,
}

/// Does what was asked for, and says how to end.
pub(crate) fn run(command: &Command) -> Exit {
    let Command::Test(args) = command;
    test(args).unwrap_or_else(|error| {
        eprintln!("icapstan: {}", chain(error.as_ref()));
        Exit::Usage
    })
}

fn test(args: &Test) -> anyhow::Result<Exit> {
    let config = Config::load(&args.file)?;
    if let Some(name) = &args.policy
        && config.policy(name).is_none()
    {
        let known: Vec<_> = config.policies.iter().map(|policy| policy.name.as_str()).collect();
        anyhow::bail!("there is no policy {name:?}; there are: {}", known.join(", "));
    }
    let named =
        config.policies.iter().filter(|policy| args.policy.as_ref().is_none_or(|n| *n == policy.name));
    // A policy whose own tests fail can be asked why.
    let subjects = named.map(|source| {
        let without = ScanPolicy { tests: Vec::new(), ..source.clone() };
        Ok(Subject { source, policy: Policy::compile(&without)? })
    });
    let subjects: Vec<_> = subjects.collect::<Result<_, icapstan_policy::CompileError>>()?;
    let (text, exit) = if args.cases.is_empty() {
        own_tests(&subjects, args.json)
    } else {
        cases(&config, &subjects, args)?
    };
    // Whoever closed the pipe does not want the rest; the exit code still tells.
    let _ = io::stdout().write_all(text.as_bytes());
    Ok(exit)
}

fn cases(config: &Config, subjects: &[Subject<'_>], args: &Test) -> anyhow::Result<(String, Exit)> {
    let mut text = String::new();
    for case in &args.cases {
        let mut given = Given::from_case(case).map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("--case {case:?}: {}", problems.join("; "))
        })?;
        let service = given
            .service
            .as_deref()
            .map(|path| {
                config.services.iter().find(|service| service.paths().any(|known| known == path)).ok_or_else(
                    || {
                        let known: Vec<_> = config.services.iter().map(|known| known.path.as_str()).collect();
                        anyhow::anyhow!("there is no service {path:?}; there are: {}", known.join(", "))
                    },
                )
            })
            .transpose()?;
        // Rules are asked about the service, by whichever of its paths it was found.
        given.service = service.map(|service| service.path.clone());
        if let Some(service) = service.filter(|service| service.scan == ScanScope::None) {
            eprintln!("icapstan: note: {} has `scan: none`: no rule is ever asked there", service.path);
        }
        let asked = subjects.iter().filter(|subject| {
            args.policy.is_some() || service.is_none_or(|service| service.policy == subject.source.name)
        });
        for Subject { source, policy } in asked {
            let found = policy.explain(&given);
            if args.json {
                let _ = writeln!(text, "{}", as_json(case, source, policy, &found));
            } else {
                write_text(&mut text, case, source, policy, &found);
            }
        }
    }
    Ok((text, Exit::Success))
}

/// Runs the tests that the policies bring.
fn own_tests(subjects: &[Subject<'_>], as_json: bool) -> (String, Exit) {
    let (mut text, mut exit, mut count) = (String::new(), Exit::Success, 0);
    for Subject { source, policy } in subjects {
        for test in &source.tests {
            count += 1;
            let result = policy.try_test(source, test);
            if result.is_err() {
                exit = Exit::Failure;
            }
            let _ = match (result, as_json) {
                (result, true) => {
                    let line = json!({
                        "policy": source.name,
                        "test": test.name,
                        "passed": result.is_ok(),
                        "failure": result.err(),
                    });
                    writeln!(text, "{line}")
                }
                (Ok(()), false) => writeln!(text, "{}: \"{}\": passed", source.name, test.name),
                (Err(failure), false) => writeln!(text, "{}: {failure}", source.name),
            };
        }
    }
    if count == 0 {
        eprintln!(
            "icapstan: note: there are no tests in the file (policies[].tests), and no --case was given"
        );
    }
    (text, exit)
}

/// `rules[3] "name"`, or `rules[3]`.
fn label(policy: &Policy, index: usize) -> String {
    match policy.rule_name(index) {
        Some(name) => format!("rules[{index}] \"{name}\""),
        None => format!("rules[{index}]"),
    }
}

/// The word of a finding, with its reason.
fn finding(verdict: &Verdict) -> String {
    match verdict.reason() {
        Some(reason) => format!("{}/{reason}", verdict.kind()),
        None => verdict.kind().to_string(),
    }
}

fn write_text(text: &mut String, case: &str, source: &ScanPolicy, policy: &Policy, found: &Explanation) {
    let case: String = case.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(text, "policy {}: {case}", source.name);
    for (skip, step) in policy.skips().iter().zip(&found.skips) {
        let _ = match step {
            Step::Matched => writeln!(text, "  skip \"{}\": holds: it is not scanned", skip.name),
            Step::Missed { field, why } => writeln!(text, "  skip \"{}\": no: {field}: {why}", skip.name),
            Step::NotAsked => writeln!(text, "  skip \"{}\": not asked", skip.name),
        };
    }
    for (round, Asked { verdict, steps }) in found.asked.iter().enumerate() {
        let _ = match round {
            0 => writeln!(text, "  {}", finding(verdict)),
            _ => writeln!(text, "  it passes; what if nothing were found?"),
        };
        for (index, step) in steps.iter().enumerate() {
            let label = label(policy, index);
            let _ = match step {
                Step::Matched => {
                    let action = policy.rule_action(index).unwrap_or_default();
                    writeln!(text, "    {label}: matches: {action}")
                }
                Step::Missed { field, why } => writeln!(text, "    {label}: no: {field}: {why}"),
                Step::NotAsked => writeln!(text, "    {label}: not asked"),
            };
        }
    }
    let target = if found.target.is_empty() { String::new() } else { format!(" ({})", found.target) };
    let by = match found.by {
        DecidedBy::Rule(index) => label(policy, index),
        DecidedBy::Default => "default".to_owned(),
    };
    let _ = writeln!(text, "  => {}{target}, by {by}", found.action.as_str());
}

fn as_json(case: &str, source: &ScanPolicy, policy: &Policy, found: &Explanation) -> Value {
    let asked = found.asked.iter().map(|Asked { verdict, steps }| {
        let steps = steps.iter().enumerate().map(|(index, step)| {
            let rule = format!("rules[{index}]");
            step_line(json!({ "rule": rule, "name": policy.rule_name(index) }), step)
        });
        json!({ "finding": finding(verdict), "rules": steps.collect::<Vec<_>>() })
    });
    let skips = policy.skips().iter().zip(&found.skips);
    let skips = skips.map(|(skip, step)| step_line(json!({ "name": skip.name }), step));
    json!({
        "case": case,
        "policy": source.name,
        "skips": skips.collect::<Vec<_>>(),
        "skip": found.skip.map(|index| &policy.skips()[index].name),
        "asked": asked.collect::<Vec<_>>(),
        "action": found.action.as_str(),
        "target": Some(&found.target).filter(|target| !target.is_empty()),
        "rule": match found.by {
            DecidedBy::Rule(index) => json!(format!("rules[{index}]")),
            DecidedBy::Default => json!("default"),
        },
        "name": match found.by {
            DecidedBy::Rule(index) => policy.rule_name(index),
            DecidedBy::Default => None,
        },
    })
}

/// Adds to `line` what came of a rule.
fn step_line(mut line: Value, step: &Step) -> Value {
    line["result"] = json!(match step {
        Step::Matched => "matched",
        Step::Missed { .. } => "missed",
        Step::NotAsked => "not-asked",
    });
    if let Step::Missed { field, why } = step {
        line["field"] = json!(field);
        line["why"] = json!(why);
    }
    line
}
