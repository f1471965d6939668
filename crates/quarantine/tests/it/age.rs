//! What is written here the program `age` reads, and the other way round.

use crate::setup::{Setup, candidate};
use icapstan_quarantine::{Identity, Metadata, read_identities, read_record, write_record};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

fn age() -> bool {
    let skip = std::env::var("ICAPSTAN_SKIP").unwrap_or_default();
    if skip.split(',').any(|word| word.trim() == "age") {
        println!("left out: ICAPSTAN_SKIP names age");
        return false;
    }
    assert!(
        Path::new("/usr/bin/age").exists(),
        "install the package age (`make setup-test`), or leave these tests out with ICAPSTAN_SKIP=age"
    );
    true
}

fn run(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

#[test]
fn age_opens_what_was_kept() {
    if !age() {
        return;
    }
    let mut setup = Setup::new();
    let running = setup.start().unwrap();
    let key = setup.dir().join("key");
    fs::write(&key, setup.identity.secret()).unwrap();
    for len in [1, 65_536, 300_000] {
        let id = running.quarantine.offer(candidate(&content(len))).unwrap();
        setup.until("queue_length", None, 0);
        let file = setup.path().join(format!("{id}.age"));
        let opened = run("age", &["-d", "-i", key.to_str().unwrap(), file.to_str().unwrap()], b"");
        let mut parts = opened.splitn(3, |byte| *byte == b'\n');
        assert_eq!(parts.next().unwrap(), b"icapstan-quarantine/1");
        let known = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
        assert!(known.contains(id.as_str()) && known.contains(&format!("\"length\":{len}")), "{known}");
        assert!(parts.next().unwrap() == content(len), "{len}");
    }
    assert!(running.guard.stop(std::time::Duration::from_secs(10)));
}

#[test]
fn what_age_sealed_is_opened_with_keys_that_it_made() {
    if !age() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (key, sealed) = (folder.path().join("key"), folder.path().join("sealed"));
    run("age-keygen", &["-o", key.to_str().unwrap()], b"");
    let identities = read_identities(&key).unwrap();
    let public = run("age-keygen", &["-y", key.to_str().unwrap()], b"");
    assert_eq!(identities[0].recipient().to_string(), String::from_utf8(public).unwrap().trim());
    // Sealed for somebody else too, and that comes first.
    let other = Identity::generate().unwrap();
    let known = Metadata { url: "http://o.test/".to_owned(), ..Metadata::default() };
    for len in [0, 65_000, 200_000] {
        let plain =
            [b"icapstan-quarantine/1\n", &serde_json::to_vec(&known).unwrap()[..], b"\n", &content(len)]
                .concat();
        let [first, second] = [other.recipient().to_string(), identities[0].recipient().to_string()];
        run("age", &["-r", &first, "-r", &second, "-o", sealed.to_str().unwrap()], &plain);
        let (read, mut opened) = read_record(File::open(&sealed).unwrap(), &identities).unwrap();
        let mut bytes = Vec::new();
        opened.read_to_end(&mut bytes).unwrap();
        assert!(read == known && bytes == content(len), "{len}");
    }
    let stranger = [Identity::generate().unwrap()];
    assert!(read_record(File::open(&sealed).unwrap(), &stranger).is_err());
    // With a passphrase, or for a key of another kind, it is nobody's here, and no fault of the file.
    let mut out = Vec::new();
    write_record(&[other.recipient()], &known, &mut &b"x"[..], &mut out).unwrap();
    assert!(read_record(&out[..], &identities).is_err());
}
