//! What a client can rely on over TLS: over real sockets and with real certificates.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use icapstan_icap_server::proto::{HttpHead, IcapUri, Method, Parts, RequestHead, Status};
use icapstan_icap_server::{
    Body, Entrance, Exchange, ExchangeError, Io, Reply, Server, ServerConfig, ServerMetrics, Service,
    Shutdown, Timeouts,
};
use icapstan_model::IsTag;
use icapstan_testkit::{Authority, Pem, SecuredClient, TempDir, eventually, secured, tempdir};
use icapstan_tls::{Acceptor, ClientCertificates, ServerFiles};
use prometheus::{Encoder, Registry, TextEncoder};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// `who` tells the client's names; `cut` gives up in the midst of its answer; `much` answers more than all
/// queues take.
struct Told;

impl Service for Told {
    type Route = String;

    fn route(&self, uri: IcapUri<'_>) -> Option<String> {
        Some(uri.service().to_owned())
    }

    fn methods<'a>(&self, _: &'a String) -> &'a [Method] {
        &[Method::Reqmod]
    }

    fn istag(&self, _: Option<&String>) -> IsTag {
        IsTag::new("T-1").unwrap()
    }

    fn options(&self, _: &String, _: bool, _: &mut Vec<u8>) {}

    async fn serve<I: Io>(
        &self,
        route: &String,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> Result<(), ExchangeError> {
        while !matches!(exchange.next().await?, Body::End) {}
        let istag = self.istag(None);
        let request = head.http_request().map(|head: HttpHead<'_>| head.as_bytes()).unwrap_or_default();
        let parts = Parts::Request { head: request, body: true };
        let reply = Reply { status: Status::OK, istag: &istag, fields: &[], parts };
        let names = exchange.caller().certificate.as_ref().map(|names| names.all().join(" "));
        match route.as_str() {
            "cut" => {
                exchange.begin(reply);
                exchange.chunk(b"half").await?;
                Err(ExchangeError::Aborted)
            }
            "much" => exchange.answer(reply, &vec![7; 64 << 20]).await,
            _ => exchange.answer(reply, names.unwrap_or_default().as_bytes()).await,
        }
    }
}

struct Rig {
    runtime: Runtime,
    address: SocketAddr,
    acceptor: Acceptor,
    authority: Authority,
    files: ServerFiles,
    folder: TempDir,
    registry: Registry,
    _shutdown: Shutdown,
}

impl Rig {
    fn start(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let (authority, folder) = (Authority::new(), tempdir());
        let Pem { cert, key } = authority.issue(folder.path(), "icapstan.test");
        let clients = ClientCertificates::Optional(authority.ca_file());
        let files = ServerFiles { cert, key, clients, only_tls13: false, protocols: &[] };
        let acceptor = Acceptor::new(files.load().unwrap());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let registry = Registry::new();
        let mut config = ServerConfig::default();
        change(&mut config);
        let inside = runtime.enter();
        let mut server = Server::new(config, ServerMetrics::register(&registry).unwrap());
        let entrance = Entrance { proxies: None, tls: Some(acceptor.clone()) };
        let address = server.listen("127.0.0.1:0".parse().unwrap(), entrance).unwrap();
        let shutdown = server.start(Told).unwrap();
        drop(inside);
        Self { runtime, address, acceptor, authority, files, folder, registry, _shutdown: shutdown }
    }

    fn connect(&self) -> SecuredClient {
        secured(self.address, &self.authority.client(None)).unwrap()
    }

    fn metric(&self, line: &str) -> bool {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap().lines().any(|told| told == line)
    }

    fn told(&self, line: &str) {
        eventually(line, || self.metric(line).then_some(()));
    }
}

fn request(service: &str, close: bool) -> String {
    let close = if close { "Connection: close\r\n" } else { "" };
    let http = "GET http://o/ HTTP/1.1\r\n\r\n";
    format!(
        "REQMOD icap://h/{service} ICAP/1.0\r\nHost: h\r\n{close}Encapsulated: req-hdr=0, null-body={}\r\n\r\n{http}",
        http.len()
    )
}

#[test]
fn an_answer_that_was_given_up_does_not_end_like_one_that_is_complete() {
    let rig = Rig::start(|_| {});
    let mut whole = rig.connect();
    whole.write_all(request("who", true).as_bytes()).unwrap();
    let mut answer = String::new();
    whole.read_to_string(&mut answer).expect("close_notify");
    assert!(answer.starts_with("ICAP/1.0 200 OK") && answer.ends_with("0\r\n\r\n"), "{answer}");
    let mut cut = rig.connect();
    cut.write_all(request("cut", true).as_bytes()).unwrap();
    let mut answer = Vec::new();
    let error = cut.read_to_end(&mut answer).expect_err("no close_notify");
    assert!(matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{error}");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("half") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[test]
fn who_is_silent_in_a_handshake_is_let_go_and_others_come_in_meanwhile() {
    let timeouts = Timeouts { handshake: Duration::from_secs(1), ..Timeouts::default() };
    let rig = Rig::start(|config| (config.timeouts, config.handshakes) = (timeouts, 2));
    let start = Instant::now();
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(rig.address).unwrap()).collect();
    // They have begun nothing, so they take nobody's turn.
    rig.connect();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert!(start.elapsed() >= Duration::from_secs(1));
    rig.told("icapstan_tls_handshakes_total{result=\"timeout\"} 20");
    // Nor do these: the first message is not whole.
    let start = Instant::now();
    let begun: Vec<_> = (0..5)
        .map(|_| {
            let mut stream = TcpStream::connect(rig.address).unwrap();
            stream.write_all(&[0x16, 3, 1]).unwrap();
            stream
        })
        .collect();
    rig.connect();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    for mut stream in begun {
        // What it sent may be unread.
        let end = stream.read(&mut [0]);
        assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }
    rig.told("icapstan_tls_handshakes_total{result=\"timeout\"} 25");
    rig.told("icapstan_tls_handshakes_in_progress 0");
    rig.told("icapstan_icap_sessions 0");
}

#[test]
fn other_certificates_are_for_who_comes_and_who_is_there_stays() {
    let rig = Rig::start(|_| {});
    let mut kept = rig.connect();
    let first = kept.conn.peer_certificates().unwrap()[0].clone();
    rig.authority.issue(rig.folder.path(), "icapstan.test");
    rig.acceptor.put(rig.files.load().unwrap());
    let second = rig.connect().conn.peer_certificates().unwrap()[0].clone();
    assert_ne!(first, second);
    kept.write_all(request("who", true).as_bytes()).unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("ICAP/1.0 200 OK"), "{answer}");
}

#[test]
fn sessions_are_resumed_with_the_names_they_had_and_not_across_other_authorities() {
    let rig = Rig::start(|_| {});
    let own = tempdir();
    let own = (rig.authority.issue(own.path(), "proxy.test"), own);
    let client = rig.authority.client(Some(&own.0));
    let ask = || {
        let mut stream = secured(rig.address, &client).unwrap();
        stream.write_all(request("who", true).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("cn:proxy.test dns:proxy.test ip:127.0.0.1"), "{answer}");
        stream.conn.handshake_kind().unwrap() == rustls::HandshakeKind::Resumed
    };
    assert!(!ask() && ask() && ask());
    rig.acceptor.put(rig.files.load().unwrap());
    assert!(!ask() && ask());
    // Others are believed from now on.
    let others = Authority::new();
    let clients = ClientCertificates::Required(others.ca_file());
    rig.acceptor.put(ServerFiles { clients, ..rig.files.clone() }.load().unwrap());
    let refused = secured(rig.address, &client).and_then(|mut stream| {
        stream.write_all(request("who", true).as_bytes())?;
        stream.read_to_end(&mut Vec::new())
    });
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn clients_that_wait_for_acknowledgements_are_not_kept_waiting() {
    let rig = Rig::start(|_| {});
    let waited = (0..20).map(|_| {
        let mut stream = rig.connect();
        // As sockets are when nothing is said: what is small waits until all before it is acknowledged.
        stream.sock.set_nodelay(false).unwrap();
        let start = Instant::now();
        stream.write_all(request("who", true).as_bytes()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        start.elapsed()
    });
    let shortest = waited.min().unwrap();
    assert!(shortest < Duration::from_millis(35), "{shortest:?}");
}

#[test]
fn who_does_not_read_is_let_go() {
    let timeouts = Timeouts { write: Duration::from_secs(1), ..Timeouts::default() };
    let rig = Rig::start(|config| config.timeouts = timeouts);
    let mut stream = rig.connect();
    stream.write_all(request("much", false).as_bytes()).unwrap();
    rig.told("icapstan_icap_sessions_ended_total{cause=\"write-timeout\"} 1");
    rig.told("icapstan_icap_sessions 0");
    // And who reads gets all of it.
    let mut stream = rig.connect();
    stream.write_all(request("much", true).as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.len() > 64 << 20 && answer.ends_with(b"0\r\n\r\n"), "{}", answer.len());
    drop(rig.runtime);
}
