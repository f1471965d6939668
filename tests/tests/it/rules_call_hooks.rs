//! Rules call programs and servers; no answer waits for them, and nothing else can be called.

use crate::common::{GET, OK, assert_204, assert_block, respmod};
use icapstan_testkit::{
    IcapClient, Message, Origin, Reply, Standalone, binary, clean_bytes, eicar, eventually, tempdir,
};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Settings with one program: `sh` with this script, in which `$DIR` is the folder.
fn program(dir: &Path, script: &str, args: &str) -> String {
    let path = dir.join("script.sh");
    fs::write(&path, format!("DIR='{}'\n{script}\n", dir.display())).expect("the folder is writable");
    format!("hooks:\n  exec:\n  - {{name: tell, command: /bin/sh, args: ['{}', {args}]", path.display())
}

/// Writes what it gets into files of a number of its own, and then says so.
const TELL: &str = r#"
N=$$
for argument; do printf '%s\n' "$argument"; done > "$DIR/$N.args"
cat > "$DIR/$N.json"
mv "$DIR/$N.args" "$DIR/$N.done"
"#;

const RULES: &str = "
policies:
- name: default
  rules:
  - {name: bad, verdict: DETECT, action: {block: detected}, hooks: [{exec: tell}]}
  - {name: good, verdict: CLEAN, when: {hosts: [told.test]}, action: none, hooks: [{exec: tell}]}
";

/// The arguments and the JSON of each call that has been made.
fn calls(dir: &Path) -> Vec<(Vec<String>, Value)> {
    let entries = fs::read_dir(dir).expect("there is a folder").filter_map(Result::ok);
    let done = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "done"));
    let call = |path: std::path::PathBuf| {
        let args = fs::read_to_string(&path).expect("it is there").lines().map(str::to_owned).collect();
        let json = fs::read_to_string(path.with_extension("json")).expect("it is there");
        (args, serde_json::from_str(&json).expect("it is JSON"))
    };
    done.map(call).collect()
}

fn download(url: &str) -> Message {
    let host = url.split('/').nth(2).unwrap_or_default();
    let head = format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    Message::respmod("/respmod").request_head(head).response_head(OK).allow_204()
}

#[test]
fn a_program_is_told_what_a_rule_decided() {
    let dir = tempdir();
    let args = "'{verdict}', '{threat}', '{rule}', '{url}', '{user}', '{client}'";
    let config = format!("{}}}\n{RULES}", program(dir.path(), TELL, args));
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    // Nothing is told of it.
    icap.send(download("http://o.test/").body(clean_bytes(100, 1)).bytes());
    assert_204(&icap.read_respmod());
    let hostile = download("http://o.test/-x?@/etc/passwd;$(id)")
        .field("X-Client-Username", "--config=/etc/evil")
        .field("X-Client-IP", "192.0.2.9");
    icap.send(hostile.body(eicar()).bytes());
    let response = icap.read_respmod();
    assert_block(&response, "eicar");
    let threat = response.get("X-Virus-ID").expect("it has a name").to_owned();
    let (args, event) = eventually("the hook was called", || calls(dir.path()).pop());
    let expected = [
        "detect",
        &threat,
        "bad",
        "http://o.test/-x?@/etc/passwd;$(id)",
        "%2D-config=/etc/evil",
        "192.0.2.9",
    ];
    assert_eq!(args, expected);
    for (field, expected) in [
        ("kind", "detection"),
        ("action", "block"),
        ("rule", "bad"),
        ("user", "--config=/etc/evil"),
        ("service", "respmod"),
    ] {
        assert_eq!(event[field], expected, "{event}");
    }
    icap.send(download("http://told.test/").body(clean_bytes(100, 1)).bytes());
    assert_204(&icap.read_respmod());
    let told = eventually("the hook was called for a clean one", || {
        Some(calls(dir.path())).filter(|calls| calls.len() == 2)
    });
    let clean = told.iter().find(|(args, _)| args[0] == "clean").expect("it is one of them");
    assert_eq!(clean.0, ["clean", "", "good", "http://told.test/", "", "127.0.0.1"]);
    assert_eq!((&clean.1["kind"], &clean.1["action"]), (&"pass".into(), &"pass".into()), "{}", clean.1);
    eventually("both are counted", || {
        (server.metric("icapstan_hook_runs_total", "hook=\"exec0\",result=\"ok\"") >= 2.0).then_some(())
    });
}

