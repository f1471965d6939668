//! What is measured, and what is expected of it: the tables.

use super::target::Target;
use super::urls::{Entries, LARGE, USUAL};
use crate::cli::Suite;
use crate::sigdb::Preset;
use serde::Serialize;
use std::fmt;

/// A server that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Subject {
    /// `icapstan standalone`.
    Icapstan,
    /// `icapstan standalone` without lists.
    NoLists,
    /// `icapstan gateway` with one `icapstan scanner`.
    Tiers,
    /// c-icap with its echo service, with `virus_scan` and clamd, or with `url_check`.
    CIcap,
    /// A loop that answers without parsing: what is left when nothing is done.
    Bare,
}

/// The signatures that servers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database {
    /// Nothing is scanned.
    None,
    /// Both engines load the same folder.
    Set(Preset),
    /// All servers have the same list of domains.
    Domains(Entries),
    /// One server has a list, the other has none.
    List(Entries),
}

/// The requests of a case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// `--shape` of the load generator.
    pub(super) shape: Shape,
    /// How many connections send at once.
    pub(super) connections: u32,
    /// The body's size in bytes.
    pub(super) body: u32,
    /// What the body is like.
    pub(super) kind: Kind,
    /// No body and no URL is sent twice.
    pub(super) unique: bool,
    /// No two URLs have the same host.
    pub(super) unique_hosts: bool,
    /// `Allow: 204` with bodies; what has none always allows it.
    pub(super) allow_204: bool,
    /// Each request has a connection of its own.
    pub(super) new_connections: bool,
    /// Requests a second at fixed times, which may be refused; without it each connection asks as fast as
    /// it is answered, and no refusal is right.
    pub(super) rate: Option<f64>,
    /// The one status that is right.
    pub(super) status: u16,
}

/// Methods of ICAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Options,
    Reqmod,
    Respmod,
}

/// Kinds of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Html,
}

/// One line of the comparison.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// What `--only` selects by.
    pub(super) name: &'static str,
    /// In words.
    pub(super) about: &'static str,
    /// The set that it is part of.
    pub(super) suite: Suite,
    /// What the servers have loaded.
    pub(super) database: Database,
    /// What is sent.
    pub(super) load: Load,
    /// What the first of the servers has to reach.
    pub(super) targets: &'static [Target],
}

use Subject::{Bare, CIcap, Icapstan, NoLists, Tiers};

/// As many connections as a busy proxy has requests under way.
const SOME: u32 = 16;
/// As many as a large proxy keeps open.
const MANY: u32 = 1000;
const KIB: u32 = 1024;

const OPTIONS: Load = Load {
    shape: Shape::Options,
    connections: SOME,
    body: 0,
    kind: Kind::Text,
    unique: false,
    unique_hosts: false,
    allow_204: false,
    new_connections: false,
    rate: None,
    status: 200,
};
const REQMOD: Load = Load { shape: Shape::Reqmod, allow_204: true, status: 204, ..OPTIONS };
const ECHO: Load = Load { shape: Shape::Respmod, ..OPTIONS };
/// Each host another one: what was looked up last helps nobody.
const LOOKUP: Load = Load { unique: true, unique_hosts: true, ..REQMOD };
const SCAN: Load = Load { unique: true, allow_204: true, status: 204, ..ECHO };

