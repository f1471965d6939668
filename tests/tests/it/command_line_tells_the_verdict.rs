//! What scripts rely on: exit codes and one line, or JSON, of output.

use crate::common::server;
use icapstan_testkit::{Standalone, binary, clean_bytes, eicar, free_port, tempdir};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn icapstan(args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(binary("icapstan"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("asked for as a pipe");
    // A program that does not read its input is free to end.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[test]
fn scan_ends_with_0_for_clean_1_for_infected_2_for_neither() {
    let server = server();
    let service = format!("icap://{}/avscan", server.icap());
    let dir = tempdir();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).expect("the folder is writable");
        path.to_string_lossy().into_owned()
    };
    let (clean, bad) = (write("clean", &clean_bytes(100_000, 1)), write("bad", &eicar()));
    let nobody = format!("icap://127.0.0.1:{}/avscan", free_port());
    let nowhere = format!("icap://{}/nope", server.icap());
    for (args, input, code) in [
        (["scan", &clean, "--server", &service], b"".as_slice(), 0),
        (["scan", &bad, "--server", &service], b"", 1),
        (["scan", "eicar", "--server", &service], b"", 1),
        (["scan", "-", "--server", &service], b"harmless", 0),
        (["scan", "-", "--server", &service], &eicar(), 1),
        (["scan", "/does/not/exist", "--server", &service], b"", 2),
        (["scan", &clean, "--server", &nobody], b"", 2),
        (["scan", &clean, "--server", &nowhere], b"", 2),
    ] {
        let output = icapstan(&args, input);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
        let json = icapstan(&[&args[..], &["--json"]].concat(), input);
        assert_eq!(json.status.code(), Some(code), "{args:?} --json");
        if code == 2 {
            assert!(!text(&output).is_empty(), "{args:?} says why");
            continue;
        }
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim_end().lines().count(),
            1,
            "{args:?}: one line"
        );
        let parsed: Value = serde_json::from_slice(&json.stdout).expect("JSON");
        assert!(parsed.is_object());
        if code == 1 {
            assert!(
                text(&output).to_lowercase().contains("eicar")
                    && parsed.to_string().to_lowercase().contains("eicar")
            );
        }
    }
}

#[test]
fn scan_of_an_object_that_is_not_scanned_ends_with_2() {
    let server =
        Standalone::with().config("policies:\n  - {name: default, scan: {maxObjectSize: 1Ki}}\n").start();
    let service = format!("icap://{}/avscan", server.icap());
    let output = icapstan(&["scan", "-", "--server", &service], &clean_bytes(5000, 1));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("size"), "{}", text(&output));
}

#[test]
fn options_shows_what_a_service_offers() {
    let server = server();
    let output = icapstan(&["options", &format!("icap://{}/respmod", server.icap())], b"");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let shown = text(&output);
    assert!(shown.contains("RESPMOD") && shown.contains("ISTag"), "{shown}");
    let output = icapstan(&["options", &format!("icap://{}/nope", server.icap())], b"");
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn check_config_names_the_line_of_a_fault() {
    let dir = tempdir();
    let path = dir.path().join("icapstan.yaml");
    let name = path.to_string_lossy().into_owned();
    let check = |yaml: &str| {
        fs::write(&path, yaml).expect("the folder is writable");
        icapstan(&["check-config", &name], b"")
    };
    let good =
        check("limits: {sessions: 100}\npolicies:\n  - {name: default, scan: {maxObjectSize: 32Mi}}\n");
    assert_eq!(good.status.code(), Some(0), "{}", text(&good));
    for (yaml, line, word) in [
        ("limits:\n  sessions: 100\n  sesions: 1\n", "3", "sesions"),
        ("limits:\n  sessions: many\n", "2", "sessions"),
        ("services:\n  - {path: /x, modes: [RESPMOD], scan: content, policy: missing}\n", "", "missing"),
    ] {
        let bad = check(yaml);
        assert_ne!(bad.status.code(), Some(0), "{yaml}");
        let said = text(&bad);
        assert!(said.contains(line) && said.contains(word), "{yaml}: {said}");
        assert!(said.contains("icapstan.yaml"), "the file is named: {said}");
    }
}

#[test]
fn check_config_looks_at_what_a_start_would_look_at() {
    let dir = tempdir();
    let file = dir.path().join("icapstan.yaml");
    let check = |content: &str| {
        fs::write(&file, content).unwrap();
        let output = icapstan(&["check-config", &file.display().to_string()], b"");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let program = dir.path().join("program");
    let list = dir.path().join("list");
    let hooks = format!("hooks: {{exec: [{{name: a, command: {}}}]}}", program.display());
    let lists = format!("urlLists: {{sources: [{{name: a, path: {}, kind: malware}}]}}", list.display());
    for (content, field) in [(&hooks, "hooks.exec[0].command"), (&lists, "urlLists")] {
        let (code, said) = check(content);
        assert!(code == Some(64) && said.contains(field) && said.contains("No such file"), "{code:?} {said}");
    }
    fs::write(&list, "evil.test\n").unwrap();
    assert_eq!(check(&lists), (Some(0), String::new()));
    let (code, said) =
        check("policies: [{name: default, rules: [{verdict: DETECT, when: {services: [/x]}, action: log}]}]");
    assert!(code == Some(0) && said.contains("note: policies[0].rules[0].when.services[0]"), "{said}");
}

#[test]
fn built_in_signatures_know_eicar_and_say_that_they_are_for_tests() {
    let server = Standalone::with().built_in_signatures().start();
    let service = format!("icap://{}/avscan", server.icap());
    assert_eq!(icapstan(&["scan", "eicar", "--server", &service], b"").status.code(), Some(1));
    assert_eq!(icapstan(&["scan", "-", "--server", &service], b"harmless").status.code(), Some(0));
    assert!(server.process().logs().text().to_lowercase().contains("test signatures"), "the log says so");
}

#[test]
fn the_admin_port_answers_what_it_is_asked() {
    let server = server();
    for (path, status) in
        [("/livez", 200), ("/readyz", 200), ("/version", 200), ("/metrics", 200), ("/nope", 404)]
    {
        let response = server.admin_get(path).expect("it answers");
        assert_eq!(response.status, status, "{path}");
    }
    let version = server.admin_get("/version").expect("it answers");
    let version = String::from_utf8_lossy(&version.body).into_owned();
    assert!(version.contains(&server.icap().to_string()), "the bound address: {version}");
    assert!(server.metrics().lines().any(|line| line.starts_with("icapstan_")));
}
