//! The end.

use crate::setup::{LONG, Setup, wait_for};
use icapstan_api::{HookSettings, RuleHook};
use icapstan_events::Source;
use icapstan_hooks::{HookMetrics, Hooks};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn what_waits_still_runs_at_the_end() {
    let setup = Setup::script(r#"echo >> "$DIR/ran""#, &[], |settings| settings.concurrency = 1);
    for _ in 0..20 {
        setup.call(RuleHook::exec("script"));
    }
    let (hooks, dir) = (setup.hooks.clone(), setup.dir.path().to_owned());
    assert!(setup.guard.stop(LONG));
    assert_eq!(fs::read_to_string(dir.join("ran")).unwrap().lines().count(), 20);
    drop(hooks);
}

#[test]
fn what_is_not_done_in_time_is_killed_and_counted() {
    let script = r#"echo $$ > "$DIR/pid"; exec sleep 1000"#;
    let setup = Setup::script(script, &[], |settings| settings.concurrency = 1);
    for _ in 0..3 {
        setup.call(RuleHook::exec("script"));
    }
    let pid = setup.text("pid").trim().to_owned();
    let started = Instant::now();
    let Setup { hooks, guard, .. } = setup;
    assert!(!guard.stop(Duration::from_millis(100)));
    assert!(started.elapsed() < LONG);
    // Nobody waits for it any more; it is not there, or nothing but its entry is.
    wait_for(|| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    drop(hooks);
}

#[test]
fn calls_after_the_end_are_dropped_and_counted() {
    let setup = Setup::script("true", &[], |_| ());
    let registry = prometheus::Registry::new();
    let metrics = HookMetrics::register(&registry).unwrap();
    let settings =
        HookSettings { exec: vec![icapstan_api::ExecHook::new("x", "/bin/true")], ..HookSettings::default() };
    let (hooks, guard) = Hooks::start(&settings, &Source::this(), &metrics).unwrap();
    assert!(guard.stop(LONG));
    hooks.send(crate::setup::call(RuleHook::exec("x"), crate::setup::event()));
    let families = registry.gather();
    let dropped = families.iter().find(|family| family.name() == "icapstan_hook_dropped_total").unwrap();
    let stopped = dropped.get_metric().iter().find(|metric| metric.get_label()[0].value() == "stopped");
    assert!((stopped.unwrap().get_counter().get_value() - 1.0).abs() < f64::EPSILON);
    drop(setup);
}

#[test]
fn without_hooks_there_is_nothing_to_stop() {
    let metrics = HookMetrics::register(&prometheus::Registry::new()).unwrap();
    let (hooks, guard) = Hooks::start(&HookSettings::default(), &Source::this(), &metrics).unwrap();
    hooks.send(crate::setup::call(RuleHook::exec("x"), crate::setup::event()));
    assert!(guard.stop(Duration::ZERO));
}
