//! The log of a real process. Each test starts this test program again as that process.

use icapstan_telemetry::{LogError, LogFormat, init_logging};
use std::io::Read;
use std::process::{Child, Command, Stdio};

const FORMAT: &str = "ICAPSTAN_TEST_LOG_FORMAT";

/// Runs `child_that_logs` in a process of its own, which logs once its standard input ends.
fn start_child(format: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["log::child_that_logs", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FORMAT, format)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn log_of(mut child: Child) -> String {
    drop(child.stdin.take());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(child.wait().unwrap().success(), "{log}");
    log
}

#[test]
#[ignore = "the process that the other tests look at"]
fn child_that_logs() {
    let Ok(format) = std::env::var(FORMAT) else { return };
    let format = if format == "json" { LogFormat::Json } else { LogFormat::Text };
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    init_logging("info", format).unwrap();
    assert!(matches!(init_logging("info", format), Err(LogError::Twice(_))));
    for count in 0..1000 {
        tracing::info!(count, verdict = "detect", url = ?"http://a/\r\n\u{1b}[31m", "Blocked.");
        tracing::debug!("Not at this level.");
    }
}

#[test]
fn json_logs_are_one_object_a_line_with_time_level_and_fields() {
    let log = log_of(start_child("json"));
    let mut count = 0;
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["level"], "INFO");
        assert_eq!(event["message"], "Blocked.");
        assert_eq!(event["verdict"], "detect");
        assert_eq!(event["count"], count);
        assert!(event["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
        count += 1;
    }
    assert_eq!(count, 1000);
}

#[test]
fn text_logs_are_one_line_each_and_leave_the_terminal_alone() {
    let log = log_of(start_child("text"));
    assert_eq!(log.lines().count(), 1000);
    assert!(log.lines().all(|line| line.contains("INFO") && line.contains("verdict=\"detect\"")));
    assert!(!log.contains('\u{1b}'));
}

#[test]
fn a_log_that_nobody_reads_any_more_disturbs_nothing() {
    for format in ["json", "text"] {
        let mut child = start_child(format);
        drop(child.stderr.take());
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "{format}");
    }
}

#[test]
fn a_filter_that_makes_no_sense_is_named() {
    let error = init_logging("icapstan=loud", LogFormat::Text).unwrap_err();
    assert_eq!(error.to_string(), "\"icapstan=loud\" is no log level");
}
