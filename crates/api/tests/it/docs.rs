//! docs/configuration.md says what is so: its examples can be used, it has each setting and no other,
//! and the defaults in it are the defaults.

use icapstan_api::{ByteSize, Config, QuarantineS3};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    std::fs::read_to_string(path).unwrap()
}

fn examples(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

/// The rows of tables whose first cell is a setting: from its name to its default.
fn settings(page: &str) -> BTreeMap<&str, &str> {
    let mut settings = BTreeMap::new();
    let mut is_table_of_settings = false;
    for line in page.lines() {
        let Some(row) = line.strip_prefix("| ") else {
            is_table_of_settings &= line.starts_with('|');
            continue;
        };
        let cells: Vec<_> = row.split(" | ").collect();
        if cells[0] == "setting" {
            is_table_of_settings = true;
        } else if is_table_of_settings {
            assert_eq!(cells.len(), 5, "{line}");
            let known = settings.insert(cells[0].trim_matches('`'), cells[3]);
            assert_eq!(known, None, "{line}");
        }
    }
    settings
}

/// Each field that can be set, with its value in `value`.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, value, found);
            }
        }
        Value::Array(items) if items.first().is_some_and(Value::is_object) => {
            for item in items {
                leaves(&format!("{path}[]"), item, found);
            }
        }
        _ => {
            found.insert(path.to_owned(), value.clone());
        }
    }
}

fn leaves_of(config: &Config) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    leaves("", &serde_json::to_value(config).unwrap(), &mut found);
    found
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[test]
fn every_example_can_be_used() {
    let page = page();
    let examples = examples(&page);
    assert_eq!(examples.len(), 10);
    for example in examples {
        Config::parse(example, "docs/configuration.md").unwrap();
    }
}

#[test]
fn the_long_example_says_what_it_seems_to_say() {
    let page = page();
    let config = Config::parse(examples(&page)[0], "docs/configuration.md").unwrap();
    assert_eq!(config.services.len(), 2);
    let downloads = config.policy(&config.services[1].policy).unwrap();
    assert_eq!(downloads.scan.max_object_size, ByteSize::mib(64));
    assert_eq!(downloads.rules.len(), 2);
}

#[test]
fn the_services_of_the_page_are_those_of_an_empty_file() {
    let page = page();
    let config = Config::parse(examples(&page)[1], "docs/configuration.md").unwrap();
    assert_eq!(config, Config::parse("", "empty").unwrap());
}

/// Stands instead of a folder, so that no text has both.
fn bucket() -> QuarantineS3 {
    let s3 = QuarantineS3::new("https://x", "xyz", "/x");
    QuarantineS3 { prefix: "x".into(), ca_file: Some("/x".into()), ..s3 }
}

/// A file in which everything that may be left out is there.
const WHOLE: &str = "
        signatures: /x
        tls: {certFile: /x, keyFile: /x, clientCertificates: required, clientCaFile: /x, proxyProtocol: true}
        proxyProtocol: {trustedPeers: [10.0.0.0/8]}
        instance: {name: x, zone: y}
        scanners: {tls: {caFile: /x, certFile: /x, keyFile: /x, serverName: x}}
        scanServer: {tls: {certFile: /x, keyFile: /x, clientCaFile: /x}}
        scaler: {tls: {certFile: /x, keyFile: /x, clientCaFile: /x}}
        fleet: {planName: x, planNamespace: y, state: /x, tls: {certFile: /x, keyFile: /x, clientCaFile: /x}}
        clients: {authentication: {usersFile: /x}}
        log: {access: /x}
        templates: {folder: /x}
        policies:
        - name: default
          skip: [{name: x, when: {methods: [GET]}}]
          rules:
          - name: x
            verdict: FAILED
            reason: time
            when:
              services: [/x]
              clients: [10.0.0.0/8]
              clientCertificates: [x]
              users: [x]
              groups: [x]
              hosts: [x]
              urls: [x]
              categories: [x]
              methods: [GET]
              size: {min: 1, max: 2}
              types: [image/png]
            action: none
            headers: [{name: X-A, value: x, to: icap}]
            hooks: [{exec: x}, {http: {url: 'http://h/'}}]
          tests:
          - name: x
            given:
              mode: REQ
              verdict: FAILED
              reason: time
              service: /x
              client: 10.0.0.1
              clientCertificates: [x]
              user: x
              groups: [x]
              url: http://x/
              categories: [x]
              method: GET
              size: 1
              type: image/png
            expect: {action: none, rule: x, skip: x}
        quarantine: {folder: {path: /x}, recipientFile: /x}
        hooks: {exec: [{name: x, command: /x, args: [x]}], http: {allowedHosts: [h], caFile: /x}}
        urlLists: {maxAge: 1h, sources: [{name: x, kind: category, category: x, format: plain, path: /x}]}
        hashLists: {maxAge: 1h, sources: [{name: x, kind: deny, format: plain, path: /x}]}
        services: [{path: /x, tenant: x, partial: true}]
        redis:
          url: 'rediss://x/'
          mode: sentinel
          masterName: x
          username: x
          passwordFile: /x
          sentinelUsername: x
          sentinelPasswordFile: /x
          caFile: /x
          certFile: /x
          keyFile: /x
          serverName: x
          macKeyFile: /x
        detectionHeaders: {databaseTime: X-Y}
        reputation: {url: 'https://x/', caFile: /x}
        tracing: {endpoint: 'https://x:4317', caFile: /x, headersFile: /x}
        limits: {queueLength: 1, memory: 1Gi, advertisedSessions: none, perClient: {requestsPerSecond: 1, burst: 1}}
        scanner: {workers: 1, inFlight: 2, tempDir: /x, clamd: {address: /x, stream: true}, crashReports: {folder: /x}}
        events:
        - sink: {file: /y}
        - sink: {stdout: {}}
        - sink:
            syslog:
              address: x:1
              transport: tls
              framing: newline
              host: x
              maxSize: 4Ki
              tls: {serverName: x, caFile: /x, certFile: /x, keyFile: /x}";

