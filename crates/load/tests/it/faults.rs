//! What servers can do wrong is found and called by its name.

use super::scripted::{answer_all, read_request, serve};
use super::{flawless, settings};
use icapstan_load::{Bare, Fault, Report, Settings, Shape, run};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const OK: &[u8] = b"ICAP/1.0 200 OK\r\nISTag: \"T\"\r\nEncapsulated: null-body=0\r\n\r\n";
const PAGE: &[u8] = b"ICAP/1.0 200 OK\r\nISTag: \"T\"\r\nEncapsulated: res-hdr=0, res-body=26\r\n\r\n\
    HTTP/1.1 403 Forbidden\r\n\r\n7\r\nblocked\r\n0\r\n\r\n";

fn asked(script: fn(TcpStream), shape: Shape) -> Report {
    let body = (shape == Shape::Respmod).then_some(1000);
    run(&Settings { body, ..settings(serve(script), shape) }).unwrap()
}

/// Only this fault, and it at least once.
fn assert_only(report: &Report, fault: Fault) {
    assert!(report.errors.get(&fault).is_some_and(|&count| count > 0), "{report:?}");
    assert_eq!(report.errors.len(), 1, "{report:?}");
    assert_eq!((report.requests, report.wrong), (0, 0), "{report:?}");
}

/// Passes bytes on to a bare server, and what comes back after `change`.
fn relay(change: fn(&mut [u8])) -> (Bare, SocketAddr) {
    let bare = Bare::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let target = bare.address();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(target).unwrap();
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || copy(from, to, |_| {}));
            std::thread::spawn(move || copy(server, client, change));
        }
    });
    (bare, address)
}

fn copy(mut from: TcpStream, mut to: TcpStream, change: fn(&mut [u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        change(&mut buffer[..len]);
        if to.write_all(&buffer[..len]).is_err() {
            return;
        }
    }
}

#[test]
fn one_changed_byte_of_an_echo_is_found() {
    // Both of a body that repeats and of one that never does.
    for unique in [false, true] {
        let (_bare, address) = relay(|bytes| {
            let word = b"notice";
            if let Some(at) = bytes.windows(word.len()).position(|window| window == word) {
                bytes[at] ^= 1;
            }
        });
        let settings = Settings { body: Some(1000), unique, ..settings(address, Shape::Respmod) };
        let report = run(&settings).unwrap();
        assert!(report.errors.get(&Fault::Echo).is_some_and(|&count| count > 0), "{report:?}");
        assert_eq!(report.errors.len(), 1, "{report:?}");
    }
    let (_bare, address) = relay(|_| {});
    flawless(&Settings { body: Some(1000), ..settings(address, Shape::Respmod) });
}

#[test]
fn an_echo_that_is_too_short_is_found() {
    let short = |stream| {
        answer_all(
            stream,
            b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\nHTTP/1.1 200 OK\r\n\r\n0\r\n\r\n",
        );
    };
    assert_only(&asked(short, Shape::Respmod), Fault::Echo);
}

#[test]
fn a_status_that_nobody_asked_for_is_counted_by_its_number() {
    let busy = |stream| answer_all(stream, b"ICAP/1.0 503 Busy\r\nEncapsulated: null-body=0\r\n\r\n");
    let report = asked(busy, Shape::Options);
    assert_only(&report, Fault::Status);
    assert_eq!(report.statuses["503"], report.errors[&Fault::Status]);
    assert!(report.latency_us.is_none());
    // Unless a server may be overloaded.
    let address = serve(busy);
    let report = run(&Settings { refusals: true, ..settings(address, Shape::Options) }).unwrap();
    let refused = report.refused.unwrap();
    assert_eq!((refused.count, report.errors.len(), report.requests), (report.statuses["503"], 0, 0));
    assert!(refused.latency_us.is_some());
    // 204 without Allow: 204 is one too.
    let unchanged = |stream| answer_all(stream, b"ICAP/1.0 204 No\r\nEncapsulated: null-body=0\r\n\r\n");
    assert_only(&asked(unchanged, Shape::Respmod), Fault::Status);
}

#[test]
fn clean_bodies_that_are_blocked_are_wrong() {
    let report = asked(|stream| answer_all(stream, PAGE), Shape::Respmod);
    assert!(report.wrong > 0, "{report:?}");
    assert!(report.requests == 0 && report.errors.is_empty(), "{report:?}");
}

#[test]
fn infected_bodies_that_are_blocked_are_right() {
    let address = serve(|stream| answer_all(stream, PAGE));
    flawless(&Settings { body: Some(1000), infected: 1.0, ..settings(address, Shape::Respmod) });
    flawless(&Settings { body: Some(1000), infected: 1.0, unique: true, ..settings(address, Shape::Reqmod) });
}

#[test]
fn broken_framing_is_found() {
    assert_only(
        &asked(|stream| answer_all(stream, b"HTTP/1.1 200 OK\r\n\r\n"), Shape::Options),
        Fault::Malformed,
    );
    let answer = |stream| answer_all(stream, b"ICAP/1.0 200 OK\r\nEncapsulated: opt-body=0\r\n\r\nzz\r\n");
    assert_only(&asked(answer, Shape::Options), Fault::Malformed);
    // 100 has no place where nothing is to follow.
    assert_only(
        &asked(|stream| answer_all(stream, b"ICAP/1.0 100 C\r\n\r\n"), Shape::Options),
        Fault::Malformed,
    );
}

#[test]
fn connections_that_end_too_early_are_found() {
    let before = |mut stream: TcpStream| {
        read_request(&mut stream);
    };
    assert_only(&asked(before, Shape::Options), Fault::Closed);
    let amid = |mut stream: TcpStream| {
        read_request(&mut stream);
        stream.write_all(&OK[..OK.len() - 1]).unwrap();
    };
    assert_only(&asked(amid, Shape::Options), Fault::Closed);
}

#[test]
fn a_reset_is_found() {
    // A socket that is closed with bytes unread is reset; it has one byte of the request.
    let reset = |mut stream: TcpStream| {
        let _ = stream.read(&mut [0]);
    };
    assert_only(&asked(reset, Shape::Options), Fault::Reset);
}

#[test]
fn a_server_that_is_not_there_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = run(&settings(address, Shape::Options)).unwrap();
    assert_only(&report, Fault::Connect);
    assert!(report.is_empty());
}

