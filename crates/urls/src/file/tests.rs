use super::*;
use crate::compile::fixture::*;
use crate::entry::{Action, Entry};
use crate::lists::{Kind, Lists};
use proptest::prelude::*;
use std::fs;
use std::sync::LazyLock;
use std::time::SystemTime;
use tempfile::TempDir;

/// A file with something in each part.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let lists = [info("bad", Kind::Malware), info("ads", Kind::Category), info("good", Kind::Allow)];
    let mut lines: Vec<Line> =
        (0..40).map(|number| expression(number % 3, &format!("{number}.example/a"))).collect();
    lines.extend((0..8).map(|number| expression(number % 3, &format!("{number}.example/"))));
    lines.push((1, Action::Block, Entry::Host("alone.example".into())));
    lines.push((0, Action::Allow, expression(0, "3.example/a").2));
    lines.extend((0..8).map(|number| network(number % 3, &format!("10.0.0.{number}"), 32)));
    lines.push(network(1, "2001:db8::", 32));
    lines.push((0, Action::Block, Entry::Hash(crate::entry::hash_key(b"hidden.example/"))));
    bytes(&lists, &lines)
});

const URLS: [&str; 9] = [
    "http://0.example/a",
    "http://1.example/a",
    "http://3.example/a",
    "http://x.7.example/b/c?d",
    "http://alone.example/",
    "http://10.0.0.5/",
    "http://[2001:db8::1]/x",
    "http://hidden.example/y",
    "http://none.example/",
];

fn open(bytes: &[u8]) -> Result<ListFile, OpenError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lists");
    fs::write(&path, bytes).unwrap();
    ListFile::open(&path, &Keep::Memory)
}

fn names(file: ListFile) -> Vec<Option<String>> {
    let lists = Lists::new(file, SystemTime::UNIX_EPOCH);
    URLS.iter().map(|url| list_of(&lists, url)).collect()
}

/// As somebody would leave it who makes files to do harm.
fn with_right_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let content = blake3::hash(&bytes[HASHED_FROM..]);
    bytes[CONTENT].copy_from_slice(content.as_bytes());
    bytes
}

#[test]
fn the_file_has_all_that_went_in() {
    let expected = [
        Some("bad"),
        Some("ads"),
        None,
        Some("ads"),
        Some("ads"),
        Some("good"),
        Some("ads"),
        Some("bad"),
        None,
    ];
    assert_eq!(names(open(&FILE).unwrap()), expected.map(|name| name.map(str::to_owned)));
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    for length in 0..FILE.len() {
        let error = open(&FILE[..length]).unwrap_err();
        assert!(matches!(error, OpenError::Length { .. }), "{length}: {error}");
    }
    let longer = [&FILE[..], b"\0"].concat();
    assert!(matches!(open(&longer), Err(OpenError::Length { .. })));
}

#[test]
fn a_file_in_which_a_bit_is_wrong_is_refused_but_for_what_is_left_to_a_signature() {
    for at in 0..FILE.len() {
        let mut bytes = FILE.clone();
        bytes[at] ^= 1 << (at % 8);
        match at {
            48..128 => assert_eq!(open(&bytes).unwrap().identity(), open(&FILE).unwrap().identity()),
            _ => assert!(open(&bytes).is_err(), "{at}"),
        }
    }
}

#[test]
fn files_of_other_kinds_and_versions_are_named_as_what_they_are() {
    let mut bytes = FILE.clone();
    bytes[8] = 2;
    assert!(matches!(open(&bytes), Err(OpenError::Version(2))));
    assert!(matches!(open(&[b' '; 1000]), Err(OpenError::NotAList)));
    let folder = TempDir::new().unwrap();
    assert!(matches!(ListFile::open(folder.path(), &Keep::Memory), Err(OpenError::NotAList)));
    let nowhere = folder.path().join("nowhere");
    assert!(
        matches!(ListFile::open(&nowhere, &Keep::Memory), Err(OpenError::Open { path, .. }) if path == nowhere)
    );
}

#[test]
fn a_pipe_is_not_waited_for() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    assert!(matches!(ListFile::open(&pipe, &Keep::Memory), Err(OpenError::NotAList)));
}

#[test]
fn what_happens_to_a_file_that_is_open_changes_nothing() {
    let private = TempDir::new().unwrap();
    for keep in [Keep::Memory, Keep::Folder(private.path().to_path_buf())] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("lists");
        fs::write(&path, &*FILE).unwrap();
        let file = ListFile::open(&path, &keep).unwrap();
        // As `cp` does: the same file, empty, and then with other bytes.
        fs::write(&path, b"").unwrap();
        fs::write(&path, vec![0; FILE.len()]).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(file.map.to_vec(), *FILE);
        assert_eq!(names(file), names(open(&FILE).unwrap()));
    }
    assert_eq!(fs::read_dir(private.path()).unwrap().count(), 0);
    let nowhere = Keep::Folder(private.path().join("nowhere"));
    let path = private.path().join("lists");
    fs::write(&path, &*FILE).unwrap();
    assert!(matches!(ListFile::open(&path, &nowhere), Err(OpenError::Copy(_))));
}

proptest! {
    /// Whatever is found: no panic, no read outside (the mapping ends with the file), and an end.
    #[test]
    fn a_file_that_was_made_to_do_harm_does_none(
        changes in prop::collection::vec((prop_oneof![128_usize..HEADER, HEADER..FILE.len()], any::<u8>()), 1..12),
    ) {
        let mut bytes = FILE.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(file) = open(&with_right_checksum(bytes)) {
            prop_assert_eq!(names(file).len(), URLS.len());
        }
    }

    #[test]
    fn parts_that_overlap_or_lie_outside_are_refused(
        field in 0_usize..2 * PARTS,
        number in prop_oneof![any::<u64>(), 0_u64..10_000, u64::MAX - 1000..],
    ) {
        let mut bytes = FILE.clone();
        let at = 160 + 8 * field;
        prop_assume!(bytes[at..at + 8] != number.to_le_bytes());
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        prop_assert!(matches!(open(&with_right_checksum(bytes)), Err(OpenError::Malformed(_))));
    }

    #[test]
    fn bytes_at_random_are_no_file(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(open(&bytes).is_err());
        let mut bytes = [&FILE[..128], &bytes].concat();
        let length = bytes.len() as u64;
        bytes.splice(128..136.min(bytes.len()), length.to_le_bytes());
        prop_assert!(open(&with_right_checksum(bytes)).is_err());
    }
}
