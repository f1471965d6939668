//! URL lists as others publish them.

use crate::input::Input;
use crate::targets::canonical::keys;
use icapstan_urls::import::{Format, Imported, Importer, MAX_LINE, Reason, Report, detect, import};
use icapstan_urls::{Action, CanonicalUrl, Entry};
use std::io::BufReader;
use std::net::IpAddr;
use std::ops::ControlFlow;

/// Imports a list: a choice of the format, then its lines; each line may be told to be repeated.
///
/// - Whatever is yielded is in canonical form: there are URLs with its key, and networks are whole ones.
/// - In whatever pieces the list is read, the same comes of it; what is told apart by content too.
/// - The report counts what was yielded, each line is counted, and only so many problems are kept.
/// - Whoever wants no more gets no more.
pub fn list_import(data: &[u8]) {
    let mut input = Input::new(data);
    let format = input.pick(&Format::ALL);
    let (seed, stop) = (input.byte(), usize::from(input.byte()));
    let text = input.rest();
    let (entries, report) = all(format, text, 1 << 16);
    assert_eq!(all(format, text, 1 + usize::from(seed)), (entries.clone(), report.clone()));
    assert_eq!(by_lines(format, text), (entries.clone(), report.clone()));
    check_report(&report, &entries);
    let newlines = memchr::memchr_iter(b'\n', text).count();
    let last = usize::from(text.last().is_some_and(|byte| *byte != b'\n'));
    assert_eq!(report.lines, (newlines + last) as u64);
    for imported in &entries {
        check(&imported.entry);
        let hash = matches!(imported.entry, Entry::Hash(_));
        assert_eq!(hash, format == Format::ClamavGdb, "{format}: {:?}", imported.entry);
        let may_allow = matches!(format, Format::Rpz | Format::Adblock | Format::ClamavGdb);
        assert!(may_allow || imported.action == Action::Block);
    }
    stops(format, text, stop, &entries);
    // What follows the last end of a line does not count.
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if end > 0 {
        assert_eq!(detect(text), detect(&text[..end]));
    }
    assert!(!matches!(detect(text), Some(Format::SquidGuardDomains | Format::SquidGuardUrls)));
}

fn all(format: Format, text: &[u8], piece: usize) -> (Vec<Imported>, Report) {
    let mut entries = Vec::new();
    let report = import(format, BufReader::with_capacity(piece, text), |imported| {
        entries.push(imported);
        ControlFlow::Continue(())
    });
    (entries, report.expect("a slice can be read"))
}

fn by_lines(format: Format, text: &[u8]) -> (Vec<Imported>, Report) {
    let mut importer = Importer::new(format);
    let mut entries = Vec::new();
    let text = text.strip_suffix(b"\n").or_else(|| (!text.is_empty()).then_some(text));
    for line in text.into_iter().flat_map(|text| text.split(|byte| *byte == b'\n')) {
        let flow = importer.line(line, |imported| {
            entries.push(imported);
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
    }
    (entries, importer.finish())
}

fn stops(format: Format, text: &[u8], stop: usize, entries: &[Imported]) {
    let mut seen = Vec::new();
    let report = import(format, text, |imported| {
        seen.push(imported);
        if seen.len() > stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let report = report.expect("a slice can be read");
    assert_eq!(report.stopped, entries.len() > stop);
    assert_eq!(seen[..], entries[..entries.len().min(stop + 1)]);
    assert_eq!(report.entries, seen.len() as u64);
}

fn check_report(report: &Report, entries: &[Imported]) {
    assert_eq!(report.entries, entries.len() as u64);
    assert!(!report.stopped);
    let counted: u64 = report.counts().map(|(_, count)| count).sum();
    assert_eq!(counted, report.left_out + report.remarks);
    assert!(report.problems.len() <= 10 * Reason::ALL.len());
    assert!(report.problems.iter().all(|problem| (1..=report.lines).contains(&problem.line)));
    let remarks: u64 = report.counts().filter(|(reason, _)| reason.is_remark()).map(|(_, count)| count).sum();
    assert_eq!(remarks, report.remarks);
    assert!(entries.is_sorted_by_key(|imported| imported.line));
    assert!(entries.iter().all(|imported| (1..=report.lines).contains(&imported.line)));
}

/// That a URL can be found that has the key of this entry.
fn check(entry: &Entry) {
    match entry {
        Entry::Hash(_) => {}
        Entry::Expression(text) => {
            assert!(text.len() <= 4 * MAX_LINE);
            let url = CanonicalUrl::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(url.as_str(), &**text);
            assert!(keys(&url).contains(&text.as_bytes().to_vec()), "{text} has no URL");
        }
        Entry::Host(host) => {
            let url = CanonicalUrl::parse(host.as_bytes()).unwrap_or_else(|error| panic!("{host}: {error}"));
            assert_eq!(url.host(), &**host);
            let key = entry.key().expect("a host has a key");
            assert!(keys(&url).iter().any(|other| **other == *key), "{host} has no URL");
        }
        Entry::Network(address, prefix) => {
            assert_eq!(*address, address.to_canonical());
            let rest = match address {
                IpAddr::V4(address) => {
                    assert!((1..=32).contains(prefix));
                    u128::from(address.to_bits().checked_shl((*prefix).into()).unwrap_or_default())
                }
                IpAddr::V6(address) => {
                    assert!((1..=128).contains(prefix));
                    address.to_bits().checked_shl((*prefix).into()).unwrap_or_default()
                }
            };
            assert_eq!(rest, 0, "{address}/{prefix}");
        }
    }
}
