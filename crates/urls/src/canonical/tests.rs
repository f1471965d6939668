use super::*;

fn canonical(url: impl AsRef<[u8]>) -> String {
    let url = CanonicalUrl::parse(url.as_ref()).unwrap();
    let again = CanonicalUrl::parse(url.as_str().as_bytes()).unwrap();
    assert_eq!(again, url, "not its own canonical form");
    url.to_string()
}

/// From <https://developers.google.com/safe-browsing/v4/urls-hashing#canonicalization>; that page leaves the
/// scheme in place, which is no part of our form.
#[test]
fn published_examples_hold() {
    const EXAMPLES: [(&[u8], &str); 34] = [
        (b"http://host/%25%32%35", "host/%25"),
        (b"http://host/%25%32%35%25%32%35", "host/%25%25"),
        (b"http://host/%2525252525252525", "host/%25"),
        (b"http://host/asdf%25%32%35asd", "host/asdf%25asd"),
        (b"http://host/%%%25%32%35asd%%", "host/%25%25%25asd%25%25"),
        (b"http://www.google.com/", "www.google.com/"),
        (
            b"http://%31%36%38%2e%31%38%38%2e%39%39%2e%32%36/%2E%73%65%63%75%72%65/%77%77%77%2E%65%62%61%79%2E%63%6F%6D/",
            "168.188.99.26/.secure/www.ebay.com/",
        ),
        (
            b"http://195.127.0.11/uploads/%20%20%20%20/.verify/.eBaysecure=updateuserdataxplimnbqmn-xplmvalidateinfoswqpcmlx=hgplmcx/",
            "195.127.0.11/uploads/%20%20%20%20/.verify/.eBaysecure=updateuserdataxplimnbqmn-xplmvalidateinfoswqpcmlx=hgplmcx/",
        ),
        (
            b"http://host%23.com/%257Ea%2521b%2540c%2523d%2524e%25f%255E00%252611%252A22%252833%252944_55%252B",
            "host%23.com/~a!b@c%23d$e%25f^00&11*22(33)44_55+",
        ),
        (b"http://3279880203/blah", "195.127.0.11/blah"),
        (b"http://www.google.com/blah/..", "www.google.com/"),
        (b"www.google.com/", "www.google.com/"),
        (b"www.google.com", "www.google.com/"),
        (b"http://www.evil.com/blah#frag", "www.evil.com/blah"),
        (b"http://www.GOOgle.com/", "www.google.com/"),
        (b"http://www.google.com.../", "www.google.com/"),
        (b"http://www.google.com/foo\tbar\rbaz\n2", "www.google.com/foobarbaz2"),
        (b"http://www.google.com/q?", "www.google.com/q?"),
        (b"http://www.google.com/q?r?", "www.google.com/q?r?"),
        (b"http://www.google.com/q?r?s", "www.google.com/q?r?s"),
        (b"http://evil.com/foo#bar#baz", "evil.com/foo"),
        (b"http://evil.com/foo;", "evil.com/foo;"),
        (b"http://evil.com/foo?bar;", "evil.com/foo?bar;"),
        (b"http://\x01\x80.com/", "%01%80.com/"),
        (b"http://notrailingslash.com", "notrailingslash.com/"),
        (b"http://www.gotaport.com:1234/", "www.gotaport.com/"),
        (b"  http://www.google.com/  ", "www.google.com/"),
        (b"http:// leadingspace.com/", "%20leadingspace.com/"),
        (b"http://%20leadingspace.com/", "%20leadingspace.com/"),
        (b"%20leadingspace.com/", "%20leadingspace.com/"),
        (b"https://www.securesite.com/", "www.securesite.com/"),
        (b"http://host.com/ab%23cd", "host.com/ab%23cd"),
        (b"http://host.com//twoslashes?more//slashes", "host.com/twoslashes?more//slashes"),
        (b"http://example.com/a/%2e%2e/b?c=%2e%2e", "example.com/b?c=.."),
    ];
    for (url, expected) in EXAMPLES {
        assert_eq!(canonical(url), expected);
    }
}

