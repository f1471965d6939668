//! The process that logs. It obeys commands on its standard input and ends normally after the last.

use icapstan_telemetry::{LogError, LogFormat, LogGuard, Registry, init_logging, register_log_metrics};
use prometheus::TextEncoder;
use std::io::{BufRead, stdin};
use std::time::Duration;

/// Tells the process that it is one, and how its log looks.
pub(crate) const FORMAT: &str = "ICAPSTAN_TEST_LOG_FORMAT";

/// Its last answer: only the end of the process is left.
pub(crate) const END: &str = "end";

/// Whether this process is the one that logs.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(FORMAT).is_some()
}

/// Obeys until standard input ends.
pub(crate) fn run() {
    let format = if std::env::var(FORMAT).unwrap() == "json" { LogFormat::Json } else { LogFormat::Text };
    let registry = Registry::new();
    register_log_metrics(&registry).unwrap();
    let guard = init_logging("info", format).unwrap();
    assert!(matches!(init_logging("info", format), Err(LogError::Twice(_))));
    for command in stdin().lock().lines() {
        println!("{}", obey(&command.unwrap(), &registry, &guard));
    }
    println!("{END}");
}

fn obey(command: &str, registry: &Registry, guard: &LogGuard) -> String {
    let words: Vec<_> = command.split(' ').collect();
    match words[..] {
        ["log", from, to] => {
            for number in from.parse::<u64>().unwrap()..to.parse().unwrap() {
                tracing::info!(number, verdict = "detect", url = ?"http://a/\r\n\u{1b}[31m", "Blocked.");
                tracing::debug!("Not at this level.");
            }
            "logged".to_owned()
        }
        ["log-lines"] => {
            tracing::info!("One\r\nINFO two");
            "logged".to_owned()
        }
        ["flush", millis] => guard.flush(Duration::from_millis(millis.parse().unwrap())).to_string(),
        ["dropped"] => {
            let metrics = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
            let line = metrics.lines().find(|line| line.starts_with("icapstan_log_lines_dropped_total "));
            line.unwrap().rsplit(' ').next().unwrap().to_owned()
        }
        _ => panic!("no such command: {command}"),
    }
}
