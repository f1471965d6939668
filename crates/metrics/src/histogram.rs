//! Histograms of times.

use crate::cells::Cells;
use crate::families::{Heading, series};
use crate::label::Labels;
use prometheus::Error;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram as Value, MetricFamily, MetricType};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// How long one thing takes. Clones observe into the same numbers.
#[derive(Clone, Debug)]
pub struct Histogram(Histograms<()>);

/// How long things take, by labels. Clones observe into the same numbers.
pub struct Histograms<K: Labels> {
    family: Arc<Family>,
    labels: PhantomData<fn() -> K>,
}

/// For each series: a number for each bucket, one for what is longer than all of them, and the sum in
/// nanoseconds, which is enough for 584 years in each shard.
#[derive(Debug)]
struct Family {
    heading: Heading,
    /// The buckets' upper bounds in nanoseconds, ascending.
    bounds: Box<[u64]>,
    cells: Cells,
}

/// What the registry asks.
struct Collected<K: Labels>(Histograms<K>);

// === impl Histogram ===

impl Histogram {
    pub(crate) fn new(histograms: Histograms<()>) -> Self {
        Self(histograms)
    }

    /// Counts `time`.
    pub fn observe(&self, time: Duration) {
        self.0.observe((), time);
    }

    /// How many times were counted. Not for the hot path.
    pub fn count(&self) -> u64 {
        self.0.count(())
    }
}

// === impl Histograms ===

impl<K: Labels> Histograms<K> {
    pub(crate) fn new(heading: Heading, bounds: &[Duration]) -> Result<Self, Error> {
        let nanos: Box<[u64]> = bounds.iter().map(|bound| nanos(*bound)).collect();
        if nanos.is_empty() || !nanos.is_sorted_by(|a, b| a < b) {
            return Err(Error::Msg(format!("the buckets of {:?} do not ascend", heading.name())));
        }
        let cells = Cells::new(K::LEN * (nanos.len() + 2));
        let family = Family { heading, bounds: nanos, cells };
        Ok(Self { family: Arc::new(family), labels: PhantomData })
    }

    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(Collected(self.clone()))
    }

    /// Counts `time` in the series of `values`.
    pub fn observe(&self, values: K::Values, time: Duration) {
        if let Some(index) = K::index(values) {
            self.family.observe(index, nanos(time));
        }
    }

    /// How many times were counted in the series of `values`. Not for the hot path.
    pub fn count(&self, values: K::Values) -> u64 {
        let family = &self.family;
        K::index(values).map_or(0, |index| {
            let first = family.first(index);
            (first..=first + family.bounds.len()).map(|cell| family.cells.sum(cell)).sum()
        })
    }
}

impl<K: Labels> Clone for Histograms<K> {
    fn clone(&self) -> Self {
        Self { family: Arc::clone(&self.family), labels: PhantomData }
    }
}

impl<K: Labels> fmt::Debug for Histograms<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Histograms").field(&self.family.heading.name()).finish()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

// === impl Family ===

impl Family {
    /// The first cell of a series.
    fn first(&self, index: usize) -> usize {
        index * (self.bounds.len() + 2)
    }

    fn observe(&self, index: usize, nanos: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        let first = self.first(index);
        let shard = self.cells.mine();
        shard.add(first + bucket, 1);
        shard.add(first + self.bounds.len() + 1, nanos);
    }

    /// The count is that of the buckets, so that they always agree; the sum may lag behind by what is
    /// being observed at this moment.
    fn value(&self, index: usize) -> Value {
        let first = self.first(index);
        let mut count = 0;
        let mut buckets = Vec::with_capacity(self.bounds.len());
        for (place, bound) in self.bounds.iter().enumerate() {
            count += self.cells.sum(first + place);
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(Duration::from_nanos(*bound).as_secs_f64());
            bucket.set_cumulative_count(count);
            buckets.push(bucket);
        }
        count += self.cells.sum(first + self.bounds.len());
        let mut value = Value::default();
        value.set_bucket(buckets);
        value.set_sample_count(count);
        value.set_sample_sum(
            Duration::from_nanos(self.cells.sum(first + self.bounds.len() + 1)).as_secs_f64(),
        );
        value
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
            let mut series = series::<K>(index);
            series.set_histogram(family.value(index));
            series
        });
        vec![family.heading.family(MetricType::HISTOGRAM, all.collect())]
    }
}
