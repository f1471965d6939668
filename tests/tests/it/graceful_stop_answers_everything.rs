//! SIGTERM (C-138): what was begun is answered, what was not begun is refused in order.

use crate::common::{assert_204, assert_block, respmod};
use icapstan_testkit::{
    IcapClient, Kind, Message, ReadError, Signal, Standalone, clean_bytes, eicar, eventually,
};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

#[test]
fn graceful_stop_answers_what_is_in_flight_and_says_close() {
    let mut server = Standalone::start();
    let clean = respmod().body(clean_bytes(50_000, 1)).bytes();
    let infected = respmod().allow_204().body([eicar(), clean_bytes(20_000, 2)].concat()).bytes();
    let previewed = respmod().preview(b"harm").bytes();
    // Begun to different points: inside the ICAP head, inside the heads, inside the body.
    let mut begun: Vec<(IcapClient, &[u8])> = Vec::new();
    for request in [&clean, &infected] {
        for cut in [10, 150, request.len() / 2, request.len() - 2] {
            let mut icap = IcapClient::connect(server.icap());
            icap.send(&request[..cut]);
            begun.push((icap, &request[cut..]));
        }
    }
    let mut waiting = IcapClient::connect(server.icap());
    waiting.send(&previewed);
    assert_eq!(waiting.read_respmod().status, 100);
    let mut idle = IcapClient::connect(server.icap());
    idle.send(respmod().allow_204().body(b"harmless").bytes());
    assert_204(&idle.read_respmod());
    // Its answer shows that the server has read what was written before on the other connections.
    server.terminate();
    idle.expect_closed();
    eventually("nobody is accepted any more", || {
        let refused = match IcapClient::try_connect(server.icap()) {
            Err(_) => true,
            Ok(mut icap) => {
                let _ = icap.try_send(Message::options("/respmod").bytes());
                icap.try_read(Kind::Options).is_err()
            }
        };
        refused.then_some(())
    });
    assert!(!server.process().has_ended(), "it ended with requests in flight");
    for (at, (icap, rest)) in begun.iter_mut().enumerate() {
        icap.send(rest);
        let response = icap.read_respmod();
        assert_eq!(response.status, 200);
        assert!(response.closes(), "C-128, request {at}: {}", response.shown());
        icap.expect_closed();
    }
    waiting.send("4\r\nless\r\n0\r\n\r\n");
    let response = waiting.read_respmod();
    assert!(response.status == 200 && response.closes());
    waiting.expect_closed();
    let status = server.wait_exit();
    assert!(status.success(), "{status}");
}

#[test]
fn graceful_stop_under_load_breaks_no_answer() {
    let mut server = Standalone::start();
    let answered = AtomicUsize::new(0);
    let stopping = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..8 {
            let (icap, answered, stopping) = (server.icap(), &answered, &stopping);
            scope.spawn(move || {
                let mut turn = 0;
                while let Ok(mut client) = IcapClient::try_connect(icap) {
                    loop {
                        turn += 1;
                        let request = respmod().body(clean_bytes(3000, seed << 32 | turn)).bytes();
                        let sent = client.try_send(request);
                        match client.try_read(Kind::Respmod) {
                            Ok(response) => {
                                assert_eq!(response.status, 200, "{}", response.shown());
                                answered.fetch_add(1, Ordering::Relaxed);
                                if response.closes() {
                                    break;
                                }
                            }
                            // A request that crossed the close of an idle connection was never begun:
                            // not a byte of an answer came. Anything else is a broken promise.
                            Err(ReadError::Closed | ReadError::Reset) if stopping.load(Ordering::Relaxed) => {
                                break;
                            }
                            Err(error) => panic!("turn {turn} ({sent:?}): {error}"),
                        }
                    }
                }
                assert!(stopping.load(Ordering::Relaxed), "refused before the stop");
            });
        }
        eventually("load flows", || (answered.load(Ordering::Relaxed) > 100).then_some(()));
        stopping.store(true, Ordering::Relaxed);
        server.terminate();
    });
    let status = server.wait_exit();
    assert!(status.success(), "{status}");
}

#[test]
fn graceful_stop_ends_in_time_when_a_client_does_not() {
    let mut server = Standalone::with().config("timeouts: {bodyIdle: 10m, head: 10m}\n").start();
    let request = respmod().allow_204().body(eicar()).bytes();
    let mut stuck = IcapClient::connect(server.icap());
    stuck.send(&request[..request.len() - 5]);
    let mut icap = IcapClient::connect(server.icap());
    icap.send(&request);
    assert_block(&icap.read_respmod(), "eicar");
    server.signal(Signal::INT);
    server.wait_exit();
}
