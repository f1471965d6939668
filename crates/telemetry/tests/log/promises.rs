//! What users of the log can rely on.

use crate::Promise;
use crate::process::Process;
use icapstan_telemetry::{LogFormat, init_logging};
use serde_json::Value;

macro_rules! promises {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), $name)),*] };
}

pub(crate) const ALL: &[Promise] = promises![
    json_logs_are_one_object_a_line_with_time_level_and_fields,
    text_logs_are_one_line_each_and_leave_the_terminal_alone,
    who_logs_never_waits_and_what_is_missing_is_told_where_it_is_missing,
    text_logs_tell_what_is_missing_too,
    a_normal_end_writes_what_is_still_queued,
    a_normal_end_does_not_wait_for_ever_and_tears_no_line,
    a_pipe_that_refuses_to_block_gets_each_line,
    a_log_that_nobody_can_read_any_more_disturbs_nothing_and_is_counted,
    a_filter_that_makes_no_sense_is_named,
];

/// More than a pipe holds, and less than the queue does.
const MANY: u64 = 8000;

fn events(log: &str) -> Vec<Value> {
    assert!(log.ends_with('\n'), "the last line is torn");
    log.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Asserts that the events are numbered from 0 without a gap. Returns how many there are.
fn count_of(log: &str) -> u64 {
    let mut count = 0;
    for event in events(log) {
        assert_eq!(event["number"], count);
        count += 1;
    }
    count
}

fn json_logs_are_one_object_a_line_with_time_level_and_fields() {
    let mut process = Process::start("json");
    process.ask("log 0 1000");
    let log = process.log();
    for event in events(&log) {
        assert_eq!(event["level"], "INFO");
        assert_eq!(event["message"], "Blocked.");
        assert_eq!(event["verdict"], "detect");
        assert!(event["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
    }
    assert_eq!(count_of(&log), 1000);
}

fn text_logs_are_one_line_each_and_leave_the_terminal_alone() {
    let mut process = Process::start("text");
    process.ask("log 0 1000");
    process.ask("log-lines");
    let log = process.log();
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 1001);
    let (last, others) = lines.split_last().unwrap();
    assert!(others.iter().all(|line| line.contains("INFO") && line.contains("verdict=\"detect\"")));
    assert!(last.ends_with("One\\r\\nINFO two"), "{last}");
    assert!(!log.contains('\u{1b}'));
}

fn who_logs_never_waits_and_what_is_missing_is_told_where_it_is_missing() {
    const LINES: u64 = 100_000;
    let mut process = Process::start("json");
    process.ask(&format!("log 0 {LINES}"));
    let dropped = process.dropped();
    assert!(dropped > LINES / 2, "{dropped}: nobody reads, and the queue is bounded");
    assert_eq!(process.ask("flush 10"), "false");

    let log = process.read_log();
    assert_eq!(process.ask("flush 60000"), "true");
    process.ask(&format!("log {LINES} {}", LINES + 10));
    assert_eq!(process.dropped(), dropped, "once it is read, nothing is dropped");
    process.end();

    let (mut next, mut told) = (0, 0);
    for event in events(&log.recv().unwrap()) {
        if let Some(missing) = event["dropped"].as_u64() {
            assert_eq!(event["level"], "WARN");
            assert!(event["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')));
            told += missing;
            next += missing;
        } else {
            assert_eq!(event["number"], next);
            next += 1;
        }
    }
    assert_eq!((next, told), (LINES + 10, dropped));
}

fn text_logs_tell_what_is_missing_too() {
    let mut process = Process::start("text");
    process.ask("log 0 30000");
    let dropped = process.dropped();
    let log = process.read_log();
    assert_eq!(process.ask("flush 60000"), "true");
    process.end();
    let log = log.recv().unwrap();
    let told = log.lines().filter_map(|line| line.split_once(" dropped="));
    let told: u64 = told
        .map(|(before, count)| {
            assert!(before.contains("Z  WARN icapstan_telemetry::log: "), "{before}");
            count.parse::<u64>().unwrap()
        })
        .sum();
    assert!(dropped > 0);
    assert_eq!(told, dropped);
}

fn a_normal_end_writes_what_is_still_queued() {
    let mut process = Process::start("json");
    process.ask(&format!("log 0 {MANY}"));
    assert_eq!(process.ask("flush 10"), "false", "the pipe is full, so most lines are queued");
    assert_eq!(count_of(&process.log()), MANY);
}

fn a_normal_end_does_not_wait_for_ever_and_tears_no_line() {
    let mut process = Process::start("json");
    process.ask(&format!("log 0 {MANY}"));
    process.end();
    let count = count_of(&process.read_log().recv().unwrap());
    assert!((100..MANY).contains(&count), "{count}");
}

fn a_pipe_that_refuses_to_block_gets_each_line() {
    let mut process = Process::start_with_pipe("json", true);
    process.ask(&format!("log 0 {MANY}"));
    assert_eq!(process.ask("flush 10"), "false", "the pipe is full, so most lines are queued");
    assert_eq!(process.dropped(), 0);
    assert_eq!(count_of(&process.log()), MANY);
}

fn a_log_that_nobody_can_read_any_more_disturbs_nothing_and_is_counted() {
    for format in ["json", "text"] {
        let mut process = Process::start(format);
        process.close_log();
        process.ask("log 0 1000");
        assert_eq!(process.ask("flush 60000"), "true");
        assert_eq!(process.dropped(), 1000);
        process.end();
    }
}

fn a_filter_that_makes_no_sense_is_named() {
    let error = init_logging("icapstan=loud", LogFormat::Text).unwrap_err();
    assert_eq!(error.to_string(), "\"icapstan=loud\" is no log level");
}
