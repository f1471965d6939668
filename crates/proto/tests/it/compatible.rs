//! What was once said stays so: numbers, names and types are never given to something else.

use crate::listing::{self, Listing};
use crate::{at, ours};
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet, MessageOptions};

/// What is checked in.
const SNAPSHOT: &str = "crates/proto/tests/protocol.txt";
/// With it in its environment the test writes what was added into the snapshot.
const BLESS: &str = "ICAPSTAN_BLESS";

/// What differs.
#[derive(Debug, Default, PartialEq)]
struct Differences {
    /// What processes of other versions would take for something else, or miss.
    broken: Vec<String>,
    /// What they do without.
    added: Vec<String>,
}

fn compare(before: &Listing, now: &Listing) -> Differences {
    let mut differences = Differences::default();
    for (key, was) in before {
        match now.get(key) {
            Some(is) if is == was => {}
            Some(is) => differences.broken.push(format!("{key}: was \"{was}\", is \"{is}\"")),
            None => {
                if let Some(text) = missing(key, was, now) {
                    differences.broken.push(text);
                }
            }
        }
    }
    let new = now.iter().filter(|(key, _)| !before.contains_key(*key));
    differences.added.extend(new.map(|(key, is)| format!("{key} = {is}")));
    differences
}

/// What is wrong about a line that is no longer there.
fn missing(key: &str, was: &str, now: &Listing) -> Option<String> {
    let Some((owner, number)) = key.split_once(' ').filter(|(_, number)| number.parse::<i32>().is_ok())
    else {
        return Some(format!("{key} (\"{was}\") is gone, and nothing of it can be reserved: let it stay"));
    };
    if !now.contains_key(owner) {
        // That is said once.
        return None;
    }
    let name = was.rsplit(' ').next().unwrap_or(was);
    let is_reserved = |what: &str| now.contains_key(&format!("{owner} reserved {what}"));
    if is_reserved(number) && is_reserved(name) {
        return None;
    }
    let name_is_there = now.iter().any(|(other, is)| {
        other.strip_prefix(owner).is_some_and(|rest| rest.starts_with(' '))
            && is.rsplit(' ').next() == Some(name)
    });
    let what = if name_is_there { "has another number" } else { "is gone" };
    Some(format!(
        "{key} (\"{was}\") {what}: leave it, or say in {owner}: reserved {number}; reserved \"{name}\";"
    ))
}

#[test]
fn nothing_that_was_said_means_something_else() {
    let path = at(SNAPSHOT);
    let before = listing::read(&std::fs::read_to_string(&path).unwrap_or_default());
    let now = listing::of(&ours());
    let Differences { broken, added } = compare(&before, &now);
    assert!(
        broken.is_empty(),
        "processes of other versions would misunderstand this:\n  {}\nWhat is to be otherwise gets a new number and \
         a new name, or a new version of the package.",
        broken.join("\n  ")
    );
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(path, listing::written(&now)).unwrap();
        return;
    }
    assert!(
        before == now,
        "this is not in {SNAPSHOT}:\n  {}\nIf it is meant so: {BLESS}=1 cargo test -p icapstan-proto",
        added.join("\n  ")
    );
    assert_eq!(std::fs::read_to_string(path).unwrap(), listing::written(&now));
}

fn message<'s>(set: &'s mut FileDescriptorSet, name: &str) -> &'s mut DescriptorProto {
    let mut messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    messages.find(|message| message.name() == name).unwrap()
}

/// What is found of a change.
fn found(change: impl FnOnce(&mut FileDescriptorSet)) -> Differences {
    let before = ours();
    let mut after = before.clone();
    change(&mut after);
    compare(&listing::of(&before), &listing::of(&after))
}

/// A change that breaks something.
type Change = fn(&mut FileDescriptorSet);

