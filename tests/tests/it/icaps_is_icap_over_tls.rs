//! ICAP over TLS: for the real Squid, with certificates on both sides that change while it works; and who may
//! not come in learns it at once.

use crate::common::{OK, assert_204, assert_block, respmod};
use icapstan_testkit::http::Request;
use icapstan_testkit::{
    Authority, IcapClient, Message, Origin, Pem, Reply, Signal, Squid, Standalone, TempDir, binary,
    clean_bytes, eicar, eventually, need, secured, skipped, tempdir,
};
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Well below the deadline of a handshake, with room for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Writes a certificate and its key into a folder, or something else.
type Make<'m> = &'m dyn Fn(&Path);

/// A server with TLS, and the authority that it and its clients believe.
struct Rig {
    authority: Authority,
    folder: TempDir,
    server: Standalone,
}

impl Rig {
    /// `more` is the rest of the `tls` settings, `rest` the rest of the file.
    fn start(more: &str, rest: &str) -> Self {
        let (authority, folder) = (Authority::new(), tempdir());
        let pem = authority.issue(folder.path(), "icapstan.test");
        let config = format!("{}{rest}", tls(&pem, &authority, more));
        let server = Standalone::with().config(&config).start();
        Self { authority, folder, server }
    }

    /// A certificate of a client in a folder of its own.
    fn own(&self, name: &str) -> (TempDir, Pem) {
        let folder = tempdir();
        let pem = self.authority.issue(folder.path(), name);
        (folder, pem)
    }

    fn handshakes(&self, result: &str) -> f64 {
        self.server.metric("icapstan_tls_handshakes_total", &format!("result=\"{result}\""))
    }

    fn handshakes_are(&self, result: &str, wanted: f64) {
        eventually(&format!("{wanted} handshakes end as {result}"), || {
            (self.handshakes(result) >= wanted).then_some(())
        });
    }

    fn logs(&self) -> String {
        self.server.process().logs().text()
    }
}

fn tls(pem: &Pem, authority: &Authority, more: &str) -> String {
    format!(
        "tls: {{listen: '127.0.0.1:0', certFile: {}, keyFile: {}, clientCaFile: {}, {more}}}\n",
        pem.cert.display(),
        pem.key.display(),
        authority.ca_file().display(),
    )
}

/// What `openssl s_client` says until the server closes, or until it has the answer.
fn s_client(server: SocketAddr, args: &[&str], request: &str) -> String {
    let openssl = need("/usr/bin/openssl", "openssl", "openssl");
    let mut child = Command::new(openssl)
        .args(["s_client", "-connect", &server.to_string(), "-ign_eof"])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be started");
    // It may have ended already.
    let _ = child.stdin.take().expect("it is a pipe").write_all(request.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const OPTIONS: &str = "OPTIONS icap://h/respmod ICAP/1.0\r\nHost: h\r\nConnection: close\r\n\r\n";

fn path(path: &Path) -> &str {
    path.to_str().expect("it is text")
}

#[test]
fn squid_shows_its_certificate_and_none_of_its_transactions_fails_while_ours_changes() {
    if skipped("squid") {
        return;
    }
    let rig = Rig::start("clientCertificates: required", "");
    let (_own, own) = rig.own("squid.test");
    let options = format!(
        "tls-cafile={} tls-cert={} tls-key={} tls-domain=icapstan.test",
        rig.authority.ca_file().display(),
        own.cert.display(),
        own.key.display()
    );
    // A handshake for each transaction.
    let squid = Squid::start_at(
        &format!("icaps://{}", rig.server.icaps()),
        &options,
        "icap_persistent_connections off",
    );
    let origin = Origin::start();
    let clean = clean_bytes(100_000, 7);
    let (good, bad) =
        (origin.put("/good", Reply::bytes(clean.clone())), origin.put("/bad", Reply::bytes(eicar())));
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let response = Request::get(&good).through(squid.proxy());
                        assert_eq!((response.status, response.body == clean), (200, true));
                        assert_eq!(Request::get(&bad).through(squid.proxy()).status, 403);
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for renewed in 1..=3 {
            // Not in one step: for a moment certificate and key do not belong together.
            rig.authority.issue(rig.folder.path(), "icapstan.test");
            if renewed == 2 {
                rig.server.process().signal(Signal::HUP);
            }
            eventually("the other certificate is in use", || {
                let ok = rig.server.metric("icapstan_tls_certificate_reloads_total", "ok");
                (ok >= f64::from(renewed)).then_some(())
            });
            let before = asked.load(Ordering::Relaxed);
            eventually("requests go on", || {
                let ended = clients.iter().any(thread::ScopedJoinHandle::is_finished);
                (ended || asked.load(Ordering::Relaxed) > before + 20).then_some(())
            });
        }
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().expect("no request failed");
        }
    });
    squid.assert_no_icap_error();
    assert!(rig.handshakes("ok") > 100.0, "{}", rig.handshakes("ok"));
    for result in ["no-certificate", "bad-certificate", "protocol", "timeout", "not-tls"] {
        assert!(rig.handshakes(result) < 0.5, "{result}");
    }
}