#[test]
fn a_program_that_hangs_is_killed_and_delays_nobody() {
    let dir = tempdir();
    let script = r#"echo $$ > "$DIR/pid"; trap '' TERM; sleep 1000"#;
    let config = format!(
        "{}, timeout: 500ms}}\n  concurrency: 1\n  queue: 2\n{RULES}",
        program(dir.path(), script, "x")
    );
    let mut server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let started = Instant::now();
    for _ in 0..20 {
        icap.send(respmod().allow_204().body(eicar()).bytes());
        assert_block(&icap.read_respmod(), "eicar");
    }
    assert!(started.elapsed() < Duration::from_secs(8), "nobody waits for hooks");
    let dropped = || server.metric("icapstan_hook_dropped_total", "queue-full");
    eventually("calls beyond the queue are counted", || (dropped() >= 10.0).then_some(()));
    eventually("it is killed when its time is over", || {
        (server.metric("icapstan_hook_runs_total", "result=\"timeout\"") >= 1.0).then_some(())
    });
    eventually("the log says so", || server.process().logs().text().contains("A hook failed.").then_some(()));
    let lines = server.process().logs().lines();
    assert_eq!(lines.iter().filter(|line| line.contains("A hook failed.")).count(), 1, "not each time");
    server.terminate();
    assert!(server.wait_exit().success());
}

#[test]
fn a_stop_gives_hooks_a_moment_and_leaves_none_behind() {
    let dir = tempdir();
    let script = r#"echo $$ > "$DIR/pid.part"; mv "$DIR/pid.part" "$DIR/pid"; exec sleep 1000"#;
    let config = format!("{}, timeout: 5m}}\n{RULES}", program(dir.path(), script, "x"));
    let mut server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    let pid = eventually("it runs", || fs::read_to_string(dir.path().join("pid")).ok());
    server.terminate();
    assert!(server.wait_exit().success());
    eventually("it is gone", || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    // What it said last may be on its way.
    eventually("it is told", || {
        server.process().logs().text().contains("Some hooks were not done in time.").then_some(())
    });
}

#[test]
fn a_server_gets_the_event() {
    let origin = Origin::start();
    origin.put("/hook", Reply::bytes(*b"thanks"));
    let config = format!(
        "hooks: {{http: {{allowedHosts: ['{address}']}}}}
policies:
- name: default
  rules:
  - {{verdict: DETECT, action: {{block: detected}}, hooks: [{{http: {{url: 'http://{address}/hook'}}}}]}}
  - {{verdict: NON_SCANNED, action: log, hooks: [{{http: {{url: 'http://{address}/missing'}}}}]}}
  scan: {{maxObjectSize: 1Ki}}
",
        address = origin.address()
    );
    let server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().allow_204().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    let seen = eventually("it came", || origin.seen("/hook").pop());
    assert!(seen.head.first_line.starts_with("POST "), "{}", seen.head.first_line);
    assert_eq!(seen.head.get("Content-Type"), Some("application/json"));
    let event: Value = serde_json::from_slice(&seen.body).expect("it is JSON");
    assert_eq!((&event["kind"], &event["url"]), (&"detection".into(), &"http://o.test/x".into()));
    let large = Message::respmod("/respmod").request_head(GET).response_head(OK).allow_204();
    icap.send(large.body(clean_bytes(100_000, 2)).bytes());
    assert_204(&icap.read_respmod());
    let seen = eventually("the other came", || origin.seen("/missing").pop());
    let event: Value = serde_json::from_slice(&seen.body).expect("it is JSON");
    assert_eq!((&event["kind"], &event["reason"]), (&"not-scanned".into(), &"size".into()));
    for result in ["ok", "failed"] {
        eventually("both are counted", || {
            let labels = format!("hook=\"http\",result=\"{result}\"");
            (server.metric("icapstan_hook_runs_total", &labels) >= 1.0).then_some(())
        });
    }
}

#[test]
fn what_cannot_be_called_is_told_at_the_start() {
    let dir = tempdir();
    let file = dir.path().join("icapstan.yaml");
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    let run = |config: &str, args: &[&str]| {
        fs::write(&file, config).expect("it is writable");
        let output =
            Command::new(binary("icapstan")).args(args).arg(&file).output().expect("it can be started");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let start = ["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"];
    let rule = |hook: &str| {
        format!("policies: [{{name: default, rules: [{{verdict: DETECT, action: log, hooks: [{hook}]}}]}}]\n")
    };
    let elsewhere = rule(&format!("{{http: {{url: 'http://{address}/'}}}}"));
    let listed = format!("hooks: {{http: {{allowedHosts: ['{}:1']}}}}\n{elsewhere}", address.ip());
    for (config, cause) in [
        (elsewhere.as_str(), "policies[0].rules[0].hooks[0].http.url: "),
        (&listed, "is not in `hooks.http.allowedHosts`"),
        (&rule("{exec: /bin/sh}"), "there is no \"/bin/sh\" in `hooks.exec`"),
    ] {
        for args in [&start[..], &["check-config"]] {
            let (code, told) = run(config, args);
            assert!(code == Some(64) && told.contains(cause), "{code:?} {told}");
        }
    }
    let missing = "hooks: {exec: [{name: x, command: /proc/nothing}]}";
    let (code, told) = run(missing, &start);
    assert!(code == Some(1) && told.contains("hooks.exec[0].command /proc/nothing cannot be used"), "{told}");
    let authorities = "hooks: {http: {allowedHosts: [h], caFile: /proc/version}}";
    let (code, told) = run(authorities, &start);
    assert!(code == Some(1) && told.contains("hooks.http.caFile cannot be used"), "{told}");
}
