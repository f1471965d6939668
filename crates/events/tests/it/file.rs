//! Events in a file.

use crate::setup::{LONG, Setup, event, number, wait_until};
use icapstan_events::{
    Event, EventFormat, EventKind, EventMetrics, EventSettings, Events, EventsError, Severity, SinkSettings,
    Source, Text,
};
use std::collections::HashSet;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

fn to(path: &Path) -> EventSettings {
    EventSettings::new(SinkSettings::file(path))
}

#[test]
fn each_event_of_many_threads_is_one_line_when_the_guard_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    let setup = Setup::of(&[to(&path)]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let events = setup.events.clone();
            scope.spawn(move || (0..500).for_each(|number| events.send(event(500 * thread + number))));
        }
    });
    assert!(setup.guard.stop(LONG));
    let text = std::fs::read_to_string(&path).unwrap();
    let numbers: HashSet<u64> = text.lines().map(number).collect();
    assert_eq!(text.lines().count(), 2000);
    assert_eq!(numbers, (0..2000).collect());
}

#[test]
fn after_a_rename_events_go_to_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("events"), dir.path().join("events.1"));
    let setup = Setup::of(&[to(&path)]);
    setup.send(0..2);
    assert!(setup.events.flush(LONG));
    std::fs::rename(&path, &moved).unwrap();
    setup.send(2..3);
    assert!(setup.events.flush(LONG));
    let numbers = |path| std::fs::read_to_string(path).unwrap().lines().map(number).collect::<Vec<_>>();
    assert_eq!((numbers(&moved), numbers(&path)), (vec![0, 1], vec![2]));
}

#[test]
fn each_sink_gets_what_it_wants_in_its_format() {
    let dir = tempfile::tempdir().unwrap();
    let [all, severe, starts] = ["a", "b", "c"].map(|name| dir.path().join(name));
    let setup = Setup::of(&[
        EventSettings { format: EventFormat::Text, ..to(&all) },
        EventSettings { format: EventFormat::Cef, min_severity: Severity::Error, ..to(&severe) },
        EventSettings { kinds: vec![EventKind::Start, EventKind::Stop], ..to(&starts) },
    ]);
    for kind in EventKind::ALL {
        assert_eq!(setup.events.wants(kind), kind != EventKind::Pass);
        setup.events.send(Event::new(kind, Text::message("x")));
    }
    assert!(setup.events.flush(LONG));
    assert_eq!(setup.metric("icapstan_events_sinks", "file"), 3);
    assert_eq!(setup.metric("icapstan_events_sinks_connected", "file"), 3);
    assert_eq!(["0", "1", "2"].map(|sink| setup.metric("icapstan_events_sent_total", sink)), [10, 2, 2]);
    let text = |path| std::fs::read_to_string(path).unwrap();
    assert_eq!(text(&all).lines().count(), 10);
    assert!(text(&all).lines().all(|line| line.starts_with("time=2")));
    assert!(text(&severe).lines().all(|line| line.starts_with("CEF:0|icapstan|")));
    assert!(text(&starts).contains("\"kind\":\"start\"") && text(&starts).contains("\"kind\":\"stop\""));
}

#[test]
fn without_sinks_nothing_is_wanted() {
    let setup = Setup::of(&[]);
    assert!(EventKind::ALL.into_iter().all(|kind| !setup.events.wants(kind)));
    setup.send(0..3);
    assert!(setup.events.flush(Duration::ZERO));
    assert_eq!((setup.sent(), setup.dropped()), (0, 0));
    assert!(setup.guard.stop(Duration::ZERO));
}

#[test]
fn a_full_disk_costs_events_and_nothing_else() {
    let setup = Setup::of(&[EventSettings { queue: 10, ..to(Path::new("/dev/full")) }]);
    let started = Instant::now();
    setup.send(0..1000);
    assert!(started.elapsed() < Duration::from_secs(5));
    // One may be in the hand of the writer beside those that wait.
    assert!((989..=990).contains(&setup.dropped()), "{}", setup.dropped());
    wait_until("it is seen", || !setup.is_connected());
    let registry = setup.registry.clone();
    assert!(!setup.guard.stop(Duration::from_millis(300)));
    assert_eq!(crate::setup::sum(&registry, "icapstan_events_dropped_total", ""), 1000);
}

#[test]
fn what_is_wrong_is_told_at_the_start() {
    let metrics = EventMetrics::register(&prometheus::Registry::new()).unwrap();
    let start = |settings: EventSettings| Events::start(&[settings], &Source::this(), &metrics).unwrap_err();
    let error = start(to(Path::new("/proc/nothing/events")));
    assert_eq!(error.to_string(), "events[0].sink cannot be used");
    assert_eq!(error.source().unwrap().to_string(), "cannot open the file");
    let error = start(to(Path::new("events")));
    assert!(matches!(error, EventsError::Settings(_)));
    assert_eq!(error.to_string(), "events[0].sink.file: is not an absolute path");
}
