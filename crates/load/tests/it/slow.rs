//! Slow connections get where they should, and what the server does about them is seen.

use super::scripted::serve;
use super::{flawless, settings};
use icapstan_load::{Bare, End, Report, Settings, Shape, Slow, SlowReport, SlowState, run};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const STATES: [SlowState; 8] = [
    SlowState::Idle,
    SlowState::Line,
    SlowState::Head,
    SlowState::Encapsulated,
    SlowState::Preview,
    SlowState::Continue,
    SlowState::Body,
    SlowState::Read,
];

fn with_slow(address: SocketAddr, state: SlowState, shape: Shape) -> Settings {
    let slow = Slow { count: 5, state, interval: Duration::from_millis(20) };
    Settings { slow: Some(slow), ..settings(address, shape) }
}

fn slow(report: Report) -> SlowReport {
    report.slow.unwrap()
}

#[test]
fn a_server_without_deadlines_bears_slow_connections_in_every_state() {
    let bare = Bare::start("127.0.0.1:0".parse().unwrap()).unwrap();
    for state in STATES {
        for shape in [Shape::Options, Shape::Reqmod] {
            let report = slow(flawless(&with_slow(bare.address(), state, shape)));
            assert_eq!((report.opened, report.failed, report.still_open), (5, 0, 5), "{report:?}");
            assert!(report.statuses.is_empty() && report.seconds.is_none(), "{report:?}");
        }
    }
}

#[test]
fn what_slow_connections_send_is_the_beginning_of_a_request_and_drips() {
    // Refuses what it has read after 30 bytes more than the first read brought.
    let refuses = |mut stream: TcpStream| {
        let mut buffer = [0; 4096];
        let first = stream.read(&mut buffer).unwrap_or(0);
        let begins = buffer.starts_with(b"REQMOD icap://") || buffer.starts_with(b"OPTIONS icap://");
        if !begins || first == 0 {
            return;
        }
        let mut more = 0;
        while more < 5 {
            match stream.read(&mut buffer) {
                Ok(len @ 1..) => more += len,
                _ => return,
            }
        }
        let _ = stream.write_all(b"ICAP/1.0 408 Request Timeout\r\nConnection: close\r\n\r\n");
        // Closed with nothing unread, so that it is no reset: the client sends nothing after an answer.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        while matches!(stream.read(&mut buffer), Ok(1..)) {}
    };
    let check = |state| {
        let settings =
            Settings { duration: Duration::from_secs(2), ..with_slow(serve(refuses), state, Shape::Reqmod) };
        let report = slow(run(&settings).unwrap());
        assert_eq!(report.statuses, [("408".to_owned(), 5)].into(), "{report:?}");
        assert_eq!(report.ended, [(End::Closed, 5)].into(), "{report:?}");
        let seconds = report.seconds.unwrap();
        // Four intervals at least lie between five bytes; one where a tiny chunk has six.
        assert!(seconds.min >= 0.02, "{report:?}");
        assert_eq!((report.opened, report.still_open), (5, 0), "{report:?}");
    };
    std::thread::scope(|scope| {
        use SlowState::{Body, Encapsulated, Head, Line, Preview};
        for state in [Line, Head, Encapsulated, Preview, Body] {
            scope.spawn(move || check(state));
        }
    });
}

#[test]
fn continue_drips_only_after_100() {
    let server = |mut stream: TcpStream| {
        let mut buffer = [0; 4096];
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n0\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(len @ 1..) => seen.extend_from_slice(&buffer[..len]),
                _ => return,
            }
        }
        let _ = stream.write_all(b"ICAP/1.0 100 Continue\r\n\r\n");
        seen.clear();
        while !seen.ends_with(b"1\r\na\r\n1\r\na\r\n") {
            match stream.read(&mut buffer) {
                Ok(len @ 1..) => seen.extend_from_slice(&buffer[..len]),
                _ => return,
            }
        }
    };
    let settings = Settings {
        duration: Duration::from_secs(1),
        ..with_slow(serve(server), SlowState::Continue, Shape::Respmod)
    };
    let report = slow(run(&Settings { body: Some(10), ..settings }).unwrap());
    assert_eq!(report.ended, [(End::Closed, 5)].into(), "{report:?}");
}

#[test]
fn a_server_that_gives_up_an_answer_that_nobody_reads_is_seen() {
    // Reads all, writes until nothing goes any more, closes.
    let gives_up = |mut stream: TcpStream| {
        let mut buffer = vec![0; 64 * 1024];
        let mut tail = Vec::new();
        while !tail.ends_with(b"\r\n0\r\n\r\n") {
            match stream.read(&mut buffer) {
                Ok(len @ 1..) => {
                    tail.extend_from_slice(&buffer[..len]);
                    let surplus = tail.len().saturating_sub(16);
                    tail.drain(..surplus);
                }
                _ => return,
            }
        }
        stream.set_nonblocking(true).unwrap();
        loop {
            match stream.write(&buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    let settings = Settings {
        duration: Duration::from_millis(2500),
        ..with_slow(serve(gives_up), SlowState::Read, Shape::Respmod)
    };
    let report = slow(run(&Settings { body: Some(10), ..settings }).unwrap());
    assert_eq!(report.ended, [(End::Closed, 5)].into(), "{report:?}");
    assert_eq!(report.still_open, 0);
}
