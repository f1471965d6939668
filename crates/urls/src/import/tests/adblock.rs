use super::read;
use crate::import::Format;
use crate::import::Reason::{AnyPort, BadName, Condition, Cosmetic, Pattern, PortException, PublicSuffix};

#[test]
fn rules_about_hosts_and_paths_are_taken() {
    let list = "[Adblock Plus 2.0]\n! Title: test\n||bad.test^\n||Bad2.test^$all\n||192.0.2.7^$document\n\
        ||bad.test/dir/page^\n||bad.test/dir/^\n||bad.test/dir/\n||bad.test/x?q=1^\n||bad.test/exact|\n\
        @@||good.test^\n@@||good.test/x^$important,all\n||*.wild.test^\n||b\u{fc}cher.example^\n||[2001:db8::1]^\n\
        # a comment as uBlock has it\nbare.test\n192.0.2.8\n@@good.test$doc\n";
    let (found, problems) = read(Format::Adblock, list);
    assert_eq!(problems, []);
    assert_eq!(
        found,
        [
            "3 bad.test/",
            "4 bad2.test/",
            "5 192.0.2.7/32",
            "6 bad.test/dir/page/",
            "6 bad.test/dir/page",
            "7 bad.test/dir/",
            "8 bad.test/dir/",
            "9 bad.test/x?q=1",
            "10 bad.test/exact",
            "11 +good.test/",
            "12 +good.test/x/",
            "12 +good.test/x",
            "13 wild.test/",
            "14 xn--bcher-kva.example/",
            "15 2001:db8::1/128",
            "17 bare.test/",
            "18 192.0.2.8/32",
            "19 +good.test/",
        ]
    );
}

#[test]
fn all_other_rules_are_reported() {
    for (rule, reason) in [
        ("||bad.test", Pattern),
        ("||bad.test/open", Pattern),
        (".bad.test", Pattern),
        ("ads-", Pattern),
        ("ads", Pattern),
        ("0.0.0.0 bad.test", Pattern),
        ("bad.test$script", Condition),
        ("co.uk", PublicSuffix),
        ("|https://bad.test/", Pattern),
        ("/banner/*/img^", Pattern),
        ("/regex[0-9]/", Pattern),
        ("||bad.*^", Pattern),
        ("||bad.test^*/x^", Pattern),
        ("||bad.test^|", Pattern),
        ("||bad.test/|", Pattern),
        ("||^", Pattern),
        ("||", Pattern),
        ("@@bad.test^", Pattern),
        ("||bad.test^$third-party", Condition),
        ("||bad.test^$all,domain=a.test", Condition),
        ("||bad.test^$", Condition),
        ("bad.test##.ad", Cosmetic),
        ("##.ad", Cosmetic),
        ("bad.test#@#.ad", Cosmetic),
        ("bad.test#?#div:has(x)", Cosmetic),
        ("||bad_name!^", BadName),
        ("||com^", PublicSuffix),
        ("||co.uk^", PublicSuffix),
        ("||co.uk/x^", PublicSuffix),
        ("@@||good.test:8080^", PortException),
    ] {
        assert_eq!(read(Format::Adblock, rule), (vec![], vec![(1, reason)]), "{rule}");
    }
    // A rule for one port would lose it; better one port too many.
    assert_eq!(read(Format::Adblock, "||bad.test:8080^"), (vec!["1 bad.test/".into()], vec![(1, AnyPort)]));
    assert_eq!(read(Format::Adblock, "||bad.test:8080/x|"), (vec!["1 bad.test/x".into()], vec![]));
}
