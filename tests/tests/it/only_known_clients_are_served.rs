//! ICAP clients may be told by their address, and by a name and a password; others are refused in words that
//! they understand.

use crate::common::{assert_204, assert_error_and_close, reqmod, respmod};
use icapstan_testkit::{
    IcapClient, IcapResponse, Message, Standalone, eicar, eventually, need, skipped, tempdir,
};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Made by `htpasswd -nbB -C 4`: the passwords are `secret` and `other`.
const SQUID: &str = "squid:$2y$04$pWJ8mC/IEGnbAFbCKxKFguKhzruutXAe5AP7Ao4deDMWQzHDGiqmm";
/// `squid:secret`, `squid:wrong` and `nobody:secret` in base64.
const RIGHT: &str = "Basic c3F1aWQ6c2VjcmV0";
const WRONG: &str = "Basic c3F1aWQ6d3Jvbmc=";
const NOBODY: &str = "Basic bm9ib2R5OnNlY3JldA==";

fn refusals(server: &Standalone, cause: &str) -> f64 {
    server.metric("icapstan_icap_access_refusals_total", &format!("cause=\"{cause}\""))
}

fn options(server: &Standalone) -> (IcapClient, IcapResponse) {
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options("/respmod").bytes());
    let response = icap.read_options();
    (icap, response)
}

#[test]
fn an_address_that_is_not_allowed_gets_403_and_that_can_change() {
    let server = Standalone::with().config("clients: {allow: [192.0.2.0/24]}").start();
    let (mut icap, response) = options(&server);
    assert_error_and_close(&mut icap, &response, 403);
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().body(eicar()).bytes());
    let response = icap.read_respmod();
    assert_error_and_close(&mut icap, &response, 403);
    // Who says nothing is told as well.
    let mut icap = IcapClient::connect(server.icap());
    let response = icap.read_options();
    assert_error_and_close(&mut icap, &response, 403);
    assert!(refusals(&server, "address") > 2.5);
    assert!(server.metric("icapstan_icap_requests_total", "status=\"403\"") > 2.5);
    assert!(server.process().logs().text().contains("An ICAP client is not served."));

    server.replace_config("clients: {allow: [127.0.0.0/8]}");
    let mut kept = eventually("it is allowed now", || {
        let (icap, response) = options(&server);
        (response.status == 200).then_some(icap)
    });
    server.replace_config("clients: {allow: [127.0.0.0/8], deny: [127.0.0.1/32]}");
    eventually("it is denied now", || (options(&server).1.status == 403).then_some(()));
    kept.send(reqmod().allow_204().bytes());
    assert_204(&kept.read_reqmod());
}

#[test]
fn c_icap_client_understands_403() {
    if skipped("c-icap") {
        return;
    }
    let program = need("/usr/bin/c-icap-client", "c-icap", "c-icap");
    let server = Standalone::with().config("clients: {deny: [127.0.0.0/8]}").start();
    let port = server.icap().port().to_string();
    let start = Instant::now();
    let output = Command::new(program)
        .args(["-i", "127.0.0.1", "-p", &port, "-s", "respmod", "-v"])
        .output()
        .expect("it can be started");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!said.contains("200 OK") && start.elapsed() < Duration::from_secs(10), "{said}");
}

