//! Labels are closed sets, and what is no proper family is refused.

use crate::{ByColour, Way};
use icapstan_metrics::{Counters, Families, Label, Labels, label};
use prometheus::Registry;
use std::time::Duration;

/// Its two values say that they stand at the same place.
struct Misplaced;

/// It has a value that it does not list.
struct Short;

label! {
    /// Two values with one word.
    pub(crate) enum Twins as "twin" {
        /// One.
        One = "same",
        /// Two.
        Two = "same",
    }
}

impl Label for Misplaced {
    type Value = bool;
    const NAME: &'static str = "misplaced";
    const VALUES: &'static [bool] = &[false, true];

    fn index(_: bool) -> usize {
        0
    }

    fn as_str(value: bool) -> &'static str {
        if value { "yes" } else { "no" }
    }
}

impl Label for Short {
    type Value = bool;
    const NAME: &'static str = "short";
    const VALUES: &'static [bool] = &[false];

    fn index(value: bool) -> usize {
        usize::from(value)
    }

    fn as_str(_: bool) -> &'static str {
        "no"
    }
}

#[test]
fn the_words_of_a_combination_lead_back_to_it() {
    let mut seen = Vec::new();
    for (w, way) in Way::VALUES.iter().enumerate() {
        for (c, colour) in ByColour::VALUES.iter().enumerate() {
            let index = <(Way, ByColour)>::index((*way, *colour)).unwrap();
            assert_eq!(index, w * 3 + c);
            assert_eq!(<(Way, ByColour)>::words(index), [way.as_str(), ByColour::as_str(*colour)]);
            seen.push(index);
        }
    }
    assert_eq!(seen.len(), <(Way, ByColour)>::LEN);
    assert_eq!(<(Way, ByColour)>::names(), ["way", "colour"]);
}

#[test]
fn labels_that_contradict_themselves_are_refused() {
    let registry = Registry::new();
    let make = Families::of(&registry);
    assert!(make.counters::<Misplaced>("a_total", "A.").is_err());
    assert!(make.counters::<Twins>("a_total", "A.").is_err());
    assert!(make.gauges::<(Way, Twins)>("a", "A.").is_err());
    assert!(make.counters::<(Way, Way)>("a_total", "A.").is_err(), "one label twice");
    assert!(registry.gather().is_empty());
}

#[test]
fn a_value_that_is_not_listed_is_counted_in_no_series_of_another() {
    let registry = Registry::new();
    let pairs: Counters<(Way, Short)> = Families::of(&registry).counters("a_total", "A.").unwrap();
    pairs.inc((Way::In, true));
    assert_eq!(pairs.get((Way::In, true)), 0);
    assert_eq!(pairs.get((Way::In, false)) + pairs.get((Way::Out, false)), 0);
}

#[test]
fn names_are_valid_and_unique_and_buckets_ascend() {
    let registry = Registry::new();
    let make = Families::of(&registry);
    assert!(make.counter("a-total", "A.").is_err());
    assert!(make.counter("a_total", "").is_err());
    make.counter("a_total", "A.").unwrap();
    assert!(make.counter("a_total", "A.").is_err(), "twice is an error, not a panic");
    assert!(make.gauge("a_total", "Another.").is_err());
    let second = Duration::from_secs(1);
    assert!(make.histogram("b_seconds", "B.", &[]).is_err());
    assert!(make.histogram("b_seconds", "B.", &[second, second]).is_err());
    assert!(make.histogram("b_seconds", "B.", &[second]).is_ok());
}
