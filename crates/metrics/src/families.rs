//! Makes families and registers them.

use crate::counter::{Counter, Counters};
use crate::describe::is_describing;
use crate::gauge::Gauges;
use crate::histogram::{Histogram, Histograms};
use crate::label::Labels;
use crate::named::NamedCounters;
use prometheus::core::Desc;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Error, Gauge, IntGauge, Opts, Registry};
use std::collections::HashMap;
use std::time::Duration;

/// Makes families and adds them to a registry. A name that is taken is an error.
#[derive(Clone, Copy, Debug)]
pub struct Families<'a> {
    registry: &'a Registry,
}

/// The name of a family and what is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Heading(Desc);

/// Which series a family shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// All that there can be.
    All,
    /// Those that were counted.
    Counted,
}

// === impl Families ===

impl<'a> Families<'a> {
    /// Those of `registry`.
    pub const fn of(registry: &'a Registry) -> Self {
        Self { registry }
    }

    /// A counter. Its name ends with `_total`.
    pub fn counter(self, name: &str, help: &str) -> Result<Counter, Error> {
        self.counters(name, help).map(Counter::new)
    }

    /// Counters by labels. All series are shown from the start.
    pub fn counters<K: Labels>(self, name: &str, help: &str) -> Result<Counters<K>, Error> {
        self.add_counters(name, help, Shown::All)
    }

    /// Counters by labels, of whose combinations most never occur. A series is shown once it was
    /// counted; `rate()` does not see its first count.
    pub fn sparse_counters<K: Labels>(self, name: &str, help: &str) -> Result<Counters<K>, Error> {
        self.add_counters(name, help, Shown::Counted)
    }

    fn add_counters<K: Labels>(self, name: &str, help: &str, shown: Shown) -> Result<Counters<K>, Error> {
        let counters = Counters::new(Heading::new::<K>(name, help)?, shown);
        self.registry.register(counters.collector())?;
        Ok(counters)
    }

    /// Counters by a label whose values settings give, at most so many.
    pub fn named_counters(
        self,
        name: &str,
        help: &str,
        label: &'static str,
        most: usize,
    ) -> Result<NamedCounters, Error> {
        let labels = vec![label.to_owned()];
        let heading = Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new()).map(Heading)?;
        let counters = NamedCounters::new(heading, label, most);
        self.registry.register(counters.collector())?;
        Ok(counters)
    }

    /// A gauge of whole numbers.
    pub fn gauge(self, name: &str, help: &str) -> Result<IntGauge, Error> {
        let gauge = IntGauge::new(name, help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    /// A gauge of any numbers, for instance of seconds.
    pub fn float_gauge(self, name: &str, help: &str) -> Result<Gauge, Error> {
        let gauge = Gauge::new(name, help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    /// Gauges by labels. All series are shown from the start.
    pub fn gauges<K: Labels>(self, name: &str, help: &str) -> Result<Gauges<K>, Error> {
        let gauges = Gauges::new(Heading::new::<K>(name, help)?);
        self.registry.register(gauges.collector())?;
        Ok(gauges)
    }

    /// A histogram of times, whose name ends with `_seconds`. `bounds` are the upper bounds of its
    /// buckets, ascending.
    pub fn histogram(self, name: &str, help: &str, bounds: &[Duration]) -> Result<Histogram, Error> {
        self.histograms(name, help, bounds).map(Histogram::new)
    }

    /// Histograms by labels. All series are shown from the start.
    pub fn histograms<K: Labels>(
        self,
        name: &str,
        help: &str,
        bounds: &[Duration],
    ) -> Result<Histograms<K>, Error> {
        let histograms = Histograms::new(Heading::new::<K>(name, help)?, bounds)?;
        self.registry.register(histograms.collector())?;
        Ok(histograms)
    }

    /// A gauge that is always 1 and tells by its labels what is told once, such as a version. Its name
    /// ends with `_info`.
    pub fn info(self, name: &str, help: &str, labels: &[(&str, &str)]) -> Result<(), Error> {
        let options = labels
            .iter()
            .fold(Opts::new(name, help), |options, (name, value)| options.const_label(*name, *value));
        let gauge = IntGauge::with_opts(options)?;
        gauge.set(1);
        self.registry.register(Box::new(gauge))
    }
}

// === impl Heading ===

impl Heading {
    fn new<K: Labels>(name: &str, help: &str) -> Result<Self, Error> {
        K::check()?;
        let labels = K::names().into_iter().map(str::to_owned).collect();
        Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new()).map(Self)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.fq_name
    }

    pub(crate) fn desc(&self) -> &Desc {
        &self.0
    }

    pub(crate) fn family(&self, kind: MetricType, series: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.0.fq_name.clone());
        family.set_help(self.0.help.clone());
        family.set_field_type(kind);
        family.set_metric(series);
        family
    }
}

// === impl Shown ===

impl Shown {
    pub(crate) fn is_shown(self, count: u64) -> bool {
        self == Self::All || count > 0 || is_describing()
    }
}

/// A series without its value.
pub(crate) fn series<K: Labels>(index: usize) -> Metric {
    let pairs = K::names().into_iter().zip(K::words(index));
    let mut pairs: Vec<LabelPair> = pairs
        .map(|(name, word)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(word.to_owned());
            pair
        })
        .collect();
    // As the crate prometheus does it.
    pairs.sort_by(|a, b| a.name().cmp(b.name()));
    Metric::from_label(pairs)
}
