use super::*;
use crate::canonical::MAX_URL;
use crate::entry::{Entry, hash_key};
use std::collections::HashSet;

fn all(url: &str) -> Vec<String> {
    let mut found = Vec::new();
    let broke = expressions::<()>(&CanonicalUrl::parse(url.as_bytes()).unwrap(), |key| {
        found.push(String::from_utf8(key.to_vec()).unwrap());
        ControlFlow::Continue(())
    });
    assert_eq!(broke, None);
    found
}

/// From <https://developers.google.com/safe-browsing/v4/urls-hashing#suffixprefix-expressions>, with the keys
/// of hosts added.
#[test]
fn published_examples_hold() {
    assert_eq!(
        all("http://a.b.c/1/2.html?param=1"),
        [
            "a.b.c/1/2.html?param=1",
            "a.b.c/1/2.html",
            "a.b.c/1/",
            "\0a.b.c",
            "a.b.c/",
            "b.c/1/2.html?param=1",
            "b.c/1/2.html",
            "b.c/1/",
            "b.c/",
        ]
    );
    assert_eq!(
        all("http://a.b.c.d.e.f.g/1.html"),
        [
            "a.b.c.d.e.f.g/1.html",
            "\0a.b.c.d.e.f.g",
            "a.b.c.d.e.f.g/",
            "c.d.e.f.g/1.html",
            "c.d.e.f.g/",
            "d.e.f.g/1.html",
            "d.e.f.g/",
            "e.f.g/1.html",
            "e.f.g/",
            "f.g/1.html",
            "f.g/",
        ]
    );
    assert_eq!(all("http://1.2.3.4/1/"), ["1.2.3.4/1/", "\x001.2.3.4", "1.2.3.4/"]);
}

#[test]
fn no_top_level_domain_is_looked_up() {
    assert_eq!(all("http://example.com/"), ["\0example.com", "example.com/"]);
    assert_eq!(all("http://com/"), ["\0com", "com/"]);
    assert!(!all("http://a.b.example.co.uk/").iter().any(|key| key.starts_with("uk")));
}

#[test]
fn addresses_have_no_suffixes() {
    assert_eq!(all("http://[2001:db8::1.2.3.4]/"), ["\0[2001:db8::102:304]", "[2001:db8::102:304]/"]);
    assert_eq!(all("http://16909060/a"), ["1.2.3.4/a", "\x001.2.3.4", "1.2.3.4/"]);
}

#[test]
fn at_most_four_folders_count() {
    assert_eq!(
        all("http://h/a/b/c/d/e/?"),
        ["h/a/b/c/d/e/?", "h/a/b/c/d/e/", "h/a/b/c/", "h/a/b/", "h/a/", "\0h", "h/"]
    );
    assert_eq!(all("http://h/a/b/c/"), ["h/a/b/c/", "h/a/b/", "h/a/", "\0h", "h/"]);
}

#[test]
fn no_url_has_more_keys_than_promised() {
    let keys = all("http://a.b.c.d.e.f.g.h/1/2/3/4/5?q");
    assert_eq!(keys.len(), MAX_EXPRESSIONS);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
}

#[test]
fn the_first_one_wanted_ends_it() {
    let url = CanonicalUrl::parse(b"http://a.b.c/1/2.html").unwrap();
    let mut calls = 0;
    let found = expressions(&url, |key| {
        calls += 1;
        if key == b"a.b.c/1/" { ControlFlow::Break(calls) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((found, calls), (Some(2), 2));
    let host =
        expressions(&url, |key| if key[0] == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
    assert_eq!(host, Some(()));
}

#[test]
fn what_was_cut_is_not_looked_up() {
    let query = all(&format!("http://h.test/a/b?{}", "x".repeat(MAX_URL)));
    assert_eq!(query, ["h.test/a/b", "h.test/a/", "\0h.test", "h.test/"]);
    let path = all(&format!("http://h.test/a/{}", "x".repeat(MAX_URL)));
    assert_eq!(path, ["h.test/a/", "\0h.test", "h.test/"]);
    let folders = all(&format!("http://h.test/{}", "a/".repeat(MAX_URL)));
    assert_eq!(folders, ["h.test/a/a/a/", "h.test/a/a/", "h.test/a/", "\0h.test", "h.test/"]);
}

#[test]
fn entries_have_the_keys_that_urls_are_looked_up_under() {
    let keys = all("http://www.example.com/dir/page?q");
    for entry in [
        Entry::Expression("www.example.com/dir/page?q".into()),
        Entry::Expression("example.com/dir/".into()),
        Entry::Expression("example.com/".into()),
        Entry::Host("www.example.com".into()),
    ] {
        let key = entry.key().unwrap().into_owned();
        assert!(keys.iter().any(|known| known.as_bytes() == key), "{entry:?}");
        assert_eq!(entry.hash(), Some(hash_key(&key)));
    }
    assert!(!keys.contains(&"\0example.com".to_owned()));
    assert_eq!(Entry::Network([192, 0, 2, 0].into(), 24).hash(), None);
    assert_eq!(Entry::Hash([7; 32]).hash(), Some([7; 32]));
}

/// Example B1 of FIPS 180-2, which the page of Safe Browsing repeats.
#[test]
fn keys_are_hashed_with_sha_256() {
    assert_eq!(hash_key(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
}