const NO_TARGET: &[Target] = &[];
const OPTIONS_TARGETS: &[Target] = &[Target::rate(CIcap, 1.2)];
const REQMOD_TARGETS: &[Target] = &[Target::cpu(CIcap, 0.8)];
const ECHO_TARGETS: &[Target] = &[Target::rate(CIcap, 2.5)];
const SMALL_SCAN_TARGETS: &[Target] = &[Target::rate(CIcap, 1.5)];
const LARGE_SCAN_TARGETS: &[Target] = &[Target::rate(CIcap, 1.2)];
const SMALL_HIT_TARGETS: &[Target] = &[Target::cpu(CIcap, 0.1)];
const LARGE_HIT_TARGETS: &[Target] = &[Target::rate(CIcap, 3.0)];
const LOOKUP_TARGETS: &[Target] = &[Target::rate(CIcap, 1.2), Target::cpu(CIcap, 0.7)];
const MANY_LOOKUPS_TARGETS: &[Target] = &[Target::rate(CIcap, 1.0), Target::cpu(CIcap, 1.0)];
const HOP_TARGETS: &[Target] = &[Target::cpu(Icapstan, 1.15)];
const LARGE_LIST_TARGETS: &[Target] = &[Target::cpu(NoLists, 1.25)];

/// All cases, in the order in which they are measured.
pub(super) fn cases() -> Vec<Case> {
    let protocol = [
        ("options-16", "OPTIONS", OPTIONS, OPTIONS_TARGETS),
        ("reqmod-16", "REQMOD without a body, 204", REQMOD, REQMOD_TARGETS),
        ("reqmod-1000", "REQMOD without a body, 204", Load { connections: MANY, ..REQMOD }, REQMOD_TARGETS),
        ("echo-10k", "RESPMOD sent back, 10 KiB", Load { body: 10 * KIB, ..ECHO }, ECHO_TARGETS),
        ("echo-64k", "RESPMOD sent back, 64 KiB", Load { body: 64 * KIB, ..ECHO }, ECHO_TARGETS),
        ("echo-1m", "RESPMOD sent back, 1 MiB", Load { body: 1024 * KIB, ..ECHO }, ECHO_TARGETS),
        (
            "reqmod-new",
            "REQMOD without a body, 204, each on a new connection",
            Load { new_connections: true, ..REQMOD },
            NO_TARGET,
        ),
    ];
    let scan = [
        ("medium/text-1k", Preset::Medium, "RESPMOD scanned, 1 KiB of text", KIB, Kind::Text),
        ("medium/text-10k", Preset::Medium, "RESPMOD scanned, 10 KiB of text", 10 * KIB, Kind::Text),
        ("medium/text-64k", Preset::Medium, "RESPMOD scanned, 64 KiB of text", 64 * KIB, Kind::Text),
        ("medium/html-10k", Preset::Medium, "RESPMOD scanned, 10 KiB of HTML", 10 * KIB, Kind::Html),
        ("official/text-1k", Preset::Official, "RESPMOD scanned, 1 KiB of text", KIB, Kind::Text),
        ("official/text-10k", Preset::Official, "RESPMOD scanned, 10 KiB of text", 10 * KIB, Kind::Text),
        ("official/text-64k", Preset::Official, "RESPMOD scanned, 64 KiB of text", 64 * KIB, Kind::Text),
        ("official/html-10k", Preset::Official, "RESPMOD scanned, 10 KiB of HTML", 10 * KIB, Kind::Html),
    ];
    let protocol = protocol.into_iter().map(|(name, about, load, targets)| Case {
        name,
        about,
        suite: Suite::Protocol,
        database: Database::None,
        load,
        targets,
    });
    let scan = scan.into_iter().map(|(name, preset, about, body, kind)| Case {
        name,
        about,
        suite: Suite::Scan,
        database: Database::Set(preset),
        load: Load { body, kind, ..SCAN },
        targets: match kind {
            Kind::Html => NO_TARGET,
            Kind::Text if body > 10 * KIB => LARGE_SCAN_TARGETS,
            Kind::Text => SMALL_SCAN_TARGETS,
        },
    });
    protocol.chain(scan).chain(cache()).chain(urls()).chain(hop()).collect()
}

