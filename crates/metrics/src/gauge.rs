//! Gauges by labels.

use crate::cells::Cells;
use crate::families::{Heading, series};
use crate::label::Labels;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Gauge as Value, MetricFamily, MetricType};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Whole numbers that go up and down, by labels. Clones share the numbers, and so do all threads.
pub struct Gauges<K: Labels> {
    family: Arc<Family>,
    labels: PhantomData<fn() -> K>,
}

/// One number for each series.
#[derive(Debug)]
struct Family {
    heading: Heading,
    cells: Cells,
}

/// What the registry asks.
struct Collected<K: Labels>(Gauges<K>);

// === impl Gauges ===

impl<K: Labels> Gauges<K> {
    pub(crate) fn new(heading: Heading) -> Self {
        let cells = Cells::new(K::LEN);
        Self { family: Arc::new(Family { heading, cells }), labels: PhantomData }
    }

    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(Collected(self.clone()))
    }

    /// Adds to the series of `values`; what is negative is taken away.
    pub fn add(&self, values: K::Values, number: i64) {
        if let Some(index) = K::index(values) {
            // Wraps around, and so does the sum: what one thread added another may take away.
            self.family.cells.mine().add(index, number.cast_unsigned());
        }
    }

    /// Adds one.
    pub fn inc(&self, values: K::Values) {
        self.add(values, 1);
    }

    /// Takes one away.
    pub fn dec(&self, values: K::Values) {
        self.add(values, -1);
    }

    /// The present number of the series of `values`. Sums over all shards: not for the hot path.
    pub fn get(&self, values: K::Values) -> i64 {
        K::index(values).map_or(0, |index| self.family.cells.sum(index).cast_signed())
    }
}

impl<K: Labels> Clone for Gauges<K> {
    fn clone(&self) -> Self {
        Self { family: Arc::clone(&self.family), labels: PhantomData }
    }
}

impl<K: Labels> fmt::Debug for Gauges<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gauges").field(&self.family.heading.name()).finish()
    }
}

// === impl Collected ===

impl<K: Labels> Collector for Collected<K> {
    fn desc(&self) -> Vec<&Desc> {
        vec![self.0.family.heading.desc()]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let family = &self.0.family;
        let all = (0..K::LEN).map(|index| {
            let mut value = Value::default();
            #[expect(clippy::cast_precision_loss, reason = "the text format has floating-point numbers")]
            value.set_value(family.cells.sum(index).cast_signed() as f64);
            let mut series = series::<K>(index);
            series.set_gauge(value);
            series
        });
        vec![family.heading.family(MetricType::GAUGE, all.collect())]
    }
}
