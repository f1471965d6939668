//! The URL that a message is about, as text for people and pages.

use icapstan_cache::{MAX_URL, exact_url};
use icapstan_icap_server::proto::HttpHead;
use icapstan_policy::{plain_url, url_authority, url_host};

/// No URL is kept longer, in bytes.
const MAX: usize = 8 * 1024;

/// The URL of a request: its absolute target, its authority (CONNECT), or whatever else it has behind `Host`.
/// Whatever is not printable ASCII is percent-encoded, so that no sink of it can be misled.
pub(crate) fn of(request: HttpHead<'_>) -> String {
    within(request, MAX)
}

/// As [`of`], with no more than about `most` bytes.
fn within(request: HttpHead<'_>, most: usize) -> String {
    let target = request.target();
    let mut url = String::with_capacity(target.len().min(most) + 32);
    if request.method() != b"CONNECT" && !is_absolute(target) {
        let host = request.value("host").unwrap_or_default();
        if !host.is_empty() {
            url.push_str("http://");
            push(&mut url, host, most);
            if !target.starts_with(b"/") && !target.starts_with(b"?") && target != b"*" {
                url.push('/');
            }
        }
        if target == b"*" {
            return url;
        }
    }
    push(&mut url, target, most);
    url
}

/// Whether a target begins with a scheme and an authority.
fn is_absolute(target: &[u8]) -> bool {
    let scheme =
        target.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    scheme > 0 && target[scheme..].starts_with(b"://")
}

/// The URL as rules see it: scheme and host in lower case, without user, password and fragment.
pub(crate) fn plain(request: HttpHead<'_>) -> String {
    // Not cut: what stands behind the cut may say whose URL it is.
    plain_url(within(request, usize::MAX))
}

/// The URL that is remembered when its download is cut. One that would have to be cut is not.
pub(crate) fn exact(request: HttpHead<'_>) -> Option<String> {
    let url = within(request, MAX_URL + 1);
    let is_cut = url.len() > MAX_URL && !url.contains('#');
    exact_url(url).filter(|_| !is_cut)
}

/// The host of the URL in lower case, without port, brackets of addresses kept.
pub(crate) fn host(request: HttpHead<'_>) -> String {
    url_host(&plain(request)).to_owned()
}

/// The URL as it may be shown: without user and password, which are nobody else's business.
pub(crate) fn shown(request: HttpHead<'_>) -> String {
    let mut url = of(request);
    let (start, end) = url_authority(&url);
    if let Some(at) = url[start..end].rfind('@') {
        url.replace_range(start..start + at, "***");
    }
    url
}

