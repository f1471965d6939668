//! Events on standard output.

use crate::setup::{LONG, Setup, number, spawn};
use icapstan_events::{EventSettings, SinkSettings};
use std::process::{Command, Stdio};

/// Runs in a process of its own.
#[test]
#[ignore = "run by the other test here"]
fn writes_three_events() {
    let setup = Setup::of(&[EventSettings::new(SinkSettings::stdout())]);
    println!();
    setup.send(0..3);
    assert!(setup.guard.stop(LONG));
}

#[test]
fn standard_output_has_one_line_for_each_event() {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--ignored", "--exact", "--nocapture", "stdout::writes_three_events"];
    let child = spawn(Command::new(program).args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<u64> = text.lines().filter(|line| line.starts_with('{')).map(number).collect();
    assert_eq!(numbers, [0, 1, 2]);
}