#[test]
fn answers_that_nobody_asked_for_are_found() {
    let twice = |stream| answer_all(stream, &[OK, OK].concat());
    let report = asked(twice, Shape::Options);
    assert!(report.errors.contains_key(&Fault::Unasked), "{report:?}");
}

#[test]
fn a_connection_that_the_server_ends_in_order_is_replaced() {
    let once = |mut stream: TcpStream| {
        if read_request(&mut stream) {
            let _ = stream
                .write_all(b"ICAP/1.0 200 OK\r\nConnection: close\r\nEncapsulated: null-body=0\r\n\r\n");
        }
    };
    let report = flawless(&settings(serve(once), Shape::Options));
    assert!(report.reconnects.abs_diff(report.requests) <= 8, "{report:?}");
}

#[test]
fn a_server_that_never_answers_leaves_requests_unfinished() {
    let silent = |mut stream: TcpStream| while read_request(&mut stream) {};
    let report = asked(silent, Shape::Options);
    assert!(report.is_empty() && report.errors.is_empty(), "{report:?}");
    assert_eq!(report.unfinished.count, 4);
    assert!(report.unfinished.oldest_us >= 150_000.0, "{report:?}");
}

#[test]
fn a_stall_makes_late_all_that_should_have_been_sent_meanwhile() {
    // The 50th request of its one connection is answered after 200 ms.
    let stalls = |mut stream: TcpStream| {
        let mut number = 0;
        while read_request(&mut stream) {
            number += 1;
            if number == 50 {
                std::thread::sleep(Duration::from_millis(200));
            }
            if stream.write_all(OK).is_err() {
                return;
            }
        }
    };
    let settings = Settings {
        rate: Some(1000.0),
        connections: 1,
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(400),
        ..settings(serve(stalls), Shape::Options)
    };
    let report = flawless(&settings);
    assert!((399..=400).contains(&report.requests), "{report:?}");
    let latency = report.latency_us.unwrap();
    // A closed loop would have seen one slow request; it was a good half of what was due.
    assert!(latency.max >= 200_000.0 && latency.p90 >= 100_000.0, "{latency:?}");
}