#[test]
fn each_change_that_breaks_something_is_found() {
    let changes: [(Change, &str); 10] = [
        (
            |set| message(set, "Load").field[0].name = Some("tasks".to_owned()),
            "icapstan.scan.v1.Load 1: was \"uint32 jobs\", is \"uint32 tasks\"",
        ),
        (
            |set| message(set, "Load").field[0].set_type(Type::Uint64),
            "icapstan.scan.v1.Load 1: was \"uint32 jobs\", is \"uint64 jobs\"",
        ),
        (
            |set| message(set, "Load").field[0].number = Some(60),
            "icapstan.scan.v1.Load 1 (\"uint32 jobs\") has another number: leave it",
        ),
        (
            |set| drop(message(set, "Load").field.remove(0)),
            "icapstan.scan.v1.Load 1 (\"uint32 jobs\") is gone: leave it, or say in icapstan.scan.v1.Load: reserved 1; reserved \"jobs\";",
        ),
        (
            |set| message(set, "State").field[5].oneof_index = None,
            "icapstan.fleet.v1.State 6: was \"oneof role: icapstan.fleet.v1.Scanner scanner\"",
        ),
        (
            |set| {
                // The number alone is not enough: a name counts too, in JSON and in programs.
                let load = message(set, "Load");
                load.field.remove(0);
                load.reserved_range
                    .push(prost_types::descriptor_proto::ReservedRange { start: Some(1), end: Some(2) });
            },
            "icapstan.scan.v1.Load 1 (\"uint32 jobs\") is gone",
        ),
        (
            |set| {
                for file in &mut set.file {
                    file.message_type.retain(|message| message.name() != "Load");
                }
            },
            "icapstan.scan.v1.Load (\"message\") is gone, and nothing of it can be reserved",
        ),
        (
            |set| {
                let mut values = set.file.iter_mut().flat_map(|file| &mut file.enum_type);
                let kinds = values.find(|values| values.name() == "VerdictKind").unwrap();
                kinds.value[0].number = Some(1);
                kinds.value[1].number = Some(0);
            },
            "icapstan.scan.v1.VerdictKind 0: was \"VERDICT_KIND_UNSPECIFIED\", is \"VERDICT_KIND_CLEAN\"",
        ),
        (
            |set| {
                let mut services = set.file.iter_mut().flat_map(|file| &mut file.service);
                services.find(|service| service.name() == "ScanService").unwrap().method[0]
                    .client_streaming = None;
            },
            "icapstan.scan.v1.ScanService Scan: was \"stream icapstan.scan.v1.ScanRequest to",
        ),
        (
            |set| {
                let mut services = set.file.iter_mut().flat_map(|file| &mut file.service);
                services.find(|service| service.name() == "FleetStatus").unwrap().method.clear();
            },
            "icapstan.fleet.v1.FleetStatus Watch (\"icapstan.fleet.v1.WatchRequest to stream",
        ),
    ];
    for (change, said) in changes {
        let Differences { broken, .. } = found(change);
        assert!(broken.first().is_some_and(|first| first.starts_with(said)), "{said}: {broken:#?}");
    }
}

#[test]
fn what_is_added_or_retired_in_order_breaks_nothing() {
    let added = found(|set| {
        let load = message(set, "Load");
        let mut field = load.field[0].clone();
        (field.name, field.number) = (Some("later".to_owned()), Some(6));
        load.field.push(field);
        // Not seen on the wire.
        load.options = Some(MessageOptions { deprecated: Some(true), ..MessageOptions::default() });
    });
    let text = "icapstan.scan.v1.Load 6 = uint32 later".to_owned();
    assert_eq!(added, Differences { broken: Vec::new(), added: vec![text] });

    let retire = |set: &mut FileDescriptorSet| {
        let load = message(set, "Load");
        load.field.remove(0);
        load.reserved_range
            .push(prost_types::descriptor_proto::ReservedRange { start: Some(1), end: Some(2) });
        load.reserved_name.push("jobs".to_owned());
    };
    let retired = found(retire);
    assert_eq!((retired.broken.len(), retired.added.len()), (0, 2), "{retired:?}");

    // And what is reserved stays so.
    let (mut before, after) = (ours(), ours());
    retire(&mut before);
    let broken = compare(&listing::of(&before), &listing::of(&after)).broken;
    assert!(broken.iter().any(|text| text.contains("icapstan.scan.v1.Load reserved jobs")), "{broken:?}");
}

#[test]
fn what_is_written_is_read_again() {
    let listing = listing::of(&ours());
    assert!(listing.len() > 80, "{}", listing.len());
    assert_eq!(listing::read(&listing::written(&listing)), listing);
}
