use super::read;
use crate::entry::{Entry, hash_key};
use crate::import::Format::{self, SquidGuardDomains, SquidGuardUrls};
use crate::import::Reason::{
    AnyPort, BadAddress, BadHash, BadName, BadUrl, DeepFolder, Everything, HashPrefix, HostBits, Malformed,
    PrivateSuffix, PublicSuffix, RealAddress, TooDeep,
};
use crate::import::{Category, Imported, categories, import};
use std::fs;
use std::ops::ControlFlow;

#[test]
fn plain_lists_have_urls_domains_addresses_and_ranges() {
    let list = "# comment\n; comment\n! comment\n// comment\nhttp://Bad.test/a/../b?q#f\nhttps://bad.test/\n\
        bad.test  # why\n*.bad.test\n.bad.test\nbad.test/x\nbad.test/\n192.0.2.7\n192.0.2.0/24\n2001:db8::/32\n\
        [2001:db8::1]\nhttp://192.0.2.7/\nhttp://3279880203/x\nb\u{fc}cher.example\nhttp://bad.test:8080/x\n\
        ::ffff:192.0.2.9\n::ffff:192.0.2.0/120\nintranet\n";
    let (found, problems) = read(Format::Plain, list);
    assert_eq!(problems, []);
    assert_eq!(
        found,
        [
            "5 bad.test/b?q",
            "6 =bad.test",
            "7 bad.test/",
            "8 bad.test/",
            "9 bad.test/",
            "10 bad.test/x",
            "11 bad.test/",
            "12 192.0.2.7/32",
            "13 192.0.2.0/24",
            "14 2001:db8::/32",
            "15 2001:db8::1/128",
            "16 =192.0.2.7",
            "17 195.127.0.11/x",
            "18 xn--bcher-kva.example/",
            "19 bad.test/x",
            "20 192.0.2.9/32",
            "21 192.0.2.0/24",
            "22 intranet/",
        ]
    );
}

#[test]
fn bad_lines_are_reported_with_their_reason() {
    let long_label = "a".repeat(64) + ".test";
    let long_name = "abc.".repeat(70) + "test";
    for (line, reason) in [
        ("two words", Malformed),
        ("http://", BadUrl),
        ("http://bad.test:x/", BadUrl),
        ("http://bad test/", Malformed),
        ("http://a%20b.test/", BadName),
        ("mailto:someone@bad.test", BadName),
        ("12345", BadName),
        ("<html>", BadName),
        ("a,b", BadName),
        (&long_label, BadName),
        (&long_name, BadName),
        ("192.0.2.1/24", HostBits),
        ("192.0.2.0/33", BadAddress),
        ("0.0.0.0/0", Everything),
        ("::/0", Everything),
        ("com", PublicSuffix),
        ("co.uk", PublicSuffix),
        ("*.co.uk", PublicSuffix),
    ] {
        assert_eq!(read(Format::Plain, line), (vec![], vec![(1, reason)]), "{line}");
    }
}

#[test]
fn entries_that_mean_more_or_less_than_they_say_are_remarked_on() {
    for (line, entry, reason) in [
        ("github.io", "1 github.io/", PrivateSuffix),
        ("a.b.c.d.e.test", "1 a.b.c.d.e.test/", TooDeep),
        ("bad.test:8080", "1 bad.test/", AnyPort),
        ("http://bad.test:8080/", "1 =bad.test", AnyPort),
    ] {
        assert_eq!(read(Format::Plain, line), (vec![entry.to_owned()], vec![(1, reason)]), "{line}");
    }
    for (path, deep) in
        [("a/b/c", false), ("a/b/c/", false), ("a/b/c/d", true), ("a/b/c/d/", true), ("a/b/c/d?q", false)]
    {
        let (_, problems) = read(SquidGuardUrls, format!("bad.test/{path}"));
        assert_eq!(problems, if deep { vec![(1, DeepFolder)] } else { vec![] }, "{path}");
        assert_eq!(read(Format::Plain, format!("bad.test/{path}")).1, []);
    }
    // Whose customers' names are no suffixes.
    assert_eq!(read(Format::Plain, "name.github.io"), (vec!["1 name.github.io/".into()], vec![]));
    assert_eq!(read(Format::Plain, "example.co.uk"), (vec!["1 example.co.uk/".into()], vec![]));
}

#[test]
fn hosts_files_name_hosts_and_not_domains() {
    let list = "127.0.0.1 localhost localhost.localdomain # usual\n::1 ip6-localhost ip6-loopback\n\
        fe80::1%lo0 localhost\nff02::1 ip6-allnodes\n255.255.255.255 broadcasthost\n0.0.0.0 0.0.0.0\n\
        0.0.0.0 Bad.test\n127.0.0.1\tworse.test  worst.test\t#x\n:: v6.test\n0.0.0.0 192.0.2.7\n0.0.0.0 com\n";
    let (found, problems) = read(Format::Hosts, list);
    assert_eq!(problems, []);
    assert_eq!(
        found,
        ["7 =bad.test", "8 =worse.test", "8 =worst.test", "9 =v6.test", "10 192.0.2.7/32", "11 =com"]
    );
    let (found, problems) =
        read(Format::Hosts, "192.0.2.1 printer.lan\nbad.test\n0.0.0.0 a.test b@d c.test\n0.0.0.0\nx y\n");
    assert_eq!(found, ["3 =a.test", "3 =c.test"]);
    assert_eq!(problems, [(1, RealAddress), (2, Malformed), (3, BadName), (4, Malformed), (5, BadAddress)]);
}