#[test]
fn rules_and_logs_know_the_client_by_its_certificate() {
    let folder = tempdir();
    let access = folder.path().join("access.log");
    let rules = format!(
        "log: {{format: json, access: {}}}
policies:
- name: default
  rules:
  - {{name: lab, verdict: DETECT, when: {{clientCertificates: ['dns:lab.*']}}, action: log}}
",
        access.display()
    );
    let rig = Rig::start("clientCertificates: optional", &rules);
    let (_lab, lab) = rig.own("lab.test");
    let (_proxy, proxy) = rig.own("proxy.test");
    let request = |allow: bool| {
        let message = respmod().field("Connection", "close").body(eicar());
        if allow { message.allow_204() } else { message }
    };
    for (own, expected) in [(Some(&lab), "204"), (Some(&proxy), "200"), (None, "200")] {
        let mut stream = secured(rig.server.icaps(), &rig.authority.client(own)).expect("it is let in");
        stream.write_all(request(true).bytes().as_ref()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it ends in order");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("ICAP/1.0 {expected}")), "{answer}");
    }
    let lines = eventually("there are three lines", || {
        let text = fs::read_to_string(&access).unwrap_or_default();
        (text.lines().count() == 3).then_some(text)
    });
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].contains("\"peer_certificate\":\"dns:lab.test\""), "{}", lines[0]);
    assert!(lines[1].contains("\"peer_certificate\":\"dns:proxy.test\""), "{}", lines[1]);
    assert!(!lines[2].contains("peer_certificate"), "{}", lines[2]);
    assert!(rig.logs().contains("\"peer_certificate\":\"dns:lab.test\""));
}

#[test]
fn who_may_not_come_in_learns_it_at_once() {
    if skipped("openssl") {
        return;
    }
    let rig = Rig::start("clientCertificates: required", "");
    let server = rig.server.icaps();
    let (_own, own) = rig.own("squid.test");
    let stranger = (Authority::new(), tempdir());
    let foreign = stranger.0.issue(stranger.1.path(), "squid.test");
    let over = tempdir();
    let expired = rig.authority.issue_expired(over.path(), "squid.test");
    let ca = rig.authority.ca_file();
    for version in ["-tls1_2", "-tls1_3"] {
        let answer = s_client(
            server,
            &[version, "-CAfile", path(&ca), "-cert", path(&own.cert), "-key", path(&own.key)],
            OPTIONS,
        );
        assert!(answer.contains("ICAP/1.0 200 OK") && answer.contains("Verify return code: 0"), "{answer}");
    }
    for (own, result) in
        [(None, "no-certificate"), (Some(&foreign), "bad-certificate"), (Some(&expired), "bad-certificate")]
    {
        for version in ["-tls1_2", "-tls1_3"] {
            let before = rig.handshakes(result);
            let start = Instant::now();
            let mut args = vec![version];
            if let Some(own) = own {
                args.extend(["-cert", path(&own.cert), "-key", path(&own.key)]);
            }
            let answer = s_client(server, &args, OPTIONS);
            assert!(start.elapsed() < AT_ONCE, "{result}: {:?}", start.elapsed());
            assert!(answer.contains("alert") && !answer.contains("ICAP/1.0"), "{result} {version}: {answer}");
            rig.handshakes_are(result, before + 1.0);
        }
    }
    // The server is not believed.
    let before = rig.handshakes("rejected");
    s_client(server, &["-CAfile", path(&stranger.0.ca_file()), "-verify_return_error"], OPTIONS);
    rig.handshakes_are("rejected", before + 1.0);
    // Too old.
    let before = rig.handshakes("protocol");
    let answer = s_client(server, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], OPTIONS);
    assert!(!answer.contains("ICAP/1.0"), "{answer}");
    rig.handshakes_are("protocol", before + 1.0);
    let logs = rig.logs();
    for told in ["peer sent no certificates", "UnknownIssuer"] {
        assert!(logs.contains(told), "{told}: {logs}");
    }
}

