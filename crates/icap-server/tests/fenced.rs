//! While the fence is up clients are kept away, and nothing that is under way is lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use icapstan_icap_server::proto::{IcapUri, Method, OptionsAnswer, Parts, RequestHead, Status};
use icapstan_icap_server::{
    Exchange, ExchangeError, Fence, Io, Reply, Server, ServerConfig, ServerMetrics, Service, Shutdown,
};
use icapstan_model::IsTag;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Answers when it is told to.
struct Slow {
    begun: Arc<Notify>,
    release: Arc<Notify>,
}

const PATIENCE: Duration = Duration::from_secs(20);
const OPTIONS: &[u8] = b"OPTIONS icap://h/slow ICAP/1.0\r\nHost: h\r\n\r\n";
const REQMOD: &[u8] = b"REQMOD icap://h/slow ICAP/1.0\r\nHost: h\r\nAllow: 204\r\nEncapsulated: req-hdr=0, null-body=27\r\n\r\nPOST http://o/ HTTP/1.1\r\n\r\n";

impl Service for Slow {
    type Route = ();

    fn route(&self, _: IcapUri<'_>) -> Option<()> {
        Some(())
    }

    fn methods<'a>(&self, (): &'a ()) -> &'a [Method] {
        &[Method::Reqmod]
    }

    fn istag(&self, _: Option<&()>) -> IsTag {
        IsTag::new("T-1").unwrap()
    }

    fn options(&self, (): &(), close: bool, out: &mut Vec<u8>) {
        OptionsAnswer {
            methods: &[Method::Reqmod],
            service: "slow",
            service_id: "slow",
            istag: "T-1",
            max_connections: None,
            ttl: 60,
            date: "Mon, 10 Jan 2000 09:55:21 GMT",
            allow_no_content: true,
            allow_partial_content: false,
            preview: None,
            include: "",
            allow_out: "",
            close,
        }
        .write(out);
    }

    async fn serve<I: Io>(
        &self,
        (): &(),
        _: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> Result<(), ExchangeError> {
        self.begun.notify_one();
        self.release.notified().await;
        let istag = self.istag(None);
        let reply = Reply { status: Status::NO_CONTENT, istag: &istag, fields: &[], parts: Parts::Nothing };
        exchange.answer(reply, &[]).await
    }
}

struct Running {
    address: SocketAddr,
    fence: Fence,
    begun: Arc<Notify>,
    release: Arc<Notify>,
    shutdown: Shutdown,
}

fn start() -> Running {
    let metrics = ServerMetrics::register(&prometheus::Registry::new()).unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), ServerConfig::default(), metrics).unwrap();
    let (address, fence) = (server.local_addr(), server.fence());
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = Slow { begun: Arc::clone(&begun), release: Arc::clone(&release) };
    Running { address, fence, begun, release, shutdown: server.start(service).unwrap() }
}

/// What comes until there is nothing more, or the answer is over.
async fn answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match timeout(PATIENCE, stream.read(&mut piece)).await.expect("it comes in time") {
            Ok(0) | Err(_) => break,
            Ok(count) => read.extend_from_slice(&piece[..count]),
        }
    }
    String::from_utf8(read).unwrap()
}

async fn until_refused(address: SocketAddr) {
    let begun = Instant::now();
    // Those that are made are closed without a word.
    while TcpStream::connect(address).await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "connections are still made");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let begun = Instant::now();
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream,
            Err(_) => assert!(begun.elapsed() < PATIENCE, "no connections are made"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn behind_the_fence_nobody_is_answered_and_what_is_under_way_is() {
    let running = start();
    let mut idle = connect(running.address).await;
    idle.write_all(OPTIONS).await.unwrap();
    assert!(answer(&mut idle).await.starts_with("ICAP/1.0 200"));
    let mut asks = connect(running.address).await;
    asks.write_all(OPTIONS).await.unwrap();
    assert!(answer(&mut asks).await.starts_with("ICAP/1.0 200"));
    let mut under_way = connect(running.address).await;
    under_way.write_all(REQMOD).await.unwrap();
    running.begun.notified().await;

    running.fence.put(true);
    assert!(running.fence.is_up());
    until_refused(running.address).await;
    asks.write_all(OPTIONS).await.unwrap();
    assert_eq!(answer(&mut asks).await, "", "a request that comes now is not answered");
    assert_eq!(answer(&mut idle).await, "", "an idle connection is closed");
    running.release.notify_one();
    let last = answer(&mut under_way).await;
    assert!(last.starts_with("ICAP/1.0 204") && last.contains("Connection: close"), "{last}");
    assert_eq!(answer(&mut under_way).await, "");

    running.fence.put(false);
    let mut again = connect(running.address).await;
    again.write_all(OPTIONS).await.unwrap();
    let first = answer(&mut again).await;
    assert!(first.starts_with("ICAP/1.0 200") && !first.contains("Connection: close"), "{first}");
    assert!(running.shutdown.stop(PATIENCE).await);
}

#[tokio::test]
async fn a_fenced_server_stops_when_it_is_told_to() {
    let running = start();
    running.fence.put(true);
    until_refused(running.address).await;
    assert!(running.shutdown.stop(PATIENCE).await);
}
