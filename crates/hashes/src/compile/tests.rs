use super::*;
use crate::digest::{Digests, Hasher};
use crate::file::ListFile;
use crate::lists::{Lists, Match};
use proptest::prelude::*;
use std::path::Path;
use std::time::SystemTime;

fn info(name: &str, kind: Kind) -> ListInfo {
    ListInfo { name: name.into(), kind, source: "test".into() }
}

fn digests(bytes: &[u8]) -> Digests {
    let mut hasher = Hasher::new(Algorithm::ALL);
    hasher.update(bytes);
    hasher.finish()
}

fn entry(bytes: &[u8], algorithm: Algorithm, size: Option<u32>) -> Entry {
    let digests = digests(bytes);
    let digest = *digests.iter().find(|digest| digest.algorithm() == algorithm).unwrap();
    Entry { digest, size }
}

fn open(path: &Path) -> Lists {
    Lists::new(ListFile::open(path).unwrap(), SystemTime::UNIX_EPOCH)
}

fn name(found: Option<Match>) -> Option<String> {
    found.map(|found| found.name.to_string())
}

#[test]
fn each_entry_is_found_by_its_digest_and_size_and_what_denies_wins() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("lists");
    let lists = vec![info("fine", Kind::Allow), info("bad", Kind::Deny), info("worse", Kind::Deny)];
    let mut compiler = Compiler::new(&target, lists).unwrap();
    let mut add = |list, entry, name| compiler.add(list, &entry, name);
    add(1, entry(b"one", Algorithm::Md5, Some(3)), "Md5.One").unwrap();
    add(1, entry(b"two", Algorithm::Sha1, None), "").unwrap();
    add(2, entry(b"two", Algorithm::Sha1, None), "Late").unwrap();
    add(1, entry(b"three", Algorithm::Sha256, Some(6)), "Wrong.Size").unwrap();
    for both in [b"four", b"five"] {
        add(0, entry(both, Algorithm::Sha256, None), "").unwrap();
    }
    add(2, entry(b"four", Algorithm::Sha256, Some(4)), "Sha256.Four").unwrap();
    add(0, entry(b"six", Algorithm::Sha256, None), "Fine.Six").unwrap();
    add(2, entry(b"six", Algorithm::Md5, None), "Md5.Six").unwrap();
    assert!(matches!(add(0, entry(b"x", Algorithm::Md5, None), ""), Err(CompileError::Weak(Algorithm::Md5))));
    assert!(matches!(add(3, entry(b"x", Algorithm::Md5, None), ""), Err(CompileError::NoSuchList(3))));
    let compiled = compiler.finish().unwrap();
    assert_eq!(compiled.lists.iter().map(|list| list.entries).collect::<Vec<_>>(), [3, 3, 3]);

    let lists = open(&target);
    assert_eq!((lists.identity(), lists.entries()), (Some(compiled.identity), 8));
    let find = |bytes: &[u8]| {
        let mut hasher = lists.hasher();
        hasher.update(bytes);
        lists.lookup(&hasher.finish())
    };
    assert_eq!(name(find(b"one")).as_deref(), Some("Md5.One"));
    assert_eq!(name(find(b"two")).as_deref(), Some("Hash.bad"), "the first list that denies");
    assert_eq!(find(b"three"), None, "another size");
    assert_eq!(name(find(b"four")).as_deref(), Some("Sha256.Four"));
    assert_eq!(find(b"five").map(|found| found.list.info.kind), Some(Kind::Allow));
    assert_eq!(name(find(b"six")).as_deref(), Some("Md5.Six"), "by whatever digest");
    assert_eq!(find(b"seven"), None);
    let three = entry(b"three", Algorithm::Sha256, None).digest;
    assert_eq!(name(lists.lookup_digest(&three)).as_deref(), Some("Wrong.Size"));
}

#[test]
fn only_digests_that_are_listed_are_computed() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("lists");
    let mut compiler = Compiler::new(&target, vec![info("bad", Kind::Deny)]).unwrap();
    compiler.add(0, &entry(b"x", Algorithm::Sha1, None), "").unwrap();
    compiler.finish().unwrap();
    let algorithms: Vec<_> = open(&target).hasher().finish().iter().map(Digest::algorithm).collect();
    assert_eq!(algorithms, [Algorithm::Sha1]);
}

#[test]
fn lists_that_cannot_be_told_apart_are_refused_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("lists");
    let refused = |lists| Compiler::new(&target, lists).unwrap_err();
    let same = vec![info("a", Kind::Deny), info("a", Kind::Allow)];
    assert!(matches!(refused(same), CompileError::SameName(_)));
    assert!(matches!(refused(vec![info("", Kind::Deny)]), CompileError::BadName(_)));
    assert!(matches!(refused(vec![info("a", Kind::Deny); MAX_LISTS + 1]), CompileError::TooManyLists(_)));
    drop(Compiler::new(&target, vec![info("a", Kind::Deny)]).unwrap());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    let missing = Compiler::new(&folder.path().join("no/lists"), vec![]).unwrap_err();
    assert!(matches!(missing, CompileError::Write { .. }));
}

proptest! {
    #[test]
    fn compiled_lists_say_what_a_look_at_each_entry_says(
        entries in prop::collection::vec((0_usize..3, 0_u8..12, 0_usize..3, prop::option::of(0_u32..3)), 0..40),
    ) {
        let kinds = [Kind::Deny, Kind::Allow, Kind::Deny];
        let folder = tempfile::tempdir().unwrap();
        let infos = || vec![info("a", kinds[0]), info("b", kinds[1]), info("c", kinds[2])];
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let mut identities = Vec::new();
        for target in [&one, &two] {
            let mut compiler = Compiler::new(target, infos()).unwrap();
            for &(list, byte, algorithm, size) in &entries {
                let algorithm = if kinds[list] == Kind::Allow { 2 } else { algorithm };
                compiler.add(list, &entry(&[byte], Algorithm::ALL[algorithm], size), "").unwrap();
            }
            identities.push(compiler.finish().unwrap().identity);
        }
        prop_assert_eq!(identities[0], identities[1]);
        let lists = open(&one);
        for byte in 0..13 {
            let has = |kind| entries.iter().any(|&(list, other, _, size)| {
                kinds[list] == kind && other == byte && size.is_none_or(|size| size == 1)
            });
            let expected = Kind::ALL.into_iter().find(|kind| has(*kind));
            let found = lists.lookup(&digests(&[byte]));
            prop_assert_eq!(found.map(|found| found.list.info.kind), expected);
        }
    }
}
