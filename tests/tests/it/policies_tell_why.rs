//! `icapstan policy test` tells which rule decides, and a policy whose own tests fail is not used.

use icapstan_testkit::{binary, tempdir};
use serde_json::Value;
use std::process::{Command, Output};

const CONFIG: &str = "
services:
- {path: /respmod, modes: [RESPMOD]}
- {path: /reqmod, aliases: [/up], modes: [REQMOD], policy: uploads}
policies:
- name: uploads
- name: default
  rules:
  - {name: lab, verdict: DETECT, when: {clients: [192.0.2.0/24]}, action: log}
  - {name: programs, verdict: CLEAN, when: {urls: ['*.exe']}, action: {block: refused}}
  tests:
  - {name: samples, given: {verdict: DETECT, client: 192.0.2.1}, expect: {action: log, rule: lab}}
";

/// What becomes of the configuration, with this command and these arguments behind the file.
fn icapstan(config: &str, command: &[&str], more: &[&str]) -> Output {
    let dir = tempdir();
    let file = dir.path().join("icapstan.yaml");
    std::fs::write(&file, config).expect("the folder is writable");
    let mut run = Command::new(binary("icapstan"));
    run.args(command).arg(&file).args(more);
    run.output().expect("it starts")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[test]
fn policy_test_names_the_rule_and_what_does_not_fit() {
    let ask = |more: &[&str]| icapstan(CONFIG, &["policy", "test"], more);
    let output = ask(&["--case", "verdict=DETECT client=10.0.0.1", "--policy", "default"]);
    assert_eq!(output.status.code(), Some(0));
    let text = said(&output);
    assert!(text.contains("rules[0] \"lab\": no: when.clients: 10.0.0.1 is not in 192.0.2.0/24"), "{text}");
    assert!(text.contains("=> block (detected), by default"), "{text}");

    // The service leads to its policy, and what passes is asked about as if it were clean.
    let case = "service=/respmod, verdict=MACRO, url=http://o.test/x.exe";
    let output = ask(&["--json", "--case", case, "--case", "service=/up verdict=MACRO"]);
    let lines: Vec<Value> =
        said(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((&lines[0]["policy"], &lines[0]["action"]), (&"default".into(), &"block".into()));
    assert_eq!((&lines[0]["rule"], &lines[0]["name"]), (&"rules[1]".into(), &"programs".into()));
    assert_eq!(lines[0]["asked"][1]["rules"][1]["result"], "matched");
    assert_eq!((&lines[1]["policy"], &lines[1]["rule"]), (&"uploads".into(), &"default".into()));

    let output = ask(&[]);
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "default: \"samples\": passed\n"));
    for (more, expected) in [
        (&["--case", "verdikt=MACRO"][..], "did you mean \"verdict\"?"),
        (&["--case", "service=/nope"], "there is no service \"/nope\""),
        (&["--policy", "nope"], "there is no policy \"nope\""),
    ] {
        let output = ask(more);
        assert_eq!(output.status.code(), Some(64), "{more:?}");
        assert!(said(&output).contains(expected), "{more:?}: {}", said(&output));
    }
}

#[test]
fn a_policy_whose_own_tests_fail_is_not_used() {
    let config = CONFIG.replace("client: 192.0.2.1}", "client: 10.0.0.1}");
    let expected = "policies[1].tests[0]: \"samples\": expected log by \"lab\", but it is block by default; \
                    \"lab\" does not match: when.clients: 10.0.0.1 is not in 192.0.2.0/24";
    let start = ["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"];
    for command in [&start[..], &["check-config"]] {
        let output = icapstan(&config, command, &[]);
        assert_eq!(output.status.code(), Some(64), "{command:?}: {}", said(&output));
        assert!(said(&output).contains(expected), "{command:?}: {}", said(&output));
    }
    let output = icapstan(&config, &["policy", "test"], &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(icapstan(CONFIG, &["check-config"], &[]).status.code(), Some(0));
}
