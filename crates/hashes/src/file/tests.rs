use super::*;
use crate::compile::Compiler;
use crate::digest::{Entry, Hasher};
use crate::lists::{Kind, ListInfo};
use std::fs;

fn good() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lists");
    let info = |name: &str, kind| ListInfo { name: name.into(), kind, source: "test".into() };
    let mut compiler =
        Compiler::new(&path, vec![info("bad", Kind::Deny), info("fine", Kind::Allow)]).unwrap();
    for number in 0..60_u8 {
        let mut hasher = Hasher::new([Algorithm::ALL[usize::from(number) % 3]]);
        hasher.update(&[number]);
        let digest = *hasher.finish().iter().next().unwrap();
        let list = usize::from(number % 6 == 5);
        compiler.add(list, &Entry { digest, size: Some(1).filter(|_| number % 2 == 0) }, "Worm").unwrap();
    }
    compiler.finish().unwrap();
    fs::read(path).unwrap()
}

fn open(bytes: &[u8]) -> Result<ListFile, OpenError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lists");
    fs::write(&path, bytes).unwrap();
    ListFile::open(&path)
}

fn summed(bytes: &mut [u8]) {
    let sum = blake3::hash(&bytes[HASHED_FROM..]);
    bytes[CONTENT].copy_from_slice(sum.as_bytes());
}

#[test]
fn a_changed_byte_is_told_wherever_it_is_but_where_a_signature_may_come() {
    let good = good();
    assert_eq!(open(&good).unwrap().entries(), 60);
    for at in (0..good.len()).step_by(7).chain(0..48) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert_eq!(open(&bytes).is_err(), !(48..128).contains(&at), "{at}");
    }
    for len in [0, 1, 319, 320, good.len() - 1] {
        assert!(open(&good[..len]).is_err(), "{len}");
    }
    assert!(open(&[&good[..], b"x"].concat()).is_err());
    assert!(matches!(ListFile::open(Path::new("/dev/null")), Err(OpenError::NotAList)));
    assert!(matches!(ListFile::open(Path::new("/nowhere")), Err(OpenError::Open { .. })));
}

#[test]
fn a_file_made_to_do_harm_has_or_lacks_entries_and_does_nothing_worse() {
    let good = good();
    for at in (128..good.len()).step_by(5) {
        let mut bytes = good.clone();
        bytes[at] = !bytes[at];
        summed(&mut bytes);
        let Ok(file) = open(&bytes) else { continue };
        for number in 0..60_u8 {
            let mut hasher = Hasher::new(Algorithm::ALL);
            hasher.update(&[number]);
            for digest in hasher.finish().iter() {
                if let Some(found) = file.find(digest, |_| true) {
                    assert!(file.lists().contains(&found.list));
                }
            }
        }
    }
}
