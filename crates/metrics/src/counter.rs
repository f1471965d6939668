//! Counters.

use crate::cells::Cells;
use crate::families::{Heading, Shown, series};
use crate::label::Labels;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter as Value, MetricFamily, MetricType};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// Counts one thing. Clones count into the same number.
#[derive(Clone, Debug)]
pub struct Counter(Counters<()>);

/// Counts by labels, none, one or two. Clones count into the same numbers.
pub struct Counters<K: Labels> {
    family: Arc<Family>,
    labels: PhantomData<fn() -> K>,
}

/// One number for each series.
#[derive(Debug)]
struct Family {
    heading: Heading,
    shown: Shown,
    cells: Cells,
}

/// What the registry asks.
struct Collected<K: Labels>(Counters<K>);

// === impl Counter ===

impl Counter {
    pub(crate) fn new(counters: Counters<()>) -> Self {
        Self(counters)
    }

    /// Adds one.
    pub fn inc(&self) {
        self.0.inc(());
    }

    /// Adds `amount`.
    pub fn inc_by(&self, amount: u64) {
        self.0.inc_by((), amount);
    }

    /// The count. Sums over all shards: not for the hot path.
    pub fn get(&self) -> u64 {
        self.0.get(())
    }
}

// === impl Counters ===

impl<K: Labels> Counters<K> {
    pub(crate) fn new(heading: Heading, shown: Shown) -> Self {
        let family = Family { heading, shown, cells: Cells::new(K::LEN) };
        Self { family: Arc::new(family), labels: PhantomData }
    }

    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(Collected(self.clone()))
    }

    /// Adds one to the series of `values`.
    pub fn inc(&self, values: K::Values) {
        self.inc_by(values, 1);
    }

    /// Adds `amount` to the series of `values`.
    pub fn inc_by(&self, values: K::Values, amount: u64) {
        if let Some(index) = K::index(values) {
            self.family.cells.mine().add(index, amount);
        }
    }

    /// The count of the series of `values`. Sums over all shards: not for the hot path.
    pub fn get(&self, values: K::Values) -> u64 {
        K::index(values).map_or(0, |index| self.family.cells.sum(index))
    }
}

impl<K: Labels> Clone for Counters<K> {
    fn clone(&self) -> Self {
        Self { family: Arc::clone(&self.family), labels: PhantomData }
    }
}

impl<K: Labels> fmt::Debug for Counters<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counters").field(&self.family.heading.name()).finish()
    }
}

// === impl Collected ===

impl<K: Labels> Collector for Collected<K> {
    fn desc(&self) -> Vec<&Desc> {
        vec![self.0.family.heading.desc()]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let family = &self.0.family;
        let shown = (0..K::LEN).filter_map(|index| {
            let count = family.cells.sum(index);
            family.shown.is_shown(count).then(|| {
                let mut value = Value::default();
                #[expect(clippy::cast_precision_loss, reason = "the text format has floating-point numbers")]
                value.set_value(count as f64);
                let mut series = series::<K>(index);
                series.set_counter(value);
                series
            })
        });
        vec![family.heading.family(MetricType::COUNTER, shown.collect())]
    }
}
