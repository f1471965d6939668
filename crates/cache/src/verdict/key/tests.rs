//! No two objects that may be judged otherwise have one key.

use super::*;
use icapstan_model::{GenerationId, HeuristicLevel, Mode};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// All that a key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    content: Vec<u8>,
    mode: Mode,
    coding: String,
    types: Vec<String>,
    partial: bool,
    profile: ScanProfile,
    signatures: SignatureSet,
}

/// What tells one from another.
type Change = Box<dyn Fn(&mut Subject)>;

fn plain() -> Subject {
    Subject {
        content: b"content".to_vec(),
        mode: Mode::Respmod,
        coding: String::new(),
        types: vec!["text/plain".to_owned()],
        partial: false,
        profile: ScanProfile::default(),
        signatures: SignatureSet {
            id: GenerationId([1; 32]),
            count: 1,
            test_only: false,
            engine: "engine 1".to_owned(),
            released: None,
        },
    }
}

fn key_of(subject: &Subject) -> [u8; 32] {
    let Subject { content, mode, coding, types, partial, profile, signatures } = subject.clone();
    let context = ScanContext {
        mode,
        content_encoding: coding,
        content_types: types,
        partial,
        profile: Arc::new(profile),
        trace: None,
    };
    let keys = Keys::new(&[5; 32]);
    let digest = keys.hasher().update(&content).finalize();
    keys.key(&digest, content.len() as u64, &context, &Epoch::new(signatures, None)).0
}

fn typed(value: &str) -> impl Fn(&mut Subject) {
    let value = value.to_owned();
    move |subject| subject.types = vec![value.clone()]
}

#[test]
fn whatever_decides_how_bytes_are_read_is_in_the_key() {
    let changes: Vec<(&str, Change)> = vec![
        ("nothing", Box::new(|_| ())),
        ("content", Box::new(|s| s.content[0] ^= 1)),
        ("longer", Box::new(|s| s.content.push(0))),
        ("mode", Box::new(|s| s.mode = Mode::Reqmod)),
        ("coding", Box::new(|s| s.coding = "gzip".to_owned())),
        ("another coding", Box::new(|s| s.coding = "br".to_owned())),
        ("two codings", Box::new(|s| s.coding = "gzip, br".to_owned())),
        ("type", Box::new(typed("text/html"))),
        ("parameter", Box::new(typed("text/plain; charset=x"))),
        ("boundary", Box::new(typed("multipart/form-data; boundary=a"))),
        ("another boundary", Box::new(typed("multipart/form-data; boundary=b"))),
        ("no type", Box::new(|s| s.types.clear())),
        ("an empty type", Box::new(typed(""))),
        ("two types", Box::new(|s| s.types.push("text/html".to_owned()))),
        ("the same, one", Box::new(typed("text/plaintext/html"))),
        ("partial", Box::new(|s| s.partial = true)),
        ("max_object_size", Box::new(|s| s.profile.max_object_size += 1)),
        ("max_total_size", Box::new(|s| s.profile.max_total_size += 1)),
        ("timeout", Box::new(|s| s.profile.timeout += Duration::from_millis(1))),
        ("max_depth", Box::new(|s| s.profile.max_depth += 1)),
        ("max_files", Box::new(|s| s.profile.max_files += 1)),
        ("packed", Box::new(|s| s.profile.unpack.packed = false)),
        ("archives", Box::new(|s| s.profile.unpack.archives = false)),
        ("mail", Box::new(|s| s.profile.unpack.mail = false)),
        ("mail_databases", Box::new(|s| s.profile.unpack.mail_databases = false)),
        ("no heuristics", Box::new(|s| s.profile.heuristics = HeuristicLevel::Off)),
        ("more heuristics", Box::new(|s| s.profile.heuristics = HeuristicLevel::Medium)),
        ("most heuristics", Box::new(|s| s.profile.heuristics = HeuristicLevel::Detail)),
        ("phishing", Box::new(|s| s.profile.phishing = false)),
        ("macros", Box::new(|s| s.profile.macros = false)),
        ("generation", Box::new(|s| s.signatures.id.0[31] ^= 1)),
        ("count", Box::new(|s| s.signatures.count += 1)),
        ("test_only", Box::new(|s| s.signatures.test_only = true)),
        ("engine", Box::new(|s| s.signatures.engine.push('1'))),
    ];
    let mut known = BTreeMap::new();
    for (what, change) in &changes {
        let mut subject = plain();
        change(&mut subject);
        assert_eq!(key_of(&subject), key_of(&subject));
        if let Some(other) = known.insert(key_of(&subject), what) {
            panic!("{what} and {other} have one key");
        }
    }
}

#[test]
fn what_decides_nothing_is_not_in_it() {
    let mut other = plain();
    other.profile.cache = false;
    assert_eq!(key_of(&plain()), key_of(&other));
    // Equal files that came at another time to another machine.
    other.signatures.released = Some(UNIX_EPOCH + Duration::from_secs(1));
    assert_eq!(key_of(&plain()), key_of(&other));
}

#[test]
fn two_secrets_have_nothing_in_common() {
    let digests = [[1; 32], [2; 32]].map(|secret| Keys::new(&secret).hasher().update(b"x").finalize());
    assert_ne!(digests[0], digests[1]);
}

prop_compose! {
    fn any_subject()(
        content in "[ab]{0,3}",
        is_reqmod in any::<bool>(),
        coding in "(gzip|br|, |;){0,3}",
        types in proptest::collection::vec("(a/b|; |x=|,|1){0,3}", 0..3),
        partial in any::<bool>(),
        depth in 0_u32..2,
        engine in "[ab]{0,2}",
    ) -> Subject {
        let plain = plain();
        Subject {
            content: content.into_bytes(),
            mode: if is_reqmod { Mode::Reqmod } else { Mode::Respmod },
            coding,
            types,
            partial,
            profile: ScanProfile { max_depth: depth, ..plain.profile },
            signatures: SignatureSet { engine, ..plain.signatures },
        }
    }
}

proptest! {
    #[test]
    fn keys_are_equal_if_and_only_if_all_that_is_in_them_is(one in any_subject(), other in any_subject()) {
        prop_assert_eq!(key_of(&one) == key_of(&other), one == other);
    }

    #[test]
    fn moving_text_from_one_field_to_the_next_makes_another_key(text in "[ -~]{1,40}", at in 0_usize..40) {
        let at = at.min(text.len());
        let mut one = plain();
        one.types = vec![text.clone()];
        let mut other = plain();
        other.types = vec![text[..at].to_owned(), text[at..].to_owned()];
        let mut third = plain();
        (third.coding, third.types) = (text[..at].to_owned(), vec![text[at..].to_owned()]);
        prop_assert_ne!(key_of(&one), key_of(&other));
        prop_assert_ne!(key_of(&other), key_of(&third));
        prop_assert_eq!(key_of(&one) == key_of(&third), at == 0);
    }
}
