//! Syslog over UDP.

use crate::server::any;
use crate::setup::{LONG, Setup, event, number, wait_until, without_children};
use icapstan_events::{Event, EventKind, Few, SyslogSettings, Text, Transport};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

fn settings(address: SocketAddr) -> SyslogSettings {
    SyslogSettings::new(address.to_string(), Transport::Udp)
}

fn datagram(socket: &UdpSocket) -> Option<String> {
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8(buffer[..length].to_vec()).unwrap())
}

/// With everything as long as a peer can make it.
fn large() -> Event {
    let hostile = "\u{1b}]0;\"\\\r\n".repeat(20_000);
    let mut event = Event::new(EventKind::Detection, Text::message(&hostile));
    event.transaction = Some(7);
    event.url = Some(Text::url(&hostile));
    event.user = Some(Text::name(&hostile));
    event.groups = std::iter::repeat_n(Text::name(&hostile), Few::<Text>::MAX + 1).collect();
    event
}

#[test]
fn each_record_is_one_datagram_of_bounded_size() {
    let socket = UdpSocket::bind(any()).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let setup = Setup::syslog(settings(socket.local_addr().unwrap()), 100);
    setup.events.send(event(3));
    setup.events.send(large());
    let small = datagram(&socket).unwrap();
    assert_eq!(number(&small), 3);
    let record = datagram(&socket).unwrap();
    assert!(record.len() <= 2048 && record.len() > 500, "{}", record.len());
    assert_eq!(number(&record), 7, "cut as it is, it is whole");
    assert!(record.contains("\\u2026"), "it shows that something is cut");
    assert!(setup.events.flush(LONG));
    assert_eq!((setup.sent(), setup.dropped()), (2, 0));
}

#[test]
fn a_larger_size_is_used() {
    let socket = UdpSocket::bind(any()).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let size = Some(icapstan_api::ByteSize::new(60_000));
    let server = SyslogSettings { max_size: size, ..settings(socket.local_addr().unwrap()) };
    let setup = Setup::syslog(server, 100);
    setup.events.send(large());
    assert!(datagram(&socket).unwrap().len() > 4000);
}

#[test]
fn when_the_server_comes_back_datagrams_arrive_again() {
    let _alone = without_children();
    let socket = UdpSocket::bind(any()).unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let setup = Setup::syslog(settings(address), 100);
    // The first goes into nothing; that is how it becomes known.
    setup.send(0..5);
    wait_until("nobody listens", || !setup.is_connected() || setup.sent() == 5);
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut next = 5;
    wait_until("a datagram arrives", || {
        setup.send(next..next + 1);
        next += 1;
        datagram(&socket).is_some_and(|record| number(&record) < next)
    });
}