#[test]
fn parts_are_told_apart() {
    let url = CanonicalUrl::parse(b"https://ann:secret@Example.com:8443/a/b.html?x=/y?z#end").unwrap();
    assert_eq!((url.host(), url.path(), url.query()), ("example.com", "/a/b.html", Some("x=/y?z")));
    assert_eq!((url.ip(), url.is_cut()), (None, false));
    assert_eq!(format!("{url:?}"), r#"CanonicalUrl("example.com/a/b.html?x=/y?z")"#);
    let bare = CanonicalUrl::parse(b"http://h/p").unwrap();
    assert_eq!(bare.query(), None);
    assert_eq!(CanonicalUrl::parse(b"http://h/p?").unwrap().query(), Some(""));
}

#[test]
fn names_have_one_spelling() {
    for (url, expected) in [
        ("http://ExAmple.COM/", "example.com/"),
        ("http://.example..com./", "example.com/"),
        ("http://%65xample.com/", "example.com/"),
        ("http://ex\nample.com/", "example.com/"),
        ("http://b\u{fc}cher.example/", "xn--bcher-kva.example/"),
        ("http://B\u{dc}CHER.example/", "xn--bcher-kva.example/"),
        ("http://b%C3%BCcher.example/", "xn--bcher-kva.example/"),
        ("http://XN--BCHER-KVA.example/", "xn--bcher-kva.example/"),
        ("http://\u{ff45}xample\u{3002}com/", "example.com/"),
        ("http://exam\u{ad}ple.com/", "example.com/"),
        ("http://user@example.com/", "example.com/"),
        ("http://a@b@example.com/", "example.com/"),
        ("http:\\\\example.com\\x", "example.com/x"),
        ("http://example.com\\@other.example/x", "example.com/@other.example/x"),
        ("http:example.com/x", "example.com/x"),
        ("HTTPS:////example.com/x", "example.com/x"),
        ("ws://example.com", "example.com/"),
        ("gopher://example.com/x", "example.com/x"),
        ("example.com:8080", "example.com/"),
        ("example.com:", "example.com/"),
        ("http:80/x", "0.0.0.80/x"),
        ("http://under_score.example/", "under_score.example/"),
        // No host can be so; what it is made of stays where it is.
        ("http://a%2Fb%3Fc%40d%3Ae%5C/x", "a%2Fb%3Fc%40d%3Ae%5C/x"),
        ("http://\u{ff05}41.example/", "%EF%BC%8541.example/"),
        ("http://%5Ba/x", "%5Ba/x"),
    ] {
        assert_eq!(canonical(url), expected, "{url}");
    }
}

#[test]
fn addresses_have_one_spelling() {
    for (host, expected) in [
        ("195.127.0.11", "195.127.0.11"),
        ("195.127.0.11.", "195.127.0.11"),
        ("0xc3.0x7f.0.0xb", "195.127.0.11"),
        ("0303.0177.0.013", "195.127.0.11"),
        ("0XC37F000B", "195.127.0.11"),
        ("195.127.11", "195.127.0.11"),
        ("195.8323083", "195.127.0.11"),
        ("%33279880203", "195.127.0.11"),
        ("\u{ff11}.2.3.4", "1.2.3.4"),
        ("1\u{3002}2\u{3002}3\u{3002}4", "1.2.3.4"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("4294967295", "255.255.255.255"),
        ("[2001:0db8:0000::0001]", "[2001:db8::1]"),
        ("[2001:DB8::1]", "[2001:db8::1]"),
        ("[::ffff:1.2.3.4]", "1.2.3.4"),
        ("[::ffff:102:304]", "1.2.3.4"),
        ("[64:ff9b::1.2.3.4]", "1.2.3.4"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("[%3a%3A1]", "[::1]"),
    ] {
        let url = CanonicalUrl::parse(format!("http://{host}/x").as_bytes()).unwrap();
        assert_eq!(url.host(), expected, "{host}");
        assert_eq!(url.ip(), expected.trim_matches(['[', ']']).parse().ok(), "{host}");
        assert_eq!(canonical(url.as_str()), url.as_str());
    }
    // What looks like one and is none stays a name.
    for host in [
        "1.2.3.4.5",
        "256.2.3.4",
        "1.2.3.08",
        "4294967296",
        "1.2.3.0xg",
        "1.2.3.4a",
        "1.2.65536",
        "999999999999999999999",
    ] {
        let url = CanonicalUrl::parse(format!("http://{host}/").as_bytes()).unwrap();
        assert_eq!((url.host(), url.ip()), (host, None));
    }
}

#[test]
fn paths_have_one_spelling() {
    for (path, expected) in [
        ("", "/"),
        ("?q", "/?q"),
        ("?a?b#c", "/?a?b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/a/b/../", "/a/"),
        ("/a//b///c", "/a/b/c"),
        ("/a/b/c/../../d", "/a/d"),
        ("/..a/.b/c..", "/..a/.b/c.."),
        ("/.", "/"),
        ("/..", "/"),
        ("//", "/"),
        ("/a/b//../..", "/a/"),
        ("//../a", "/a"),
        ("/a//./..//b", "/a/b"),
        ("/a%2F%2e%2E%5cb", "/b"),
        ("/a\\..\\b", "/b"),
        ("/a?b\\c", "/a?b\\c"),
        ("/%61%2562", "/ab"),
        ("/a%3Fb", "/a?b"),
        ("/a%09b", "/a%09b"),
        ("/a%", "/a%25"),
        ("/a%4", "/a%254"),
        ("/a%%34%31", "/aA"),
        ("/a%2", "/a%252"),
        ("/a%gg", "/a%25gg"),
        ("/\u{e9}", "/%C3%A9"),
        ("/%e9", "/%E9"),
        ("/a b\u{7f}", "/a%20b%7F"),
        ("/\0x", "/%00x"),
    ] {
        assert_eq!(canonical(format!("http://h{path}")), format!("h{expected}"), "{path}");
    }
}

#[test]
fn every_request_form_gives_its_url() {
    for (method, target, host, expected) in [
        ("GET", "http://o.test/x?y", Some("other"), Ok("o.test/x?y")),
        ("GET", "http://o.test", None, Ok("o.test/")),
        ("GET", "/x?y", Some("O.test:8080"), Ok("o.test/x?y")),
        ("GET", "//evil.test/x", Some("o.test"), Ok("o.test/evil.test/x")),
        ("GET", "/http://evil.test/", Some("o.test"), Ok("o.test/http:/evil.test/")),
        ("GET", "/x", Some("  o.test "), Ok("o.test/x")),
        ("GET", "/x", Some("[::1]:8080"), Ok("[::1]/x")),
        ("GET", "/x", Some("a@o.test/p?q"), Ok("o.test/x")),
        ("GET", "http://good.test\\@bad.test/x", None, Ok("bad.test/x")),
        ("GET", "http://good.test\\.bad.test/x", None, Ok("good.test%5C.bad.test/x")),
        ("GET", "/x", Some("good.test\\@bad.test"), Ok("bad.test/x")),
        ("CONNECT", "good.test\\@bad.test:443", None, Ok("bad.test/")),
        ("OPTIONS", "*", Some("o.test"), Ok("o.test/")),
        ("CONNECT", "o.test:443/?://evil.test", None, Ok("o.test/")),
        ("CONNECT", "o.test:443", Some("other"), Ok("o.test/")),
        ("CONNECT", "[2001:db8::1]:443", None, Ok("[2001:db8::1]/")),
        ("CONNECT", "http:443", None, Ok("http/")),
        ("CONNECT", "https://o.test:443/x", None, Ok("o.test/")),
        ("CONNECT", "", Some("o.test:443"), Ok("o.test/")),
        ("GET", "x/y", Some("o.test"), Ok("o.test/x/y")),
        ("GET", "?q", Some("o.test"), Ok("o.test/?q")),
        ("GET", "", Some("o.test"), Ok("o.test/")),
        ("GET", "o.test/x", None, Ok("o.test/x")),
        ("GET", "/x", None, Err(UrlError::NoHost)),
        ("GET", "/x", Some(" "), Err(UrlError::NoHost)),
        ("GET", "*", None, Err(UrlError::NoHost)),
        ("GET", "http://", Some("o.test"), Err(UrlError::NoHost)),
        ("CONNECT", "", None, Err(UrlError::NoHost)),
        ("GET", "/x", Some("..."), Err(UrlError::NoHost)),
        ("GET", "http://o.test:8x/", None, Err(UrlError::BadPort)),
    ] {
        let url = CanonicalUrl::of_request(method.as_bytes(), target.as_bytes(), host.map(str::as_bytes));
        assert_eq!(
            url.as_ref().map(CanonicalUrl::as_str),
            expected.as_ref().map(|url| *url),
            "{method} {target}"
        );
    }
}

#[test]
fn urls_without_a_host_are_refused() {
    for url in [
        "",
        "  ",
        "http://",
        "http:///",
        "http://?q",
        "file:///etc/hosts",
        "/path",
        "#",
        "http://%2e/",
        "http://@/",
    ] {
        assert_eq!(CanonicalUrl::parse(url.as_bytes()), Err(UrlError::NoHost), "{url}");
    }
    for url in ["javascript:alert(1)", "data:text/html,x", "http://h:p/", "1:2:3"] {
        assert_eq!(CanonicalUrl::parse(url.as_bytes()), Err(UrlError::BadPort), "{url}");
    }
    let long = format!("http://{}/", "a".repeat(2000));
    assert_eq!(CanonicalUrl::parse(long.as_bytes()), Err(UrlError::LongHost));
    let escaped = format!("http://{}/", "%80".repeat(400));
    assert_eq!(CanonicalUrl::parse(escaped.as_bytes()), Err(UrlError::LongHost));
}

#[test]
fn of_long_urls_the_beginning_is_read() {
    let url = format!("http://o.test/a?{}", "x".repeat(MAX_URL));
    let cut = CanonicalUrl::parse(url.as_bytes()).unwrap();
    assert!(cut.is_cut());
    assert_eq!((cut.host(), cut.path()), ("o.test", "/a"));
    let target = format!("/a/{}", "%00".repeat(MAX_URL));
    let cut = CanonicalUrl::of_request(b"GET", target.as_bytes(), Some(b"o.test")).unwrap();
    assert!(cut.is_cut());
    assert!(cut.as_str().len() <= 3 * MAX_URL + 1024);
    let cut = CanonicalUrl::of_request(b"GET", url.as_bytes(), None).unwrap();
    assert!(cut.is_cut());
}
