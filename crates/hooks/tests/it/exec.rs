//! Programs.

use crate::setup::{LONG, Setup, call, event, sh, wait_for};
use icapstan_api::{ExecHook, HookSettings, RuleHook};
use icapstan_events::{Event, Source, Text};
use icapstan_hooks::{HookMetrics, Hooks, HooksError};
use icapstan_model::{ThreatName, Verdict};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// Each argument on a line, then what it reads, then its environment, then where it is.
const TELL: &str = r#"
for argument; do printf '<%s>\n' "$argument"; done > "$DIR/args"
cat > "$DIR/stdin"; echo >> "$DIR/stdin"
env > "$DIR/env"
pwd > "$DIR/pwd"
ulimit -Sn > "$DIR/limit"
ls /proc/$$/fd > "$DIR/open"
"#;

#[test]
fn a_program_gets_its_arguments_the_event_and_nothing_else() {
    // Whoever started this process may have left it files that outlive exec.
    let (left, _other) = rustix::pipe::pipe().unwrap();
    rustix::io::fcntl_setfd(&left, rustix::io::FdFlags::empty()).unwrap();
    let args = [
        "fixed -x",
        "{verdict}",
        "{reason}",
        "--threat={threat}",
        "{rule}",
        "{transaction}",
        "{service}",
        "{url}",
        "{client}",
        "{user}",
    ];
    let setup = Setup::script(TELL, &args, |_| ());
    setup.call(RuleHook::exec("script"));
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec0", "ok"], 1);
    let expected = [
        "fixed -x",
        "detect",
        "",
        "--threat=Worm",
        "threats",
        "0000000000000abc",
        "respmod",
        "http://o.test/x",
        "192.0.2.9",
        "ann",
    ];
    let told: Vec<_> = expected.iter().map(|argument| format!("<{argument}>")).collect();
    assert_eq!(setup.text("args").lines().collect::<Vec<_>>(), told);
    let json: serde_json::Value = serde_json::from_str(&setup.text("stdin")).unwrap();
    for (field, expected) in [("kind", "detection"), ("url", "http://o.test/x"), ("user", "ann")] {
        assert_eq!(json[field], expected, "{json}");
    }
    let environment = setup.text("env");
    // `sh` itself sets PWD, and some set OLDPWD, SHLVL and _.
    let known = ["PATH=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
    assert!(environment.lines().all(|line| known.iter().any(|name| line.starts_with(name))), "{environment}");
    assert_eq!(setup.text("pwd"), "/\n");
    assert_eq!(setup.text("limit"), "1024\n");
    let open = setup.text("open");
    let number = std::os::fd::AsRawFd::as_raw_fd(&left).to_string();
    assert!(number.parse::<i32>().unwrap() > 2 && !open.lines().any(|fd| fd == number), "{open}");
    assert!(setup.guard.stop(LONG));
}

#[test]
fn hostile_values_are_one_argument_each_and_no_option() {
    let setup = Setup::script(TELL, &["{threat}", "{user}", "{rule}", "{url}"], |_| ());
    let event = Event {
        user: Some(Text::name("@/etc/passwd; $(touch /tmp/x) `id` \"'\n\r\0")),
        url: Some(Text::url("-o ProxyCommand=x")),
        ..event()
    };
    let mut hostile = call(RuleHook::exec("script"), event);
    hostile.verdict = Verdict::Infected(ThreatName::new(b"--output=/etc/x y\n<b>"));
    hostile.rule = Text::name("* \\ \u{202e}");
    setup.hooks.send(hostile);
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec0", "ok"], 1);
    let told = setup.text("args");
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 4, "{told}");
    assert!(lines[0].starts_with("<%2D-output=/etc/x"), "{told}");
    assert_eq!(lines[1], "<%40/etc/passwd; $(touch /tmp/x) `id` \"'%0A%0D%00>");
    assert_eq!(lines[2], "<* \\ %E2%80%AE>");
    assert_eq!(lines[3], "<%2Do ProxyCommand=x>");
    assert_eq!(setup.text("stdin").lines().count(), 1, "JSON is one line");
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children() {
    let script = r#"
        echo $$ > "$DIR/parent"
        sh -c 'echo $$ > "$0/child"; exec sleep 1000' "$DIR" &
        trap '' TERM
        wait
    "#;
    let setup = Setup::script(script, &[], |settings| {
        settings.exec[0].timeout = Duration::from_millis(1500);
    });
    let started = Instant::now();
    setup.call(RuleHook::exec("script"));
    let [parent, child] = ["parent", "child"].map(|name| setup.text(name).trim().to_owned());
    assert!(is_there(&parent) && is_there(&child));
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec0", "timeout"], 1);
    assert!(started.elapsed() < LONG);
    wait_for(|| (!is_there(&parent) && !is_there(&child)).then_some(()));
    assert_eq!(setup.metric("icapstan_hook_running", &[]), 0);
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let script = r#"sh -c 'echo $$ > "$0/child"; exec sleep 1000' "$DIR" &
        while ! [ -s "$DIR/child" ]; do sleep 0.01; done"#;
    let setup = Setup::script(script, &[], |_| ());
    setup.call(RuleHook::exec("script"));
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec0", "ok"], 1);
    let child = setup.text("child").trim().to_owned();
    wait_for(|| (!is_there(&child)).then_some(()));
}

/// Whether the process runs; one that nobody has waited for does not.
fn is_there(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}

#[test]
fn how_a_program_ended_is_counted() {
    let setup = Setup::new(|dir| {
        let missing = ExecHook::new("gone", dir.join("gone"));
        fs::write(&missing.command, "#!/does/not/exist\n").unwrap();
        fs::set_permissions(&missing.command, fs::Permissions::from_mode(0o755)).unwrap();
        HookSettings { exec: vec![sh(dir, "exit 3", &[]), missing], ..HookSettings::default() }
    });
    setup.call(RuleHook::exec("script"));
    setup.call(RuleHook::exec("gone"));
    setup.call(RuleHook::exec("nobody"));
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec0", "failed"], 1);
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec1", "error"], 1);
    setup.wait_for_metric("icapstan_hook_dropped_total", &["unknown"], 1);
    assert!(setup.guard.stop(LONG));
}

#[test]
fn a_program_that_does_not_read_holds_nobody_up() {
    let setup = Setup::script("exec < /dev/null", &[], |_| ());
    setup.call(RuleHook::exec("script"));
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec0", "ok"], 1);
}

#[test]
fn no_more_wait_and_run_than_was_set() {
    let script = r#"echo >> "$DIR/running"; while ! [ -e "$DIR/go" ]; do sleep 0.01; done"#;
    let setup = Setup::script(script, &[], |settings| {
        settings.queue = 3;
        settings.concurrency = 2;
    });
    let started = Instant::now();
    for _ in 0..2 {
        setup.call(RuleHook::exec("script"));
    }
    setup.wait_for_metric("icapstan_hook_running", &[], 2);
    for _ in 0..10 {
        setup.call(RuleHook::exec("script"));
    }
    assert!(started.elapsed() < LONG, "nobody waits");
    assert_eq!(setup.metric("icapstan_hook_dropped_total", &["queue-full"]), 7);
    assert_eq!(setup.metric("icapstan_hook_queue_length", &[]), 3);
    wait_for(|| (setup.text("running").lines().count() == 2).then_some(()));
    fs::write(setup.file("go"), "").unwrap();
    setup.wait_for_metric("icapstan_hook_runs_total", &["exec0", "ok"], 5);
    assert_eq!(setup.metric("icapstan_hook_queue_length", &[]), 0);
    assert_eq!(setup.text("running").lines().count(), 5);
}

#[test]
fn programs_that_cannot_be_used_are_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = HookMetrics::register(&prometheus::Registry::new()).unwrap();
    let path = dir.path().join("program");
    let start = || {
        let settings = HookSettings { exec: vec![ExecHook::new("x", &path)], ..HookSettings::default() };
        Hooks::start(&settings, &Source::this(), &metrics).map(|_| ())
    };
    let command = |started: Result<(), HooksError>| {
        let error = started.unwrap_err();
        assert!(matches!(error, HooksError::Command { place: 0, .. }), "{error}");
    };
    command(start());
    fs::write(&path, "#!/bin/sh\n").unwrap();
    for (mode, is_good) in [(0o644, false), (0o757, false), (0o700, true)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        if is_good { start().unwrap() } else { command(start()) }
    }
}
