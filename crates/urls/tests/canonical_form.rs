//! Promises about all URLs there can be, and about those that browsers are tested with.

use icapstan_urls::{CanonicalUrl, MAX_EXPRESSIONS, UrlError, expressions};
use proptest::prelude::*;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

/// Checks what must hold for whatever has been read.
fn check(url: &CanonicalUrl) {
    let text = url.as_str();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(url.path().starts_with('/'));
    assert!(!url.host().is_empty() && !url.host().contains(['/', '?', '#', '@', '\\']));
    assert!(!url.path().contains(['?', '#']));
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(text, format!("{}{}{query}", url.host(), url.path()));
    if !url.is_cut() {
        assert_eq!(CanonicalUrl::parse(text.as_bytes()).as_ref(), Ok(url));
        // The parts give the same as the whole.
        let target = format!("{}{query}", url.path());
        let request = CanonicalUrl::of_request(b"GET", target.as_bytes(), Some(url.host().as_bytes()));
        assert_eq!(request.as_ref(), Ok(url));
    }
    let mut keys = Vec::new();
    expressions::<()>(url, |key| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    });
    assert!(keys.len() <= MAX_EXPRESSIONS);
    assert!(keys.contains(&format!("{}/", url.host()).into_bytes()));
    assert!(url.is_cut() || keys[0] == text.as_bytes() || keys[0][0] == 0);
    keys.sort();
    let all = keys.len();
    keys.dedup();
    assert_eq!(keys.len(), all, "a key comes twice");
}

fn urls() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9._-]{1,8}",
        2 => "%[0-9a-fA-F]{2}",
        2 => "[/\\\\?#@:.%\\[\\]]{1,3}",
        1 => "(%25){1,4}[0-9a-f]{1,3}",
        1 => "(0x)?[0-9]{1,11}",
        1 => "[\u{0}-\u{20}]{1,2}",
        1 => "\\PC{1,3}",
        1 => prop_oneof![Just("\u{3002}"), Just("\u{ad}"), Just("\u{ff05}"), Just("\u{df}"), Just("xn--"), Just("\u{200d}")]
            .prop_map(str::to_owned),
    ];
    let text = (
        prop_oneof![Just("http://"), Just("https:/"), Just("x://"), Just("")],
        prop::collection::vec(piece, 0..24),
    )
        .prop_map(|(scheme, pieces)| format!("{scheme}{}", pieces.concat()).into_bytes());
    prop_oneof![4 => text, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(4096), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_a_form_that_is_its_own(url in urls()) {
        if let Ok(url) = CanonicalUrl::parse(&url) {
            check(&url);
        }
    }

    #[test]
    fn any_request_gives_a_form_that_is_its_own(
        method in prop_oneof![Just("GET"), Just("CONNECT"), Just("")],
        slash in any::<bool>(),
        target in urls(),
        host in proptest::option::of(urls()),
    ) {
        let target = if slash { [&b"/"[..], &target].concat() } else { target };
        if let Ok(url) = CanonicalUrl::of_request(method.as_bytes(), &target, host.as_deref()) {
            check(&url);
        }
    }

    #[test]
    fn escapes_change_nothing(path in "[a-z./]{0,12}", depth in 0_usize..4, host in "[a-z]{1,8}\\.[a-z]{1,8}") {
        let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
        let escape = |text: &str| -> String { text.bytes().flat_map(|byte| [b'%', hex(byte >> 4), hex(byte & 15)]).map(char::from).collect() };
        let plain = format!("http://{host}/{path}");
        let deep = (0..depth).fold((host.clone(), path), |(host, path), _| (escape(&host), escape(&path)));
        let url = format!("http://{}/{}", deep.0, deep.1);
        prop_assert_eq!(CanonicalUrl::parse(url.as_bytes()), CanonicalUrl::parse(plain.as_bytes()));
    }
}

/// The web platform's test data, from the package of the crate url, whatever version is in use.
fn platform_tests() -> Result<Vec<serde_json::Value>, Box<dyn Error>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--offline", "--filter-platform"])
        // So that packages for other systems need not be there.
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let mut packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest =
        packages.find(|package| package["name"] == "url").and_then(|url| url["manifest_path"].as_str());
    let file =
        Path::new(manifest.ok_or("the crate url is not in use")?).with_file_name("tests/urltestdata.json");
    let data = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(serde_json::from_slice(&data)?)
}

#[test]
fn where_browsers_go_is_what_is_looked_up() {
    let tests = platform_tests().unwrap();
    let (mut read, mut compared) = (0, 0);
    for test in tests.iter().filter(|test| test.is_object()) {
        let input = test["input"].as_str().unwrap();
        read += 1;
        let url = CanonicalUrl::parse(input.as_bytes());
        if let Ok(url) = &url {
            check(url);
        }
        for place in ["href", "base"] {
            if let Some(Ok(url)) = test[place].as_str().map(|url| CanonicalUrl::parse(url.as_bytes())) {
                check(&url);
            }
        }
        let web = ["http:", "https:", "ws:", "wss:", "ftp:"];
        let expected = test["hostname"].as_str().unwrap_or_default();
        if !test["base"].is_null() || !web.contains(&test["protocol"].as_str().unwrap_or_default()) {
            continue;
        }
        // What the browser would connect to, in our form: dots, and IPv4 in the clothes of IPv6.
        compared += 1;
        let ours = url.as_ref().map(CanonicalUrl::host);
        let expected = CanonicalUrl::parse(expected.as_bytes());
        assert_eq!(
            ours,
            expected.as_ref().map(CanonicalUrl::host).map_err(|error: &UrlError| error),
            "{input:?}"
        );
        // The path of its `href` is the path that the browser asks for.
        let href = CanonicalUrl::parse(test["href"].as_str().unwrap().as_bytes());
        assert_eq!(url, href, "{input:?}");
    }
    assert!(read > 500 && compared > 100, "{read} read, {compared} compared");
}
