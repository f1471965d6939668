//! The PROXY protocol: what a trusted load balancer says of the client counts; nobody else is heard.

use crate::common::{assert_204, reqmod};
use icapstan_testkit::{
    Authority, Haproxy, IcapClient, Message, Standalone, TempDir, eventually, secured_over, skipped, tempdir,
};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const AT_ONCE: Duration = Duration::from_secs(3);

/// A server with a listener for load balancers and an access log.
struct Rig {
    folder: TempDir,
    server: Standalone,
}

impl Rig {
    fn start(more: &str) -> Self {
        let folder = tempdir();
        let config = format!(
            "log: {{format: json, access: {}}}
proxyProtocol: {{listen: '127.0.0.1:0', trustedPeers: [127.0.0.0/8]}}
timeouts: {{handshake: 2s}}
{more}
policies:
- name: default
  rules:
  - {{verdict: CLEAN, when: {{clients: [192.0.2.0/24, '2001:db8::/32']}}, action: {{block: refused}}}}
",
            folder.path().join("access.log").display()
        );
        let server = Standalone::with().config(&config).start();
        Self { folder, server }
    }

    fn headers(&self, result: &str) -> f64 {
        self.server.metric("icapstan_proxy_protocol_headers_total", &format!("result=\"{result}\""))
    }

    /// The line of the access log that is the `number`th.
    fn line(&self, number: usize) -> serde_json::Value {
        eventually("there is a line", || {
            let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
            text.lines().nth(number).map(|line| serde_json::from_str(line).expect("it is JSON"))
        })
    }
}

fn v2(command: u8, kind: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).expect("it is short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, kind][..], &len, rest].concat()
}

/// What comes on a new connection until it is closed.
fn answer_to(server: SocketAddr, bytes: &[u8]) -> (Vec<u8>, Duration) {
    let start = Instant::now();
    let mut stream = TcpStream::connect(server).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("it is a time");
    // It may be closed already.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    // Also a reset is an end.
    let _ = stream.read_to_end(&mut answer);
    (answer, start.elapsed())
}

#[test]
fn the_address_in_the_header_is_that_of_rules_and_logs() {
    let rig = Rig::start("");
    let request = reqmod().allow_204().bytes();
    let from = |header: &[u8]| {
        let mut icap = IcapClient::connect(rig.server.proxied());
        // Header and request in one segment, as load balancers send them.
        icap.send([header, request.as_ref()].concat());
        let status = icap.read_reqmod().status;
        // And the connection goes on without one.
        icap.send(&request);
        assert_eq!(icap.read_reqmod().status, status);
        status
    };
    let four = [192, 0, 2, 7, 10, 0, 0, 1, 0xc3, 0x50, 5, 64];
    let six =
        [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[1; 16], &[0, 80, 5, 64]].concat();
    let fields = [&four[..], &[4, 0, 3, 1, 2, 3]].concat();
    for (number, (header, peer, status)) in [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 1344\r\n".to_vec(), "192.0.2.7:50000", 200),
        (b"PROXY TCP6 2001:db8::7 ::1 80 1344\r\n".to_vec(), "[2001:db8::7]:80", 200),
        (b"PROXY TCP4 198.51.100.7 10.0.0.1 50000 1344\r\n".to_vec(), "198.51.100.7:50000", 204),
        (v2(0x21, 0x11, &four), "192.0.2.7:50000", 200),
        (v2(0x21, 0x11, &fields), "192.0.2.7:50000", 200),
        (v2(0x21, 0x21, &six), "[2001:db8::7]:80", 200),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1:", 204),
        (v2(0x20, 0, &[]), "127.0.0.1:", 204),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(from(&header), status, "{peer}");
        let line = rig.line(2 * number);
        assert!(line["peer"].as_str().is_some_and(|told| told.starts_with(peer)), "{line}");
    }
    assert!((rig.headers("client") - 6.0).abs() < 0.1 && (rig.headers("local") - 2.0).abs() < 0.1);
}

