use super::read;
use crate::import::Format;
use crate::import::Reason::{self, BadAddress, Everything, HostBits, Trigger};

#[test]
fn a_zone_as_urlhaus_publishes_it_is_understood() {
    let zone = "$TTL 30\n\
        @ SOA rpz.urlhaus.abuse.ch. hostmaster.urlhaus.abuse.ch. 2601010101 300 1800 604800 30\n \
        NS localhost.\n;\n; abuse.ch URLhaus Response Policy Zones\n\
        testentry.urlhaus.abuse.ch CNAME . ; Test entry\n\
        bad.test CNAME . ; Malware download (2026-01-01), see https://urlhaus.abuse.ch/host/bad.test/\n\
        *.bad.test\t60\tIN\tCNAME\t.\n";
    let expected = ["6 =testentry.urlhaus.abuse.ch", "7 =bad.test", "8 bad.test/"];
    assert_eq!(read(Format::Rpz, zone), (expected.map(String::from).to_vec(), vec![]));
}

#[test]
fn actions_are_told_apart() {
    let zone = "a.test CNAME .\nb.test CNAME *.\nc.test CNAME rpz-drop.\nd.test CNAME rpz-passthru.\n\
        e.test CNAME e.test.\n*.f.test cname RPZ-PASSTHRU.\ng.test A 0.0.0.0\ng.test AAAA ::1\n\
        h.test CNAME garden.test.\ni.test CNAME rpz-tcp-only.\nj.test A 192.0.2.1\nk.test MX 10 mail.test.\n\
        l.test A nonsense\nm.test CNAME\nn.test\n* CNAME .\n*.com CNAME .\n";
    let (found, problems) = read(Format::Rpz, zone);
    let expected = [
        "1 =a.test",
        "2 =b.test",
        "3 =c.test",
        "4 +=d.test",
        "5 +=e.test",
        "6 +f.test/",
        "7 =g.test",
        "8 =g.test",
    ];
    assert_eq!(found, expected);
    assert_eq!(
        problems,
        [
            (9, Reason::Rewrite),
            (10, Reason::Rewrite),
            (11, Reason::Rewrite),
            (12, Reason::Malformed),
            (13, BadAddress),
            (14, Reason::Malformed),
            (15, Reason::Malformed),
            (16, Everything),
            (17, Reason::PublicSuffix),
        ]
    );
}

#[test]
fn names_are_taken_relative_to_the_zone() {
    let zone = "$ORIGIN rpz.example.\n@ 1h IN SOA ns.rpz.example. root.rpz.example. (\n 1 2 ; serial\n 3 4 5 )\n\
        @ NS ns.rpz.example.\na.test CNAME .\nb.test.rpz.example. CNAME .\nc.test. CNAME .\n\
        $ORIGIN Test.RPZ.example.\nd CNAME .\n*.d CNAME .\n CNAME .\n@ CNAME .\n";
    let (found, problems) = read(Format::Rpz, zone);
    assert_eq!(found, ["6 =a.test", "7 =b.test", "10 =d.test", "11 d.test/", "12 d.test/", "13 =test"]);
    assert_eq!(problems, [(8, Reason::OutOfZone)]);
    // The zone is named by its first record.
    let zone = "rpz.example. SOA a. b. 1 2 3 4 5\na.test.rpz.example. CNAME .\nb.test CNAME .\nrpz.example. CNAME .\n";
    let (found, problems) = read(Format::Rpz, zone);
    assert_eq!(found, ["2 =a.test", "3 =b.test"]);
    assert_eq!(problems, [(4, Reason::Malformed)]);
    // Nothing names it.
    let (found, problems) = read(Format::Rpz, "a.test CNAME .\nb.test. CNAME .\n");
    assert_eq!((found, problems), (vec!["1 =a.test".into()], vec![(2, Reason::OutOfZone)]));
}

#[test]
fn addresses_are_read_from_the_right() {
    let zone = "32.4.3.2.1.rpz-ip CNAME .\n24.0.2.0.192.rpz-ip CNAME rpz-passthru.\n128.1.zz.db8.2001.rpz-ip CNAME .\n\
        32.zz.db8.2001.rpz-ip CNAME .\n128.1.zz.rpz-ip CNAME .\n128.8.7.6.5.4.3.2.1.rpz-ip CNAME .\n\
        24.1.2.0.192.rpz-ip CNAME .\n33.4.3.2.1.rpz-ip CNAME .\n0.0.0.0.0.rpz-ip CNAME .\n32.4.3.2.rpz-ip CNAME .\n\
        x.rpz-ip CNAME .\nns.test.rpz-nsdname CNAME .\n32.4.3.2.1.rpz-nsip CNAME .\n32.4.3.2.1.rpz-client-ip CNAME .\n";
    let (found, problems) = read(Format::Rpz, zone);
    assert_eq!(
        found,
        [
            "1 1.2.3.4/32",
            "2 +192.0.2.0/24",
            "3 2001:db8::1/128",
            "4 2001:db8::/32",
            "5 ::1/128",
            "6 1:2:3:4:5:6:7:8/128"
        ]
    );
    let reasons = [HostBits, BadAddress, Everything, BadAddress, BadAddress, Trigger, Trigger, Trigger];
    assert_eq!(problems, (7..).zip(reasons).collect::<Vec<_>>());
}

#[test]
fn quotes_and_parentheses_hide_nothing() {
    let zone = "x TXT \"a ; b ( c\"\na.test CNAME . ; ( not open\nb.test CNAME . ) )\nc.test CNAME .\n";
    assert_eq!(read(Format::Rpz, zone).0, ["2 =a.test", "3 =b.test", "4 =c.test"]);
}
