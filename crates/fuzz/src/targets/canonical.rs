//! URLs in their one form, and the keys that they are looked up under.

use crate::input::Input;
use icapstan_urls::{CanonicalUrl, MAX_EXPRESSIONS, MAX_URL, expressions};
use std::ops::ControlFlow;

/// Brings a URL into canonical form as a list has it, and as a request has it: a choice of the method and of
/// whether there is a `Host`, the target, NUL, the host.
///
/// - The form is its own form, also when it comes as the target and the host of a request.
/// - It is visible ASCII, and its host, path and query can be told from the text alone.
/// - It has few keys, all different, each an end of its host and a beginning of its path.
/// - Whoever has a key of a URL below a host has the URL: parents of a path are found under it.
pub fn canonical(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let target = input.text();
    let host = input.rest();
    let method = [&b"GET"[..], b"CONNECT", b"POST", b""][usize::from(choice % 4)];
    let host = (choice & 4 != 0).then_some(host);
    if let Ok(url) = CanonicalUrl::parse(target) {
        check(&url);
    }
    if let Ok(url) = CanonicalUrl::of_request(method, target, host) {
        check(&url);
    }
    if choice & 8 != 0 {
        // More than is ever read.
        let long: Vec<u8> =
            target.iter().copied().cycle().take(if target.is_empty() { 0 } else { MAX_URL + 7 }).collect();
        if let Ok(url) = CanonicalUrl::of_request(method, &long, host) {
            // A host, and what is escaped at worst behind it.
            assert!(url.as_str().len() <= 1024 + 1 + 3 * MAX_URL);
            check(&url);
        }
    }
}

/// What holds for every form.
fn check(url: &CanonicalUrl) {
    let text = url.as_str();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(!url.host().is_empty() && !url.host().contains(['/', '?', '#', '@', '\\']), "{text}");
    assert!(url.path().starts_with('/') && !url.path().contains(['?', '#']), "{text}");
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(text, format!("{}{}{query}", url.host(), url.path()));
    if text.len() <= MAX_URL && !url.is_cut() {
        assert_eq!(CanonicalUrl::parse(text.as_bytes()).as_ref(), Ok(url));
        let target = format!("{}{query}", url.path());
        let request = CanonicalUrl::of_request(b"GET", target.as_bytes(), Some(url.host().as_bytes()));
        assert_eq!(request.as_ref(), Ok(url));
        let absolute = format!("http://{text}");
        if absolute.len() <= MAX_URL {
            let request = CanonicalUrl::of_request(b"GET", absolute.as_bytes(), Some(b"other.test"));
            assert_eq!(request.as_ref(), Ok(url));
        }
    }
    let keys = keys(url);
    assert!((1..=MAX_EXPRESSIONS).contains(&keys.len()));
    let mut sorted = keys.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), keys.len(), "a key of {text} comes twice");
    assert!(keys.contains(&format!("{}/", url.host()).into_bytes()));
    assert!(keys.contains(&[b"\0", url.host().as_bytes()].concat()));
    for key in keys.iter().filter(|key| key[0] != 0) {
        let key = std::str::from_utf8(key).expect("ASCII");
        let slash = key.find('/').expect("a key has a path");
        let front = url.host().strip_suffix(&key[..slash]).expect("an end of the host");
        assert!(front.is_empty() || front.ends_with('.') && url.ip().is_none());
        assert!(format!("{}{query}", url.path()).starts_with(&key[slash..]), "{key} of {text}");
    }
}

/// The keys of a URL.
pub(crate) fn keys(url: &CanonicalUrl) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    expressions::<()>(url, |key| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    });
    keys
}
