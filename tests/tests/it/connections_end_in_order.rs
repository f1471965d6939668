//! Connections last as long as the configuration says, the last answer tells of the end, and not all
//! end together (C-127, C-128).

use crate::common::{GET, assert_204, assert_still_framed, respmod};
use icapstan_testkit::{IcapClient, Message, Standalone, eventually};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn request() -> Message {
    Message::reqmod("/reqmod").request_head(GET).allow_204()
}

#[test]
fn connections_serve_their_number_of_requests_give_or_take_a_tenth() {
    let server = Standalone::with().config("keepAlive: {maxRequests: 100}\n").start();
    let served = || {
        let mut icap = IcapClient::connect(server.icap());
        for number in 1..=110 {
            icap.send(request().bytes());
            let response = icap.read_reqmod();
            assert_204(&response);
            if response.closes() {
                icap.expect_closed();
                return number;
            }
        }
        panic!("it goes on beyond the cap");
    };
    let counts: Vec<_> = (0..12).map(|_| served()).collect();
    assert!(counts.iter().all(|count| (90..=110).contains(count)), "{counts:?}");
    assert!(counts.iter().collect::<BTreeSet<_>>().len() > 2, "in step: {counts:?}");
}

#[test]
fn a_connection_ends_with_the_first_answer_after_its_age() {
    let server = Standalone::with().config("keepAlive: {maxAge: 2s}\n").start();
    let begun = Instant::now();
    let mut icap = IcapClient::connect(server.icap());
    let ended = eventually("it gets old", || {
        icap.send(request().bytes());
        let response = icap.read_reqmod();
        assert_204(&response);
        response.closes().then(|| begun.elapsed())
    });
    assert!(ended >= Duration::from_millis(1790), "{ended:?}");
    icap.expect_closed();
}

#[test]
fn connections_may_go_on_only_for_those_who_ask() {
    let server = Standalone::with().config("keepAlive: {onlyWhenAsked: true}\n").start();
    let mut icap = IcapClient::connect(server.icap());
    for _ in 0..3 {
        icap.send(respmod().field("Connection", "Keep-Alive").allow_204().body(b"harmless").bytes());
        let response = icap.read_respmod();
        assert_204(&response);
        assert!(!response.closes());
    }
    icap.send(Message::options("/respmod").field("Connection", "keep-alive").bytes());
    assert!(!icap.read_options().closes());
    icap.send(request().bytes());
    let response = icap.read_reqmod();
    assert_204(&response);
    assert!(response.closes());
    icap.expect_closed();

    let server = Standalone::start();
    let mut icap = IcapClient::connect(server.icap());
    icap.send(request().bytes());
    assert!(!icap.read_reqmod().closes());
    assert_still_framed(&mut icap);
}
