use super::*;
use crate::compile::fixture::*;
use crate::entry::{Action, hash_key};
use proptest::prelude::*;
use std::collections::HashMap;

fn four_lists() -> [ListInfo; 4] {
    [
        info("ads", Kind::Category),
        info("fake", Kind::Phishing),
        info("bad", Kind::Malware),
        info("good", Kind::Allow),
    ]
}

/// What [`lookup`] says if this is found in the list of this name.
#[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
fn found(name: &str, line: &Line) -> Option<(String, Entry)> {
    Some((name.to_owned(), line.2.clone()))
}

#[test]
fn what_is_listed_is_found_with_its_list_and_its_entry() {
    let lines = [
        expression(0, "ads.example/banner/"),
        expression(1, "bank.example/login?next=/"),
        expression(2, "evil.example/"),
        (2, Action::Block, Entry::Host("only.example".into())),
    ];
    let lists = lists(&four_lists(), &lines);
    for (url, list, entry) in [
        ("http://www.ads.example/banner/1.gif?x", "ads", 0),
        ("https://bank.example/login?next=/", "fake", 1),
        ("http://evil.example", "bad", 2),
        ("http://very.evil.example/x/y", "bad", 2),
        ("http://only.example/x", "bad", 3),
    ] {
        assert_eq!(lookup(&lists, url), found(list, &lines[entry]), "{url}");
    }
    for url in [
        "http://ads.example/",
        "http://ads.example/banner",
        "http://bank.example/login",
        "http://devil.example/",
        "http://www.only.example/",
        "http://example/",
    ] {
        assert_eq!(lookup(&lists, url), None, "{url}");
    }
    let found = lists.lookup(&CanonicalUrl::parse(b"http://ads.example/banner/").unwrap()).unwrap();
    assert_eq!(found.list.info, four_lists()[0]);
}

#[test]
fn the_kind_of_list_decides_and_not_how_special_an_entry_is() {
    let every = |text| (0..4).map(move |list| expression(list, text));
    let lists_with = |left_out: &[usize]| {
        let lines: Vec<_> = every("a.example/").filter(|(list, ..)| !left_out.contains(list)).collect();
        lists(&four_lists(), &lines)
    };
    for (left_out, winner) in [(&[][..], "good"), (&[3], "bad"), (&[3, 2], "fake"), (&[3, 2, 1], "ads")] {
        assert_eq!(list_of(&lists_with(left_out), "http://a.example/b").as_deref(), Some(winner));
    }
    let lists = lists(
        &four_lists(),
        &[expression(0, "a.example/b/c?d"), expression(2, "a.example/"), expression(3, "x.a.example/b/")],
    );
    assert_eq!(list_of(&lists, "http://a.example/b/c?d").as_deref(), Some("bad"));
    assert_eq!(list_of(&lists, "http://x.a.example/b/c?d").as_deref(), Some("good"));
    assert_eq!(list_of(&lists, "http://x.a.example/e").as_deref(), Some("bad"));
}

#[test]
fn within_a_kind_the_list_that_was_given_first_wins() {
    for (first, second) in [("x", "y"), ("y", "x")] {
        let infos = [info(first, Kind::Malware), info("good", Kind::Allow), info(second, Kind::Malware)];
        let lists = lists(&infos, &[expression(2, "a.example/"), expression(0, "a.example/")]);
        assert_eq!(list_of(&lists, "http://a.example/").as_deref(), Some(first));
        let names: Vec<_> = lists.lists().iter().map(|list| &*list.info.name).collect();
        assert_eq!(names, ["good", first, second]);
    }
}

