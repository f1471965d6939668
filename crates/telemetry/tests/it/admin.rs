//! Paths, statuses, and clients that misbehave.

use crate::client::{PATIENCE, ask, connect, get, is_closed};
use icapstan_telemetry::{AdminError, AdminServer, Ready, Registry, register_build_info};
use prometheus::IntCounter;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn start_with(readiness: impl Fn() -> Ready + Send + Sync + 'static) -> AdminServer {
    let version = || serde_json::json!({"version": "1.2.3", "listen": "127.0.0.1:1344"});
    AdminServer::start(any_port(), Arc::new(Registry::new()), Arc::new(readiness), Arc::new(version)).unwrap()
}

fn start() -> AdminServer {
    start_with(Ready::new)
}

#[test]
fn a_live_process_says_so() {
    let server = start();
    let answer = get(server.local_addr(), "/livez");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert!(answer.head.contains("content-length: 3"));
    assert!(answer.head.contains("cache-control: no-store"));
}

#[test]
fn readiness_follows_the_process_and_names_what_is_missing() {
    let loaded = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&loaded);
    let server = start_with(move || {
        let signatures = if seen.load(Ordering::SeqCst) { Ok(()) } else { Err("none\r\nloaded".to_owned()) };
        Ready::new().check("listener", Ok(())).check("signatures", signatures)
    });
    let addr = server.local_addr();
    let missing = get(addr, "/readyz");
    assert_eq!((missing.status, missing.body.as_str()), (503, "[-] signatures: none  loaded\n"));
    let verbose = get(addr, "/readyz?verbose");
    assert_eq!(verbose.status, 503);
    assert_eq!(verbose.body, "[+] listener: ok\n[-] signatures: none  loaded\n");

    loaded.store(true, Ordering::SeqCst);
    let ready = get(addr, "/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (200, "ok\n"));
    assert_eq!(get(addr, "/readyz?verbose").body, "[+] listener: ok\n[+] signatures: ok\nok\n");
}

#[test]
fn metrics_are_those_of_the_registry_of_the_process_and_of_the_build() {
    let registry = Arc::new(Registry::new());
    let counter = IntCounter::new("icapstan_test_total", "For the test.").unwrap();
    registry.register(Box::new(counter.clone())).unwrap();
    register_build_info(&registry, "1.2.3").unwrap();
    let version = Arc::new(|| serde_json::Value::Null);
    let server = AdminServer::start(any_port(), registry, Arc::new(Ready::new), version).unwrap();
    counter.inc_by(41);
    counter.inc();
    let answer = get(server.local_addr(), "/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    for expected in [
        "# TYPE icapstan_test_total counter\nicapstan_test_total 42\n",
        "icapstan_build_info{version=\"1.2.3\"} 1\n",
        "process_resident_memory_bytes ",
        "process_open_fds ",
    ] {
        assert!(answer.body.contains(expected), "{expected}\n{}", answer.body);
    }
}

#[test]
fn one_registry_serves_two_endpoints() {
    let registry = Arc::new(Registry::new());
    let start = || {
        let version = Arc::new(|| serde_json::Value::Null);
        AdminServer::start(any_port(), Arc::clone(&registry), Arc::new(Ready::new), version).unwrap()
    };
    let (one, two) = (start(), start());
    assert_ne!(one.local_addr(), two.local_addr());
    assert_eq!(get(two.local_addr(), "/metrics").status, 200);
}

#[test]
fn the_version_is_json() {
    let server = start();
    let answer = get(server.local_addr(), "/version");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/json"));
    let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(value["version"], "1.2.3");
}

#[test]
fn head_tells_the_length_and_sends_no_body() {
    let server = start();
    for path in ["/livez", "/readyz", "/metrics", "/version"] {
        let answer = ask(server.local_addr(), "HEAD", path);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
        assert!(answer.head.contains("content-length: "), "{path}");
    }
}

#[test]
fn other_paths_and_methods_are_refused() {
    let server = start();
    for path in ["/", "/livez/", "/LIVEZ", "/../livez", "/metrics/x"] {
        assert_eq!(get(server.local_addr(), path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = ask(server.local_addr(), method, "/readyz");
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("allow: get, head"), "{method}");
    }
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let server = start();
    let addr = server.local_addr();
    let huge = format!("GET /livez HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET /livez HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let cases: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"OPTIONS icap://x/y ICAP/1.0\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        huge.as_bytes(),
        many.as_bytes(),
    ];
    for case in cases {
        let mut stream = connect(addr);
        // The server may have had enough before all is written.
        let _ = stream.write_all(case);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert!(is_closed(stream), "{:?}", &case[..11]);
        assert_eq!(get(addr, "/livez").status, 200);
    }
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let server = start();
    let mut stream = connect(server.local_addr());
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost:").unwrap();
    let silent = connect(server.local_addr());
    let start = Instant::now();
    assert!(is_closed(stream) && is_closed(silent));
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn hundreds_of_idle_connections_keep_no_probe_out() {
    let server = start();
    let addr = server.local_addr();
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..6 {
        for _ in 0..50 {
            let mut stream = connect(addr);
            stream.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
            held.push(stream);
        }
        let start = Instant::now();
        assert_eq!(get(addr, "/livez").status, 200);
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    // More than are kept were opened, so that the first had to go, long before its time was over.
    assert!(is_closed(held.swap_remove(0)));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind(any_port()).unwrap();
    let addr = taken.local_addr().unwrap();
    let version = Arc::new(|| serde_json::Value::Null);
    let error =
        AdminServer::start(addr, Arc::new(Registry::new()), Arc::new(Ready::new), version).unwrap_err();
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
    let AdminError::Listen { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
}

#[test]
fn when_dropped_it_is_gone_with_its_connections_and_the_port_is_free() {
    let server = start();
    let addr = server.local_addr();
    let mut held = connect(addr);
    held.write_all(b"GET /livez HTTP/1.1\r\n").unwrap();
    assert_eq!(get(addr, "/livez").status, 200);
    server.shutdown();
    assert!(is_closed(held));
    assert!(TcpStream::connect(addr).is_err());
    let version = Arc::new(|| serde_json::Value::Null);
    let again = AdminServer::start(addr, Arc::new(Registry::new()), Arc::new(Ready::new), version).unwrap();
    assert_eq!(get(again.local_addr(), "/livez").status, 200);
}
