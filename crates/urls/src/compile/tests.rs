use super::fixture::*;
use super::*;
use crate::file::{Keep, ListFile};
use std::fs;
use tempfile::TempDir;

fn some_lines() -> Vec<Line> {
    let urls =
        (0..500).map(|number| expression(number % 2, &format!("host{}.example/path{number}", number % 7)));
    let hosts =
        (0..50).map(|number| (1, Action::Block, Entry::Host(format!("alone{number}.example").into())));
    let networks = (0..50).map(|number| network(number % 2, &format!("192.0.2.{number}"), 32));
    let hashes = (0..5).map(|number| (0, Action::Block, Entry::Hash([number; 32])));
    urls.chain(hosts).chain(networks).chain(hashes).collect()
}

fn two_lists() -> [ListInfo; 2] {
    [info("bad", Kind::Malware), info("ads", Kind::Category)]
}

#[test]
fn the_same_entries_make_the_same_file_in_whatever_order_they_come() {
    let lines = some_lines();
    let file = bytes(&two_lists(), &lines);
    assert_eq!(bytes(&two_lists(), &lines), file);
    let backwards: Vec<_> = lines.iter().rev().cloned().collect();
    assert_eq!(bytes(&two_lists(), &backwards), file);
    assert_ne!(bytes(&two_lists(), &lines[1..]), file);
}

#[test]
fn what_is_said_of_a_list_is_part_of_the_identity() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    let identity = |lists: &[ListInfo], lines| compile(&target, lists, lines).identity;
    let lines = some_lines();
    let [bad, ads] = two_lists();
    let first = identity(&[bad.clone(), ads.clone()], &lines);
    assert_eq!(ListFile::open(&target, &Keep::Memory).unwrap().identity(), first);
    assert_eq!(first.to_string().len(), 64);
    let others = [
        ListInfo { name: "Bad".into(), ..bad.clone() },
        ListInfo { kind: Kind::Phishing, ..bad.clone() },
        ListInfo { category: Some("virus".into()), ..bad.clone() },
        ListInfo { source: "".into(), ..bad.clone() },
    ];
    for other in others {
        assert_ne!(identity(&[other, ads.clone()], &lines), first);
    }
}

#[test]
fn entries_that_come_twice_count_once_in_each_list() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    let host = |list| (list, Action::Block, Entry::Host("a.example".into()));
    let lines = [
        expression(0, "a.example/"),
        expression(0, "a.example/"),
        expression(1, "a.example/"),
        host(1),
        network(1, "192.0.2.0", 24),
        network(1, "192.0.2.0", 24),
        (1, Action::Allow, Entry::Network("192.0.2.0".parse().unwrap(), 24)),
    ];
    let compiled = compile(&target, &two_lists(), &lines);
    let counts: Vec<_> =
        compiled.lists.iter().map(|list| (&*list.info.name, list.keys, list.networks)).collect();
    assert_eq!(counts, [("bad", 1, 0), ("ads", 2, 2)]);
    assert_eq!(compiled.bytes, fs::metadata(&target).unwrap().len());
    let file = ListFile::open(&target, &Keep::Memory).unwrap();
    assert_eq!(file.entries(), 5);
    assert_eq!(file.lists().iter().map(|list| List::clone(list)).collect::<Vec<_>>(), compiled.lists);
    assert_eq!(file.lists().iter().map(|list| list.entries()).collect::<Vec<_>>(), [1, 4]);
}

#[test]
fn nothing_but_the_file_is_left_in_its_folder_and_an_old_one_stays_until_then() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    let names =
        || -> Vec<_> { fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect() };
    fs::write(&target, "an old one").unwrap();
    let mut compiler = Compiler::new(&target, two_lists().to_vec()).unwrap();
    compiler.add(0, Action::Block, &Entry::Host("a.example".into())).unwrap();
    assert_eq!(names(), ["lists"]);
    drop(compiler);
    assert_eq!(fs::read(&target).unwrap(), b"an old one");
    compile(&target, &two_lists(), &some_lines());
    assert_eq!(names(), ["lists"]);
    ListFile::open(&target, &Keep::Memory).unwrap();
}