#[test]
fn an_exception_holds_for_the_list_that_makes_it_and_no_other() {
    let except = |list, text: &str| (list, Action::Allow, Entry::Expression(text.into()));
    let lines = [
        expression(0, "a.example/"),
        except(0, "a.example/fine/"),
        expression(2, "a.example/fine/bad.exe"),
        network(0, "192.0.2.0", 24),
        (0, Action::Allow, Entry::Network("192.0.2.128".parse().unwrap(), 25)),
        except(0, "192.0.2.1/"),
        expression(3, "good.example/"),
        except(3, "good.example/not/"),
        expression(0, "good.example/"),
    ];
    let lists = lists(&four_lists(), &lines);
    for (url, list) in [
        ("http://a.example/x", Some("ads")),
        ("http://a.example/fine/x", None),
        ("http://a.example/fine/bad.exe", Some("bad")),
        ("http://192.0.2.2/", Some("ads")),
        ("http://192.0.2.200/", None),
        ("http://192.0.2.1/x", None),
        ("http://good.example/x", Some("good")),
        ("http://good.example/not/x", Some("ads")),
    ] {
        assert_eq!(list_of(&lists, url).as_deref(), list, "{url}");
    }
}

#[test]
fn addresses_are_found_in_networks_however_they_are_written() {
    let lines = [network(1, "192.0.2.0", 25), network(2, "192.0.2.64", 26), network(0, "2001:db8::", 32)];
    let lists = lists(&four_lists(), &lines);
    for url in [
        "http://192.0.2.63/",
        "http://0xc000023f/",
        "http://0300.0.2.077:8080/x",
        "http://[::ffff:192.0.2.63]/",
    ] {
        assert_eq!(lookup(&lists, url), found("fake", &lines[0]), "{url}");
    }
    assert_eq!(lookup(&lists, "http://192.0.2.64/"), found("bad", &lines[1]));
    assert_eq!(lookup(&lists, "http://[2001:DB8::7]:80/"), found("ads", &lines[2]));
    for url in
        ["http://192.0.2.128/", "http://192.0.1.255/", "http://[2001:db9::]/", "http://192.0.2.1.example/"]
    {
        assert_eq!(lookup(&lists, url), None, "{url}");
    }
}

#[test]
fn of_networks_within_each_other_the_list_decides_and_the_smallest_is_named() {
    let lines = [
        network(2, "10.0.0.0", 8),
        network(2, "10.1.0.0", 16),
        network(0, "10.1.2.0", 24),
        network(3, "10.1.2.3", 32),
    ];
    let lists = lists(&four_lists(), &lines);
    assert_eq!(lookup(&lists, "http://10.2.0.0/"), found("bad", &lines[0]));
    assert_eq!(lookup(&lists, "http://10.1.2.4/"), found("bad", &lines[1]));
    assert_eq!(list_of(&lists, "http://10.1.2.3/").as_deref(), Some("good"));
}

#[test]
fn hashes_are_found_though_nobody_said_of_what() {
    let hash = |text: &[u8]| (1, Action::Block, Entry::Hash(hash_key(text)));
    let lists = lists(
        &four_lists(),
        &[hash(b"hidden.example/a/"), hash(b"shown.example/"), expression(0, "shown.example/")],
    );
    assert_eq!(
        lookup(&lists, "http://x.hidden.example/a/b?c"),
        found("fake", &expression(1, "hidden.example/a/"))
    );
    assert_eq!(list_of(&lists, "http://shown.example/").as_deref(), Some("fake"));
    assert_eq!(list_of(&lists, "http://hidden.example/b"), None);
}

#[test]
fn in_no_lists_there_is_nothing_and_all_lists_tell_what_and_when_they_are() {
    let url = CanonicalUrl::parse(b"http://a.example/").unwrap();
    assert_eq!(Lists::NONE.lookup(&url), None);
    assert!(Lists::NONE.is_empty() && Lists::NONE.lists().is_empty());
    assert_eq!((Lists::NONE.built(), Lists::NONE.identity()), (None, None));
    let empty = lists(&[], &[]);
    assert_eq!(empty.lookup(&url), None);
    assert!(empty.is_empty() && empty.built() == Some(SystemTime::UNIX_EPOCH) && empty.identity().is_some());
    let empty = lists(&four_lists(), &[]);
    assert_eq!(empty.lookup(&url), None);
    assert_eq!((empty.entries(), empty.lists().len()), (0, 4));
    let lists = lists(&four_lists(), &[expression(0, "a.example/"), network(0, "192.0.2.0", 24)]);
    assert_eq!((lists.entries(), lists.is_empty()), (2, false));
}

