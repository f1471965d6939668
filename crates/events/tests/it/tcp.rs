//! Syslog over TCP.

use crate::server::{Framing, Server, any};
use crate::setup::{LONG, Setup, event, number, wait_until, without_children};
use icapstan_events::{Framing as FramingSetting, SyslogSettings, Transport};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

fn settings(address: SocketAddr) -> SyslogSettings {
    SyslogSettings::new(address.to_string(), Transport::Tcp)
}

#[test]
fn records_arrive_whole_and_in_order_whatever_is_in_them() {
    for (framing, setting) in
        [(Framing::Counted, FramingSetting::OctetCounting), (Framing::Lines, FramingSetting::Newline)]
    {
        let server = Server::plain(framing);
        let setup = Setup::syslog(SyslogSettings { framing: Some(setting), ..settings(server.address) }, 500);
        setup.send(0..300);
        for expected in 0..300 {
            let record = server.record();
            assert!(record.starts_with("<162>1 ") && record.contains(" icapstan "), "{record}");
            assert_eq!(number(&record), expected);
        }
        assert!(setup.events.flush(LONG));
        assert_eq!((setup.sent(), setup.dropped()), (300, 0));
        assert!(setup.is_connected());
    }
}

#[test]
fn after_a_restart_of_the_server_records_arrive_again_and_none_is_missing() {
    let _alone = without_children();
    let server = Server::plain(Framing::Counted);
    let address = server.address;
    let setup = Setup::syslog(settings(address), 100);
    setup.send(0..3);
    assert_eq!([(); 3].map(|()| number(&server.record())), [0, 1, 2]);
    drop(server);
    wait_until("it is seen that the server is gone", || !setup.is_connected());
    setup.send(3..6);
    let server = Server::start(address, Framing::Counted, None);
    assert_eq!([(); 3].map(|()| number(&server.record())), [3, 4, 5]);
    wait_until("it is seen that the server is back", || setup.is_connected());
    assert_eq!(setup.dropped(), 0);
    assert!(setup.guard.stop(LONG));
}

#[test]
fn a_server_that_closed_before_the_next_record_does_not_get_it() {
    let _alone = without_children();
    let server = Server::plain(Framing::Counted);
    let address = server.address;
    let setup = Setup::syslog(settings(address), 100);
    setup.send(0..1);
    assert_eq!(number(&server.record()), 0);
    // Closed when this returns, and looked at before each record: not only once a second.
    drop(server);
    setup.send(1..2);
    let server = Server::start(address, Framing::Counted, None);
    assert_eq!(number(&server.record()), 1);
}

#[test]
fn with_a_dead_server_sends_return_at_once_and_what_finds_no_room_is_counted() {
    let _alone = without_children();
    // Bound, and closed again: nobody listens there.
    let address = TcpListener::bind(any()).unwrap().local_addr().unwrap();
    let setup = Setup::syslog(settings(address), 10);
    let started = Instant::now();
    setup.send(0..10_000);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!((setup.sent(), setup.dropped()), (0, 9_990), "none is taken before there is a connection");
    assert!(!setup.is_connected());
    setup.send(0..1);
    wait_until("the cause is told", || {
        setup.send(0..1);
        setup.metric("icapstan_events_dropped_total", "down") > 0
    });
    let (before, started) = (setup.dropped(), Instant::now());
    let (events, registry) = (setup.events.clone(), setup.registry.clone());
    assert!(!setup.guard.stop(Duration::from_millis(300)));
    assert!(started.elapsed() < Duration::from_secs(10));
    let dropped = |label| crate::setup::sum(&registry, "icapstan_events_dropped_total", label);
    assert_eq!((dropped("stopped"), dropped("")), (10, before + 10));
    events.send(event(0));
    assert_eq!(dropped("stopped"), 11, "what comes too late is counted too");
}

#[test]
fn with_a_server_that_reads_nothing_sends_return_at_once_and_the_end_comes_in_time() {
    let listener = TcpListener::bind(any()).unwrap();
    let setup = Setup::syslog(settings(listener.local_addr().unwrap()), 64);
    let (_silent, _) = listener.accept().unwrap();
    // What the kernel takes in for the server is some megabytes, and it takes its time.
    wait_until("the server takes no more", || {
        let before = setup.sent();
        for _ in 0..1000 {
            setup.send(0..128);
            std::thread::sleep(Duration::from_millis(1));
        }
        setup.sent() == before && before > 0
    });
    setup.send(0..128);
    assert!(setup.metric("icapstan_events_dropped_total", "queue-full") >= 128);
    let started = Instant::now();
    setup.send(0..10_000);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let started = Instant::now();
    assert!(!setup.guard.stop(Duration::from_millis(200)));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_connection_that_takes_nothing_is_given_up_and_the_record_goes_over_the_next_one() {
    let _alone = without_children();
    let listener = TcpListener::bind(any()).unwrap();
    let address = listener.local_addr().unwrap();
    let setup =
        Setup::syslog(SyslogSettings { write_timeout: Duration::from_millis(200), ..settings(address) }, 64);
    let (silent, _) = listener.accept().unwrap();
    wait_until("the connection is given up", || {
        setup.send(0..64);
        let sent = setup.sent();
        // Nobody accepts the next connection yet, but the kernel does, and takes in as much again.
        sent > 0 && setup.metric("icapstan_events_dropped_total", "down") > 0
    });
    drop(silent);
    drop(listener);
    let server = Server::start(address, Framing::Counted, None);
    setup.send(1000..1001);
    wait_until("something arrives", || server.records.try_recv().is_ok());
}