#[test]
fn a_file_that_cannot_be_put_in_place_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    // No file takes the place of a folder.
    fs::create_dir(&target).unwrap();
    let compiler = Compiler::new(&target, two_lists().to_vec()).unwrap();
    assert!(matches!(compiler.finish(), Err(CompileError::Write { path, .. }) if path == target));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("not/there");
    assert!(matches!(Compiler::new(&nowhere, Vec::new()), Err(CompileError::Write { .. })));
}

#[test]
fn lists_that_cannot_be_told_apart_or_described_are_refused() {
    let folder = TempDir::new().unwrap();
    let refused = |lists: Vec<ListInfo>| Compiler::new(&folder.path().join("lists"), lists).unwrap_err();
    let bad = info("bad", Kind::Malware);
    assert!(matches!(refused(vec![bad.clone(), bad.clone()]), CompileError::SameName(_)));
    let category = |category: Option<&str>| ListInfo {
        category: category.map(Into::into),
        ..info("ads", Kind::Category)
    };
    assert!(matches!(refused(vec![category(None)]), CompileError::NoCategory(_)));
    assert!(matches!(refused(vec![category(Some(""))]), CompileError::BadName(_)));
    let long = "x".repeat(MAX_NAME + 1);
    for list in
        [info("", Kind::Allow), info(&long, Kind::Allow), ListInfo { source: long.clone().into(), ..bad }]
    {
        assert!(matches!(refused(vec![list]), CompileError::BadName(_)));
    }
    let many = (0..=MAX_LISTS).map(|number| info(&number.to_string(), Kind::Allow)).collect();
    assert!(matches!(refused(many), CompileError::TooManyLists(_)));
}

#[test]
fn as_many_lists_as_there_may_be_with_the_longest_names_are_told_apart() {
    let lists: Vec<_> =
        (0..MAX_LISTS).map(|number| info(&format!("{number:01024}"), Kind::Phishing)).collect();
    let lines: Vec<_> =
        (0..MAX_LISTS).map(|number| expression(number, &format!("{number}.example/"))).collect();
    let lists = fixture::lists(&lists, &lines);
    for number in [0, 63, 64, MAX_LISTS - 1] {
        assert_eq!(list_of(&lists, &format!("http://{number}.example/")), Some(format!("{number:01024}")));
    }
}

#[test]
fn entries_that_make_no_sense_are_refused_and_the_others_stay() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    let mut compiler = Compiler::new(&target, two_lists().to_vec()).unwrap();
    let mut add = |(list, action, entry): Line| compiler.add(list, action, &entry);
    assert!(matches!(add(expression(2, "a.example/")), Err(CompileError::NoSuchList(2))));
    assert!(matches!(add(network(0, "192.0.2.0", 33)), Err(CompileError::BadNetwork(_))));
    add(expression(1, "b.example/")).unwrap();
    assert_eq!(compiler.finish().unwrap().lists.iter().map(List::entries).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn networks_may_repeat_without_end_but_not_be_too_many() {
    let folder = TempDir::new().unwrap();
    let target = folder.path().join("lists");
    let mut compiler = Compiler::new(&target, two_lists().to_vec()).unwrap();
    let mut add = |bits: u32| {
        compiler.add(0, Action::Block, &Entry::Network(std::net::Ipv4Addr::from_bits(bits).into(), 32))
    };
    let many = u32::try_from(MAX_NETWORKS).unwrap();
    for bits in 0..many * 3 {
        add(bits % (many / 4)).unwrap();
    }
    for bits in 0..many {
        add(bits).unwrap();
    }
    assert!(matches!((many..many * 2).try_for_each(&mut add), Err(CompileError::TooMany)));
    drop(compiler);
    let mut compiler = Compiler::new(&target, two_lists().to_vec()).unwrap();
    for bits in 0..=many {
        compiler
            .add(0, Action::Block, &Entry::Network(std::net::Ipv4Addr::from_bits(bits).into(), 32))
            .unwrap();
    }
    assert!(matches!(compiler.finish(), Err(CompileError::TooMany)));
    assert!(!target.exists());
}
