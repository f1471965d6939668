//! One client can take no more than its share of sessions and of requests, whatever it does.

use crate::common::{assert_204, respmod};
use icapstan_testkit::{IcapClient, IcapResponse, Kind, Message, Standalone, eventually};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const EXEMPT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 7, 1));

fn connect(server: &Standalone, from: IpAddr) -> IcapClient {
    IcapClient::connect_from(from, server.icap())
}

fn ask(icap: &mut IcapClient) -> IcapResponse {
    icap.send(respmod().allow_204().whole_in_preview(b"harmless").bytes());
    icap.read_respmod()
}

#[track_caller]
fn assert_refused(response: &IcapResponse, status: u16, reason: &str) {
    let found = (response.status, response.get("X-Icapstan-Reason"));
    assert_eq!(found, (status, Some(reason)), "{}", response.shown());
}

fn refusals(server: &Standalone, limit: &str) -> f64 {
    server.metric("icapstan_icap_client_refusals_total", &format!("limit=\"{limit}\""))
}

#[test]
fn a_client_beyond_its_sessions_is_refused_and_others_are_not() {
    let config = "limits: {refusals: {sessions: 503}, perClient: {sessions: 3, exempt: [127.0.7.0/24]}}\n";
    let server = Standalone::with().in_one_process().config(config).start();
    let mut open: Vec<_> = (0..3).map(|_| connect(&server, ONE)).collect();
    for icap in &mut open {
        assert_204(&ask(icap));
    }
    let mut beyond = connect(&server, ONE);
    beyond.send(Message::options("/respmod").bytes());
    assert_eq!(beyond.read_options().status, 200, "OPTIONS is answered in any case");
    let response = ask(&mut beyond);
    assert_refused(&response, 503, "client-sessions");
    assert!(response.closes());
    beyond.expect_closed();
    assert_204(&ask(&mut connect(&server, OTHER)));
    let exempt: Vec<_> = (0..20).map(|_| connect(&server, EXEMPT)).collect();
    for mut icap in exempt {
        assert_204(&ask(&mut icap));
    }
    // Beyond a small reserve for OPTIONS it is not even listened to.
    let mut flood: Vec<_> = (0..30).map(|_| connect(&server, ONE)).collect();
    flood.pop().expect("there are some").expect_gone();
    assert!(refusals(&server, "connections") > 0.5 && refusals(&server, "sessions") > 0.5);
    assert_204(&ask(&mut connect(&server, OTHER)));
    drop(flood);
    drop(open);
    eventually("it has room again", || {
        let mut icap = connect(&server, ONE);
        let sent = icap.try_send(respmod().allow_204().whole_in_preview(b"harmless").bytes());
        let answer = sent.ok().and_then(|()| icap.try_read(Kind::Respmod).ok());
        answer.is_some_and(|answer| answer.status == 204).then_some(())
    });
}

#[test]
fn a_client_has_a_rate_of_requests_on_all_its_connections_together() {
    let config = "limits: {perClient: {requestsPerSecond: 5, burst: 10}}\n";
    let server = Standalone::with().in_one_process().config(config).start();
    let begun = Instant::now();
    let mut icap = connect(&server, ONE);
    let mut second = connect(&server, ONE);
    let mut served = 0;
    let refused = loop {
        let response = ask(if served % 2 == 0 { &mut icap } else { &mut second });
        if response.status != 204 {
            break response;
        }
        served += 1;
        assert!(served < 1000, "there is no limit");
    };
    // Ten at once, and what came back meanwhile.
    let earned = u32::try_from(begun.elapsed().as_millis() / 200).expect("it is no year");
    assert!((10..=10 + earned + 1).contains(&served), "{served} in {:?}", begun.elapsed());
    assert_refused(&refused, 429, "client-rate");
    assert_204(&ask(&mut connect(&server, OTHER)));
    let mut last = connect(&server, ONE);
    last.send(Message::options("/respmod").bytes());
    assert_eq!(last.read_options().status, 200);
    // A new connection brings no new budget.
    assert!(refusals(&server, "rate") > 0.5);
    let begun = Instant::now();
    let mut answers = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        answers += u32::from(ask(&mut connect(&server, ONE)).status == 204);
    }
    assert!((8..=13).contains(&answers), "{answers} within two seconds at five a second");
}
