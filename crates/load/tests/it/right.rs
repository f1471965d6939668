//! Every shape against the bare server, which is always right.

use super::{flawless, settings};
use icapstan_load::{Bare, Kind, Settings, Shape, run};
use std::time::Duration;

fn bare() -> Bare {
    Bare::start("127.0.0.1:0".parse().unwrap()).unwrap()
}

#[test]
fn options_and_messages_without_a_body_are_answered() {
    let bare = bare();
    let options = flawless(&settings(bare.address(), Shape::Options));
    assert_eq!(options.statuses, [("200".to_owned(), options.requests)].into());
    let reqmod = flawless(&settings(bare.address(), Shape::Reqmod));
    assert_eq!(reqmod.statuses, [("204".to_owned(), reqmod.requests)].into());
    assert_eq!(reqmod.reconnects, 0);
}

#[test]
fn bodies_of_every_kind_and_size_come_back_unchanged() {
    let bare = bare();
    for shape in [Shape::Reqmod, Shape::Respmod] {
        for kind in [Kind::Text, Kind::Html, Kind::Random] {
            for (body, unique) in [(0, false), (1, false), (10_240, true), (1_048_576, true)] {
                let settings = Settings {
                    body: Some(body),
                    kind,
                    unique,
                    duration: Duration::from_millis(50),
                    warm_up: Duration::ZERO,
                    ..settings(bare.address(), shape)
                };
                flawless(&settings);
            }
        }
    }
}

#[test]
fn previews_are_waited_for_and_gone_on_with() {
    let bare = bare();
    for preview in [0, 100, 1000, 1001] {
        for shape in [Shape::Reqmod, Shape::Respmod] {
            let settings = Settings {
                body: Some(1000),
                preview: Some(preview),
                allow_204: true,
                unique: true,
                ..settings(bare.address(), shape)
            };
            let report = flawless(&settings);
            assert_eq!(
                report.statuses,
                [("200".to_owned(), report.requests)].into(),
                "100 is no final answer"
            );
        }
    }
}

#[test]
fn each_request_can_have_its_own_connection() {
    let bare = bare();
    for body in [None, Some(100_000)] {
        let shape = if body.is_some() { Shape::Respmod } else { Shape::Options };
        let settings = Settings { new_connections: true, body, ..settings(bare.address(), shape) };
        assert_eq!(flawless(&settings).reconnects, 0);
    }
}

#[test]
fn a_rate_is_kept() {
    let bare = bare();
    let settings = Settings {
        rate: Some(500.0),
        connections: 8,
        duration: Duration::from_millis(400),
        ..settings(bare.address(), Shape::Reqmod)
    };
    let report = flawless(&settings);
    assert!((199..=201).contains(&report.requests), "{report:?}");
    assert_eq!(report.unfinished.count, 0);
}

#[test]
fn connections_that_stay_idle_are_counted_and_stay() {
    let bare = bare();
    let settings = Settings { idle: 300, ..settings(bare.address(), Shape::Options) };
    let idle = flawless(&settings).idle.unwrap();
    assert_eq!((idle.opened, idle.still_open), (300, 300));
}

#[test]
fn a_server_that_passes_everything_is_wrong_about_every_infected_body() {
    let bare = bare();
    let settings = Settings {
        body: Some(1000),
        infected: 0.5,
        duration: Duration::from_millis(200),
        ..settings(bare.address(), Shape::Respmod)
    };
    let report = run(&settings).unwrap();
    assert!(report.errors.is_empty(), "{report:?}");
    assert!(report.wrong > 0 && report.wrong.abs_diff(report.requests) <= 8, "{report:?}");
}

#[test]
fn the_server_is_measured_with_its_threads_and_memory() {
    let bare = bare();
    let settings = Settings {
        server_pids: vec![i32::try_from(std::process::id()).unwrap()],
        duration: Duration::from_millis(300),
        ..settings(bare.address(), Shape::Options)
    };
    let report = flawless(&settings);
    let server = report.server.unwrap();
    assert!(server.cpu_seconds > 0.0 && server.cpu_us_per_request.unwrap() > 0.0, "{server:?}");
    assert!(server.threads >= 2, "{server:?}");
    let pss = server.pss_bytes;
    assert!(pss.before > 0 && pss.peak >= pss.before && pss.after > 0, "{server:?}");
}
