//! What a configuration means.

use icapstan_api::{
    ByteSize, Config, EventFormat, EventKind, EventSettings, Heuristics, IcapService, LogFormat, LogLevel,
    Machine, Preview, ReasonWord, Rule, RuleAction, RuleMode, RuleVerdict, ScanPolicy, ScanScope,
    ServiceMode, SinkSettings, SyslogTransport, Template, UnpackKind,
};
use icapstan_model::{NonScannedReason, Reason};
use proptest::prelude::*;
use std::fs;
use std::time::Duration;

fn parse(text: &str) -> Config {
    Config::parse(text, "icapstan.yaml").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn an_empty_file_is_the_reference_recommendation() {
    let config = parse("");
    assert_eq!(config, Config::default());
    assert_eq!(config, parse("# nothing but a comment\n"));
    assert_eq!(config, parse("{}"));
    assert_eq!((config.listen.unwrap().port(), config.admin.port()), (1344, 9344));
    assert!(config.admin.ip().is_loopback());
    let policy = config.policy("default").unwrap();
    assert!(!policy.fail_open && policy.rules.is_empty());
    assert_eq!(policy.scan.max_object_size, ByteSize::kib(10343));
    assert_eq!(policy.scan.timeout, Duration::from_secs(10));
    assert_eq!(policy.scan.max_depth, 5);
    assert_eq!(policy.scan.unpack, UnpackKind::ALL);
    assert_eq!(policy.scan.heuristics, Heuristics::Shallow);
    assert!(policy.scan.phishing);
    assert_eq!(config.limits.sessions, 10_000);
    assert_eq!(config.keep_alive.idle_timeout, Duration::from_secs(70));
    assert_eq!(config.keep_alive.max_requests, 0);
}

#[test]
fn a_preset_says_what_is_meant_by_what_is_not_written() {
    let scopes = |text: &str| -> Vec<_> {
        let services = parse(text).services;
        services.into_iter().map(|service| (service.path, service.scan)).collect()
    };
    let own = scopes("preset: default");
    assert_eq!(own, scopes(""));
    let reference = scopes("preset: reference");
    assert_eq!(own[0], ("/reqmod".to_owned(), ScanScope::All));
    assert_eq!(reference[0], ("/reqmod".to_owned(), ScanScope::Url));
    assert_eq!(reference[1..], own[1..]);
    assert_eq!(reference[1].1, ScanScope::Content);
    // What is written holds.
    let written = "preset: reference\nservices: [{path: /x, modes: [REQMOD]}]";
    assert_eq!(scopes(written), [("/x".to_owned(), ScanScope::All)]);
}

#[test]
fn an_empty_file_has_three_services() {
    let config = parse("");
    let seen: Vec<_> = config
        .services
        .iter()
        .map(|service| (service.paths().collect::<Vec<_>>(), service.modes.as_slice(), service.scan))
        .collect();
    let (reqmod, respmod) = (ServiceMode::Reqmod, ServiceMode::Respmod);
    assert_eq!(
        seen,
        [
            (vec!["/reqmod", "/req"], &[reqmod][..], ScanScope::All),
            (vec!["/respmod", "/resp"], &[respmod][..], ScanScope::Content),
            (vec!["/avscan", "/virus_scan", "/srv_clamav"], &[reqmod, respmod][..], ScanScope::Content),
        ]
    );
    for service in &config.services {
        assert_eq!(service.preview.bytes(), Some(4096));
        assert!(service.allow204 && !service.allow206);
        assert_eq!(service.options_ttl, Duration::from_hours(1));
    }
}

#[test]
fn a_section_that_is_begun_and_left_empty_keeps_its_defaults() {
    assert_eq!(parse("limits:\nscanner:\n  # workers: 3\n"), Config::default());
}

#[test]
fn a_policy_that_is_not_the_default_stands_beside_it() {
    let config = parse("policies: [{name: strict, failOpen: true}]");
    assert!(config.policy("strict").unwrap().fail_open);
    assert_eq!(config.policy("default"), Some(&ScanPolicy::new("default")));
}

#[test]
fn rules_are_read_in_the_words_of_the_reference() {
    let config = parse(
        "policies:
         - name: default
           rules:
           - {mode: RESP, verdict: NON_SCANNED, reason: partial-content, action: none}
           - {verdict: MACRO, action: log}
           - {mode: ANY, verdict: DETECT, action: {block: detected}}",
    );
    let encrypted = Reason::NonScanned(NonScannedReason::PartialContent);
    let rule = |mode, verdict, reason, action| Rule { mode, reason, ..Rule::new(verdict, action) };
    assert_eq!(
        config.policies[0].rules,
        [
            rule(RuleMode::Resp, RuleVerdict::NonScanned, Some(ReasonWord(encrypted)), RuleAction::None),
            rule(RuleMode::Any, RuleVerdict::Macro, None, RuleAction::Log),
            rule(RuleMode::Any, RuleVerdict::Detect, None, RuleAction::Block(Template::Detected)),
        ]
    );
}

fn advice(text: &str) -> Vec<String> {
    let config = parse(text);
    let sizing = config.sizing(&Machine { memory: None, cpus: 8 }).unwrap();
    config.advice(&sizing).into_iter().map(|advice| advice.path).collect()
}

#[test]
fn what_is_to_be_shared_with_nobody_is_told() {
    let shared = "verdictCache: {shared: true}\nscanner: {poison: {shared: true}}\n";
    assert_eq!(advice(shared), ["verdictCache.shared", "scanner.poison.shared"]);
    assert_eq!(advice(&format!("{shared}redis: {{url: 'redis://x', macKeyFile: /x}}")), [""; 0]);
}

#[test]
fn conditions_that_never_or_always_hold_are_told() {
    let rule = |when: &str| {
        format!("policies: [{{name: default, rules: [{{verdict: DETECT, when: {when}, action: log}}]}}]")
    };
    let skip = |when: &str| format!("policies: [{{name: default, skip: [{{name: a, when: {when}}}]}}]");
    let list = "\nurlLists: {sources: [{name: a, path: /a, kind: category, category: games}]}";
    let never = "policies[0].rules[0].when.";
    assert_eq!(advice(&rule("{services: [/nowhere]}")), [format!("{never}services[0]")]);
    assert_eq!(advice(&rule("{services: [/resp]}")), [format!("{never}services[0]")], "an alias");
    assert_eq!(advice(&rule("{services: [/respmod]}")), [""; 0]);
    assert_eq!(advice(&rule("{categories: [games]}")), [format!("{never}categories[0]")]);
    assert_eq!(advice(&(rule("{categories: [games]}") + list)), [""; 0]);
    assert_eq!(advice(&(rule("{categories: [gmaes]}") + list)), [format!("{never}categories[0]")]);
    assert_eq!(advice(&(rule("{categories: [x]}") + "\nurlLists: {file: /lists}")), [""; 0]);
    for (when, is_all) in [
        ("{size: {min: 0}}", true),
        ("{types: ['*/*']}", true),
        ("{types: ['*/*'], size: {min: 0}}", true),
        ("{types: ['*/*'], hosts: [h]}", false),
        ("{size: {min: 1}}", false),
        ("{size: {min: 0, max: 5}}", false),
        ("{types: [image/*]}", false),
    ] {
        let told = advice(&skip(when)).contains(&"policies[0].skip[0].when".to_owned());
        assert_eq!(told, is_all, "{when}");
    }
}

#[test]
fn previews_are_bytes_or_off() {
    let preview =
        |text: &str| parse(&format!("services: [{{path: /x, preview: {text}}}]")).services[0].preview;
    assert_eq!(preview("1024"), Preview::new(1024));
    assert_eq!(preview("64Ki").bytes(), Some(65536));
    for off in ["off", "0", "false", "\"0\""] {
        assert_eq!(preview(off), Preview::OFF, "{off}");
    }
}

#[test]
fn off_survives_tools_that_turn_it_into_false() {
    for off in ["off", "false"] {
        let config = parse(&format!("policies: [{{name: default, scan: {{heuristics: {off}}}}}]"));
        assert_eq!(config.policies[0].scan.heuristics, Heuristics::Off);
    }
}

#[test]
fn the_architectures_example_can_be_used() {
    let config = parse(
        "
services:
  - {path: /reqmod, modes: [REQMOD], scan: all, policy: default}
  - {path: /respmod, modes: [RESPMOD], scan: content, policy: default}
policies:
  - name: default
    scan: {maxObjectSize: 10343Ki, timeout: 10s, maxDepth: 5}
    rules:
      - {mode: ANY, verdict: DETECT, action: {block: detected}}
limits: {sessions: 10000, queueLength: 20000, memory: 2Gi}
scanner: {workers: 2, inFlight: 4}
",
    );
    let sizing = config.sizing(&Machine { memory: None, cpus: 8 }).unwrap();
    assert_eq!((sizing.workers, sizing.in_flight, sizing.queue_length), (2, 4, 20_000));
    assert_eq!(sizing.memory, ByteSize::gib(2));
    assert_eq!(config.advice(&sizing), []);
}

#[test]
fn a_sink_needs_nothing_but_its_place() {
    let config = parse(
        "
events:
  - sink: {file: /var/log/icapstan/events.json}
  - {sink: {stdout: {}}, format: text, kinds: [start, stop]}
  - sink: {syslog: {address: 'siem.example:6514', transport: tls}}
    format: cef
    minSeverity: warning
",
    );
    let [file, stdout, syslog] = config.events.as_slice() else { panic!("{:?}", config.events) };
    assert_eq!(*file, EventSettings::new(SinkSettings::file("/var/log/icapstan/events.json")));
    assert!(EventKind::ALL.into_iter().all(|kind| file.wants(kind) == (kind != EventKind::Pass)));
    assert_eq!(stdout.format, EventFormat::Text);
    assert!(stdout.wants(EventKind::Stop) && !stdout.wants(EventKind::Detection));
    assert!(syslog.wants(EventKind::Detection) && !syslog.wants(EventKind::Start));
    let server = syslog.sink.syslog.as_ref().unwrap();
    assert_eq!((server.transport, server.most()), (SyslogTransport::Tls, 8192));
}

#[test]
fn what_works_but_surprises_is_advised_against() {
    let config = parse("limits: {sessions: 2, queueLength: 3, memory: 11Mi}\nscanner: {workers: 2}");
    let sizing = config.sizing(&Machine { memory: None, cpus: 1 }).unwrap();
    let advice: Vec<_> = config.advice(&sizing).into_iter().map(|advice| advice.path).collect();
    assert_eq!(
        advice,
        ["limits.queueLength", "limits.queueLength", "limits.sessions", "policies[0].scan.maxObjectSize"]
    );
}

#[test]
fn files_are_read_and_files_that_cannot_be_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let good = Config::load(&file("good.yaml", b"limits: {sessions: 7}")).unwrap();
    assert_eq!(good.limits.sessions, 7);

    let missing = Config::load(&folder.path().join("missing.yaml")).unwrap_err();
    assert!(missing.to_string().ends_with("missing.yaml: cannot be read"), "{missing}");
    assert!(std::error::Error::source(&missing).unwrap().to_string().contains("No such file"));

    let binary = Config::load(&file("binary.yaml", b"\xff\xfe\0")).unwrap_err();
    assert!(binary.to_string().ends_with("binary.yaml: not UTF-8 text"), "{binary}");

    let large = Config::load(&file("large.yaml", &vec![b'#'; 1024 * 1024 + 1])).unwrap_err();
    assert!(large.to_string().ends_with("large.yaml: larger than 1048576 bytes"), "{large}");
    assert!(Config::load(&file("just.yaml", &vec![b'#'; 1024 * 1024])).is_ok());
    assert!(Config::load(folder.path()).is_err());
}

