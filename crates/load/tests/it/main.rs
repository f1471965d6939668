//! The load generator against servers that are right, and servers that are not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod program;
mod right;
mod scripted;
mod slow;

use icapstan_load::{Kind, Report, Settings, Shape, run};
use std::net::SocketAddr;
use std::time::Duration;

/// A short closed loop of four connections.
fn settings(address: SocketAddr, shape: Shape) -> Settings {
    Settings {
        target: address.to_string(),
        address,
        service: "/any".to_owned(),
        shape,
        connections: 4,
        duration: Duration::from_millis(150),
        warm_up: Duration::from_millis(20),
        rate: None,
        refusals: false,
        body: None,
        kind: Kind::Text,
        unique: false,
        unique_hosts: false,
        preview: None,
        allow_204: false,
        new_connections: false,
        idle: 0,
        slow: None,
        infected: 0.0,
        server_pids: vec![],
    }
}

/// The report of a run in which all was right.
fn flawless(settings: &Settings) -> Report {
    let report = run(settings).unwrap();
    assert!(report.errors.is_empty(), "{report:?}");
    assert_eq!(report.wrong, 0, "{report:?}");
    assert!(report.requests > 0 && report.rate > 0.0, "{report:?}");
    assert!(report.bytes_sent > 0 && report.bytes_received > 0, "{report:?}");
    report
}
