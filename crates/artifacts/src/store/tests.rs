use super::*;
use std::io::Write as _;

fn artifact(bytes: &[u8]) -> Artifact {
    Artifact { digest: ContentDigest::of(bytes), size: bytes.len() as u64 }
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for part in [open::WHOLE, open::PARTIAL] {
        for entry in fs::read_dir(folder.join(part)).unwrap() {
            found.push(format!("{part}/{}", entry.unwrap().file_name().into_string().unwrap()));
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_inserted_is_found_by_its_digest_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    let one = store.insert_bytes(b"one").unwrap();
    let mut writer = store.create(10).unwrap();
    writer.write(b"two").unwrap();
    let two = writer.finish().unwrap();
    let none = store.insert_bytes(b"").unwrap();
    assert_eq!(two, artifact(b"two"));
    assert_eq!(store.used_bytes(), 6);
    drop(store);
    let store = Store::open(folder.path(), 100).unwrap();
    for (artifact, bytes) in [(one, &b"one"[..]), (two, b"two"), (none, b"")] {
        assert_eq!(fs::read(store.path(&artifact.digest).unwrap()).unwrap(), bytes);
    }
    assert_eq!((store.used_bytes(), store.held().len()), (6, 3));
    assert_eq!(store.path(&ContentDigest::of(b"three")), None);
}

#[test]
fn other_bytes_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    let wrong = store.insert(&artifact(b"right"), &b"wrong"[..]);
    assert!(matches!(wrong, Err(StoreError::WrongBytes { .. })), "{wrong:?}");
    let long = store.insert(&artifact(b"right"), &b"right, and more"[..]);
    assert!(matches!(long, Err(StoreError::TooLarge(5))), "{long:?}");
    assert_eq!((files(folder.path()), store.used_bytes()), (vec![], 0));
    let mut writer = store.create(4).unwrap();
    assert!(matches!(writer.write(b"12345"), Err(StoreError::TooLarge(4))));
    drop(writer);
    assert_eq!((files(folder.path()), store.used_bytes()), (vec![], 0));
}

#[test]
fn a_store_has_no_more_than_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 10).unwrap();
    store.insert_bytes(b"12345").unwrap();
    let full = store.insert_bytes(b"abcdef").unwrap_err();
    assert!(matches!(full, StoreError::Full(1, 10)) && full.is_full(), "{full:?}");
    let mut cut = store.resume(&artifact(b"ABCDE")).unwrap();
    cut.write(b"ABCD").unwrap();
    assert_eq!(store.used_bytes(), 9);
    assert!(store.insert_bytes(b"ab").unwrap_err().is_full(), "what is being written counts");
    drop(cut);
    // What nobody writes makes way.
    store.insert_bytes(b"abcde").unwrap();
    assert_eq!((store.used_bytes(), files(folder.path()).len()), (10, 2));
}

#[test]
fn a_full_disk_is_told_from_other_faults() {
    let full = |kind| StoreError::file("write", "x")(io::Error::from(kind)).is_full();
    assert!(full(io::ErrorKind::StorageFull) && full(io::ErrorKind::QuotaExceeded));
    assert!(!full(io::ErrorKind::PermissionDenied));
    let error = File::options().write(true).open("/dev/full").unwrap().write_all(b"x").unwrap_err();
    assert!(StoreError::file("write", "x")(error).is_full());
}

#[test]
fn what_a_crash_left_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    let [good, torn] = [&b"good"[..], b"torn"].map(|bytes| store.insert_bytes(bytes).unwrap());
    let path = store.path(&torn.digest).unwrap();
    drop(store);
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"to\0\0").unwrap();
    fs::write(folder.path().join("partial/tmp-1"), b"x").unwrap();
    fs::write(folder.path().join("partial").join(good.digest.hex()), b"go").unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    assert_eq!((store.path(&torn.digest), store.used_bytes()), (None, 4));
    assert_eq!(files(folder.path()), [format!("sha256/{}", good.digest.hex())]);
}

#[test]
fn a_file_that_went_away_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    let one = store.insert_bytes(b"one").unwrap();
    fs::remove_file(store.path(&one.digest).unwrap()).unwrap();
    assert_eq!((store.path(&one.digest), store.used_bytes()), (None, 0));
    store.insert_bytes(b"one").unwrap();
    assert!(store.path(&one.digest).is_some());
}

#[test]
fn a_cut_file_is_gone_on_with_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let whole = artifact(b"0123456789");
    for (part, so_far) in [(&b"0123"[..], 0), (b"456", 4)] {
        let store = Store::open(folder.path(), 100).unwrap();
        let mut writer = store.resume(&whole).unwrap();
        assert_eq!(writer.written(), so_far);
        writer.write(part).unwrap();
        drop(writer);
        assert_eq!(store.partial_len(&whole.digest), so_far + part.len() as u64);
        assert_eq!(store.used_bytes(), store.partial_len(&whole.digest));
        assert_eq!(store.path(&whole.digest), None);
    }
    let store = Store::open(folder.path(), 100).unwrap();
    let short = store.resume(&whole).unwrap().finish();
    assert!(matches!(short, Err(StoreError::Short { expected: 10, found: 7 })), "{short:?}");
    let mut writer = store.resume(&whole).unwrap();
    writer.write(b"789").unwrap();
    assert_eq!(writer.finish().unwrap(), whole);
    assert_eq!((store.used_bytes(), store.partial_len(&whole.digest)), (10, 0));
}

#[test]
fn two_may_write_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    let whole = artifact(b"same");
    let mut writers = [store.resume(&whole).unwrap(), store.resume(&whole).unwrap()];
    for writer in &mut writers {
        writer.write(b"same").unwrap();
    }
    assert_eq!(store.used_bytes(), 8);
    for writer in writers {
        assert_eq!(writer.finish().unwrap(), whole);
    }
    assert_eq!((store.used_bytes(), files(folder.path()).len()), (4, 1));
}

#[test]
fn what_is_not_kept_goes_and_takes_nothing_from_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    let [kept, gone] = [&b"kept"[..], b"gone!"].map(|bytes| store.insert_bytes(bytes).unwrap());
    let mut cut = store.resume(&artifact(b"other")).unwrap();
    cut.write(b"oth").unwrap();
    let place = folder.path().join("daily.ndb");
    assert!(store.place(&gone.digest, &place).unwrap());
    assert_eq!(store.keep_only(&BTreeSet::from([kept.digest])), 5);
    drop(cut);
    assert_eq!(store.keep_only(&BTreeSet::from([kept.digest])), 3);
    assert_eq!((store.path(&gone.digest), store.used_bytes()), (None, 4));
    assert_eq!(files(folder.path()), [format!("sha256/{}", kept.digest.hex())]);
    assert_eq!(fs::read(&place).unwrap(), b"gone!");
    assert!(!store.place(&gone.digest, &place).unwrap());
}

#[test]
fn a_folder_is_of_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 100).unwrap();
    assert!(matches!(Store::open(folder.path(), 100), Err(StoreError::Taken(_))));
    drop(store);
    Store::open(folder.path(), 100).unwrap();
}