#[test]
fn previews_too_short_to_tell_what_is_left_out_are_advised_against() {
    let advice = |preview: &str, when: &str| {
        let text = format!(
            "services: [{{path: /x, preview: {preview}}}]
policies: [{{name: default, skip: [{{name: a, when: {when}}}]}}]"
        );
        let config = parse(&text);
        let sizing = config.sizing(&Machine::detect()).unwrap();
        config.advice(&sizing).iter().any(|advice| advice.path == "services[0].preview")
    };
    assert!(advice("off", "{types: [image/png]}") && advice("511", "{types: [image/png]}"));
    assert!(!advice("512", "{types: [image/png]}") && !advice("off", "{hosts: [h]}"));
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (
        proptest::sample::select(&[RuleMode::Req, RuleMode::Resp][..]),
        proptest::sample::select(NonScannedReason::ALL.map(Reason::NonScanned).to_vec()),
        proptest::sample::select(
            &[RuleAction::None, RuleAction::Log, RuleAction::Block(Template::NotScanned)][..],
        ),
    )
        .prop_map(|(mode, reason, action)| Rule {
            mode,
            reason: Some(ReasonWord(reason)),
            ..Rule::new(RuleVerdict::NonScanned, action)
        })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(
        rule in any_rule(),
        sessions in 1u32..1_000_000,
        queue in proptest::option::of(1u32..1_000_000),
        memory in proptest::option::of(20u64 << 20..1 << 40),
        preview in 0u32..=65536,
        timeout in 100u64..3_600_000,
        json in any::<bool>(),
        sinks in 0usize..=8,
    ) {
        let mut config = Config::default();
        config.policies[0].rules.push(rule);
        config.policies[0].scan.timeout = Duration::from_millis(timeout);
        config.policies[0].scan.heuristics = Heuristics::Off;
        config.limits.sessions = sessions;
        config.limits.queue_length = queue;
        config.limits.memory = memory.map(ByteSize::new);
        config.services = vec![IcapService { preview: Preview::new(preview), ..IcapService::new("/x", &[ServiceMode::Reqmod]) }];
        config.log.level = LogLevel::Trace.into();
        config.log.format = if json { LogFormat::Json } else { LogFormat::Text };
        let sink = |place| EventSettings::new(SinkSettings::file(format!("/{place}")));
        config.events = (0..sinks).map(sink).collect();
        // JSON is YAML, and what the Kubernetes API speaks.
        let text = if json {
            serde_json::to_string(&config).unwrap()
        } else {
            serde_yaml::to_string(&config).unwrap()
        };
        prop_assert_eq!(Config::parse(&text, "icapstan.yaml").unwrap(), config);
    }
}
