//! `icapstan import-kse`: settings of Kaspersky Scan Engine become a file that can be used, and what cannot is
//! said.

use icapstan_testkit::{IcapClient, Message, Standalone, binary, eicar, eventually, tempdir};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SETTINGS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<Configuration>
  <SDKSettings>
    <ScannersCount>2</ScannersCount>
    <ThreadsCount>4</ThreadsCount>
    <QueueLen>400</QueueLen>
    <ScanTimeout>20000</ScanTimeout>
    <UseKSN>1</UseKSN>
  </SDKSettings>
  <ICAPSettings>
    <Port>1344</Port>
    <ReqModeAddress>to_them</ReqModeAddress>
    <RespModeAddress>from_them</RespModeAddress>
    <MaxIcapSessionsCount>100</MaxIcapSessionsCount>
    <RAMUsageLimit>600</RAMUsageLimit>
    <ScanMaxFileSize>10343</ScanMaxFileSize>
    <Allow204>1</Allow204>
    <ScanInReqMode></ScanInReqMode>
    <ScanInRespMode>Content</ScanInRespMode>
    <TransferBeforeScanEnding Delay=\"10\" ChunkSize=\"4\">1</TransferBeforeScanEnding>
  </ICAPSettings>
</Configuration>
";

const RULES: &str =
    "RESP DETECT SET_RESP=detect_res\nRESP DETECT EXEC_CMD=send_syslog\nANY FAILED SET_RESP=broken\n";

fn icapstan(args: &[&str]) -> Output {
    let mut command = Command::new(binary("icapstan"));
    command.args(args).stdin(Stdio::null()).output().expect("it starts and ends")
}

