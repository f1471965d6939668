//! What must not be found afterwards: in logs, in metrics, in files (group 23).

use super::ground::number;
use crate::common::{assert_block, assert_response_echo, respmod};
use icapstan_testkit::{IcapClient, Message, Signal, Standalone, clean_bytes, eicar, eventually, tempdir};
use std::path::{Path, PathBuf};

/// Secrets that travel through a proxy, and where each stands.
const SECRETS: [&str; 7] = [
    "c2VjcmV0LWljYXAtcHJveHk=",
    "c2VjcmV0LWljYXA=",
    "c2VjcmV0LWh0dHA=",
    "secret-cookie-of-the-request",
    "secret-cookie-of-the-answer",
    "secret-in-the-body-of-it",
    "secret-in-a-field-nobody-knows",
];

/// A download that carries all of them.
fn download(body: &[u8]) -> Message {
    let [proxy, icap, http, cookie, set_cookie, in_body, field] = SECRETS;
    let request = format!(
        "GET http://o.test/x HTTP/1.1\r\nHost: o.test\r\nAuthorization: Basic {http}\r\nCookie: s={cookie}\r\n\r\n"
    );
    let response = format!("HTTP/1.1 200 OK\r\nSet-Cookie: s={set_cookie}\r\nX-Key: {field}\r\n\r\n");
    Message::respmod("/respmod")
        .field("Proxy-Authorization", &format!("Basic {proxy}"))
        .field("Authorization", &format!("Basic {icap}"))
        .request_head(request)
        .response_head(response)
        .body([body, in_body.as_bytes()].concat())
}

#[test]
fn abuse_23_secrets_are_in_no_log_at_any_level_and_in_no_metric() {
    let server = Standalone::with().arg("--log-level").arg("trace").start();
    let mut icap = IcapClient::connect(server.icap());
    // EICAR may be followed by blanks alone, so that what follows is not part of it.
    let infected = [eicar(), vec![b' '; 40]].concat();
    icap.send(download(b"harmless ").bytes());
    let echo = icap.read_respmod();
    assert_eq!(echo.status, 200);
    icap.send(download(&infected).bytes());
    assert!(matches!(icap.read_respmod().status, 200));
    icap.send(download(b"harmless ").request_line("RESPMOD icap://h/nope ICAP/1.0").bytes());
    assert_eq!(icap.read_respmod().status, 404);
    // Malformed in each part, behind the secrets.
    let whole = download(b"harmless ").bytes();
    let cut = |end: usize, tail: &[u8]| [&whole[..end], tail].concat();
    for bytes in [
        cut(whole.len() - 5, b"x\r\n\r\n"),
        download(b"harmless ").encapsulated("x=1").bytes(),
        download(b"harmless ").field("Preview", "x").bytes(),
        download(b"harmless ").response_head("secret\r\n\r\n").bytes(),
        [b"POST /?".as_slice(), SECRETS[0].as_bytes(), b" HTTP/1.1\r\n\r\n"].concat(),
    ] {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(bytes);
        assert_eq!(icap.read_respmod().status, 400);
    }
    // One that leaves in the midst.
    let mut gone = IcapClient::connect(server.icap());
    gone.send(&whole[..whole.len() - 20]);
    drop(gone);
    eventually("its end is logged", || {
        (server.metric("icapstan_icap_sessions_ended_total", "cause=\"gone\"") > 0.5).then_some(())
    });
    let mut last = IcapClient::connect(server.icap());
    last.send(respmod().field("X-Client-Username", "the-last-of-all").body(eicar()).bytes());
    assert_block(&last.read_respmod(), "eicar");
    server.process().wait_for("the last decision", |line| line.contains("the-last-of-all").then_some(()));
    let (log, metrics) = (server.process().logs().text(), server.metrics());
    assert!(server.process().logs().count() > 10, "there is a log to look at:\n{log}");
    for secret in SECRETS {
        assert!(!log.contains(secret), "{secret} is in the log");
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
}

/// All files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.append(&mut files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

/// Panics when a file below `folder` holds the beginning of `body`.
#[track_caller]
fn assert_holds_nothing_of(folder: &Path, body: &[u8], when: &str) {
    for path in files(folder) {
        // One that is gone meanwhile holds nothing.
        let content = std::fs::read(&path).unwrap_or_default();
        let found = content.windows(64).any(|window| window == &body[..64]);
        assert!(!found, "{when}: {} has the body", path.display());
    }
}

#[test]
fn abuse_23_spool_files_have_no_name_and_do_not_outlive_a_crash() {
    const SIZE: usize = 6 << 20;
    let folder = tempdir();
    let config = format!("scanner: {{tempDir: {}}}\n", folder.path().display());
    let mut server = Standalone::with().in_one_process().config(&config).start();
    let body = clean_bytes(SIZE, 1);
    let request = respmod().body(&body).bytes();
    let mut open: Vec<_> = (0..3).map(|_| IcapClient::connect(server.icap())).collect();
    for icap in &mut open {
        icap.send(&request[..request.len() - 100]);
    }
    eventually("bodies are in spool files", || {
        (server.metric("icapstan_gateway_spool_bytes", "") > 2.5 * number(SIZE)).then_some(())
    });
    assert_holds_nothing_of(folder.path(), &body, "while it is received");
    server.process().signal(Signal::KILL);
    server.wait_exit();
    assert_holds_nothing_of(folder.path(), &body, "after the crash");
    // The next run takes away what the crash left of its own files.
    let left = files(folder.path());
    let again = Standalone::with().config(&config).start();
    eventually("the files of the run that crashed are gone", || {
        left.iter().all(|path| !path.exists()).then_some(())
    });
    let mut icap = IcapClient::connect(again.icap());
    icap.send([respmod().body(b"harmless").bytes(), respmod().body(eicar()).bytes()].concat());
    assert_response_echo(&icap.read_respmod(), crate::common::OK, b"harmless");
    assert_block(&icap.read_respmod(), "eicar");
}
