//! A server for slow clients, and what it counts.

use icapstan_icap_server::proto::{HttpHead, IcapUri, Method, OptionsAnswer, Parts, RequestHead, Status};
use icapstan_icap_server::{
    Body, Exchange, ExchangeError, Io, Reply, Server, ServerConfig, ServerMetrics, Service, Shutdown,
    Timeouts,
};
use icapstan_model::IsTag;
use prometheus::{Registry, TextEncoder};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// `echo` gives the body back; `flood` answers with [`FLOOD`] bytes.
struct Echo;

const TAG: &str = "T-1";

/// More than the buffers of both ends of a connection hold.
pub(crate) const FLOOD: usize = 48 << 20;

/// Longer than any deadline here; a busy machine is no fault of the server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One that runs.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    registry: Registry,
    _shutdown: Shutdown,
}

impl Service for Echo {
    type Route = bool;

    fn route(&self, uri: IcapUri<'_>) -> Option<bool> {
        ["echo", "flood"].contains(&uri.service()).then(|| uri.service() == "flood")
    }

    fn methods<'a>(&self, _: &'a bool) -> &'a [Method] {
        &[Method::Reqmod]
    }

    fn istag(&self, _: Option<&bool>) -> IsTag {
        IsTag::new(TAG).unwrap()
    }

    fn options(&self, _: &bool, close: bool, out: &mut Vec<u8>) {
        OptionsAnswer {
            methods: &[Method::Reqmod],
            service: "echo",
            service_id: "echo",
            istag: TAG,
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
        flood: &bool,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> Result<(), ExchangeError> {
        let istag = self.istag(None);
        let mut body = Vec::new();
        loop {
            match exchange.next().await? {
                Body::Data(data) => body.extend_from_slice(data),
                Body::PreviewEnd => exchange.proceed().await?,
                Body::End => break,
            }
        }
        if *flood {
            body = vec![b'f'; FLOOD];
        }
        let request = head.http_request().map(|head: HttpHead<'_>| head.as_bytes()).unwrap_or_default();
        let parts = Parts::Request { head: request, body: head.has_body() };
        exchange.answer(Reply { status: Status::OK, istag: &istag, fields: &[], parts }, &body).await
    }
}

// === impl Running ===

impl Running {
    pub(crate) fn start(timeouts: Timeouts) -> Self {
        let registry = Registry::new();
        let metrics = ServerMetrics::register(&registry).unwrap();
        let config = ServerConfig { timeouts, ..ServerConfig::default() };
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), config, metrics).unwrap();
        let addr = server.local_addr();
        Self { addr, registry, _shutdown: server.start(Echo).unwrap() }
    }

    /// The sum of the series of `name` that have `label` among their values, or of all.
    pub(crate) fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let series = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        series
            .filter(|(labels, _)| labels.is_empty() || labels.starts_with('{'))
            .filter(|(labels, _)| label.is_none_or(|label| labels.contains(&format!("=\"{label}\""))))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    }

    /// Sessions that ended in the midst of a request.
    pub(crate) fn ended(&self, cause: &str) -> f64 {
        self.metric("icapstan_icap_sessions_ended_total", Some(cause))
    }

    /// Waits until no connection is left.
    pub(crate) async fn settled(&self) {
        let begun = Instant::now();
        while self.metric("icapstan_icap_sessions", None) > 0.5 {
            assert!(begun.elapsed() < PATIENCE, "a connection has no end");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// A client that is quick is served, however slow the others are.
    pub(crate) async fn serves(&self) {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let wire = post("echo", "Connection: close\r\n", "3\r\nabc\r\n0\r\n\r\n");
        stream.write_all(wire.as_bytes()).await.unwrap();
        let answer = read_all(&mut stream).await;
        assert!(
            answer.starts_with("ICAP/1.0 200 OK") && answer.ends_with("3\r\nabc\r\n0\r\n\r\n"),
            "{answer}"
        );
        assert!(begun.elapsed() < PATIENCE / 2);
    }
}

/// An upload with `chunks` as its framed body.
pub(crate) fn post(service: &str, fields: &str, chunks: &str) -> String {
    format!(
        "REQMOD icap://h/{service} ICAP/1.0\r\nHost: h\r\n{fields}Encapsulated: req-hdr=0, req-body=27\r\n\r\n\
         POST http://o/ HTTP/1.1\r\n\r\n{chunks}"
    )
}

/// All until the server closes; a reset ends it too, since it may close on bytes that it did not read.
pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes");
    String::from_utf8(answer).unwrap()
}
