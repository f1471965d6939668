use super::*;
use proptest::prelude::*;
use std::fs;
use std::io::{self, BufReader, Read, Write};

fn seal(recipients: &[Recipient], content: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(&Seal::new(recipients).unwrap(), Vec::new()).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

fn open(sealed: &[u8], identities: &[Identity]) -> Result<io::Result<Vec<u8>>, HeaderError> {
    let mut opener = Opener::new(BufReader::new(sealed), identities)?;
    let mut content = Vec::new();
    Ok(opener.read_to_end(&mut content).map(|_| content))
}

#[test]
fn what_is_sealed_is_opened_by_each_recipient_and_by_nobody_else() {
    let [one, two, other] = [(); 3].map(|()| Identity::generate().unwrap());
    for len in [0, 1, 65_535, 65_536, 65_537, 200_000] {
        let content = vec![7; len];
        let sealed = seal(&[one.recipient(), two.recipient()], &content);
        assert_eq!(sealed.len() as u64, sealed_len(len as u64, 2), "{len}");
        for own in [&one, &two] {
            let own = [Identity::parse(&own.secret()).unwrap()];
            assert!(open(&sealed, &own).unwrap().unwrap() == content, "{len}");
        }
        assert!(matches!(open(&sealed, std::slice::from_ref(&other)), Err(HeaderError::NoKey)));
    }
}

#[test]
fn a_file_that_was_cut_or_changed_is_never_whole() {
    let own = [Identity::generate().unwrap()];
    let content: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let sealed = seal(&[own[0].recipient()], &content);
    let fails = |sealed: &[u8]| !matches!(open(sealed, &own), Ok(Ok(_)));
    // At the seams of chunks too, where what is left could look whole.
    let front = sealed.len() - (content.len() + 4 * 16);
    for end in [0, 10, front - 1, front, front + 65_552, front + 2 * 65_552, sealed.len() - 1] {
        assert!(fails(&sealed[..end]), "{end}");
    }
    assert!(fails(&[&sealed[..], b"x"].concat()));
    for at in (0..sealed.len()).step_by(997).chain(0..front) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(fails(&changed), "{at}");
    }
}

#[test]
fn keys_of_other_kinds_and_in_the_wrong_place_are_told_apart() {
    let own = Identity::generate().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("keys");
        fs::write(&path, text).unwrap();
        path
    };
    let (public, secret) = (own.recipient().to_string(), own.secret());
    let path = file(&format!("# a comment\n\n {public}\r\n{public}\n"));
    assert_eq!(read_recipients(&path).unwrap(), [own.recipient(); 2]);
    let path = file(&format!("# created: now\n# public key: {public}\n{secret}\n"));
    assert_eq!(read_identities(&path).unwrap()[0].recipient(), own.recipient());
    let error = read_recipients(&path).unwrap_err().to_string();
    assert!(error.contains(":3: ") && error.contains("a secret key") && !error.contains(&secret), "{error}");
    assert!(read_identities(&file(&public)).is_err());
    assert!(read_recipients(&file("# nothing\n")).unwrap_err().to_string().contains("holds no key"));
    assert!(read_recipients(&file(&format!("{public}\n").repeat(17))).is_err());
    assert!(read_recipients(&file(&public.replace("age1", "age2"))).is_err());
    assert!(read_recipients(&file("ssh-ed25519 AAAA")).is_err());
    assert!(read_recipients(&folder.path().join("none")).is_err());
    assert!(!format!("{own:?}").contains(&secret));
    // One that leads to the same for everybody.
    let nothing = Recipient([0; 32]);
    assert!(Seal::new(&[nothing]).is_err());
}

proptest! {
    #[test]
    fn whatever_is_read_nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), front in 0..3usize) {
        let own = [Identity::generate().unwrap()];
        let fronts: [&[u8]; 3] = [b"", b"age-encryption.org/v1\n", b"age-encryption.org/v1\n-> X25519 "];
        prop_assert!(open(&[fronts[front], &bytes].concat(), &own).is_err());
    }
}
