//! Servers side by side: the same requests, the same signatures, one after the other, round by round.

mod case;
mod group;
mod load;
mod machine;
mod overload;
mod probe;
mod report;
mod server;
mod start;
mod target;
mod text;
mod urls;
mod warm;

use crate::Exit;
use crate::cli::{Compare, REAL_SIGNATURES, Suite};
use crate::context::{self, Context};
use crate::interrupt::Interrupt;
use crate::sigdb::{Plan, Preset};
use anyhow::bail;
use case::{Case, Database, cases};
use group::groups;
use machine::Machine;
use report::Report;
use std::io::Write;

/// What is to be measured, decided before anything is started.
#[derive(Debug)]
struct Selection {
    cases: Vec<Case>,
    start: Vec<start::Part>,
    urls: Vec<urls::Part>,
    overload: bool,
    left_out: Vec<String>,
}

/// Measures, prints, and writes the file that was asked for.
pub(crate) fn run(args: &Compare) -> anyhow::Result<Exit> {
    let selection = Selection::new(args)?;
    // Opened first: a path that cannot be written should be known before an hour of measuring.
    let json = args.json.as_deref().map(context::create).transpose()?;
    let context = Context::new(args.pin, Interrupt::listen()?, selection.needs())?;
    let mut report = Report::new(Machine::look(&context), args, selection.left_out.clone());
    print!("{}", text::heading(&report));
    if !selection.cases.is_empty() {
        eprintln!("{}", selection.estimate(args));
    }
    let measured = measure(&context, args, &selection, &mut report);
    report.complete = measured.is_ok();
    report.conclude();
    print!("{}", text::conclusion(&report));
    if let Some(mut file) = json {
        serde_json::to_writer_pretty(&mut file, &report)?;
        writeln!(file)?;
        file.flush()?;
    }
    measured?;
    Ok(report.exit())
}

fn measure(
    context: &Context,
    args: &Compare,
    selection: &Selection,
    report: &mut Report,
) -> anyhow::Result<()> {
    for group in groups(&selection.cases) {
        group.measure(context, args, |case| {
            print!("{}", text::case(&case));
            // Seen at once also where the output goes to a file.
            let _ = std::io::stdout().flush();
            report.cases.push(case);
        })?;
    }
    if !selection.start.is_empty() {
        let result = start::measure(context, args.rounds, &selection.start)?;
        print!("{}", text::start(&result));
        report.start = Some(result);
    }
    if !selection.urls.is_empty() {
        let result = urls::measure(context, args.rounds, &selection.urls)?;
        print!("{}", text::urls(&result));
        report.urls = Some(result);
    }
    if selection.overload {
        let result = overload::measure(context, args)?;
        print!("{}", overload::text(&result));
        report.overload = Some(result);
    }
    Ok(())
}

// === impl Selection ===

