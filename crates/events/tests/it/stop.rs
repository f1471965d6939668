//! The end.

use crate::server::{Framing, Server, any};
use crate::setup::{LONG, Setup, number, without_children};
use icapstan_events::{SyslogSettings, Transport};
use std::net::TcpListener;
use std::time::Duration;

#[test]
fn what_waits_at_the_end_is_sent_if_the_server_comes_back_in_time() {
    let _alone = without_children();
    let address = TcpListener::bind(any()).unwrap().local_addr().unwrap();
    let setup = Setup::syslog(SyslogSettings::new(address.to_string(), Transport::Tcp), 100);
    setup.send(0..5);
    assert!(!setup.events.flush(Duration::from_millis(50)), "there is nobody to send to");
    std::thread::scope(|scope| {
        let guard = setup.guard;
        let stopped = scope.spawn(move || guard.stop(LONG));
        let server = Server::start(address, Framing::Counted, None);
        assert_eq!([(); 5].map(|()| number(&server.record())), [0, 1, 2, 3, 4]);
        assert!(stopped.join().unwrap());
    });
}

#[test]
fn the_end_takes_no_longer_than_there_is_something_to_send() {
    let server = Server::plain(Framing::Counted);
    let setup = Setup::syslog(SyslogSettings::new(server.address.to_string(), Transport::Tcp), 100);
    setup.send(0..5);
    let (started, registry) = (std::time::Instant::now(), setup.registry.clone());
    assert!(setup.guard.stop(10 * LONG));
    assert!(started.elapsed() < LONG);
    assert_eq!((0..5).map(|_| number(&server.record())).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(crate::setup::sum(&registry, "icapstan_events_sinks", ""), 0);
    assert_eq!(crate::setup::sum(&registry, "icapstan_events_sinks_connected", ""), 0);
}
