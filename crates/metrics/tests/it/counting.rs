//! Nothing that was counted is missing.

use crate::{ByColour, Colour, Way, text};
use icapstan_metrics::{Counters, Families, Gauges, Histograms};
use prometheus::Registry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const THREADS: u64 = 20;
const ROUNDS: u64 = 3000;

#[test]
fn counts_of_many_threads_are_exact() {
    let registry = Registry::new();
    let make = Families::of(&registry);
    let plain = make.counter("plain_total", "Plain.").unwrap();
    let pairs: Counters<(Way, ByColour)> = make.counters("pairs_total", "Pairs.").unwrap();
    let levels: Gauges<Way> = make.gauges("levels", "Levels.").unwrap();
    let times: Histograms<Way> = make
        .histograms("times_seconds", "Times.", &[Duration::from_millis(1), Duration::from_secs(1)])
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    plain.inc();
                    pairs.inc_by((Way::Out, Colour::Green), 2);
                    levels.inc(Way::In);
                    levels.dec(Way::Out);
                    times.observe(Way::In, Duration::from_micros(round));
                }
            });
        }
    });
    assert_eq!(plain.get(), THREADS * ROUNDS);
    assert_eq!(pairs.get((Way::Out, Colour::Green)), 2 * THREADS * ROUNDS);
    assert_eq!(pairs.get((Way::Out, Colour::Red)), 0);
    assert_eq!(levels.get(Way::In), 60_000);
    assert_eq!(levels.get(Way::Out), -60_000);
    assert_eq!(times.count(Way::In), THREADS * ROUNDS);
    assert_eq!(times.count(Way::Out), 0);
    let seen = text(&registry);
    // Up to and with 1,000 µs; and the sum of 0 µs to 2,999 µs, twenty times.
    for line in [
        "plain_total 60000\n",
        "pairs_total{colour=\"green\",way=\"out\"} 120000\n",
        "levels{way=\"out\"} -60000\n",
        "times_seconds_bucket{way=\"in\",le=\"0.001\"} 20020\n",
        "times_seconds_bucket{way=\"in\",le=\"+Inf\"} 60000\n",
        "times_seconds_sum{way=\"in\"} 89.97\n",
        "times_seconds_count{way=\"in\"} 60000\n",
    ] {
        assert!(seen.contains(line), "{line}{seen}");
    }
}

#[test]
fn a_scrape_in_the_midst_never_goes_back_nor_contradicts_itself() {
    let registry = Registry::new();
    let make = Families::of(&registry);
    let counter = make.counter("events_total", "Events.").unwrap();
    let times = make.histogram("times_seconds", "Times.", &[Duration::from_nanos(50)]).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            for round in 0..200_000 {
                counter.inc();
                times.observe(Duration::from_nanos(round % 100));
            }
            ended.store(true, Ordering::SeqCst);
        });
        let mut before = (0, 0);
        while !ended.load(Ordering::SeqCst) {
            let families = registry.gather();
            let time = families[1].get_metric()[0].get_histogram();
            let now = (counter.get(), time.get_sample_count());
            assert!(now.0 >= before.0 && now.1 >= before.1, "{before:?} {now:?}");
            assert!(time.get_bucket()[0].cumulative_count() <= now.1);
            before = now;
        }
        counting.join().unwrap();
    });
    assert_eq!((counter.get(), times.count()), (200_000, 200_000));
}

#[test]
fn clones_count_into_the_same_numbers() {
    let registry = Registry::new();
    let counter = Families::of(&registry).counter("events_total", "Events.").unwrap();
    let clone = counter.clone();
    counter.inc();
    clone.inc_by(2);
    drop(counter);
    assert_eq!(clone.get(), 3);
    assert!(text(&registry).contains("events_total 3\n"));
}
