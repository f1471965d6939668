use super::*;
use crate::digest::Algorithm;
use proptest::prelude::*;
use std::io::BufReader;

const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Line, digest, size and name.
type Found = (u64, String, Option<u32>, String);

/// Each entry; and the problems.
fn read(format: Format, kind: Kind, text: &str) -> (Vec<Found>, Vec<Problem>) {
    let mut entries = Vec::new();
    let report = import(format, kind, text.as_bytes(), |imported| {
        let Imported { line, entry, name } = imported;
        entries.push((line, entry.digest.to_string(), entry.size, name.to_owned()));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((report.entries, report.left_out), (entries.len() as u64, report.problems.len() as u64));
    (entries, report.problems)
}

fn entry(line: u64, digest: &str, size: Option<u32>, name: &str) -> Found {
    (line, digest.to_owned(), size, name.to_owned())
}

fn problems(expected: &[(u64, Reason)]) -> Vec<Problem> {
    expected.iter().map(|&(line, reason)| Problem { line, reason }).collect()
}

#[test]
fn plain_lists_have_a_digest_a_line_and_names_behind_it() {
    let upper = SHA256.to_uppercase();
    let text = format!("\u{feff}# bad\n{MD5}\n\n  {SHA1}\tWorm A \r\n{upper} # fine\nx\n{MD5}0\n");
    let (entries, left_out) = read(Format::Plain, Kind::Deny, &text);
    assert_eq!(
        entries,
        [entry(2, MD5, None, ""), entry(4, SHA1, None, "Worm A"), entry(5, SHA256, None, "")]
    );
    assert_eq!(left_out, problems(&[(6, Reason::NoDigest), (7, Reason::NoDigest)]));
}

#[test]
fn sums_are_read_as_gnu_and_bsd_write_them() {
    let text = format!(
        "{SHA256}  a file\n{SHA1} *b\n\\{MD5}  a\\nb\nSHA256 (x) = {SHA256}\n{SHA256}\n{SHA256} x\nMD5 x) = {MD5}\n"
    );
    let (entries, left_out) = read(Format::Sha256sum, Kind::Deny, &text);
    let digests: Vec<_> = entries.iter().map(|entry| entry.1.as_str()).collect();
    assert_eq!(digests, [SHA256, SHA1, MD5, SHA256]);
    assert!(entries.iter().all(|entry| entry.3.is_empty()));
    assert_eq!(left_out, problems(&[(5, Reason::NoSum), (6, Reason::NoSum), (7, Reason::NoSum)]));
}

#[test]
fn clamav_has_sizes_and_names() {
    let text = format!(
        "{MD5}:3:Worm.A\n{SHA256}:*:Worm.B:73\n{SHA1}:4294967294:Worm.C:73:255\n{MD5}:x:A\n{MD5}:3\nzz:3:A\n\
         {MD5}:4294967295:A\n{MD5}:3:A:b\n{MD5}:3:A:1:2:3\n{MD5}:3: \n"
    );
    let (entries, left_out) = read(Format::Clamav, Kind::Deny, &text);
    assert_eq!(
        entries,
        [
            entry(1, MD5, Some(3), "Worm.A"),
            entry(2, SHA256, None, "Worm.B"),
            entry(3, SHA1, Some(u32::MAX - 1), "Worm.C")
        ]
    );
    let reasons: Vec<_> = left_out.iter().map(|problem| problem.reason).collect();
    let fields = Reason::NoFields;
    assert_eq!(reasons, [Reason::NoSize, fields, Reason::NoDigest, Reason::Large, fields, fields, fields]);
}

#[test]
fn the_tables_of_abuse_ch_and_misp_name_their_columns() {
    let bazaar = format!(
        "# MalwareBazaar\r\n# \"first_seen_utc\",\"sha256_hash\",\"md5_hash\",\"signature\"\r\n\
         \"2024\", \"{SHA256}\", \"{MD5}\", \"Mirai \"\"x\"\", y\"\r\n\"2024\",\"n/a\",\"{MD5}\",\"n/a\"\r\n\
         \"2024\",\"x\r\n\"2024\",\"x\",\"y\"\r\n# end\r\n"
    );
    let (entries, left_out) = read(Format::Csv, Kind::Deny, &bazaar);
    assert_eq!(entries, [entry(3, SHA256, None, "Mirai \"x\", y"), entry(4, MD5, None, "")]);
    assert_eq!(left_out, problems(&[(5, Reason::Quotes), (6, Reason::NoDigest)]));

    let misp = format!(
        "uuid,event_id,category,type,value,comment\n1,2,x,sha256,{SHA256},\n1,2,x,filename|sha1,\"a|{SHA1}\",\n\
         1,2,x,url,http://x/,\n1,2,x,md5,{SHA1},\n1,2\n"
    );
    let (entries, left_out) = read(Format::Csv, Kind::Deny, &misp);
    assert_eq!(entries, [entry(2, SHA256, None, ""), entry(3, SHA1, None, "")]);
    assert_eq!(left_out, problems(&[(4, Reason::OtherType), (5, Reason::NoDigest), (6, Reason::NoFields)]));

    let (entries, _) = read(Format::Csv, Kind::Deny, &format!("2024,x,{SHA256},y\n"));
    assert_eq!(entries, [entry(1, SHA256, None, "")]);
}

#[test]
fn what_may_not_allow_and_what_stands_for_nothing_is_left_out() {
    let nothing = "d41d8cd98f00b204e9800998ecf8427e";
    let text = format!("{SHA256}\n{SHA1}\n{MD5}\n{nothing}\n");
    let (entries, left_out) = read(Format::Plain, Kind::Allow, &text);
    assert_eq!(entries, [entry(1, SHA256, None, "")]);
    assert_eq!(left_out, problems(&[(2, Reason::Weak), (3, Reason::Weak), (4, Reason::Nothing)]));
    assert_eq!(read(Format::Plain, Kind::Deny, &text).1, problems(&[(4, Reason::Nothing)]));
}

#[test]
fn formats_are_told_by_their_first_lines() {
    for (text, format) in [
        (format!("# x\n\n{SHA256}\n"), Some(Format::Plain)),
        (format!("{SHA256} Worm"), Some(Format::Plain)),
        (format!("{SHA256}  file\n"), Some(Format::Sha256sum)),
        (format!("MD5 (file) = {MD5}\n"), Some(Format::Sha256sum)),
        (format!("{MD5}:3:Worm\n"), Some(Format::Clamav)),
        ("# a,sha256_hash\n".to_owned(), Some(Format::Csv)),
        (format!("1,{SHA256}\n"), Some(Format::Csv)),
        ("To be, or not to be\n".to_owned(), None),
        ("# nothing\n".to_owned(), None),
    ] {
        assert_eq!(detect(text.as_bytes()), format, "{text}");
    }
    assert!(Format::ALL.iter().all(|format| format.word().parse() == Ok(*format)));
    assert!("hsb".parse::<Format>().is_err());
}

#[test]
fn long_lines_are_left_out_and_who_wants_no_more_gets_no_more() {
    for (len, is_taken) in
        [(MAX_LINE, true), (MAX_LINE + 1, false), (MAX_LINE + 2, false), (9 * MAX_LINE, false)]
    {
        let text = format!("{SHA1} {}\n{SHA1}\n", "x".repeat(len - SHA1.len() - 1));
        let (entries, left_out) = read(Format::Plain, Kind::Deny, &text);
        let expected: &[u64] = if is_taken { &[1, 2] } else { &[2] };
        assert_eq!(entries.iter().map(|entry| entry.0).collect::<Vec<_>>(), expected, "{len}");
        assert_eq!(left_out.is_empty(), is_taken);
    }
    let text = format!("{MD5}\n").repeat(3);
    let report = import(Format::Plain, Kind::Deny, text.as_bytes(), |_| ControlFlow::Break(())).unwrap();
    assert!(report.stopped && report.lines == 1);
}

proptest! {
    #[test]
    fn whatever_comes_each_line_is_counted_and_what_is_taken_can_be_used(
        text in "([0-9a-f]{32}|[0-9a-f]{64}|[:,*\"# \n]|[a-z]{0,4}|sha256_hash){0,40}",
        format in prop::sample::select(Format::ALL.to_vec()),
        allow: bool,
        piece in 1_usize..50,
    ) {
        let kind = if allow { Kind::Allow } else { Kind::Deny };
        let mut strong = true;
        let input = BufReader::with_capacity(piece, text.as_bytes());
        let report = import(format, kind, input, |imported| {
            strong &= imported.entry.digest.algorithm() == Algorithm::Sha256;
            ControlFlow::Continue(())
        }).unwrap();
        prop_assert!(strong || !allow);
        prop_assert_eq!(report.lines, text.lines().count() as u64);
        prop_assert!(report.entries + report.left_out <= report.lines);
        prop_assert_eq!(report.counts().map(|(_, count)| count).sum::<u64>(), report.left_out);
    }
}
