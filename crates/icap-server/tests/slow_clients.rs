//! Clients that take their time, in each state of a connection: each is ended by the deadline of that
//! state, with the answer and the counter that it is due, and nobody else waits for it.
//!
//! The deadlines are short here, and real: a clock that stands still would run ahead of the sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "slow_clients/server.rs"]
mod server;

use icapstan_icap_server::Timeouts;
use server::{FLOOD, PATIENCE, Running, post, read_all};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};

/// The deadlines of the states before an answer.
const SHORT: Duration = Duration::from_millis(400);

/// Between two bytes of a client that drips: never idle, and never done.
const DRIP: Duration = Duration::from_millis(80);

/// What is sent at first, what drips after it, and what comes of it.
struct Slow {
    state: &'static str,
    wire: String,
    /// `None`: silence.
    drip: Option<&'static [u8]>,
    /// What the answer has to end in; nothing is a close without a word.
    answer: &'static str,
}

fn short() -> Timeouts {
    Timeouts { idle: SHORT, head: SHORT, body_idle: SHORT, linger: SHORT, ..Timeouts::default() }
}

/// What one slow client gets, and how long that took.
async fn suffer(addr: SocketAddr, slow: &Slow) -> (String, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(slow.wire.as_bytes()).await.unwrap();
    let Some(piece) = slow.drip else { return (read_all(&mut stream).await, begun.elapsed()) };
    let (mut reader, mut writer) = stream.split();
    let drip = async {
        loop {
            sleep(DRIP).await;
            if writer.write_all(piece).await.is_err() {
                // The reader sees the end as well.
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        read = timeout(PATIENCE, reader.read_to_end(&mut answer)) => {
            // In order or by a reset: it may close on bytes that it did not read.
            let _ = read.expect("the server closes");
        }
        () = drip => {}
    }
    (String::from_utf8(answer).unwrap(), begun.elapsed())
}

const OPTIONS: &str = "OPTIONS icap://h/echo ICAP/1.0\r\nHost: h\r\n\r\n";

/// How the 408 begins that such a client gets, and nothing before it.
const LATE: &str = "ICAP/1.0 408 ";
/// As [`LATE`], behind a 100.
const LATE_AFTER_100: &str = "ICAP/1.0 100 Continue\r\n\r\nICAP/1.0 408 ";

fn silent() -> Vec<Slow> {
    let slow = |state, wire: &str, answer| Slow { state, wire: wire.to_owned(), drip: None, answer };
    let heads = post("echo", "", "");
    let preview = |chunks| post("echo", "Preview: 4\r\n", chunks);
    vec![
        slow("a carriage return", "\r", LATE),
        slow("the request line", "OPTI", LATE),
        slow("the ICAP head", &OPTIONS[..OPTIONS.len() - 2], LATE),
        slow("before the encapsulated head", &heads[..heads.len() - 27], LATE),
        slow("the encapsulated head", &heads[..heads.len() - 1], LATE),
        slow("before the body", &heads, LATE),
        slow("a chunk line", &post("echo", "", "3"), LATE),
        slow("a chunk", &post("echo", "", "3\r\nab"), LATE),
        slow("behind a chunk", &post("echo", "", "3\r\nabc\r"), LATE),
        slow("between chunks", &post("echo", "", "3\r\nabc\r\n"), LATE),
        slow("the last chunk", &post("echo", "", "3\r\nabc\r\n0\r\n"), LATE),
        slow("the trailer", &post("echo", "", "3\r\nabc\r\n0\r\nX-Sum: "), LATE),
        slow("before a preview", &preview(""), LATE),
        slow("a preview", &preview("4\r\nab"), LATE),
        slow("the end of a preview", &preview("4\r\nabcd\r\n"), LATE),
        slow("after 100", &preview("4\r\nabcd\r\n0\r\n\r\n"), LATE_AFTER_100),
        slow("a chunk after 100", &preview("4\r\nabcd\r\n0\r\n\r\n4\r\nef"), LATE_AFTER_100),
        slow(
            "a body of OPTIONS",
            "OPTIONS icap://h/echo ICAP/1.0\r\nEncapsulated: opt-body=0\r\n\r\n3\r\nab",
            LATE,
        ),
    ]
}

fn dripping() -> Vec<Slow> {
    let slow = |state, wire: &str, drip: &'static [u8], answer| Slow {
        state,
        wire: wire.to_owned(),
        drip: Some(drip),
        answer,
    };
    let heads = post("echo", "", "");
    let preview = |chunks| post("echo", "Preview: 1024\r\n", chunks);
    vec![
        slow("the request line", "OPTIONS icap://h/", b"x", LATE),
        slow("the ICAP head", "OPTIONS icap://h/echo ICAP/1.0\r\nX: ", b"x", LATE),
        slow("fields of the ICAP head", "OPTIONS icap://h/echo ICAP/1.0\r\n", b"X: y\r\n", LATE),
        slow("the encapsulated head", &heads.replace("=27", "=9000")[..heads.len() - 4], b"x", LATE),
        slow("empty lines", "", b"\r\n", "ICAP/1.0 400 "),
        slow("a chunk", &post("echo", "", "ffff\r\n"), b"x", LATE),
        slow("chunks of one byte", &post("echo", "", ""), b"1\r\nx\r\n", LATE),
        slow("a chunk extension", &post("echo", "", "3;x="), b"x", LATE),
        slow("a trailer", &post("echo", "", "3\r\nabc\r\n0\r\nX: "), b"x", LATE),
        slow("fields of a trailer", &post("echo", "", "3\r\nabc\r\n0\r\n"), b"X: y\r\n", LATE),
        slow("a preview", &preview("400\r\n"), b"x", LATE),
        slow("a body after 100", &preview("4\r\nabcd\r\n0\r\n\r\nffff\r\n"), b"x", LATE_AFTER_100),
    ]
}

/// Runs all of them at once, while quick ones are served.
async fn assert_ended(server: &Running, slow: Vec<Slow>) {
    let late = slow.iter().filter(|slow| slow.answer.ends_with("408 ")).count();
    let mut running = Vec::new();
    for slow in slow {
        let addr = server.addr;
        running.push(tokio::spawn(async move {
            let (answer, took) = suffer(addr, &slow).await;
            (slow, answer, took)
        }));
    }
    while !running.iter().all(tokio::task::JoinHandle::is_finished) {
        server.serves().await;
        sleep(DRIP).await;
    }
    for one in running {
        let (Slow { state, answer: wanted, .. }, answer, took) = one.await.unwrap();
        assert!(answer.starts_with(wanted), "{state}: {answer:?} after {took:?}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{state}: {answer}");
        assert_eq!(answer.matches("ISTag").count(), 1, "{state}: one answer: {answer}");
        assert!(took >= SHORT || !wanted.ends_with("408 "), "{state}: ended after {took:?}, too soon");
    }
    server.settled().await;
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let late = late as f64;
    assert!((server.ended("read-timeout") - late).abs() < 0.5, "{} of {late}", server.ended("read-timeout"));
    let answered = server.metric("icapstan_icap_requests_total", Some("408"));
    assert!((answered - late).abs() < 0.5, "{answered} answers 408 of {late}");
}

#[tokio::test]
async fn silence_in_any_state_of_a_request_is_ended_by_its_deadline_and_408() {
    let server = Running::start(short());
    assert_ended(&server, silent()).await;
}

#[tokio::test]
async fn a_client_that_drips_is_ended_in_any_state_though_it_is_never_silent() {
    let server = Running::start(short());
    assert_ended(&server, dripping()).await;
}

#[tokio::test]
async fn idle_connections_end_without_a_word_and_count_as_nothing() {
    let server = Running::start(short());
    for wire in
        [String::new(), OPTIONS.to_owned(), post("echo", "", "3\r\nabc\r\n0\r\n\r\n"), OPTIONS.repeat(3)]
    {
        let slow = Slow { state: "between requests", wire, drip: None, answer: "" };
        let (answer, took) = suffer(server.addr, &slow).await;
        assert_eq!(answer.matches("ICAP/1.0 ").count(), answer.matches("ICAP/1.0 200").count(), "{answer}");
        assert!(took >= SHORT, "{took:?}");
    }
    server.settled().await;
    assert!(server.metric("icapstan_icap_sessions_ended_total", None) < 0.5, "nobody was in a request");
}

#[tokio::test]
async fn a_client_that_goes_on_sending_after_its_refusal_is_not_listened_to_for_long() {
    let server = Running::start(short());
    for wire in ["RESPMOD icap://h/echo ICAP/1.0\r\n\r\n".to_owned(), post("nowhere", "", "ffff\r\n")] {
        let slow = Slow { state: "after a refusal", wire, drip: Some(b"x"), answer: "" };
        let (answer, _) = suffer(server.addr, &slow).await;
        assert!(answer.starts_with("ICAP/1.0 40") && answer.contains("Connection: close"), "{answer}");
        assert_eq!(answer.matches("ICAP/1.0 ").count(), 1, "{answer}");
    }
    server.settled().await;
    server.serves().await;
}

/// A connection whose window is small and stays shut unless it is read.
async fn narrow(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(addr).await.unwrap()
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let server = Running::start(Timeouts { write: SHORT, ..Timeouts::default() });
    let flood = post("flood", "", "0\r\n\r\n");
    let mut open = Vec::new();
    for wire in [flood.clone(), post("flood", "Preview: 0\r\n", "0; ieof\r\n\r\n"), flood.repeat(3)] {
        let mut stream = narrow(server.addr).await;
        stream.write_all(wire.as_bytes()).await.unwrap();
        open.push(stream);
    }
    server.serves().await;
    let begun = Instant::now();
    while server.ended("write-timeout") < 2.5 {
        assert!(begun.elapsed() < PATIENCE, "{} of 3 are given up", server.ended("write-timeout"));
        server.serves().await;
        sleep(Duration::from_millis(20)).await;
    }
    server.settled().await;
    for mut stream in open {
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it is closed");
        let error = end.expect_err("its queue is forgotten, not kept for it").kind();
        assert_eq!(error, std::io::ErrorKind::ConnectionReset);
        assert!(answer.len() < FLOOD, "most of it was never taken");
        assert!(!answer.ends_with(b"\r\n0\r\n\r\n"), "it never looks whole");
        assert!(!answer.windows(5).any(|window| window == b" 408 "), "no second answer inside of the first");
    }
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_given_up() {
    let server = Running::start(Timeouts { write: SHORT, ..Timeouts::default() });
    let mut stream = narrow(server.addr).await;
    let many = OPTIONS.repeat(1000);
    let asking = async {
        // Ends when the server has closed.
        while stream.write_all(many.as_bytes()).await.is_ok() {}
    };
    timeout(PATIENCE, asking).await.expect("its requests are taken no longer");
    server.settled().await;
    server.serves().await;
    assert!(server.metric("icapstan_icap_requests_total", Some("OPTIONS")) > 10.0, "some were answered");
}

/// Reads `piece` bytes at most `every` so often, until the end or `total` bytes; how many there were.
async fn sip(stream: &mut TcpStream, piece: usize, every: Duration, total: usize) -> usize {
    let (mut block, mut taken) = (vec![0; piece], 0);
    while taken < total {
        match timeout(PATIENCE, stream.read(&mut block)).await.expect("an end") {
            Ok(0) | Err(_) => return taken,
            Ok(count) => taken += count,
        }
        sleep(every).await;
    }
    taken
}

/// Its progress is seen again and again; it is the pace that ends it.
#[tokio::test]
async fn an_answer_that_is_sipped_is_given_up_though_it_never_stops() {
    let timeouts = Timeouts { write: 5 * SHORT, body_rate: 16 << 20, ..Timeouts::default() };
    let server = Running::start(timeouts);
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(post("flood", "", "0\r\n\r\n").as_bytes()).await.unwrap();
    let begun = Instant::now();
    let sipping = tokio::spawn(async move { sip(&mut stream, 1 << 16, DRIP / 2, FLOOD).await });
    while server.ended("write-timeout") < 0.5 {
        assert!(begun.elapsed() < PATIENCE && !sipping.is_finished(), "sipping goes on");
        server.serves().await;
        sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= 5 * SHORT, "ended by its pace, which counts from then on");
    // What the system holds for it would go on to be sipped.
    sipping.abort();
    server.settled().await;
}

#[tokio::test]
async fn clients_that_are_slow_but_keep_the_rate_are_served() {
    let timeouts = Timeouts { body_rate: 64, body_idle: 4 * SHORT, write: 8 * SHORT, ..short() };
    let server = Running::start(timeouts);
    // A body of 1,000 bytes in two seconds; then an answer that is taken in pieces.
    let mut stream = narrow(server.addr).await;
    stream.write_all(post("echo", "Connection: close\r\n", "3e8\r\n").as_bytes()).await.unwrap();
    for _ in 0..25 {
        sleep(DRIP).await;
        stream.write_all(&[b'x'; 40]).await.expect("it keeps the rate");
    }
    stream.write_all(b"\r\n0\r\n\r\n").await.unwrap();
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("ICAP/1.0 200 OK") && answer.ends_with("x\r\n0\r\n\r\n"), "{answer}");
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(post("flood", "Connection: close\r\n", "0\r\n\r\n").as_bytes()).await.unwrap();
    let (begun, most) = (Instant::now(), 12 << 20);
    let taken = sip(&mut stream, 1 << 16, Duration::from_millis(20), most).await;
    assert!(taken >= most, "{taken} bytes, though it keeps the rate");
    assert!(begun.elapsed() > 8 * SHORT, "that was no slow client");
    drop(stream);
    server.settled().await;
    assert!(server.ended("read-timeout") + server.ended("write-timeout") < 0.5);
}

#[tokio::test]
async fn a_reader_may_pause_for_less_than_the_deadline_as_often_as_it_likes() {
    let server = Running::start(Timeouts { body_rate: 64, write: 4 * SHORT, ..short() });
    let mut stream = narrow(server.addr).await;
    stream.write_all(post("flood", "Connection: close\r\n", "0\r\n\r\n").as_bytes()).await.unwrap();
    for pause in 0..4 {
        // From a full queue on each time.
        sleep(2 * SHORT).await;
        let taken = sip(&mut stream, 1 << 16, Duration::ZERO, 1 << 20).await;
        assert!(taken >= 1 << 20, "{taken} bytes after pause {pause}");
    }
    drop(stream);
    server.settled().await;
    assert!(server.ended("write-timeout") < 0.5);
}

/// The system tells of room for more only when a good part of its queue, megabytes, is free. A client
/// that takes longer for so much is not one that takes nothing.
#[tokio::test]
async fn a_steady_reader_is_served_though_the_system_tells_of_its_progress_seldom() {
    let server = Running::start(Timeouts { body_rate: 64, write: 4 * SHORT, ..short() });
    let mut stream = narrow(server.addr).await;
    stream.write_all(post("flood", "Connection: close\r\n", "0\r\n\r\n").as_bytes()).await.unwrap();
    let (begun, most) = (Instant::now(), 4 << 20);
    let taken = sip(&mut stream, 1 << 14, Duration::from_millis(20), most).await;
    assert!(taken >= most, "{taken} bytes, though it reads steadily");
    assert!(begun.elapsed() > 12 * SHORT, "that was no slow client");
    drop(stream);
    server.settled().await;
    assert!(server.ended("write-timeout") < 0.5);
}