/// Appends `bytes` printably.
fn push(url: &mut String, bytes: &[u8], most: usize) {
    use std::fmt::Write;
    for &byte in bytes {
        if url.len() >= most {
            return;
        }
        if byte.is_ascii_graphic() {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_icap_server::proto::{Decoder, Event, Limits};

    fn url(head: &[u8]) -> String {
        read(head, of)
    }

    fn read(head: &[u8], of: fn(HttpHead<'_>) -> String) -> String {
        let mut wire = format!(
            "REQMOD icap://h/req ICAP/1.0\r\nEncapsulated: req-hdr=0, null-body={}\r\n\r\n",
            head.len()
        )
        .into_bytes();
        wire.extend_from_slice(head);
        let mut decoder = Decoder::new(Limits::default());
        let Some(Event::Head(head)) = decoder.step(&wire).unwrap().event else { panic!("no head") };
        of(head.http_request().unwrap())
    }

    #[test]
    fn every_request_form_gives_its_url() {
        for (head, expected) in [
            (&b"GET http://o.test/x?y HTTP/1.1\r\nHost: other\r\n\r\n"[..], "http://o.test/x?y"),
            (b"GET /x HTTP/1.1\r\nHost: o.test:8080\r\n\r\n", "http://o.test:8080/x"),
            (b"GET /x HTTP/1.0\r\n\r\n", "/x"),
            (b"CONNECT o.test:443 HTTP/1.1\r\nHost: o.test:443\r\n\r\n", "o.test:443"),
            (b"OPTIONS * HTTP/1.1\r\nHost: o.test\r\n\r\n", "http://o.test"),
            (b"GET http://o.test/a b\x1b[0m\xff HTTP/1.1\r\n\r\n", "http://o.test/a%20b%1B[0m%FF"),
        ] {
            assert_eq!(url(head), expected);
        }
    }

    #[test]
    fn what_is_shown_has_no_password() {
        for (head, expected) in [
            (&b"GET http://ann:s3cret@o.test/x@y HTTP/1.1\r\n\r\n"[..], "http://***@o.test/x@y"),
            (b"GET http://ann:s3c@ret@o.test?a@b HTTP/1.1\r\n\r\n", "http://***@o.test?a@b"),
            (b"GET http://o.test/a@b HTTP/1.1\r\n\r\n", "http://o.test/a@b"),
            (b"CONNECT ann@o.test:443 HTTP/1.1\r\n\r\n", "***@o.test:443"),
            (b"GET / HTTP/1.1\r\nHost: ann@o.test\r\n\r\n", "http://***@o.test/"),
        ] {
            assert_eq!(read(head, shown), expected);
        }
    }

    #[test]
    fn rules_see_one_form_of_a_url_and_its_host() {
        for (head, url, name) in [
            (
                &b"GET HTTP://ann:pw@O.Test:8080/A?B#c HTTP/1.1\r\n\r\n"[..],
                "http://o.test:8080/A?B",
                "o.test",
            ),
            (b"GET /A HTTP/1.1\r\nHost: O.test.\r\n\r\n", "http://o.test/A", "o.test"),
            (b"GET http://[2001:DB8::1]:80/ HTTP/1.1\r\n\r\n", "http://[2001:db8::1]:80/", "[2001:db8::1]"),
            (b"GET http://[2001:db8::1]/ HTTP/1.1\r\n\r\n", "http://[2001:db8::1]/", "[2001:db8::1]"),
            (b"CONNECT O.test:443 HTTP/1.1\r\n\r\n", "o.test:443", "o.test"),
            (b"GET /x HTTP/1.0\r\n\r\n", "/x", ""),
            (b"GET x/y HTTP/1.1\r\nHost: o.test\r\n\r\n", "http://o.test/x/y", "o.test"),
            (
                b"GET ?x=http://a.test HTTP/1.1\r\nHost: o.test\r\n\r\n",
                "http://o.test/?x=http://a.test",
                "o.test",
            ),
        ] {
            assert_eq!((read(head, plain), read(head, host)), (url.to_owned(), name.to_owned()));
        }
    }

    #[test]
    fn a_long_user_does_not_hide_the_host() {
        for len in [10, 8200, 40_000] {
            let head = format!("GET http://friend.test:{}@evil.test/x HTTP/1.1\r\n\r\n", "A".repeat(len));
            assert_eq!(read(head.as_bytes(), host), "evil.test", "{len}");
            assert_eq!(read(head.as_bytes(), plain), "http://evil.test/x", "{len}");
        }
    }

    #[test]
    fn only_whole_urls_are_remembered() {
        let remembered = |head: &str| {
            let mut wire = format!(
                "REQMOD icap://h/req ICAP/1.0\r\nEncapsulated: req-hdr=0, null-body={}\r\n\r\n",
                head.len()
            );
            wire.push_str(head);
            let mut decoder = Decoder::new(Limits::default());
            let Some(Event::Head(head)) = decoder.step(wire.as_bytes()).unwrap().event else {
                panic!("no head")
            };
            exact(head.http_request().unwrap())
        };
        let get = |url: &str| remembered(&format!("GET {url} HTTP/1.1\r\nHost: o.test\r\n\r\n"));
        assert_eq!(get("/x?y#z").as_deref(), Some("http://o.test/x?y"));
        assert_eq!(get("http://ann:pw@o.test/x").as_deref(), Some("http://o.test/x"));
        let longest = format!("http://o.test/{}", "a".repeat(MAX_URL - 14));
        assert_eq!(get(&longest), Some(longest.clone()));
        assert_eq!(get(&format!("{longest}#{}", "b".repeat(9000))), Some(longest.clone()));
        assert_eq!(get(&format!("{longest}a")), None);
        assert_eq!(get(&format!("http://ann:{}@o.test/{}", "p".repeat(100), "a".repeat(9000))), None);
    }

    #[test]
    fn long_urls_are_cut() {
        let head = format!("GET http://o.test/{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
        assert!(url(head.as_bytes()).len() <= MAX);
    }
}
