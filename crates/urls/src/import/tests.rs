use super::*;
use proptest::prelude::*;

mod adblock;
mod others;
mod rpz;

/// What a list yields: each entry as text (`+` before what is allowed), with the number of its line, and all
/// problems.
fn read(format: Format, list: impl AsRef<[u8]>) -> (Vec<String>, Vec<(u64, Reason)>) {
    let mut found = Vec::new();
    let report = import(format, list.as_ref(), |Imported { line, entry, action }| {
        let text = match entry {
            Entry::Expression(text) => text.into_string(),
            Entry::Host(host) => format!("={host}"),
            Entry::Hash(hash) => format!("#{:02x}{:02x}", hash[0], hash[31]),
            Entry::Network(ip, bits) => format!("{ip}/{bits}"),
        };
        let sign = if action == Action::Allow { "+" } else { "" };
        found.push(format!("{line} {sign}{text}"));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(report.entries, found.len() as u64);
    (found, report.problems.iter().map(|problem| (problem.line, problem.reason)).collect())
}

#[test]
fn every_format_has_a_word() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let error = "squid".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("squid") && error.contains("plain, hosts, rpz"), "{error}");
}

#[test]
fn lines_end_as_they_like() {
    let (found, problems) = read(Format::Plain, b"\xef\xbb\xbfa.test\r\nb.test\n\n \r\nc.test");
    assert_eq!((found, problems), (vec!["1 a.test/".into(), "2 b.test/".into(), "5 c.test/".into()], vec![]));
    assert_eq!(read(Format::Plain, ""), (vec![], vec![]));
}

