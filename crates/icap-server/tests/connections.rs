//! What a client can rely on, whatever the service is: over real sockets, with a service that
//! collects the body and gives it back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use icapstan_icap_server::proto::{HttpHead, IcapUri, Method, OptionsAnswer, Parts, RequestHead, Status};
use icapstan_icap_server::{
    Body, Exchange, ExchangeError, Io, Reply, Server, ServerConfig, ServerMetrics, Service, Shutdown,
    Timeouts,
};
use icapstan_model::IsTag;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// `echo` gives the body back; `early` answers before it reads a byte; `wait` answers when told to;
/// `cut` gives up in the midst of its answer; `panic` does.
struct Echo {
    release: Arc<Notify>,
    left: Arc<Notify>,
}

const TAG: &str = "T-1";
const PATIENCE: Duration = Duration::from_secs(20);

impl Service for Echo {
    type Route = String;

    fn route(&self, uri: IcapUri<'_>) -> Option<String> {
        ["echo", "early", "wait", "cut", "panic"].contains(&uri.service()).then(|| uri.service().to_owned())
    }

    fn methods<'a>(&self, _: &'a String) -> &'a [Method] {
        &[Method::Reqmod]
    }

    fn istag(&self, _: Option<&String>) -> IsTag {
        IsTag::new(TAG).unwrap()
    }

    fn options(&self, _: &String, close: bool, out: &mut Vec<u8>) {
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
        route: &String,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> Result<(), ExchangeError> {
        let istag = self.istag(None);
        let request = head.http_request().map(|head: HttpHead<'_>| head.as_bytes()).unwrap_or_default();
        let parts = Parts::Request { head: request, body: head.has_body() };
        let reply = Reply { status: Status::OK, istag: &istag, fields: &[], parts };
        match route.as_str() {
            "early" => return exchange.answer(reply, b"no").await,
            "panic" => panic!("as asked"),
            "cut" => {
                exchange.begin(reply);
                exchange.chunk(b"half").await?;
                return Err(ExchangeError::Aborted);
            }
            _ => {}
        }
        let mut body = Vec::new();
        loop {
            match exchange.next().await? {
                Body::Data(data) => body.extend_from_slice(data),
                Body::PreviewEnd => exchange.proceed().await?,
                Body::End => break,
            }
        }
        if route == "wait" {
            tokio::select! {
                () = self.release.notified() => {}
                () = exchange.gone() => {
                    self.left.notify_one();
                    return Err(ExchangeError::Gone);
                }
            }
        }
        exchange.answer(reply, &body).await
    }
}

struct Running {
    addr: SocketAddr,
    shutdown: Option<Shutdown>,
    release: Arc<Notify>,
    left: Arc<Notify>,
}

fn start(config: ServerConfig) -> Running {
    let metrics = ServerMetrics::register(&prometheus::Registry::new()).unwrap();
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), config, metrics).unwrap();
    let addr = server.local_addr();
    let (release, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let service = Echo { release: Arc::clone(&release), left: Arc::clone(&left) };
    Running { addr, shutdown: Some(server.start(service).unwrap()), release, left }
}

fn quick() -> ServerConfig {
    let short = Duration::from_millis(150);
    ServerConfig {
        timeouts: Timeouts {
            idle: short,
            head: short,
            body_idle: short,
            linger: Duration::from_secs(2),
            half_closed: short,
            ..Timeouts::default()
        },
        ..ServerConfig::default()
    }
}

fn post(service: &str, fields: &str, chunks: &str) -> String {
    let body = if chunks.is_empty() { "null-body" } else { "req-body" };
    format!(
        "REQMOD icap://h/{service} ICAP/1.0\r\nHost: h\r\n{fields}Encapsulated: req-hdr=0, {body}=27\r\n\r\nPOST http://o/ HTTP/1.1\r\n\r\n{chunks}"
    )
}

const OPTIONS: &str = "OPTIONS icap://h/echo ICAP/1.0\r\nHost: h\r\n\r\n";

