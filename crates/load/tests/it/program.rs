//! The program as scripts use it.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// A bare server in a process of its own; ended when the test is.
struct Server {
    child: Child,
    address: String,
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_icapstan-load"))
}

fn run(args: &str) -> Output {
    program().arg("run").args(args.split(' ')).output().unwrap()
}

impl Server {
    fn start() -> Self {
        let mut child =
            program().args(["bare", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_run_prints_one_json_object_with_every_promised_field() {
    let server = Server::start();
    let (address, pid) = (&server.address, server.child.id());
    let output = run(&format!(
        "--target {address} --service /x --shape respmod --body 2Ki --duration 300ms --warm-up 50ms \
         --idle 3 --slow 2 --slow-state head --server-pid {pid} --json"
    )
    .replace("  ", " "));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}"));
    let number =
        |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}"));
    assert!(count("/requests") > 0 && count("/statuses/200") == count("/requests"));
    assert_eq!((count("/wrong"), count("/reconnects")), (0, 0));
    assert_eq!(report["errors"], serde_json::json!({}));
    assert!((number("/seconds") - 0.3).abs() < 0.001, "{report}");
    for name in ["p50", "p90", "p99", "p999", "max", "mean"] {
        assert!(number(&format!("/latency_us/{name}")) > 0.0);
    }
    assert!(number("/rate") > 0.0 && number("/loader_cpu_seconds") > 0.0);
    assert!(count("/bytes_sent") > 0 && count("/bytes_received") > 0);
    assert!(number("/server/cpu_seconds") > 0.0 && number("/server/cpu_us_per_request") > 0.0);
    for name in ["before", "peak", "after"] {
        assert!(count(&format!("/server/pss_bytes/{name}")) > 0);
    }
    assert!(count("/server/threads") >= 2);
    assert_eq!((count("/idle/opened"), count("/idle/still_open")), (3, 3));
    assert_eq!((count("/slow/opened"), count("/slow/still_open")), (2, 2));
    assert_eq!(report["config"]["body_bytes"], 2048);
    assert_eq!(report["config"]["slow"]["state"], "head");
}

#[test]
fn a_run_prints_a_table_for_people() {
    let server = Server::start();
    let output = run(&format!(
        "--target {} --service /x --shape options --duration 100ms --warm-up 0s",
        server.address
    ));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    for row in ["requests", "latency", "statuses    200: ", "errors      none", "wrong       0"] {
        assert!(table.contains(row), "{row} in {table}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_64_and_says_why() {
    for args in ["--target 127.0.0.1:1 --service /x --shape respmod", "--shape options", "--no-such-thing"] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn where_nothing_answers_the_run_fails() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let output =
        run(&format!("--target {address} --service /x --shape options --duration 50ms --warm-up 0s --json"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["errors"]["connect"].as_u64().unwrap() > 0, "{report}");
    assert!(report["latency_us"].is_null());
}

#[test]
fn a_server_process_that_is_not_there_is_an_error() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let output = run(&format!("--target 127.0.0.1:1 --service /x --shape options --server-pid {pid}"));
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("process {pid}")), "{text}");
}
