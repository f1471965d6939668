//! Against a collector.

use crate::start;
use icapstan_api::TracingSettings;
use icapstan_testkit::{Collector, tempdir};
use std::time::{Duration, Instant};

fn settings(collector: &Collector) -> TracingSettings {
    let sample_ratio = icapstan_api::Share::new(1.0).unwrap();
    TracingSettings { endpoint: Some(collector.url()), sample_ratio, ..TracingSettings::default() }
}

#[test]
fn without_an_endpoint_there_is_neither_a_thread_nor_a_span() {
    let (tracer, guard) = start(&TracingSettings::default(), "1").unwrap();
    assert!(!tracer.is_on() && guard.is_none());
}

#[test]
fn what_ended_before_the_end_arrives_with_what_goes_with_each_call() {
    let collector = Collector::start();
    let dir = tempdir();
    let path = dir.path().join("headers");
    std::fs::write(&path, "x-key: open sesame\n").unwrap();
    let settings = TracingSettings { headers_file: Some(path), ..settings(&collector) };
    let (tracer, guard) = start(&settings, "1.2.3").unwrap();
    // More than one call holds.
    for _ in 0..700 {
        tracer.begin("x", || None).span.end();
    }
    drop(guard);
    let spans = collector.spans();
    assert_eq!(spans.len(), 700);
    assert!(
        spans.iter().all(|span| span.name == "x" && span.parent.is_empty() && span.time.0 <= span.time.1)
    );
    assert_eq!(collector.header("x-key").as_deref(), Some("open sesame"));
    for known in ["service.name", "icapstan", "service.version", "1.2.3"] {
        assert!(collector.knows(known), "{known}");
    }
}

#[test]
fn the_end_waits_two_seconds_at_most() {
    let collector = Collector::start();
    collector.be_mute(true);
    let (tracer, guard) = start(&settings(&collector), "1").unwrap();
    tracer.begin("x", || None).span.end();
    let begun = Instant::now();
    drop(guard);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