/// Sends `wire` and reads until the server closes.
async fn talk(addr: SocketAddr, wire: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(wire.as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the server closes")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    while !answer.contains(end) {
        let mut block = [0; 4096];
        let count =
            tokio::time::timeout(PATIENCE, stream.read(&mut block)).await.expect("an answer").unwrap();
        assert!(count > 0, "the server closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&block[..count]).unwrap());
    }
    answer
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let server = start(ServerConfig::default());
    let wire = [
        OPTIONS.to_owned(),
        post("echo", "", "3\r\nabc\r\n0\r\n\r\n"),
        "\r\n".to_owned(),
        post("echo", "", ""),
        post("echo", "Preview: 2\r\n", "2\r\nxy\r\n0; ieof\r\n\r\n"),
        post("echo", "Connection: close\r\n", "1\r\nz\r\n0\r\n\r\n"),
    ]
    .concat();
    let answer = talk(server.addr, &wire).await;
    let statuses: Vec<_> = answer.matches("ICAP/1.0 200 OK\r\n").collect();
    assert_eq!(statuses.len(), 5, "{answer}");
    let order: Vec<_> = [
        "Methods: REQMOD",
        "3\r\nabc",
        "null-body=27",
        "2\r\nxy",
        "Connection: close",
        "1\r\nz\r\n0\r\n\r\n",
    ]
    .iter()
    .map(|part| answer.find(part).unwrap_or_else(|| panic!("{part} in {answer}")))
    .collect();
    assert!(order.is_sorted(), "{answer}");
    assert!(answer.ends_with("1\r\nz\r\n0\r\n\r\n"));
    assert_eq!(answer.matches("ISTag: \"T-1\"\r\n").count(), 5);
}

#[tokio::test]
async fn errors_keep_the_connection_where_the_next_request_can_be_found() {
    let server = start(ServerConfig::default());
    let wire = [
        post("nowhere", "", ""),
        post("echo", "", "").replace("REQMOD", "FOOMOD"),
        post("echo", "", "").replace("REQMOD", "RESPMOD"),
        OPTIONS.replace("/echo", "/nowhere"),
        post("nowhere", "", "3\r\nabc\r\n0\r\n\r\n"),
        OPTIONS.to_owned(),
    ]
    .concat();
    let answer = talk(server.addr, &wire).await;
    let statuses: Vec<_> = answer.split("ICAP/1.0 ").skip(1).map(|part| &part[..3]).collect();
    assert_eq!(statuses, ["404", "501", "405", "404", "404"], "{answer}");
    assert!(answer.rsplit("ICAP/1.0 ").next().unwrap().contains("Connection: close"));
    assert_eq!(answer.matches("ISTag").count(), 5);
}

#[tokio::test]
async fn what_is_no_icap_is_answered_and_closed() {
    let server = start(ServerConfig::default());
    for (wire, status) in [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n", "400"),
        ("\x16\x03\x01\x02", "400"),
        ("OPTIONS icap://h/echo ICAP/2.0\r\n\r\n", "505"),
        ("REQMOD icap://h/echo ICAP/1.0\r\n\r\n", "400"),
    ] {
        let answer = talk(server.addr, wire).await;
        assert!(answer.starts_with(&format!("ICAP/1.0 {status} ")), "{answer}");
        assert!(
            answer.contains("ISTag: \"T-1\"\r\nConnection: close\r\nEncapsulated: null-body=0\r\n\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn nothing_sent_is_closed_without_a_word_and_half_a_request_with_408() {
    let server = start(quick());
    assert_eq!(talk(server.addr, "").await, "");
    for wire in ["OPTI", &OPTIONS[..OPTIONS.len() - 1], &post("echo", "", "3\r\nabc\r\n0\r\n\r\n")[..90]] {
        let answer = talk(server.addr, wire).await;
        assert!(answer.starts_with("ICAP/1.0 408 "), "{wire}: {answer}");
    }
    let body = post("echo", "", "3\r\nabc\r\n0\r\n\r\n");
    let answer = talk(server.addr, &body[..body.len() - 6]).await;
    assert!(answer.starts_with("ICAP/1.0 408 ") && answer.contains("Connection: close"), "{answer}");
}

#[tokio::test]
async fn a_body_that_drips_is_ended_though_it_never_stops() {
    let server = start(quick());
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(post("echo", "", "ffff\r\n").as_bytes()).await.unwrap();
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(60)).await;
            if writer.write_all(b"x").await.is_err() {
                return;
            }
        }
    };
    let read = async {
        let mut answer = vec![0; 12];
        reader.read_exact(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::select! {
        answer = tokio::time::timeout(PATIENCE, read) => answer.expect("an end"),
        () = drip => panic!("closed before an answer"),
    };
    assert_eq!(answer, b"ICAP/1.0 408");
}

#[tokio::test]
async fn an_early_answer_arrives_whole_though_the_client_goes_on_sending() {
    let server = start(ServerConfig::default());
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(post("early", "", "1400000\r\n").as_bytes()).await.unwrap();
    let block = vec![7; 1 << 20];
    for _ in 0..20 {
        stream.write_all(&block).await.expect("what is sent is read");
    }
    let answer = read_until(&mut stream, "2\r\nno\r\n0\r\n\r\n").await;
    assert!(answer.starts_with("ICAP/1.0 200 OK") && answer.contains("Connection: close"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_is_given_up_has_no_last_chunk() {
    let server = start(ServerConfig::default());
    let answer = talk(server.addr, &post("cut", "", "3\r\nabc\r\n0\r\n\r\n")).await;
    assert!(answer.ends_with("4\r\nhalf\r\n"), "{answer}");
}

#[tokio::test]
async fn a_fault_in_one_session_leaves_the_others_alone() {
    let server = start(ServerConfig::default());
    assert_eq!(talk(server.addr, &post("panic", "", "")).await, "");
    let answer = talk(server.addr, &post("echo", "Connection: close\r\n", "")).await;
    assert!(answer.starts_with("ICAP/1.0 200"), "{answer}");
}

#[tokio::test]
async fn over_the_session_limit_options_is_answered_and_the_rest_gets_429() {
    let server = start(ServerConfig { sessions: 1, ..ServerConfig::default() });
    let mut first = TcpStream::connect(server.addr).await.unwrap();
    first.write_all(OPTIONS.as_bytes()).await.unwrap();
    read_until(&mut first, "null-body=0\r\n\r\n").await;
    let mut second = TcpStream::connect(server.addr).await.unwrap();
    second.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert!(read_until(&mut second, "null-body=0\r\n\r\n").await.starts_with("ICAP/1.0 200"));
    second.write_all(post("echo", "", "").as_bytes()).await.unwrap();
    let answer = read_all(&mut second).await;
    assert!(answer.starts_with("ICAP/1.0 429 ") && answer.contains("Connection: close"), "{answer}");
    drop(first);
    // The place is free as soon as the server has seen the end of the first.
    for attempt in 0.. {
        let answer = talk(server.addr, &post("echo", "Connection: close\r\n", "")).await;
        if answer.starts_with("ICAP/1.0 200") {
            break;
        }
        assert!(attempt < 1000, "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_work_that_is_done_for_it() {
    let server = start(quick());
    for linger in [None, Some(Duration::ZERO)] {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        stream.write_all(post("wait", "", "1\r\na\r\n0\r\n\r\n").as_bytes()).await.unwrap();
        if linger.is_some() {
            // Closing resets the connection.
            socket2::SockRef::from(&stream).set_linger(linger).unwrap();
        }
        drop(stream);
        tokio::time::timeout(PATIENCE, server.left.notified()).await.expect("the work ends");
    }
}

#[tokio::test]
async fn stopping_answers_what_is_under_way_and_says_that_it_was_the_last() {
    let mut server = start(ServerConfig::default());
    let mut busy = TcpStream::connect(server.addr).await.unwrap();
    busy.write_all(post("wait", "Preview: 0\r\n", "0\r\n\r\n").as_bytes()).await.unwrap();
    read_until(&mut busy, "100 Continue\r\n\r\n").await;
    let mut idle = TcpStream::connect(server.addr).await.unwrap();
    idle.write_all(OPTIONS.as_bytes()).await.unwrap();
    read_until(&mut idle, "null-body=0\r\n\r\n").await;
    let stopped = tokio::spawn(server.shutdown.take().unwrap().stop(PATIENCE));
    tokio::task::yield_now().await;
    // A request that is on its way when the server stops is still answered.
    idle.write_all(post("echo", "", "").as_bytes()).await.unwrap();
    let answer = read_all(&mut idle).await;
    assert!(answer.starts_with("ICAP/1.0 200"), "{answer}");
    busy.write_all(b"1\r\nq\r\n0\r\n\r\n").await.unwrap();
    server.release.notify_one();
    let answer = read_all(&mut busy).await;
    assert!(answer.ends_with("1\r\nq\r\n0\r\n\r\n") && answer.contains("Connection: close"), "{answer}");
    assert!(stopped.await.unwrap(), "all sessions ended in time");
    assert!(TcpStream::connect(server.addr).await.is_err(), "nobody listens any more");
}

/// The system makes connections on its own, before anybody accepts them.
#[tokio::test]
async fn stopping_answers_those_who_were_connected_and_not_yet_accepted() {
    let mut server = start(ServerConfig::default());
    tokio::task::yield_now().await;
    // Nothing here is awaited, so that the server does nothing meanwhile.
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(server.addr).unwrap();
            std::io::Write::write_all(&mut client, OPTIONS.as_bytes()).unwrap();
            client.set_nonblocking(true).unwrap();
            TcpStream::from_std(client).unwrap()
        })
        .collect();
    let stopped = tokio::spawn(server.shutdown.take().unwrap().stop(PATIENCE));
    for mut client in clients {
        let answer = read_all(&mut client).await;
        assert!(answer.starts_with("ICAP/1.0 200") && answer.contains("Connection: close"), "{answer}");
    }
    assert!(stopped.await.unwrap(), "all sessions ended in time");
}

#[tokio::test]
async fn keep_alive_off_and_request_caps_are_announced() {
    let capped = start(ServerConfig { max_requests: 2, ..ServerConfig::default() });
    let answer = talk(capped.addr, &OPTIONS.repeat(3)).await;
    let parts: Vec<_> = answer.split("ICAP/1.0 200 OK").skip(1).collect();
    assert_eq!(parts.len(), 2, "{answer}");
    assert!(!parts[0].contains("Connection: close") && parts[1].contains("Connection: close"));
    let single = start(ServerConfig { keep_alive: false, ..ServerConfig::default() });
    let answer = talk(single.addr, &OPTIONS.repeat(2)).await;
    assert_eq!(answer.matches("Connection: close").count(), 1, "{answer}");
}

#[tokio::test]
async fn bodies_of_every_size_come_back_in_chunks_of_at_most_64_kib() {
    use icapstan_icap_server::proto::{ResponseDecoder, ResponseEvent};
    let server = start(ServerConfig::default());
    for len in [1, 65_535, 65_536, 65_537, 131_072, 131_073, 200_000, 1_000_000] {
        let body: String = (0..len).map(|n| char::from(b'a' + u8::try_from(n % 23).unwrap())).collect();
        let answer = talk(
            server.addr,
            &post("echo", "Connection: close\r\n", &format!("{len:x}\r\n{body}\r\n0\r\n\r\n")),
        )
        .await;
        let mut decoder = ResponseDecoder::default();
        let (mut at, mut seen, mut largest) = (0, String::new(), 0);
        loop {
            let (used, event) = decoder.step(&answer.as_bytes()[at..]).unwrap();
            at += used;
            match event.expect("the answer is whole") {
                ResponseEvent::Head(_) => {}
                ResponseEvent::Data(data) => {
                    largest = largest.max(data.len());
                    seen.push_str(std::str::from_utf8(data).unwrap());
                }
                ResponseEvent::End(_) => break,
            }
        }
        assert_eq!(at, answer.len(), "nothing follows");
        assert!(seen == body && largest <= 65_536, "{len}: {largest}");
    }
}
