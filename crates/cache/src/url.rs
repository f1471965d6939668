//! URLs as they are remembered.

use std::ops::Range;

/// No longer URL is remembered, in bytes.
pub const MAX_URL: usize = 8 * 1024;

/// The URL that is remembered for `url`: the same without fragment, user and password. `None` if it is too
/// long, or has something in it that a URL on the wire has not.
///
/// Nothing else is changed: to one origin `/a` and `/%61` are the same, to another they are not.
pub fn exact_url(mut url: String) -> Option<String> {
    url.truncate(url.find('#').unwrap_or(url.len()));
    let authority = authority(&url);
    if let Some(at) = url[authority.clone()].rfind('@') {
        url.replace_range(authority.start..=authority.start + at, "");
    }
    is_exact(&url).then_some(url)
}

/// Whether [`exact_url`] could have made it.
pub(crate) fn is_exact(url: &str) -> bool {
    (1..=MAX_URL).contains(&url.len())
        && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && !url[authority(url)].contains('@')
}

/// Where host, port and, in front of them, the user stand.
fn authority(url: &str) -> Range<usize> {
    if url.starts_with('/') {
        return 0..0;
    }
    let start = url.find("://").filter(|at| is_scheme(&url[..*at])).map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    start..end
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_private_or_local_to_the_reader_goes() {
        for (url, expected) in [
            ("http://o.test/x?y=1#z", Some("http://o.test/x?y=1")),
            ("http://ann:s3c@ret@o.test/a@b", Some("http://o.test/a@b")),
            ("HTTP://O.test/%61", Some("HTTP://O.test/%61")),
            ("/x", Some("/x")),
            ("#x", None),
            ("", None),
            ("http://o.test/a b", None),
            ("http://o.test/\u{e4}", None),
        ] {
            assert_eq!(exact_url(url.to_owned()).as_deref(), expected, "{url}");
        }
        assert_eq!(exact_url(format!("http://o.test/{}", "x".repeat(MAX_URL))), None);
    }

    proptest! {
        #[test]
        fn what_is_made_is_exact(url in "(http://)?[a-z@:/#?.]{0,40}") {
            if let Some(exact) = exact_url(url) {
                prop_assert!(is_exact(&exact), "{exact}");
                prop_assert_eq!(exact_url(exact.clone()), Some(exact));
            }
        }
    }
}
