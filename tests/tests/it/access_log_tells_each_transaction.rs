//! With `log.access` there is one line for each transaction, whatever came of it, and none gets lost
//! when the process stops.

use crate::common::{assert_204, assert_block, reqmod, respmod};
use icapstan_testkit::{IcapClient, Message, Standalone, binary, clean_bytes, eicar, tempdir};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

#[test]
fn each_transaction_is_one_line_and_secrets_are_none() {
    let dir = tempdir();
    let path = dir.path().join("access.log");
    let config = format!(
        "log: {{format: json, access: {}}}\nlimits: {{memory: 1Mi}}\npolicies: [{{name: default, scan: {{maxObjectSize: 100Ki}}}}]",
        path.display()
    );
    let mut server = Standalone::with().config(&config).start();
    let mut icap = IcapClient::connect(server.icap());
    let head = "GET http://ann:secret@o.test/x?token=1 HTTP/1.1\r\nHost: o.test\r\n\r\n";
    icap.send(
        Message::reqmod("/reqmod").request_head(head).allow_204().field("X-Client-IP", "192.0.2.9").bytes(),
    );
    assert_204(&icap.read_reqmod());
    icap.send(respmod().allow_204().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
    icap.send(respmod().allow_204().body(clean_bytes(200_000, 3)).bytes());
    icap.read_respmod();
    icap.send(reqmod().allow_204().bytes());
    assert_204(&icap.read_reqmod());
    icap.send(Message::options("/respmod").bytes());
    icap.read_options();
    server.terminate();
    assert!(server.wait_exit().success());

    let text = std::fs::read_to_string(&path).expect("there is an access log");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let told = |line: &Value| {
        ["method", "service", "verdict", "reason", "action"]
            .map(|field| line[field].as_str().unwrap_or("").to_owned())
            .join(" ")
    };
    let told: Vec<_> = lines.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "REQMOD reqmod clean  pass",
            "RESPMOD respmod detect  block",
            "RESPMOD respmod non-scanned size pass",
            "REQMOD reqmod clean  pass"
        ]
    );
    assert_eq!(lines[0]["client"], "192.0.2.9");
    assert_eq!(lines[0]["url"], "http://o.test/x");
    assert_eq!((&lines[0]["status"], &lines[1]["status"]), (&204.into(), &200.into()));
    assert!(lines[2]["received_bytes"].as_u64().expect("a number") > 200_000, "{}", lines[2]);
    assert!(lines[1]["sent_bytes"].as_u64().expect("a number") > 500, "{}", lines[1]);
    assert!(!text.contains("secret") && !text.contains("token"), "{text}");
}

#[test]
fn the_status_is_what_the_client_got() {
    let dir = tempdir();
    let path = dir.path().join("access.log");
    let config = format!("log: {{format: json, access: {}}}\ntimeouts: {{bodyIdle: 200ms}}", path.display());
    let mut server = Standalone::with().in_one_process().config(&config).start();
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let head = format!(
        "RESPMOD icap://h/respmod ICAP/1.0\r\nHost: h\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{head}",
        head.len()
    );
    for (body, leaves, status) in [("zz\r\n", false, 400), ("5\r\nab", false, 408), ("5\r\nab", true, 0)] {
        let mut stream = TcpStream::connect(server.icap()).expect("the server listens");
        stream.write_all(format!("{head}{body}").as_bytes()).expect("it takes the request");
        if leaves {
            stream.shutdown(Shutdown::Write).expect("it is open");
        }
        let mut answer = String::new();
        // By a reset, if it closes on what it did not read.
        let _ = stream.read_to_string(&mut answer);
        let got = answer.strip_prefix("ICAP/1.0 ").and_then(|rest| rest.get(..3)).unwrap_or("0");
        assert_eq!(got, status.to_string(), "{body}: {answer}");
    }
    server.terminate();
    assert!(server.wait_exit().success());
    let text = std::fs::read_to_string(&path).expect("there is an access log");
    let statuses: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("each line is JSON")["status"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(400), Some(408), Some(0)]);
}

#[test]
fn an_access_log_that_cannot_be_written_is_told_at_the_start() {
    let dir = tempdir();
    let config = dir.path().join("icapstan.yaml");
    std::fs::write(&config, "log: {access: /proc/nothing/access.log}").expect("the folder is writable");
    let output = Command::new(binary("icapstan"))
        .args(["standalone", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"])
        .arg(config)
        .output()
        .expect("it can be started");
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("/proc/nothing/access.log"), "{told}");
}