#[test]
fn what_is_no_header_ends_the_connection() {
    let rig = Rig::start("");
    for bytes in [
        Message::options("/respmod").bytes(),
        b"PROXY TCP4 1.2.3.4 nobody 1 2\r\n".to_vec(),
        [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat(),
        v2(0x21, 0x11, &[0; 5]),
        v2(0x21, 0x31, &[0; 216]),
        v2(0x21, 0x11, &[0; 5000]),
        b"\x16\x03\x01\x02\x00".to_vec(),
    ] {
        let before = rig.headers("malformed");
        let (answer, took) = answer_to(rig.server.proxied(), &bytes);
        assert!(answer.is_empty() && took < AT_ONCE, "{} {took:?}", String::from_utf8_lossy(&bytes));
        eventually("it is counted", || (rig.headers("malformed") > before).then_some(()));
    }
    // Never more than the time for it.
    let (answer, took) = answer_to(rig.server.proxied(), b"PROXY TCP4 192.0.2.7 ");
    assert!(answer.is_empty() && took > Duration::from_secs(1), "{took:?}");
    eventually("it is counted", || (rig.headers("timeout") > 0.5).then_some(()));
}

#[test]
fn nobody_else_is_heard() {
    let folder = tempdir();
    let config = format!(
        "log: {{format: json, access: {}}}\nproxyProtocol: {{listen: '127.0.0.1:0', trustedPeers: [192.0.2.0/24]}}",
        folder.path().join("access.log").display()
    );
    let server = Standalone::with().config(&config).start();
    let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 1344\r\n";
    let request = [&header[..], &Message::options("/respmod").bytes()].concat();
    let (answer, took) = answer_to(server.proxied(), &request);
    assert!(answer.is_empty() && took < AT_ONCE, "{took:?}");
    eventually("it is counted", || {
        let untrusted = server.metric("icapstan_proxy_protocol_headers_total", "result=\"untrusted\"");
        (untrusted > 0.5).then_some(())
    });
    // Where no header belongs it is no ICAP.
    let (answer, took) = answer_to(server.icap(), &request);
    assert!(answer.starts_with(b"ICAP/1.0 400 ") && took < AT_ONCE, "{took:?}");
}

#[test]
fn haproxy_is_such_a_load_balancer() {
    if skipped("haproxy") {
        return;
    }
    let rig = Rig::start("");
    for (number, options) in ["send-proxy", "send-proxy-v2"].into_iter().enumerate() {
        let haproxy = Haproxy::start(rig.server.proxied(), options);
        let mut icap = IcapClient::connect(haproxy.address());
        icap.send(reqmod().allow_204().bytes());
        assert_204(&icap.read_reqmod());
        let own = icap.stream().local_addr().expect("it is connected");
        assert_eq!(rig.line(number)["peer"], own.to_string(), "{options}");
    }
}

#[test]
fn a_header_may_stand_in_front_of_tls() {
    let (authority, folder) = (Authority::new(), tempdir());
    let pem = authority.issue(folder.path(), "icapstan.test");
    let rig = Rig::start(&format!(
        "tls: {{listen: '127.0.0.1:0', certFile: {}, keyFile: {}, proxyProtocol: true}}",
        pem.cert.display(),
        pem.key.display()
    ));
    let mut stream = TcpStream::connect(rig.server.icaps()).expect("it listens");
    stream.write_all(b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 1344\r\n").expect("it reads");
    let mut stream = secured_over(stream, &authority.client(None)).expect("it is let in");
    let request = reqmod().allow_204().field("Connection", "close").bytes();
    stream.write_all(request.as_ref()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it ends in order");
    assert!(answer.starts_with(b"ICAP/1.0 200 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(rig.line(0)["peer"], "192.0.2.7:50000");
    // Without a header there is no handshake.
    let failed =
        TcpStream::connect(rig.server.icaps()).and_then(|s| secured_over(s, &authority.client(None)));
    assert!(failed.is_err());
}