#[test]
fn who_has_to_say_a_name_and_a_password_is_asked_for_them_and_they_are_in_no_log() {
    let folder = tempdir();
    let (users, access) = (folder.path().join("users"), folder.path().join("access.log"));
    fs::write(&users, format!("# the proxies\n{SQUID}\n")).expect("the folder is writable");
    let config = format!(
        "log: {{format: json, level: trace, access: {}}}\nclients: {{authentication: {{realm: scans, usersFile: {}}}}}",
        access.display(),
        users.display()
    );
    let server = Standalone::with().in_one_process().config(&config).start();
    let (mut icap, response) = options(&server);
    assert_eq!(response.status, 407, "{}", response.shown());
    assert_eq!(response.get("Proxy-Authenticate"), Some("Basic realm=\"scans\", charset=\"UTF-8\""));
    // There is another try on the same connection.
    for field in ["Authorization", "Proxy-Authorization"] {
        icap.send(Message::options("/respmod").field(field, RIGHT).bytes());
        assert_eq!(icap.read_options().status, 200, "{field}");
    }
    icap.send(reqmod().allow_204().field("Authorization", RIGHT).bytes());
    assert_204(&icap.read_reqmod());
    // Each request has to say it.
    icap.send(reqmod().allow_204().bytes());
    assert_eq!(icap.read_reqmod().status, 407);
    // What is wrong takes a second and ends the connection; a body that comes with it does no harm.
    for field in [WRONG, NOBODY, "Basic ???", "Bearer x"] {
        let start = Instant::now();
        let mut icap = IcapClient::connect(server.icap());
        icap.send(respmod().field("Authorization", field).body(eicar()).bytes());
        let response = icap.read_respmod();
        assert_error_and_close(&mut icap, &response, 407);
        assert!(start.elapsed() >= Duration::from_secs(1), "{field}: {:?}", start.elapsed());
    }
    assert!((refusals(&server, "wrong-credentials") - 4.0).abs() < 0.1);
    assert!((refusals(&server, "no-credentials") - 2.0).abs() < 0.1);
    // Not for ever: after some failures nobody looks any more. Who was right before is let in.
    eventually("it is too much", || {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let mut icap = IcapClient::connect(server.icap());
                icap.send(Message::options("/respmod").field("Authorization", WRONG).bytes());
                icap
            })
            .collect();
        for mut icap in clients {
            assert_eq!(icap.read_options().status, 407);
        }
        (refusals(&server, "too-many-failures") > 0.5).then_some(())
    });
    let mut icap = IcapClient::connect(server.icap());
    icap.send(reqmod().allow_204().field("Authorization", RIGHT).bytes());
    assert_204(&icap.read_reqmod());
    // Other users, and the connection that is there is asked again.
    fs::write(&users, SQUID.replace("squid:", "other:")).expect("the folder is writable");
    eventually("the other users are in use", || {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(Message::options("/respmod").field("Authorization", RIGHT).bytes());
        (icap.read_options().status == 407).then_some(())
    });
    icap.send(reqmod().allow_204().field("Authorization", RIGHT).bytes());
    assert_eq!(icap.read_reqmod().status, 407);

    let lines = eventually("the lines are written", || {
        let text = fs::read_to_string(&access).unwrap_or_default();
        (text.lines().count() >= 2).then_some(text)
    });
    assert!(lines.lines().all(|line| line.contains("\"peer_user\":\"squid\"")), "{lines}");
    let logs = server.process().logs().text();
    for secret in ["c3F1aWQ6", "secret", "$2y$"] {
        assert!(!logs.contains(secret) && !lines.contains(secret), "{secret}");
    }
}

#[test]
fn users_that_cannot_be_used_change_nothing() {
    let folder = tempdir();
    let users = folder.path().join("users");
    fs::write(&users, SQUID).expect("the folder is writable");
    let config = format!("clients: {{authentication: {{usersFile: {}}}}}", users.display());
    let server = Standalone::with().in_one_process().config(&config).start();
    fs::write(&users, "squid:secret\n").expect("the folder is writable");
    eventually("the file was looked at", || {
        (server.metric("icapstan_config_reloads_total", "error") > 0.5).then_some(())
    });
    let ready = server.admin_get("/readyz").expect("the admin port answers");
    let note = String::from_utf8(ready.body).expect("it is text");
    assert!(note.contains("line 1: has no hash of bcrypt") && !note.contains("secret"), "{note}");
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options("/respmod").field("Authorization", RIGHT).bytes());
    assert_eq!(icap.read_options().status, 200);
}
