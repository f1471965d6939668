//! c-icap-client, unchanged from Debian, in each of its modes.

use crate::common::server;
use icapstan_testkit::{clean_bytes, eicar, marker, need, skipped, tempdir};
use std::process::Command;

/// What the client said, and the file that it wrote.
struct Outcome {
    said: String,
    written: Vec<u8>,
}

fn run(service: &str, flags: &[&str], body: &[u8]) -> Outcome {
    let client = need("/usr/bin/c-icap-client", "c-icap", "c-icap");
    let server = server();
    let dir = tempdir();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    std::fs::write(&input, body).expect("the folder is writable");
    let result = Command::new(client)
        .args(["-i", "127.0.0.1", "-p", &server.icap().port().to_string(), "-s", service, "-v", "-d", "1"])
        .arg("-f")
        .arg(&input)
        .arg("-o")
        .arg(&output)
        .args(flags)
        .output()
        .expect("it starts");
    let said = [result.stdout, result.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Outcome { said, written: std::fs::read(&output).unwrap_or_default() }
}

/// Each combination of the flags that change what is on the wire.
fn flag_sets() -> Vec<Vec<&'static str>> {
    let flags = ["-nopreview", "-no204", "-206", "-noreshdr"];
    (0..1 << flags.len())
        .map(|set| (0..flags.len()).filter(|bit| set >> bit & 1 == 1).map(|bit| flags[bit]).collect())
        .collect()
}

#[test]
fn c_icap_client_gets_clean_bodies_back() {
    if skipped("c-icap") {
        return;
    }
    for (service, url) in [
        ("respmod", &["-resp", "http://o.test/x"][..]),
        ("respmod", &[]),
        ("reqmod", &["-req", "http://o.test/x"]),
    ] {
        for flags in flag_sets() {
            for size in [1, 1000, 4096, 100_000] {
                let body = clean_bytes(size, size as u64);
                let all = [url, &flags[..]].concat();
                let outcome = run(service, &all, &body);
                let unmodified = outcome.said.contains("No modification needed");
                assert!(unmodified || outcome.written == body, "{all:?}, {size} bytes: {}", outcome.said);
                assert!(!outcome.said.contains("X-Infection-Found"), "{all:?}: {}", outcome.said);
            }
        }
    }
}

#[test]
fn c_icap_client_is_told_of_infected_bodies() {
    if skipped("c-icap") {
        return;
    }
    for (service, url) in
        [("respmod", &["-resp", "http://o.test/x"][..]), ("reqmod", &["-req", "http://o.test/x"])]
    {
        for flags in flag_sets() {
            for body in [eicar(), [clean_bytes(50_000, 1), marker()].concat()] {
                let all = [url, &flags[..]].concat();
                let outcome = run(service, &all, &body);
                assert!(
                    outcome.said.contains("X-Infection-Found: Type=0; Resolution=2; Threat="),
                    "{all:?}: {}",
                    outcome.said
                );
                assert!(outcome.said.contains("403 Forbidden"), "{all:?}: {}", outcome.said);
                assert_ne!(outcome.written, body, "{all:?}: the infected body was let through");
            }
        }
    }
}

#[test]
fn c_icap_client_reads_options() {
    if skipped("c-icap") {
        return;
    }
    let client = need("/usr/bin/c-icap-client", "c-icap", "c-icap");
    let server = server();
    let result = Command::new(client)
        .args(["-i", "127.0.0.1", "-p", &server.icap().port().to_string(), "-s", "avscan", "-v", "-d", "1"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&[result.stdout, result.stderr].concat()).into_owned();
    assert!(said.contains("Allow 204: Yes"), "{said}");
    assert!(said.contains("Preview: 4096"), "{said}");
}
