//! Little that becomes much when it is unpacked (group 16).

mod build;

use super::ground::{Ground, Moves, ground};
use crate::common::{assert_refused, respmod};
use build::{tar, zip, zip_of_one_file_many_times};
use icapstan_testkit::{IcapClient, brotli, clean_text, deflate, eicar, gzip, marker, zstd};
use std::time::{Duration, Instant};

/// The scan timeout of the defaults, and what a busy machine adds.
const VERDICT: Duration = Duration::from_secs(20);

/// Bytes that the server's own process may take for a bomb at once: its largest object, decoded, a few
/// times over.
const MOST: u64 = 128 << 20;

/// A download of `body`, labelled so. The answer's reasons.
#[track_caller]
fn reasons(ground: &Ground, what: &str, fields: &str, body: &[u8]) -> String {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n{fields}\r\n");
    let request = respmod().allow_204().response_head(head).body(body).bytes();
    let mut found = String::new();
    ground.process().forget_peak();
    let before = ground.process().usage();
    let begun = Instant::now();
    let moves = [Moves("icapstan_gateway_verdicts_total", "verdict=\"clean\"", 0.0)];
    ground.tries_within(VERDICT, what, &moves, || {
        let mut icap = IcapClient::connect(ground.icap());
        let response = icap.send_while(&request, |icap| icap.read_respmod());
        // A threat lies behind each bomb: clean would be wrong.
        assert!(response.head.has("X-Icapstan-Reason"), "{what}: {}", response.shown());
        response.get("X-Icapstan-Reason").unwrap_or_default().clone_into(&mut found);
        if response.status != 204 {
            assert_refused(&response);
        }
    });
    let took = begun.elapsed();
    let after = ground.process().usage();
    assert!(after.peak_resident < before.resident + MOST, "{what}: {before:?} {after:?}");
    println!(
        "{what}: {} bytes in {took:?}: {found}; peak {} KiB",
        body.len(),
        after.peak_resident.saturating_sub(before.resident) / 1024
    );
    found
}

/// Whether one of the reasons is among `wanted`.
fn names(found: &str, wanted: &[&str]) -> bool {
    found.split(", ").any(|reason| wanted.contains(&reason))
}

#[test]
fn abuse_16_bombs_of_content_codings_end_soon_and_are_never_clean() {
    let ground = ground();
    let mut plain = vec![0; 16 << 20];
    plain.extend_from_slice(&marker());
    let once = gzip(&plain);
    let mut deep = [clean_text(100), marker()].concat();
    for _ in 0..50 {
        deep = gzip(&deep);
    }
    let wanted = ["non-scanned/ratio", "non-scanned/size", "non-scanned/depth", "detect"];
    for (what, codings, body) in [
        ("gzip", "gzip", once.clone()),
        ("deflate", "deflate", deflate(&plain)),
        ("br", "br", brotli(&plain)),
        ("zstd", "zstd", zstd(&plain)),
        ("gzip twice", "gzip, gzip", gzip(&once)),
        ("gzip three times", "gzip, gzip, gzip", gzip(&gzip(&once))),
        ("gzip inside, br outside", "gzip, br", brotli(&once)),
        ("fifty layers", &["gzip"; 50].join(", "), deep.clone()),
        ("fifty layers in fifty fields", &["gzip"; 50].join("\r\nContent-Encoding: "), deep),
        ("many small members", "gzip", gzip(&vec![0; 1 << 20]).repeat(200)),
    ] {
        let found = reasons(&ground, what, &format!("Content-Encoding: {codings}\r\n"), &body);
        assert!(names(&found, &wanted), "{what}, {} bytes: {found}", body.len());
    }
}

/// Blocked, since whoever makes an archive can make it so.
#[test]
fn abuse_16_bombs_of_archives_end_soon_and_are_blocked() {
    let ground = ground();
    let zeros = vec![0; 12 << 20];
    let marked = [&zeros[..], &marker()].concat();
    let mut nested = zip(&[("a", &marker())]);
    for _ in 0..12 {
        nested = zip(&[("a.zip", &nested)]);
    }
    // As the one that is known as 42.zip: each layer holds the one below many times.
    let mut spread = zip(&[("0", &zeros)]);
    for layer in 0..4 {
        let names: Vec<_> = (0..16).map(|at| format!("{layer}-{at}.zip")).collect();
        let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &spread[..])).collect();
        spread = zip(&entries);
    }
    let few = [&zeros[..1 << 20], &marker()].concat();
    let many: Vec<_> = (0..11_000).map(|at| at.to_string()).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), b"".as_slice())).collect();
    let all = ["ratio", "size", "depth", "count", "malformed"].map(|reason| format!("non-scanned/{reason}"));
    let all: Vec<_> = all.iter().map(String::as_str).chain(["detect", "failed/time"]).collect();
    let found = reasons(&ground, "no bomb", "", &zip(&[("a", b"harmless"), ("b", &eicar())]));
    assert_eq!(found, "detect", "what is built here is a zip file to the scanner");
    for (what, body) in [
        ("one large file", zip(&[("a", &marked)])),
        ("a threat behind a large file", zip(&[("a", &zeros), ("b", &marker())])),
        ("twelve layers", nested),
        ("sixteen in each of four layers", spread),
        ("thousands of names for one file", zip_of_one_file_many_times(&few, 3000)),
        ("more names for one file than an archive may have files", zip_of_one_file_many_times(&few, 12_000)),
        ("thousands of files", zip(&many)),
        ("thousands of empty files in front of a threat", tar(15_000, b"", &eicar())),
        ("thousands of small files in front of a threat", tar(8_000, b"sixteen bytes ..", &eicar())),
        ("a compressed tape archive", gzip(&tar(18_000, b"", &eicar()))),
        ("a zip file in gzip", gzip(&zip(&[("a", &zeros), ("b", &marker())]))),
    ] {
        let found = reasons(&ground, what, "", &body);
        assert!(names(&found, &all), "{what}, {} bytes: {found}", body.len());
    }
}