fn import(dir: &Path, settings: impl AsRef<[u8]>, rules: Option<&str>) -> Output {
    let xml = write(dir, "kavicapd.xml", settings.as_ref());
    match rules.map(|rules| write(dir, "rules.conf", rules.as_bytes())) {
        Some(rules) => icapstan(&["import-kse", &xml, "--rules", &rules]),
        None => icapstan(&["import-kse", &xml]),
    }
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::write(&path, bytes).expect("the folder is writable");
    path.to_string_lossy().into_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

#[test]
fn what_is_printed_is_accepted_and_what_is_lost_is_said() {
    let dir = tempdir();
    let output = import(dir.path(), SETTINGS, Some(RULES));
    let (yaml, notes) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{notes}");
    let file = write(dir.path(), "icapstan.yaml", yaml.as_bytes());
    let checked = icapstan(&["check-config", &file]);
    assert_eq!(checked.status.code(), Some(0), "{}\n{yaml}", text(&checked.stderr));
    for line in [
        "sessions: 100",
        "workers: 2",
        "timeout: 20s",
        "path: /from_them",
        "block: detected",
        "block: failed",
    ] {
        assert!(yaml.contains(line), "{line} in:\n{yaml}");
    }
    for note in [
        "dropped: SDKSettings/UseKSN = \"1\": ",
        "approximated: ICAPSettings/TransferBeforeScanEnding = \"1\": ",
        "dropped: rules:2 = \"RESP DETECT EXEC_CMD=send_syslog\": ",
        "approximated: rules:3 = \"ANY FAILED SET_RESP=broken\": ",
        "approximated: rules = \"REQ DETECT\": ",
    ] {
        assert!(notes.lines().any(|line| line.starts_with(note)), "{note} in:\n{notes}");
    }
    assert!(!yaml.contains("dropped") && !notes.contains("sessions:"), "each on its own stream");
}

#[test]
fn a_server_with_the_printed_file_does_what_was_asked_for() {
    let dir = tempdir();
    let yaml = text(&import(dir.path(), SETTINGS, Some(RULES)).stdout);
    // The port is chosen by the flag of the test's server.
    let server = Standalone::with().config(&yaml).start();
    let mut client = IcapClient::connect(server.icap());
    let get = "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n";
    client.send(Message::options("/from_them").bytes());
    let options = client.read_options();
    assert_eq!(options.get("Methods"), Some("RESPMOD"), "{}", options.shown());
    assert_eq!(options.get("Preview"), None, "without exclusions previews are off: {}", options.shown());
    client.send(Message::respmod("/from_them").request_head(get).response_head(ok).body(eicar()).bytes());
    let blocked = client.read_respmod();
    assert_eq!(blocked.status, 200, "{}", blocked.shown());
    assert!(blocked.get("X-Virus-ID").is_some(), "{}", blocked.shown());
    // An empty ScanInReqMode looks at nothing.
    let put = "PUT http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
    client.send(Message::reqmod("/to_them").allow_204().request_head(put).body(eicar()).bytes());
    let passed = client.read_reqmod();
    assert_eq!(passed.status, 204, "{}", passed.shown());
}

#[test]
fn a_script_of_the_printed_file_is_called() {
    let dir = tempdir();
    let script = dir.path().join("send_syslog");
    let text_of_script =
        format!("#!/bin/sh\ncat > '{0}/part' && mv '{0}/part' '{0}/told'\n", dir.path().display());
    std::fs::write(&script, text_of_script).expect("the folder is writable");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let folder = format!("<CmdPath>{}</CmdPath></ICAPSettings>", dir.path().display());
    let settings = SETTINGS.replace("</ICAPSettings>", &folder);
    let output = import(dir.path(), settings, Some(RULES));
    let (yaml, notes) = (text(&output.stdout), text(&output.stderr));
    let note = "approximated: rules:2 = \"RESP DETECT EXEC_CMD=send_syslog\": ";
    assert!(notes.lines().any(|line| line.starts_with(note)), "{notes}");
    let server = Standalone::with().config(&yaml).start();
    let mut client = IcapClient::connect(server.icap());
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n";
    let get = "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\n\r\n";
    client.send(Message::respmod("/from_them").request_head(get).response_head(ok).body(eicar()).bytes());
    assert!(client.read_respmod().get("X-Virus-ID").is_some());
    let told = eventually("the script is called", || std::fs::read_to_string(dir.path().join("told")).ok());
    assert!(
        told.contains("\"kind\":\"detection\"") && told.contains("\"url\":\"http://o.test/x\""),
        "{told}"
    );
}

#[test]
fn the_smallest_file_is_accepted_too() {
    let dir = tempdir();
    let output = import(dir.path(), "<Configuration><ICAPSettings/></Configuration>", None);
    let file = write(dir.path(), "icapstan.yaml", &output.stdout);
    let checked = icapstan(&["check-config", &file]);
    assert_eq!(checked.status.code(), Some(0), "{}\n{}", text(&checked.stderr), text(&output.stdout));
}

#[test]
fn files_that_are_none_are_refused_with_the_cause_and_nothing_is_printed() {
    let dir = tempdir();
    let big = " ".repeat(1024 * 1024 + 1);
    let cases: [(&[u8], Option<&str>, &str); 8] = [
        (b"", None, "not XML"),
        (b"limits: {sessions: 1}", None, "not XML"),
        (b"<Configuration><ICAPSettings></Configuration>", None, "not XML"),
        (b"\xff\xfe<", None, "not UTF-8"),
        (b"<html/>", None, "root element is <html>"),
        (b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><Configuration/>", None, "document type"),
        (big.as_bytes(), None, "larger than 1048576 bytes"),
        (SETTINGS.as_bytes(), Some(&big), "larger than 1048576 bytes"),
    ];
    for (settings, rules, cause) in cases {
        let output = import(dir.path(), settings, rules);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{cause}: {said}");
        assert!(said.contains(cause) && said.lines().count() == 1, "{cause}: {said}");
        let file = if rules.is_some() { "rules.conf" } else { "kavicapd.xml" };
        assert!(said.contains(file), "the file is named: {said}");
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
    let missing = icapstan(&["import-kse", "/does/not/exist.xml"]);
    assert_eq!(missing.status.code(), Some(64));
    assert!(text(&missing.stderr).starts_with("/does/not/exist.xml: cannot be read: "));
    let bare = icapstan(&["import-kse"]);
    assert_eq!(bare.status.code(), Some(64), "{}", text(&bare.stderr));
}