impl Selection {
    fn new(args: &Compare) -> anyhow::Result<Self> {
        let wanted =
            |name: &str| args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()));
        let all: Vec<Case> = cases().into_iter().filter(|case| args.suite.has(case.suite)).collect();
        let parts = if args.suite.has(Suite::Start) { start::Part::ALL.to_vec() } else { Vec::new() };
        let about_urls = if args.suite.has(Suite::Urls) { urls::Part::ALL.to_vec() } else { Vec::new() };
        let names: Vec<_> = all.iter().map(|case| case.name).collect();
        let names = names.into_iter().chain(parts.iter().map(|part| part.name()));
        let names: Vec<_> =
            names.chain(about_urls.iter().map(|part| part.name())).chain([overload::NAME]).collect();
        let mut cases: Vec<_> = all.iter().filter(|case| wanted(case.name)).cloned().collect();
        let start: Vec<_> = parts.iter().copied().filter(|part| wanted(part.name())).collect();
        let urls: Vec<_> = about_urls.iter().copied().filter(|part| wanted(part.name())).collect();
        let overload = args.suite.has(Suite::Overload) && wanted(overload::NAME);
        let others = !start.is_empty() || !urls.is_empty() || overload;
        if cases.is_empty() && !others {
            bail!("no case is called so; there are {}", names.join(", "));
        }
        let official = |case: &Case| case.database == Database::Set(Preset::Official);
        let mut left_out = Vec::new();
        if args.real.is_some() {
            // Fails when a list is missing.
            if cases.iter().any(official) {
                Plan::preset(Preset::Official, args.real.clone())?;
            }
        } else if args.only.iter().any(|part| part.contains("official")) {
            Plan::preset(Preset::Official, None)?;
        } else {
            left_out = cases.iter().filter(|case| official(case)).map(|case| case.name.to_owned()).collect();
            cases.retain(|case| !official(case));
            if cases.is_empty() && !others {
                bail!("only cases with real lists are left, and {REAL_SIGNATURES} names no folder with them");
            }
        }
        Ok(Self { cases, start, urls, overload, left_out })
    }

    fn needs(&self) -> context::Needs {
        context::Needs {
            c_icap: self.overload
                || self.cases.iter().any(|case| case.subjects().contains(&case::Subject::CIcap)),
            url_check: self.cases.iter().any(|case| matches!(case.database, Database::Domains(_))),
            clamd: self.overload
                || self.cases.iter().any(|case| matches!(case.suite, Suite::Scan | Suite::Cache)),
            load: self.overload || !self.cases.is_empty() || self.start.contains(&start::Part::Memory),
            clamscan: self.start.contains(&start::Part::Verdict),
        }
    }

    /// How long it will take, without the starting of servers.
    fn estimate(&self, args: &Compare) -> String {
        let runs: usize = self.cases.iter().map(|case| case.subjects().len()).sum();
        let each = args.duration + args.warm_up;
        let total = each * args.rounds * u32::try_from(runs).unwrap_or(u32::MAX);
        format!(
            "{} cases, {} measurements of {:.1?} each: {} minutes, and what servers need to start.",
            self.cases.len(),
            runs * args.rounds as usize,
            each,
            total.as_secs().div_ceil(60)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn selection(args: &[&str]) -> anyhow::Result<Selection> {
        let args = [&["icapstan-bench", "compare"], args].concat();
        match Cli::try_parse_from(args)?.command {
            Command::Compare(args) => Selection::new(&Compare { real: None, ..args }),
            other => unreachable!("compare was asked for, not {other:?}"),
        }
    }

    fn names(selection: &Selection) -> Vec<&str> {
        selection.cases.iter().map(|case| case.name).collect()
    }

    #[test]
    fn cases_are_chosen_by_suite_and_by_a_part_of_their_name() {
        assert_eq!(names(&selection(&["--only", "options"]).unwrap()), ["options-16"]);
        let some = selection(&["--suite", "protocol", "--only", "echo", "new"]).unwrap();
        assert_eq!(names(&some), ["echo-10k", "echo-64k", "echo-1m", "reqmod-new"]);
        let none = selection(&["--suite", "scan", "--only", "options"]).unwrap_err();
        assert!(none.to_string().contains("medium/text-1k"), "{none}");
        let start = selection(&["--suite", "start"]).unwrap();
        assert!(start.cases.is_empty() && start.start.len() == 2 && start.urls.is_empty());
        let urls = selection(&["--suite", "urls"]).unwrap();
        assert_eq!(names(&urls), ["urls/usual-16", "urls/usual-1000", "urls/large-16"]);
        assert!(urls.urls.len() == 2 && urls.start.is_empty());
        let overload = selection(&["--suite", "overload"]).unwrap();
        assert!(overload.overload && overload.cases.is_empty() && overload.needs().clamd);
        assert!(!urls.overload);
        let decision = selection(&["--only", "decision"]).unwrap();
        assert!(decision.cases.is_empty() && decision.urls == [urls::Part::Decision]);
    }

    #[test]
    fn without_real_lists_their_cases_are_left_out_loudly_and_refused_when_named() {
        let all = selection(&["--suite", "scan"]).unwrap();
        assert!(names(&all).iter().all(|name| name.starts_with("medium/")));
        assert_eq!(all.left_out.len(), 4);
        let named = selection(&["--only", "official"]).unwrap_err();
        assert!(format!("{named:#}").contains(REAL_SIGNATURES), "{named:#}");
    }
}