#[test]
fn long_lines_are_left_out_and_counted() {
    let list = format!("a.test\n{}\nb.test\n{}", "x".repeat(MAX_LINE + 1), "y".repeat(5 * MAX_LINE));
    // In pieces, as from a pipe.
    let mut found = Vec::new();
    let input = io::BufReader::with_capacity(100, list.as_bytes());
    let report = import(Format::Plain, input, |imported| {
        found.push(imported.line);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(found, [1, 3]);
    assert_eq!((report.lines, report.entries, report.left_out), (4, 2, 2));
    assert_eq!(report.count(Reason::TooLong), 2);
    assert_eq!(report.problems[1], Problem { line: 4, reason: Reason::TooLong });
    let mut importer = Importer::new(Format::Plain);
    let _ = importer.line(list.as_bytes(), |_| panic!("too long"));
    assert_eq!(importer.finish().count(Reason::TooLong), 1);
}

#[test]
fn all_problems_are_counted_and_a_few_are_kept() {
    let list = "!?\n".repeat(3) + &"a b\n".repeat(1000) + "com\n";
    let report = import(Format::Plain, list.as_bytes(), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((report.lines, report.left_out, report.entries), (1004, 1001, 0));
    let counts: Vec<_> = report.counts().collect();
    assert_eq!(counts, [(Reason::Malformed, 1000), (Reason::PublicSuffix, 1)]);
    assert_eq!(report.problems.len(), 11);
    assert_eq!(report.problems[10].to_string(), "line 1004: covers a whole public suffix");
}

#[test]
fn an_import_can_be_stopped() {
    let mut found = 0;
    let report = import(Format::Hosts, &b"0.0.0.0 a.test b.test\n0.0.0.0 c.test\n"[..], |_| {
        found += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert!(report.stopped);
    assert_eq!((found, report.entries, report.lines), (1, 1, 1));
}

#[test]
fn an_input_that_fails_is_no_short_list() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let input = io::Read::chain(&b"a.test\nb.te"[..], Broken);
    let mut found = Vec::new();
    let error = import(Format::Plain, io::BufReader::new(input), |imported| {
        found.push(imported.line);
        ControlFlow::Continue(())
    })
    .unwrap_err();
    assert_eq!((error.to_string(), found), ("broken".into(), vec![1]));
}

#[test]
fn formats_are_told_by_their_content() {
    for (list, expected) in [
        ("# c\nhttp://a.test/x\nb.test\n192.0.2.0/24\n", Some(Format::Plain)),
        ("a.test", Some(Format::Plain)),
        ("# hosts\n127.0.0.1 localhost\n0.0.0.0 a.test\n", Some(Format::Hosts)),
        ("$TTL 30\n@ SOA a. b. 1 2 3 4 5\n", Some(Format::Rpz)),
        ("; zone\nbad.test CNAME .\n", Some(Format::Rpz)),
        ("[Adblock Plus 2.0]\n! Title: x\n", Some(Format::Adblock)),
        ("! Title\n! x\n||a.test^\n", Some(Format::Adblock)),
        ("! Title: x\na.test\n", Some(Format::Adblock)),
        ("! note\na.test\n", Some(Format::Plain)),
        ("################\n# abuse.ch\n# id,dateadded,url,url_status\n", Some(Format::Csv)),
        ("phish_id,url,phish_detail_url\n1,http://a/b,x\n", Some(Format::Csv)),
        ("\"1\",\"2026-01-01\",\"http://a.test/x\",\"online\"\n", Some(Format::Csv)),
        ("S:P:01234567\n", Some(Format::ClamavGdb)),
        ("S1:F:00\n", Some(Format::ClamavGdb)),
        // A line that is cut does not count, unless it is all there is.
        ("a.test\nb.test\n<ht", Some(Format::Plain)),
        ("", None),
        ("# nothing\n", None),
        ("<!DOCTYPE html>\n<html>\n", None),
        ("a.test\n0.0.0.0 b.test\n", None),
        ("hello\nworld\n", None),
        ("\0\x01\x02", None),
    ] {
        assert_eq!(detect(list.as_bytes()), expected, "{list:?}");
    }
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        "[a-z0-9.*-]{1,12}",
        "(https?://|\\|\\||@@\\|\\|)?[a-z0-9.:]{1,10}(/[a-z%?^|/.]{0,8})?[$^|]{0,2}",
        Just("CNAME".to_owned()),
        Just("$ORIGIN".to_owned()),
        Just("SOA".to_owned()),
        Just("32.1.zz.rpz-ip".to_owned()),
        Just("rpz-passthru.".to_owned()),
        Just("S:F:".to_owned() + &"0a".repeat(32)),
        "[.@*(\");#,:\t\r\n ]{1,3}",
        "\\PC{0,4}",
    ];
    let text = proptest::collection::vec(word, 0..40).prop_map(|words| words.join(" ").into_bytes());
    prop_oneof![3 => text, 1 => proptest::collection::vec(any::<u8>(), 0..400)]
}

proptest! {
    #[test]
    fn no_list_makes_an_importer_panic_or_yield_what_nothing_matches(list in lines()) {
        let _ = detect(&list);
        for format in Format::ALL {
            let report = import(format, &list[..], |Imported { entry, line, .. }| {
                assert!(line > 0);
                match entry {
                    // Its own canonical form, so that a URL can have it.
                    Entry::Expression(text) => {
                        let url = crate::CanonicalUrl::parse(text.as_bytes()).unwrap();
                        assert_eq!(url.as_str(), &*text);
                    }
                    Entry::Host(host) => {
                        let url = crate::CanonicalUrl::parse(host.as_bytes()).unwrap();
                        assert_eq!((url.host(), url.path()), (&*host, "/"));
                    }
                    Entry::Network(ip, bits) => assert!((1..=if ip.is_ipv4() { 32 } else { 128 }).contains(&bits)),
                    Entry::Hash(_) => {}
                }
                ControlFlow::Continue(())
            })
            .unwrap();
            let counted: u64 = report.counts().map(|(_, count)| count).sum();
            prop_assert_eq!(counted, report.left_out + report.remarks);
        }
    }
}
