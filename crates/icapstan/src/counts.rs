//! What the metrics say, for those who tell it in other words.

use prometheus::Registry;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use std::collections::HashMap;

/// All metrics as they were at one time.
#[derive(Debug)]
pub(crate) struct Counts(HashMap<String, MetricFamily>);

// === impl Counts ===

impl Counts {
    /// Those of now.
    pub(crate) fn of(registry: &Registry) -> Self {
        Self(registry.gather().into_iter().map(|family| (family.name().to_owned(), family)).collect())
    }

    /// The sum of all series of a counter or gauge that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let values = self.series(name, labels).map(|value| {
            // They are whole and far below 2^53, or else times, whose fractions count for nothing.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
            {
                value as u64
            }
        });
        values.fold(0, u64::saturating_add)
    }

    /// Whether this process counts that at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn series(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = f64> {
        let family = self.0.get(name);
        debug_assert!(family.is_some() || name.contains("requests_total"), "there is no {name}");
        let kind = family.map(MetricFamily::get_field_type);
        let all = family.map(MetricFamily::get_metric).unwrap_or_default();
        all.iter().filter(move |metric| has(metric, labels)).map(move |metric| match kind {
            Some(MetricType::COUNTER) => metric.get_counter().get_value(),
            _ => metric.get_gauge().get_value(),
        })
    }
}

fn has(metric: &Metric, labels: &[(&str, &str)]) -> bool {
    labels.iter().all(|(name, value)| {
        metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
    })
}
