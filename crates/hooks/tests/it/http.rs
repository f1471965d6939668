//! Servers.

use crate::setup::{LONG, Setup};
use icapstan_api::{HookHost, HookSettings, HookUrl, HttpHook, HttpHooks, RuleHook};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A request that came: its head, and its body.
type Seen = (String, Vec<u8>);

/// Answers each request with `answer`, over TLS if there is a configuration for that.
fn server(answer: &'static str, tls: Option<Arc<ServerConfig>>) -> (SocketAddr, Receiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, came) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(LONG)).unwrap();
            match &tls {
                Some(config) => {
                    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                    serve(StreamOwned::new(connection, stream), answer, &seen);
                }
                None => serve(stream, answer, &seen),
            }
        }
    });
    (address, came)
}

/// A client that goes away is its own business.
fn serve(mut stream: impl Read + Write, answer: &str, seen: &Sender<Seen>) {
    let mut reader = BufReader::new(&mut stream);
    let (mut head, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        match reader.read_line(&mut line) {
            Ok(1..) => head.push_str(&line),
            _ => return,
        }
        if line == "\r\n" {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let _ = seen.send((head, body));
    let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
}

fn settings(hosts: &[String], ca_file: Option<&Path>) -> HookSettings {
    let hosts = hosts.iter().map(|host| HookHost::try_from(host.clone()).unwrap()).collect();
    let ca_file = ca_file.map(Path::to_owned);
    let http = HttpHooks { allowed_hosts: hosts, ca_file, ..HttpHooks::default() };
    HookSettings { http, ..HookSettings::default() }
}

fn hook(url: &str) -> RuleHook {
    let url = HookUrl::try_from(url.to_owned()).unwrap();
    RuleHook { http: Some(HttpHook { url }), exec: None }
}

const DONE: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[test]
fn a_server_gets_the_event_by_post() {
    let (address, came) = server(DONE, None);
    let setup = Setup::new(|_| settings(&[address.to_string()], None));
    setup.call(hook(&format!("http://{address}/hook?key=1")));
    let (head, body) = came.recv_timeout(LONG).unwrap();
    assert!(head.starts_with("POST /hook?key=1 HTTP/1.1\r\n"), "{head}");
    let lower = head.to_ascii_lowercase();
    assert!(lower.contains(&format!("host: {address}\r\n")), "{head}");
    assert!(lower.contains("content-type: application/json\r\n"), "{head}");
    let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&event["kind"], &event["url"]), (&"detection".into(), &"http://o.test/x".into()));
    setup.wait_for_metric("icapstan_hook_runs_total", &["http", "ok"], 1);
    assert!(setup.guard.stop(LONG));
}

#[test]
fn redirects_are_failures_and_are_not_followed() {
    const ELSEWHERE: &str =
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
    let (address, came) = server(ELSEWHERE, None);
    let setup = Setup::new(|_| settings(&[address.to_string()], None));
    setup.call(hook(&format!("http://{address}/")));
    setup.wait_for_metric("icapstan_hook_runs_total", &["http", "failed"], 1);
    assert!(came.recv_timeout(LONG).is_ok());
    assert!(came.try_recv().is_err(), "there was one request");
}

#[test]
fn hosts_that_are_not_listed_are_never_called() {
    let (address, came) = server(DONE, None);
    let setup = Setup::new(|_| settings(&["hooks.test".to_owned()], None));
    setup.call(hook(&format!("http://{address}/")));
    setup.wait_for_metric("icapstan_hook_dropped_total", &["unknown"], 1);
    assert!(setup.guard.stop(LONG));
    assert!(came.try_recv().is_err());
}

#[test]
fn a_server_that_hangs_or_is_not_there_costs_its_time_only() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let setup = Setup::new(|_| {
        let mut settings = settings(&[address.to_string(), "127.0.0.1:1".to_owned()], None);
        settings.http.timeout = Duration::from_millis(300);
        settings
    });
    setup.call(hook(&format!("http://{address}/")));
    // The kernel gives nobody the first port, so that nobody is there.
    setup.call(hook("http://127.0.0.1:1/"));
    setup.wait_for_metric("icapstan_hook_runs_total", &["http", "timeout"], 1);
    setup.wait_for_metric("icapstan_hook_runs_total", &["http", "error"], 1);
}

#[test]
fn a_server_is_believed_by_its_certificate_only() {
    let mut params = CertificateParams::new(Vec::default()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let config = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &authority).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
        Some(Arc::new(config))
    };
    let (good, came) = server(DONE, config("localhost"));
    let (wrong, never) = server(DONE, config("other.test"));
    let hosts = [good, wrong].map(|address| format!("localhost:{}", address.port()));
    let setup = Setup::new(|dir| {
        let ca_file = dir.join("ca.pem");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        settings(&hosts, Some(&ca_file))
    });
    setup.call(hook(&format!("https://{}/", hosts[0])));
    setup.wait_for_metric("icapstan_hook_runs_total", &["http", "ok"], 1);
    assert!(came.recv_timeout(LONG).is_ok());
    setup.call(hook(&format!("https://{}/", hosts[1])));
    setup.wait_for_metric("icapstan_hook_runs_total", &["http", "error"], 1);
    assert!(never.try_recv().is_err());
}