#[test]
fn tables_of_urls_are_read_by_their_head() {
    let urlhaus = "################\n# abuse.ch URLhaus Database Dump (CSV)\n#\n\
        # id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
        \"1\",\"2026-01-01 00:00:00\",\"http://192.0.2.7:8080/bin.sh\",\"online\",\"\",\"malware_download\",\"elf,mirai\",\"https://urlhaus.abuse.ch/url/1/\",\"x\"\n\
        \"2\",\"2026-01-01\",\"http://bad.test/a,b\"\"c\",\"offline\"\n\"3\",\"2026-01-01\",\"http://bad.test/open\n\
        \"4\",\"x\"\n\"5\",\"x\",\"no url\",\"y\"\n";
    let (found, problems) = read(Format::Csv, urlhaus);
    assert_eq!(found, ["5 192.0.2.7/bin.sh", "6 bad.test/a,b\"c"]);
    assert_eq!(problems, [(7, Malformed), (8, Malformed), (9, BadUrl)]);
    let phishtank = "phish_id,url,phish_detail_url,verified\n1,https://bad.test/login?x=1,http://www.phishtank.com/1,yes\n";
    assert_eq!(read(Format::Csv, phishtank), (vec!["2 bad.test/login?x=1".into()], vec![]));
    let headless = "1,2026,http://bad.test/x\n";
    assert_eq!(read(Format::Csv, headless), (vec!["1 bad.test/x".into()], vec![]));
}

#[test]
fn squidguard_paths_cover_what_is_below() {
    let (found, problems) = read(SquidGuardDomains, "# c\nbad.test\n192.0.2.7\n.worse.test\nbad.test/x\n");
    assert_eq!(found, ["2 bad.test/", "3 192.0.2.7/32", "4 worse.test/"]);
    assert_eq!(problems, [(5, BadName)]);
    let (found, problems) =
        read(SquidGuardUrls, "bad.test/a/b\nbad.test/a/\nhttp://bad.test/x\nbad.test/x?y\n");
    let expected = ["1 bad.test/a/b/", "1 bad.test/a/b", "2 bad.test/a/", "3 bad.test/x", "4 bad.test/x?y"];
    assert_eq!((found, problems), (expected.map(String::from).to_vec(), vec![]));
}

#[test]
fn full_hashes_of_clamav_are_keys() {
    let hash = hash_key(b"bad.test/").map(|byte| format!("{byte:02X}")).concat();
    let list = format!(
        "S:P:{}\nS:F:{hash}\nS2:F:{hash}:20-30\nS:W:{hash}\nS:F:{}\nS:F:{}zz\nS:X:00\nR:x\n",
        &hash[..8],
        &hash[..62],
        &hash[..62]
    );
    let mut found = Vec::new();
    let report = import(Format::ClamavGdb, list.as_bytes(), |Imported { entry, .. }| {
        found.push(entry);
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(found.len(), 3);
    let listed = Entry::Expression("bad.test/".into());
    assert!(found.iter().all(|entry| entry.hash() == listed.hash()));
    let problems: Vec<_> = report.problems.iter().map(|problem| (problem.line, problem.reason)).collect();
    assert_eq!(problems, [(1, HashPrefix), (5, BadHash), (6, BadHash), (7, Malformed), (8, Malformed)]);
}

#[test]
fn categories_are_found_in_their_folders() {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "bad.test\n").unwrap();
    };
    for path in [
        "malware/domains",
        "malware/urls",
        "malware/usage",
        "adult/mixed/domains",
        "ads/expressions",
        "README",
    ] {
        put(path);
    }
    std::os::unix::fs::symlink("malware", root.path().join("virus")).unwrap();
    std::os::unix::fs::symlink("/etc", root.path().join("outside")).unwrap();
    std::os::unix::fs::symlink("..", root.path().join("malware/loop")).unwrap();
    let found = categories(root.path()).unwrap();
    let names: Vec<_> =
        found.categories.iter().map(|Category { name, format, .. }| (&name[..], *format)).collect();
    let expected = [
        ("adult/mixed", SquidGuardDomains),
        ("malware", SquidGuardDomains),
        ("malware", SquidGuardUrls),
        ("virus", SquidGuardDomains),
        ("virus", SquidGuardUrls),
    ];
    assert_eq!(names, expected);
    // The loop is met under both names of its folder.
    let root_path = root.path().canonicalize().unwrap();
    let left_out =
        ["ads/expressions", "malware/loop", "malware/loop", "outside"].map(|path| root_path.join(path));
    assert_eq!(found.left_out, left_out);
    assert!(categories(&root.path().join("none")).is_err());
}
