//! Counters by names that settings give.

use crate::describe::is_describing;
use crate::families::Heading;
use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter as Value, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Counts by a label whose values an operator chooses: never what a peer sends. There are so many of
/// them at most; those that are named later are counted together as `other`.
#[derive(Clone)]
pub struct NamedCounters {
    family: Arc<Family>,
}

struct Family {
    heading: Heading,
    label: &'static str,
    most: usize,
    counts: Mutex<BTreeMap<Box<str>, u64>>,
}

/// What stands for names in documents.
const ANY_NAME: &str = "NAME";
/// What is counted beyond the most names.
const OTHER: &str = "other";

// === impl NamedCounters ===

impl NamedCounters {
    pub(crate) fn new(heading: Heading, label: &'static str, most: usize) -> Self {
        let counts = BTreeMap::from([(OTHER.into(), 0)]);
        Self { family: Arc::new(Family { heading, label, most, counts: Mutex::new(counts) }) }
    }

    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.clone())
    }

    /// Adds one to the series of that name. Takes a lock: not for what happens all the time.
    pub fn inc(&self, name: &str) {
        let mut counts = self.family.counts.lock();
        if let Some(count) = counts.get_mut(name) {
            *count += 1;
        } else {
            let name = if counts.len() <= self.family.most { name } else { OTHER };
            *counts.entry(name.into()).or_default() += 1;
        }
    }

    fn series(&self, name: &str, count: u64) -> Metric {
        let mut pair = LabelPair::default();
        pair.set_name(self.family.label.to_owned());
        pair.set_value(name.to_owned());
        let mut value = Value::default();
        #[expect(clippy::cast_precision_loss, reason = "the text format has floating-point numbers")]
        value.set_value(count as f64);
        let mut series = Metric::from_label(vec![pair]);
        series.set_counter(value);
        series
    }
}

impl fmt::Debug for NamedCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedCounters").field(&self.family.heading.name()).finish()
    }
}

impl Collector for NamedCounters {
    fn desc(&self) -> Vec<&Desc> {
        vec![self.family.heading.desc()]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let counts = self.family.counts.lock();
        let mut shown: Vec<_> = counts.iter().map(|(name, count)| self.series(name, *count)).collect();
        if is_describing() {
            shown.extend((counts.len()..=self.family.most).map(|_| self.series(ANY_NAME, 0)));
        }
        vec![self.family.heading.family(MetricType::COUNTER, shown)]
    }
}

#[cfg(test)]
mod tests {
    use crate::{Families, describe};
    use prometheus::{Registry, TextEncoder};

    #[test]
    fn names_have_a_series_each_and_what_is_too_many_is_counted_together() {
        let registry = Registry::new();
        let made = Families::of(&registry).named_counters("icapstan_x_total", "X.", "name", 2).unwrap();
        assert_eq!(describe(&registry)[0].labels[0].values, ["NAME", "other"]);
        let text = || TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text().contains("icapstan_x_total{name=\"other\"} 0\n"));
        for name in ["a", "b", "a", "c", "d"] {
            made.inc(name);
        }
        for (name, count) in [("a", 2), ("b", 1), ("other", 2)] {
            assert!(text().contains(&format!("icapstan_x_total{{name=\"{name}\"}} {count}\n")), "{}", text());
        }
        assert!(!text().contains("\"c\"") && !text().contains("NAME"));
    }
}