#[test]
fn the_wrong_port_is_told_at_once_and_named() {
    let rig = Rig::start("clientCertificates: optional", "");
    // ICAP where TLS is spoken.
    let start = Instant::now();
    let mut icap = IcapClient::connect(rig.server.icaps());
    icap.send(Message::options("/respmod").bytes());
    let response = icap.read_options();
    assert_eq!((response.status, response.closes()), (400, true), "{}", response.shown());
    icap.expect_closed();
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    rig.handshakes_are("not-tls", 1.0);
    // Something else there.
    let start = Instant::now();
    let mut other = TcpStream::connect(rig.server.icaps()).expect("it listens");
    other.write_all(b"\x00\x01\x02\x03").expect("it is there");
    other.shutdown(Shutdown::Write).expect("it is there");
    let mut said = Vec::new();
    other.read_to_end(&mut said).expect("it ends in order");
    assert!(said.is_empty() && start.elapsed() < AT_ONCE, "{said:?} {:?}", start.elapsed());
    // TLS where it is not.
    let start = Instant::now();
    let failed = secured(rig.server.icap(), &rig.authority.client(None));
    assert!(failed.is_err() && start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    eventually("it is counted", || {
        (rig.server.metric("icapstan_icap_tls_on_plain_port_total", "") > 0.5).then_some(())
    });
    let logs = rig.logs();
    assert!(logs.contains("is its URI icap:// with the port of icaps://?"), "{logs}");
    assert!(logs.contains("is its URI icaps:// with the port of icap://?"), "{logs}");
}

#[test]
fn a_bad_certificate_changes_nothing_and_is_told_until_it_is_mended() {
    // As Kubernetes does it: the files are links through a folder that is a link.
    let (authority, mount) = (Authority::new(), tempdir());
    let put = |name: &str, make: Make<'_>| {
        let folder = mount.path().join(name);
        fs::create_dir(&folder).expect("the folder is writable");
        make(&folder);
        symlink(&folder, mount.path().join("..next")).expect("the folder is writable");
        fs::rename(mount.path().join("..next"), mount.path().join("..data")).expect("the folder is writable");
    };
    let good = |folder: &Path| drop(authority.issue(folder, "first.test"));
    put("..1", &good);
    let pem = Pem { cert: mount.path().join("tls.crt"), key: mount.path().join("tls.key") };
    for file in [&pem.cert, &pem.key] {
        symlink(Path::new("..data").join(file.file_name().expect("it has one")), file).expect("writable");
    }
    let server = Standalone::with()
        .in_one_process()
        .config(&tls(&pem, &authority, "clientCertificates: optional"))
        .start();
    let client = authority.client(None);
    let mut kept = secured(server.icaps(), &client).expect("it is let in");
    let ready = |server: &Standalone| {
        let response = server.admin_get("/readyz").expect("the admin port answers");
        (response.status, String::from_utf8(response.body).expect("it is text"))
    };
    assert_eq!(ready(&server), (200, "ok\n".to_owned()));
    let bad: [(&str, Make<'_>, &str); 3] = [
        ("..2", &|folder| fs::write(folder.join("tls.crt"), "no certificate").expect("writable"), "tls.crt"),
        (
            "..3",
            &|folder| {
                let key = fs::read(authority.issue(folder, "a.test").key).expect("it was written");
                authority.issue(folder, "b.test");
                fs::write(folder.join("tls.key"), key).expect("writable");
            },
            "the certificate and its key cannot be used",
        ),
        ("..4", &|folder| drop(authority.issue_expired(folder, "c.test")), "does not hold now"),
    ];
    for (number, (name, make, told)) in (1..).zip(bad) {
        put(name, make);
        eventually("the file was looked at", || {
            let failed = server.metric("icapstan_tls_certificate_reloads_total", "error");
            (failed >= f64::from(number)).then_some(())
        });
        let (status, note) = ready(&server);
        assert_eq!(status, 200, "{note}");
        assert!(note.starts_with("[!] tls: ") && note.contains(told), "{note}");
        assert!(server.metric("icapstan_tls_certificate_last_reload_successful", "") < 0.5);
        secured(server.icaps(), &client).expect("the one before is in use");
    }
    let before = server.metric("icapstan_tls_certificate_not_after_timestamp_seconds", "");
    assert!(before > 4e9, "rcgen's default is far away: {before}");
    put("..5", &good);
    eventually("the mended one is in use", || (ready(&server).1 == "ok\n").then_some(()));
    // The connection of the beginning is still there.
    kept.write_all(OPTIONS.as_bytes()).expect("it is there");
    let mut answer = Vec::new();
    kept.read_to_end(&mut answer).expect("it ends in order");
    assert!(answer.starts_with(b"ICAP/1.0 200 OK"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn the_command_line_speaks_it_too() {
    let (authority, folder) = (Authority::new(), tempdir());
    let pem = authority.issue(folder.path(), "icapstan.test");
    let config = format!("listen: none\n{}", tls(&pem, &authority, "clientCertificates: required"));
    let server = Standalone::with().without_plain().config(&config).start();
    let (own, ca) = (tempdir(), authority.ca_file());
    let own = (authority.issue(own.path(), "admin.test"), own);
    let uri = |service: &str| format!("icaps://{}/{service}", server.icaps());
    let run = |args: &[&str]| {
        let output = Command::new(binary("icapstan")).args(args).output().expect("it can be started");
        let said = [&output.stdout[..], &output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let files = ["--ca", path(&ca), "--certificate", path(&own.0.cert), "--key", path(&own.0.key)];
    let (code, said) = run(&[&["options", &uri("respmod")], &files[..]].concat());
    assert!(code == Some(0) && said.starts_with("Status: 200\n"), "{said}");
    let (code, said) = run(&[&["scan", "eicar", "--server", &uri("avscan")], &files[..]].concat());
    assert!(code == Some(1) && said.to_lowercase().contains("eicar") && said.contains("FOUND"), "{said}");
    let (code, said) = run(&["options", &uri("respmod"), "--ca", path(&ca)]);
    assert!(code == Some(1) && said.contains("CertificateRequired"), "{said}");
    let (code, said) = run(&["options", &uri("respmod")]);
    assert!(code == Some(1) && said.contains("UnknownIssuer"), "{said}");
}

#[test]
fn everything_goes_over_it_that_goes_without() {
    let rig = Rig::start("clientCertificates: optional, minVersion: '1.3'", "");
    let client = rig.authority.client(None);
    let mut stream = secured(rig.server.icaps(), &client).expect("it is let in");
    // Larger than all queues on the way, so that answer and request flow at the same time.
    for size in [0, 1, 70_000, 3_000_000] {
        let body = clean_bytes(size, 5);
        let request = respmod().response_head(OK).body(&body).bytes();
        stream.write_all(request.as_ref()).expect("it reads");
        stream.flush().expect("it reads");
        let answer = read_answer(&mut stream);
        assert!(answer.starts_with(b"ICAP/1.0 200 OK"), "{size}");
        let end = &answer[answer.len().saturating_sub(200)..];
        assert!(size == 0 || answer.len() > size, "{size}: {}", String::from_utf8_lossy(end));
    }
    assert!(rig.handshakes("ok") > 0.5);
    let mut icap = IcapClient::connect(rig.server.icap());
    icap.send(respmod().allow_204().body(clean_bytes(10, 1)).bytes());
    assert_204(&icap.read_respmod());
    icap.send(respmod().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

/// Up to the last chunk.
fn read_answer(stream: &mut impl Read) -> Vec<u8> {
    let (mut answer, mut block) = (Vec::new(), vec![0; 65_536]);
    while !answer.ends_with(b"\r\n0\r\n\r\n") {
        let count = stream.read(&mut block).expect("it answers");
        assert!(count > 0, "it ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&block[..count]);
    }
    answer
}