#[test]
fn lists_are_one_for_all_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let lists = lists(&four_lists(), &[expression(0, "a.example/")]);
    shared(&lists);
    let others = lists.clone();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(list_of(&lists, "http://a.example/").as_deref(), Some("ads")));
        }
    });
    drop(lists);
    assert_eq!(list_of(&others, "http://a.example/").as_deref(), Some("ads"));
}

#[test]
fn what_the_filter_takes_for_listed_by_mistake_is_not_found() {
    let lines: Vec<_> = (0..2000).map(|number| expression(0, &format!("{number}.example/"))).collect();
    let lists = lists(&four_lists(), &lines);
    let file = lists.file.as_deref().unwrap();
    let mut mistakes = 0;
    for number in 2000..60_000 {
        let key = format!("{number}.example/");
        let hosts = file.probe().hosts(&CanonicalUrl::parse(key.as_bytes()).unwrap());
        mistakes += u32::from(file.probe().may_have_any(&hosts));
        assert_eq!(list_of(&lists, &key), None);
    }
    // Rare, and not so rare that this has shown nothing.
    assert!((100..1500).contains(&mistakes), "{mistakes}");
}

/// Few names, so that much of what is looked up is listed.
fn url() -> impl Strategy<Value = String> {
    ("([ab]\\.){0,5}[ab]\\.(x|y)", "(/[ab]){0,5}/?(\\?[ab])?").prop_map(|(host, path)| {
        let slash = if path.starts_with('/') { "" } else { "/" };
        format!("{host}{slash}{path}")
    })
}

fn line() -> impl Strategy<Value = Line> {
    let entry = (url(), 0..4).prop_map(|(url, form)| match form {
        0 => Entry::Host(url.split('/').next().unwrap().into()),
        1 => Entry::Hash(hash_key(url.as_bytes())),
        _ => Entry::Expression(url.into()),
    });
    (
        0_usize..4,
        prop::bool::weighted(0.2).prop_map(|allow| if allow { Action::Allow } else { Action::Block }),
        entry,
    )
}

proptest! {
    #[test]
    fn what_is_found_is_what_a_map_of_all_keys_finds(
        lines in prop::collection::vec(line(), 0..60),
        urls in prop::collection::vec(url(), 1..20),
    ) {
        let lists = lists(&four_lists(), &lines);
        let mut map: HashMap<[u8; 32], Vec<(usize, Action)>> = HashMap::new();
        for (list, action, entry) in &lines {
            map.entry(entry.hash().unwrap()).or_default().push((*list, *action));
        }
        for url in urls {
            let canonical = CanonicalUrl::parse(url.as_bytes()).unwrap();
            let mut said = Vec::new();
            let mut keys = Vec::new();
            expressions(&canonical, |key| {
                let lists = map.get(&hash_key(key)).cloned().unwrap_or_default();
                keys.extend(lists.iter().map(|found| (*found, entry_of(key))));
                said.extend(lists);
                ControlFlow::<()>::Continue(())
            });
            // The lists stand in the reverse of the order of precedence.
            let list = (0..4).rev().find(|list| {
                said.contains(&(*list, Action::Block)) && !said.contains(&(*list, Action::Allow))
            });
            let expected = list.map(|list| {
                let (_, entry) = keys.into_iter().find(|(found, _)| *found == (list, Action::Block)).unwrap();
                (four_lists()[list].name.to_string(), entry)
            });
            prop_assert_eq!(lookup(&lists, &url), expected, "{}", url);
        }
    }
}
