//! More than there is room for: each refusal is an answer with its reason, comes at once, and is over
//! when the load is.

use super::ground::{PROMPT, infected, number};
use crate::common::{GET, PUT, assert_204, assert_block, respmod};
use icapstan_testkit::{
    IcapClient, IcapResponse, Kind, MARKER_NAME, Message, ReadError, Standalone, chunked_by, clean_bytes,
    eicar, eventually, marker,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// An infected body of `size` bytes, of which the last 100 are yet to be sent.
struct Held {
    icap: IcapClient,
    rest: Vec<u8>,
}

/// Bytes of bodies that are held now.
fn taken(server: &Standalone) -> f64 {
    server.metric("icapstan_gateway_memory_bytes", "") + server.metric("icapstan_gateway_spool_bytes", "")
}

/// Refusals for want of room until now.
fn refusals(server: &Standalone) -> f64 {
    server.metric("icapstan_gateway_refusals_total", "cause=\"memory\"")
}

/// What becomes of many infected bodies held at once.
struct Spent {
    held: Vec<Held>,
    refused: Vec<IcapResponse>,
}

// === impl Held ===

impl Held {
    /// Sends all but the end, as an upload: a download that falls silent is answered before its end. An
    /// answer that comes before that is a refusal.
    #[track_caller]
    fn begin(server: &Standalone, size: usize) -> Result<Self, Box<IcapResponse>> {
        let body = [clean_bytes(size - marker().len(), 1), marker()].concat();
        let upload = Message::reqmod("/reqmod").request_head(PUT).allow_204();
        let bytes = upload.framed_body(chunked_by(&body, 10_000)).bytes();
        let (start, rest) = bytes.split_at(bytes.len() - 100);
        let (room, refusals) = (taken(server), refusals(server));
        let mut icap = IcapClient::connect(server.icap());
        icap.patience(PROMPT);
        // Not all of it can be written to a server that has refused and gone.
        let _ = icap.try_send(start);
        let held = eventually("a body is held or refused", || {
            let refused = self::refusals(server) > refusals;
            // All but what is read after the last 100 bytes.
            let held = taken(server) - room >= number(size - 20_000);
            (refused || held).then_some(!refused)
        });
        if held { Ok(Self { icap, rest: rest.to_vec() }) } else { Err(Box::new(icap.read_reqmod())) }
    }

    #[track_caller]
    fn finish(mut self) {
        self.icap.send(&self.rest);
        assert_block(&self.icap.read_reqmod(), MARKER_NAME);
    }
}

// === impl Spent ===

impl Spent {
    /// Begins bodies until three of them were refused.
    #[track_caller]
    fn by(server: &Standalone, size: usize) -> Self {
        let (mut held, mut refused) = (Vec::new(), Vec::new());
        while refused.len() < 3 {
            match Held::begin(server, size) {
                Ok(one) => held.push(one),
                Err(response) => refused.push(*response),
            }
            assert!(held.len() < 40, "there is room for all");
        }
        Self { held, refused }
    }
}

/// Services stay up: what needs no room is served, and those who have room keep it.
#[track_caller]
fn assert_refusals_of(server: &Standalone, size: usize) {
    let before = refusals(server);
    let Spent { held, refused } = Spent::by(server, size);
    for response in &refused {
        assert_eq!((response.status, response.get("X-Icapstan-Reason")), (503, Some("memory")));
        assert!(response.closes(), "part of the body is still to come: {}", response.shown());
    }
    assert!((refusals(server) - before - 3.0).abs() < 0.5, "each is counted");
    let mut icap = IcapClient::connect(server.icap());
    icap.send(Message::options("/respmod").bytes());
    assert_eq!(icap.read_options().status, 200);
    icap.send(Message::reqmod("/reqmod").request_head(GET).allow_204().bytes());
    assert_204(&icap.read_reqmod());
    assert!(!held.is_empty(), "nobody had room");
    for one in held {
        one.finish();
    }
    eventually("all room is free again", || (taken(server) < 0.5).then_some(()));
    match Held::begin(server, size) {
        Ok(one) => one.finish(),
        Err(response) => panic!("still refused: {}", response.shown()),
    }
    icap.send([infected().bytes(), respmod().allow_204().body(b"harmless").bytes()].concat());
    assert_block(&icap.read_respmod(), "eicar");
    assert_204(&icap.read_respmod());
}

#[test]
fn abuse_15_c134_bodies_beyond_the_memory_are_refused_with_503_until_there_is_room() {
    let config = "limits: {memory: 3Mi}\npolicies:\n  - {name: default, scan: {maxObjectSize: 2Mi}}\n";
    let server = Standalone::with().config(config).start();
    assert_refusals_of(&server, 600_000);
}

#[test]
fn abuse_15_c134_bodies_beyond_the_spool_space_are_refused_with_503_until_there_is_room() {
    let config = "limits: {spool: 6Mi}\npolicies:\n  - {name: default, scan: {maxObjectSize: 3Mi}}\n";
    let server = Standalone::with().config(config).start();
    assert_refusals_of(&server, 2_500_000);
}

#[test]
fn abuse_15_c134_more_than_the_queue_holds_is_refused_with_500_until_it_is_shorter() {
    const CLIENTS: u64 = 12;
    let config = "limits: {queueLength: 1}\nscanner: {workers: 1, inFlight: 1}\n\
                  policies:\n  - {name: default, scan: {timeout: 30s}}\n";
    let server = Standalone::with().config(config).start();
    let ask = |seed: u64, size| {
        let body = [clean_bytes(size, seed), marker()].concat();
        let mut icap = IcapClient::connect(server.icap());
        let request = respmod().allow_204().body(body).bytes();
        let response = icap.send_while(&request, |icap| icap.read_respmod());
        if response.status == 500 {
            let reason = response.get("X-Icapstan-Reason").unwrap_or_default().to_owned();
            assert!(["queue-full", "hopeless"].contains(&reason.as_str()), "{}", response.shown());
            return Some(reason);
        }
        assert_block(&response, MARKER_NAME);
        None
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|seed| scope.spawn(move || ask(seed, 4 << 20))).collect();
        clients.into_iter().map(|client| client.join().expect("each has its answer")).collect()
    });
    let refused = |cause: &str| answers.iter().flatten().filter(|reason| *reason == cause).count();
    assert!(refused("queue-full") > 0, "{answers:?}");
    assert!(answers.iter().any(Option::is_none), "somebody was served: {answers:?}");
    for cause in ["queue-full", "hopeless"] {
        let counted = server.metric("icapstan_gateway_refusals_total", &format!("cause=\"{cause}\""));
        assert!((counted - number(refused(cause))).abs() < 0.5, "{cause}: {counted} counted, {answers:?}");
    }
    eventually("the queue is short again", || ask(99, 1000).is_none().then_some(()));
    let mut icap = IcapClient::connect(server.icap());
    icap.send([infected().bytes(), respmod().allow_204().body(b"harmless").bytes()].concat());
    assert_block(&icap.read_respmod(), "eicar");
    assert_204(&icap.read_respmod());
}

