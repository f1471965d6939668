//! What a registry holds, for documents.

use prometheus::Registry;
use prometheus::proto::{Bucket, LabelPair, Metric, MetricFamily, MetricType};
use std::cell::Cell;

/// What a family counts and by what.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The name of the family.
    pub name: String,
    /// Of what kind it is.
    pub kind: Kind,
    /// What it tells.
    pub help: String,
    /// Its labels, by name.
    pub labels: Vec<LabelDescription>,
    /// The upper bounds of a histogram's buckets, without the last one, which has none.
    pub bounds: Vec<f64>,
    /// How many lines a scrape has of it once all of it was counted.
    pub lines: usize,
    /// Whether there are series that a scrape would not show at this moment.
    pub is_sparse: bool,
}

/// A label of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelDescription {
    /// The name of the label.
    pub name: String,
    /// All values that it has, in alphabetical order.
    pub values: Vec<String>,
}

/// Of what kind a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
    /// What this crate does not make.
    Other,
}

thread_local! {
    /// Whether this thread gathers to describe, so that families show series never counted as well.
    static DESCRIBING: Cell<bool> = const { Cell::new(false) };
}

/// Ends the describing even by a panic.
struct Describing;

/// Describes all families of `registry`, in the order of their names. Those of the crate prometheus
/// itself are described by the series that they have at this moment, and not at all without one.
pub fn describe(registry: &Registry) -> Vec<Description> {
    let shown = registry.gather();
    let families = {
        let _describing = Describing::begin();
        registry.gather()
    };
    let describe = |family: &MetricFamily| {
        let now = shown.iter().find(|shown| shown.name() == family.name());
        Description::of(family, now.map_or(0, |now| now.get_metric().len()))
    };
    families.iter().map(describe).collect()
}

/// Whether series are to be shown that were never counted.
pub(crate) fn is_describing() -> bool {
    DESCRIBING.get()
}

// === impl Describing ===

impl Describing {
    fn begin() -> Self {
        DESCRIBING.set(true);
        Self
    }
}

impl Drop for Describing {
    fn drop(&mut self) {
        DESCRIBING.set(false);
    }
}

// === impl Description ===

impl Description {
    fn of(family: &MetricFamily, shown: usize) -> Self {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => Kind::Counter,
            MetricType::GAUGE => Kind::Gauge,
            MetricType::HISTOGRAM => Kind::Histogram,
            _ => Kind::Other,
        };
        let series = family.get_metric();
        let bounds = match series.first() {
            Some(first) if kind == Kind::Histogram => {
                first.get_histogram().get_bucket().iter().map(Bucket::upper_bound).collect()
            }
            _ => Vec::new(),
        };
        // Those of a histogram are its buckets with the last one, its sum and its count.
        let each = if kind == Kind::Histogram { bounds.len() + 3 } else { 1 };
        let mut labels: Vec<LabelDescription> = Vec::new();
        for pair in series.iter().flat_map(Metric::get_label) {
            add(&mut labels, pair);
        }
        for label in &mut labels {
            label.values.sort_unstable();
        }
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            name: family.name().to_owned(),
            kind,
            help: family.help().to_owned(),
            labels,
            bounds,
            lines: series.len() * each,
            is_sparse: shown < series.len(),
        }
    }
}

fn add(labels: &mut Vec<LabelDescription>, pair: &LabelPair) {
    let at = labels.iter().position(|label| label.name == pair.name()).unwrap_or_else(|| {
        labels.push(LabelDescription { name: pair.name().to_owned(), values: Vec::new() });
        labels.len() - 1
    });
    let values = &mut labels[at].values;
    if !values.iter().any(|value| value == pair.value()) {
        values.push(pair.value().to_owned());
    }
}

// === impl Kind ===

impl Kind {
    /// The word of the text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Other => "other",
        }
    }
}
