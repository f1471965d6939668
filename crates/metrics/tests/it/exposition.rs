//! A scrape sees what the crate prometheus's own types would show.

use crate::{ByColour, Colour, Way, text};
use icapstan_metrics::{Counters, Families, Gauges, Histograms, Kind, LabelDescription, describe};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use std::time::Duration;

const BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Sums of these are exact as floating-point numbers too, whatever the order.
const TIMES: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_micros(15_625),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_millis(2500),
    Duration::from_secs(30),
    Duration::from_secs(31),
];

fn theirs() -> Registry {
    let registry = Registry::new();
    let plain = IntCounter::new("a_total", "With \\ and\na line feed.").unwrap();
    plain.inc_by(7);
    registry.register(Box::new(plain)).unwrap();
    let pairs = IntCounterVec::new(Opts::new("b_total", "Pairs."), &["way", "colour"]).unwrap();
    for way in ["in", "out"] {
        for colour in ["red", "green", "blue"] {
            pairs.with_label_values(&[way, colour]);
        }
    }
    pairs.with_label_values(&["out", "red"]).inc_by(3);
    registry.register(Box::new(pairs)).unwrap();
    let levels = IntGaugeVec::new(Opts::new("c", "Levels."), &["way"]).unwrap();
    levels.with_label_values(&["in"]).set(-5);
    levels.with_label_values(&["out"]).set(12);
    registry.register(Box::new(levels)).unwrap();
    let options = HistogramOpts::new("d_seconds", "Times.").buckets(BOUNDS.to_vec());
    let times = HistogramVec::new(options, &["way"]).unwrap();
    times.with_label_values(&["in"]);
    for time in TIMES {
        times.with_label_values(&["out"]).observe(time.as_secs_f64());
    }
    registry.register(Box::new(times)).unwrap();
    let info = IntGauge::with_opts(Opts::new("e_info", "Of itself.").const_label("version", "1\"2")).unwrap();
    info.set(1);
    registry.register(Box::new(info)).unwrap();
    registry
}

fn ours() -> Registry {
    let registry = Registry::new();
    let make = Families::of(&registry);
    make.counter("a_total", "With \\ and\na line feed.").unwrap().inc_by(7);
    let pairs: Counters<(Way, ByColour)> = make.counters("b_total", "Pairs.").unwrap();
    pairs.inc_by((Way::Out, Colour::Red), 3);
    let levels: Gauges<Way> = make.gauges("c", "Levels.").unwrap();
    levels.add(Way::In, -5);
    levels.add(Way::Out, 12);
    let bounds = BOUNDS.map(Duration::from_secs_f64);
    let times: Histograms<Way> = make.histograms("d_seconds", "Times.", &bounds).unwrap();
    for time in TIMES {
        times.observe(Way::Out, time);
    }
    make.info("e_info", "Of itself.", &[("version", "1\"2")]).unwrap();
    registry
}

#[test]
fn the_text_is_that_of_the_crate_prometheus_to_the_byte() {
    let text = text(&ours());
    assert_eq!(text, crate::text(&theirs()));
    assert!(text.contains("d_seconds_bucket{way=\"out\",le=\"30\"} 6\n"), "a bound is in its bucket: {text}");
}

#[test]
fn a_sparse_family_shows_what_was_counted_and_is_described_wholly() {
    let registry = Registry::new();
    let pairs: Counters<(Way, ByColour)> =
        Families::of(&registry).sparse_counters("pairs_total", "Pairs.").unwrap();
    assert_eq!(text(&registry), "");
    pairs.inc((Way::In, Colour::Blue));
    let seen =
        "# HELP pairs_total Pairs.\n# TYPE pairs_total counter\npairs_total{colour=\"blue\",way=\"in\"} 1\n";
    assert_eq!(text(&registry), seen);

    let described = describe(&registry);
    let label = |name: &str, values: &[&str]| LabelDescription {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    assert_eq!(described.len(), 1);
    assert_eq!(described[0].name, "pairs_total");
    assert_eq!(described[0].help, "Pairs.");
    assert_eq!(described[0].kind, Kind::Counter);
    assert_eq!(
        described[0].labels,
        [label("colour", &["blue", "green", "red"]), label("way", &["in", "out"])]
    );
    assert_eq!((described[0].lines, described[0].is_sparse), (6, true));
    assert_eq!(text(&registry), seen, "describing leaves nothing behind");
}

#[test]
fn histograms_are_described_with_their_bounds() {
    let described = describe(&ours());
    let times = described.iter().find(|family| family.name == "d_seconds").unwrap();
    assert_eq!((times.kind, times.bounds.as_slice()), (Kind::Histogram, &BOUNDS[..]));
    let lines = text(&ours()).lines().filter(|line| line.starts_with("d_seconds")).count();
    assert_eq!((times.lines, times.is_sparse), (lines, false));
}