/// It is everybody's health check: a service that is merely busy must not look dead.
#[test]
fn abuse_17_c047_options_is_answered_at_once_while_every_worker_is_busy() {
    const ASKED: usize = 60;
    let server = Standalone::start();
    let stop = AtomicBool::new(false);
    let mut times: Vec<Duration> = thread::scope(|scope| {
        for seed in 0..8_u64 {
            let (stop, server) = (&stop, &server);
            scope.spawn(move || {
                let mut turn = 0;
                while !stop.load(Ordering::Relaxed) {
                    turn += 1;
                    let body = clean_bytes(3 << 20, seed << 32 | turn);
                    let mut icap = IcapClient::connect(server.icap());
                    let request = respmod().allow_204().body(body).bytes();
                    let response = icap.send_while(&request, |icap| icap.try_read(Kind::Respmod));
                    assert!(response.is_ok_and(|response| matches!(response.status, 200 | 204 | 500)));
                }
            });
        }
        eventually("objects wait for a worker", || {
            (server.metric("icapstan_scanner_waiting", "") >= 1.0).then_some(())
        });
        let mut kept = IcapClient::connect(server.icap());
        let mut ask = |at: usize| {
            let begun = Instant::now();
            let mut fresh = (at.is_multiple_of(2)).then(|| IcapClient::connect(server.icap()));
            let icap = fresh.as_mut().unwrap_or(&mut kept);
            icap.send(Message::options("/respmod").bytes());
            assert_eq!(icap.read_options().status, 200);
            begun.elapsed()
        };
        let times = (0..ASKED).map(&mut ask).collect();
        let waiting = server.metric("icapstan_scanner_waiting", "");
        stop.store(true, Ordering::Relaxed);
        println!("{waiting} objects wait at the end");
        times
    });
    times.sort_unstable();
    let (median, most) = (times[ASKED / 2], times[ASKED - 1]);
    println!("OPTIONS under load: median {median:?}, most {most:?}");
    assert!(median < Duration::from_secs(1) && most < PROMPT, "median {median:?}, most {most:?}");
    let mut icap = IcapClient::connect(server.icap());
    icap.send(respmod().allow_204().body(eicar()).bytes());
    assert_block(&icap.read_respmod(), "eicar");
}

/// Each head is bounded by a setting of its own, all of them together by the memory.
#[test]
fn abuse_14_heads_beyond_the_memory_are_refused_with_503_until_there_is_room() {
    let config = "limits: {memory: 2Mi}\npolicies:\n  - {name: default, scan: {maxObjectSize: 1Mi}}\n";
    let server = Standalone::with().config(config).start();
    let big = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "a".repeat(200 * 1024));
    let bytes = respmod().response_head(big).allow_204().body(eicar()).bytes();
    // Within the last encapsulated head.
    let (start, rest) = bytes.split_at(bytes.len() - 200);
    let spent = || server.metric("icapstan_icap_sessions_ended_total", "cause=\"memory\"");
    let mut open: Vec<_> = (0..20).map(|_| IcapClient::connect(server.icap())).collect();
    for icap in &mut open {
        let _ = icap.try_send(start);
    }
    eventually("some are refused", || (spent() > 0.5).then_some(()));
    let mut small = IcapClient::connect(server.icap());
    small.send(Message::options("/respmod").bytes());
    assert_eq!(small.read_options().status, 200);
    let mut refused = 0;
    for mut icap in open {
        let _ = icap.try_send(rest);
        match icap.try_read(Kind::Respmod) {
            Ok(response) if response.status == 503 => {
                assert!(response.closes(), "{}", response.shown());
                refused += 1;
            }
            Ok(response) => assert_block(&response, "eicar"),
            Err(error) => assert_eq!(error, ReadError::Reset, "{error}"),
        }
    }
    assert!(refused > 0, "none was told");
    eventually("there is room again", || {
        let mut icap = IcapClient::connect(server.icap());
        icap.send(&bytes);
        let response = icap.read_respmod();
        (response.status == 200).then(|| assert_block(&response, "eicar"))
    });
}
