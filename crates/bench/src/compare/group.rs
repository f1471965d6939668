//! Cases that share their servers, and the rounds in which these take turns.

use super::case::{Case, Database, Subject};
use super::load::{self, Run};
use super::probe;
use super::report::{CaseReport, ServerReport};
use super::server::{self, Server, Wanted};
use super::urls::Lists;
use crate::cli::{Compare, Suite};
use crate::context::Context;
use crate::sigdb::{self, Plan};
use std::path::PathBuf;

/// Cases with one set of servers. Where nothing is scanned each case has servers of its own, so
/// that none inherits memory or threads from another; with signatures, which are loaded for seconds and are most
/// of the memory, cases share them.
#[derive(Debug)]
pub(super) struct Group<'a> {
    database: Database,
    /// Cases of one suite have the same servers. In that about the cache objects come again, and each server may
    /// use what it remembers.
    suite: Suite,
    cases: Vec<&'a Case>,
}

/// Puts cases together, in their order.
pub(super) fn groups(cases: &[Case]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for case in cases {
        match groups.last_mut() {
            Some(group)
                if group.database == case.database
                    && group.suite == case.suite
                    && matches!(case.database, Database::Set(_)) =>
            {
                group.cases.push(case);
            }
            _ => groups.push(Group { database: case.database, suite: case.suite, cases: vec![case] }),
        }
    }
    groups
}

// === impl Group ===

impl Group<'_> {
    /// Starts the servers, measures the cases; the servers end with it.
    pub(super) fn measure(
        &self,
        context: &Context,
        args: &Compare,
        mut done: impl FnMut(CaseReport),
    ) -> anyhow::Result<()> {
        let connections = self.cases.iter().map(|case| case.load.connections).max().unwrap_or_default();
        let signatures = self.signatures(context, args)?;
        let lists = match self.database {
            Database::Domains(entries) | Database::List(entries) => {
                Some((Lists::make(context, entries)?, entries))
            }
            Database::None | Database::Set(_) => None,
        };
        let wanted = Wanted {
            connections,
            signatures: signatures.as_deref(),
            lists: lists.as_ref().map(|(lists, _)| lists),
            workers: 2,
            queue: None,
            remembers: self.suite == Suite::Cache,
        };
        let mut servers = Vec::new();
        for subject in self.cases[0].subjects() {
            eprintln!("starting {subject}");
            let server = server::start(context, *subject, &wanted)?;
            if signatures.is_some() {
                probe::known_answers(context, &server)?;
            }
            if let Some((_, entries)) = lists
                && *subject != Subject::NoLists
            {
                probe::known_urls(context, &server, entries)?;
            }
            servers.push(server);
        }
        for case in &self.cases {
            done(rounds(context, args, case, &servers)?);
        }
        Ok(())
    }

    /// Makes the folder of signatures if it is not there yet.
    fn signatures(&self, context: &Context, args: &Compare) -> anyhow::Result<Option<PathBuf>> {
        let Database::Set(preset) = self.database else { return Ok(None) };
        let folder = context.folder().join(format!("signatures-{preset:?}").to_lowercase());
        if !folder.exists() {
            let count = sigdb::write(&folder, &Plan::preset(preset, args.real.clone())?)?;
            eprintln!("made {count} signatures");
        }
        Ok(Some(folder))
    }
}

/// Measures each server once a round. Each round begins with another one, so that none always runs
/// after the same neighbour.
fn rounds(context: &Context, args: &Compare, case: &Case, servers: &[Server]) -> anyhow::Result<CaseReport> {
    let mut runs: Vec<(Subject, Vec<Run>)> =
        servers.iter().map(|server| (server.subject, Vec::new())).collect();
    for round in 0..args.rounds as usize {
        for turn in 0..servers.len() {
            let at = (round + turn) % servers.len();
            let server = &servers[at];
            server.check(context)?;
            let run = load::run(context, server, &case.load, args.warm_up, args.duration)?;
            eprintln!(
                "{} round {}/{} {}: {:.0}/s{}",
                case.name,
                round + 1,
                args.rounds,
                server.subject,
                run.measured.rate,
                notice(&run.measured.faults(&case.load))
            );
            runs[at].1.push(run);
        }
    }
    let servers = runs.iter().map(|(subject, runs)| ServerReport::new(*subject, &case.load, runs)).collect();
    Ok(CaseReport::new(case, servers))
}

fn notice(faults: &[String]) -> String {
    if faults.is_empty() { String::new() } else { format!("  INVALID: {}", faults.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::case::cases;

    #[test]
    fn cases_share_servers_only_when_these_scan_with_the_same_signatures() {
        let cases = cases();
        let groups = groups(&cases);
        let sizes: Vec<_> = groups.iter().map(|group| group.cases.len()).collect();
        assert_eq!(sizes, [1, 1, 1, 1, 1, 1, 1, 4, 4, 3, 1, 1, 1, 1, 3]);
    }
}