#[test]
fn the_page_has_each_setting_and_no_other() {
    let page = page();
    let mut config = Config::parse(WHOLE, "whole").unwrap();
    config.quarantine.s3 = Some(bucket());
    // No text has both this and a name.
    config.fleet.plan = Some("/x".into());
    let mut known: Vec<_> = leaves_of(&config).into_keys().collect();
    // Its fields stand in a table of their own.
    known.push("policies[].rules".to_owned());
    known.push("policies[].skip".to_owned());
    // Has the conditions of rules.
    known.retain(|path| path != "policies[].skip[].when.methods");
    known.push("policies[].skip[].when".to_owned());
    known.push("policies[].tests".to_owned());
    known.push("urlLists.sources".to_owned());
    known.push("hashLists.sources".to_owned());
    known.push("events".to_owned());
    known.push("hooks.exec".to_owned());
    // Stands instead of those.
    known.push("urlLists.file".to_owned());
    known.push("hashLists.file".to_owned());
    known.push("redis.urls".to_owned());
    known.push("scanner.yaraRules.path".to_owned());
    known.push("policies[].tests[].given.host".to_owned());
    known.sort();
    let listed: Vec<_> = settings(&page).into_keys().collect();
    assert_eq!(listed, known);
}

#[test]
fn the_defaults_of_the_page_are_the_defaults() {
    let page = page();
    let settings = settings(&page);
    let small = "
        tls: {certFile: /x, keyFile: /x}
        clients: {authentication: {usersFile: /x}}
        services: [{path: /x}]
        policies: [{name: default, rules: [{verdict: CLEAN, action: log}]}]
        events: [{sink: {syslog: {address: x:1}}}]
        quarantine: {folder: {path: /x}, recipientFile: /x}
        hooks: {exec: [{name: x, command: /x}]}";
    let mut config = Config::parse(small, "small").unwrap();
    config.quarantine.s3 = Some(QuarantineS3::new("https://x", "xyz", "/x"));
    let entries = leaves_of(&config);
    config.policies[0].rules.clear();
    config.events.clear();
    config.hooks.exec.clear();
    let mut defaults = leaves_of(&config);
    let is_compared = |path: &str| {
        path == "policies[].rules[].mode"
            || path.starts_with("events[].")
            || path.starts_with("hooks.exec[].")
    };
    defaults.extend(entries.into_iter().filter(|(path, _)| is_compared(path)));
    let required = [
        "tls.certFile",
        "tls.keyFile",
        "clients.authentication.usersFile",
        "services[].path",
        "policies[].name",
        "events[].sink.syslog.address",
        "quarantine.folder.path",
        "quarantine.s3.endpoint",
        "quarantine.s3.bucket",
        "quarantine.s3.credentialsFile",
        "quarantine.recipientFile",
        "hooks.exec[].name",
        "hooks.exec[].command",
    ];
    let mut compared = 0;
    for (path, value) in defaults.iter().filter(|(path, _)| !required.contains(&path.as_str())) {
        assert_eq!(settings[path.as_str()], format!("`{}`", written(value)), "{path}");
        compared += 1;
    }
    assert!(compared > 35, "{compared}");
    for path in required {
        assert_eq!(settings[path], "required");
    }
}

#[test]
fn the_messages_of_the_page_are_the_messages() {
    let page = page();
    let unit = "policies:\n- name: default\n  scan:\n    timeout: \"10\"\n";
    let unknown = "limits:\n  sesions: 5\n";
    for text in [unit, unknown] {
        let message = Config::parse(text, "icapstan.yaml").unwrap_err().to_string();
        let after_place = message.splitn(4, ':').last().unwrap().to_owned();
        assert!(page.contains(&after_place), "{message}");
    }
}