/// Those about objects that came before, which clamd remembers too.
fn cache() -> impl Iterator<Item = Case> {
    let cases = [
        ("cache/text-10k", "RESPMOD of the same 10 KiB of text each time", 10 * KIB, SMALL_HIT_TARGETS),
        ("cache/text-64k", "RESPMOD of the same 64 KiB of text each time", 64 * KIB, NO_TARGET),
        ("cache/text-1m", "RESPMOD of the same 1 MiB of text each time", 1024 * KIB, LARGE_HIT_TARGETS),
    ];
    cases.into_iter().map(|(name, about, body, targets)| Case {
        name,
        about,
        suite: Suite::Cache,
        database: Database::Set(Preset::Medium),
        load: Load { body, unique: false, ..SCAN },
        targets,
    })
}

/// Those about URL lists.
fn urls() -> impl Iterator<Item = Case> {
    let many = Load { connections: MANY, ..LOOKUP };
    let usual = "REQMOD of a URL that is not among 100,000 domains, 204";
    let large = "REQMOD of a URL that is not among 5,000,000 entries, 204";
    let cases = [
        ("urls/usual-16", usual, Database::Domains(USUAL), LOOKUP, LOOKUP_TARGETS),
        ("urls/usual-1000", usual, Database::Domains(USUAL), many, MANY_LOOKUPS_TARGETS),
        ("urls/large-16", large, Database::List(LARGE), LOOKUP, LARGE_LIST_TARGETS),
    ];
    cases.into_iter().map(|(name, about, database, load, targets)| Case {
        name,
        about,
        suite: Suite::Urls,
        database,
        load,
        targets,
    })
}

/// Those about two tiers beside one process.
fn hop() -> impl Iterator<Item = Case> {
    let one = Load { connections: 1, body: 10 * KIB, ..SCAN };
    let small = Load { connections: SOME, ..one };
    let large = Load { connections: 4, body: 1024 * KIB, ..SCAN };
    let cases = [
        ("hop/medium/text-10k", Preset::Medium, "10 KiB of text", small, HOP_TARGETS),
        ("hop/official/text-10k", Preset::Official, "10 KiB of text", small, HOP_TARGETS),
        ("hop/official/text-10k-1", Preset::Official, "10 KiB of text, one after the other", one, NO_TARGET),
        ("hop/official/text-1m", Preset::Official, "1 MiB of text", large, NO_TARGET),
    ];
    cases.into_iter().map(|(name, preset, about, load, targets)| Case {
        name,
        about,
        suite: Suite::Hop,
        database: Database::Set(preset),
        load,
        targets,
    })
}

// === impl Case ===

impl Case {
    /// The servers that it is measured with; the first is compared with each of the others.
    pub(super) fn subjects(&self) -> &'static [Subject] {
        if self.suite == Suite::Hop {
            return &[Tiers, Icapstan];
        }
        match self.database {
            Database::None => &[Icapstan, CIcap, Bare],
            Database::Set(_) | Database::Domains(_) => &[Icapstan, CIcap],
            Database::List(_) => &[Icapstan, NoLists],
        }
    }
}

// === impl Subject ===

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Icapstan => "icapstan",
            Self::NoLists => "no lists",
            Self::Tiers => "tiers",
            Self::CIcap => "c-icap",
            Self::Bare => "bare",
        })
    }
}

// === impl Shape ===

impl Shape {
    /// As the load generator calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Options => "options",
            Self::Reqmod => "reqmod",
            Self::Respmod => "respmod",
        }
    }
}

// === impl Kind ===

impl Kind {
    /// As the load generator calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Html => "html",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_targets_are_against_servers_that_are_measured() {
        let cases = cases();
        let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), cases.len());
        for case in &cases {
            assert!(case.targets.iter().all(|target| case.subjects().contains(&target.versus)));
        }
    }

    #[test]
    fn only_cases_about_the_cache_send_an_object_twice() {
        for case in cases().iter().filter(|case| case.suite == Suite::Scan) {
            assert!(case.load.unique && case.load.body > 0 && case.load.status == 204, "{}", case.name);
        }
        for case in cases().iter().filter(|case| case.suite == Suite::Cache) {
            assert!(!case.load.unique && case.load.status == 204, "{}", case.name);
        }
    }
}
