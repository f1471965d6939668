//! URLs as rules see them.

use icapstan_urls::CanonicalUrl;

/// A URL as rules see it: without user, password and fragment, its scheme in lower case, and host, path and
/// query in canonical form, so that one rule meets all spellings of a URL. A path alone stays as it is; of
/// what has no canonical form nothing is left, since nobody can say where it would lead.
pub fn plain_url(mut url: String) -> String {
    url.truncate(url.find('#').unwrap_or(url.len()));
    let (start, end) = url_authority(&url);
    if let Some(at) = url[start..end].rfind('@') {
        url.replace_range(start..=start + at, "");
    }
    let (start, end) = url_authority(&url);
    url[..end].make_ascii_lowercase();
    let is_whole = start > 0;
    let canonical = if is_whole {
        CanonicalUrl::of_request(b"GET", url.as_bytes(), None)
    } else if end > 0 {
        CanonicalUrl::of_request(b"CONNECT", &url.as_bytes()[..end], None)
    } else {
        return url;
    };
    let Ok(canonical) = canonical else { return String::new() };
    let mut plain = String::with_capacity(url.len());
    plain.push_str(&url[..start]);
    plain.push_str(canonical.host());
    plain.push_str(port(&url[start..end]));
    if is_whole {
        plain.push_str(canonical.path());
        if let Some(query) = canonical.query() {
            plain.push('?');
            plain.push_str(query);
        }
    }
    plain
}

/// The port of an authority with its colon, or nothing.
fn port(authority: &str) -> &str {
    let at = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
    at.map_or("", |at| &authority[at..])
}

/// The host of what [`plain_url`] made, without port, brackets of addresses kept.
pub fn url_host(plain: &str) -> &str {
    let (start, end) = url_authority(plain);
    let authority = &plain[start..end];
    authority[..authority.len() - port(authority).len()].trim_end_matches('.')
}

/// Where the authority of a URL stands.
pub fn url_authority(url: &str) -> (usize, usize) {
    if url.starts_with('/') {
        return (0, 0);
    }
    let scheme = url.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    let start = if scheme > 0 && url[scheme..].starts_with("://") { scheme + 3 } else { 0 };
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_spellings_of_a_url_are_one() {
        for (url, plain, host) in [
            ("HTTP://ann:pw@O.Test:8080/A?B#c", "http://o.test:8080/A?B", "o.test"),
            ("http://o%2Etest./a/../b//%63", "http://o.test/b/c", "o.test"),
            ("http://3221225991/", "http://192.0.2.7/", "192.0.2.7"),
            ("http://[::FFFF:192.0.2.7]:80/x", "http://192.0.2.7:80/x", "192.0.2.7"),
            ("http://b\u{fc}cher.test/", "http://xn--bcher-kva.test/", "xn--bcher-kva.test"),
            ("http://[2001:DB8:0::1]/", "http://[2001:db8::1]/", "[2001:db8::1]"),
            ("http://o.test", "http://o.test/", "o.test"),
            ("O.Test:443", "o.test:443", "o.test"),
            ("ftp://o.test/x", "ftp://o.test/x", "o.test"),
            ("/x", "/x", ""),
            ("o.test/x?u=http://evil.test/", "o.test", "o.test"),
            ("", "", ""),
            ("http://", "", ""),
            ("http://friend.test:80x@evil.test/", "http://evil.test/", "evil.test"),
            ("http://friend.test:80x/", "", ""),
        ] {
            let told = plain_url(url.to_owned());
            assert_eq!((told.as_str(), url_host(&told)), (plain, host), "{url}");
        }
    }

    proptest! {
        #[test]
        fn the_form_is_its_own_form(url in "(http|HTTPS|ftp)?(://)?[a-z@:%.0-9\\[\\]]{0,12}[/?#%a-zA-Z0-9.]{0,30}") {
            let once = plain_url(url);
            prop_assert_eq!(plain_url(once.clone()), once);
        }

        #[test]
        fn any_text_is_taken(url in ".{0,200}") {
            let told = plain_url(url);
            let _ = url_host(&told);
        }
    }
}
