//! What the tests begin with.

use icapstan_api::ReputationSettings;
use icapstan_reputation::{Answer, AskError, Reputation, ReputationMetrics};
use icapstan_testkit::ReputationServer;
use icapstan_urls::CanonicalUrl;
use prometheus::Registry;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any answer takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(5);

/// Who asks, and what is counted.
pub(crate) struct Asker {
    pub(crate) reputation: Arc<Reputation>,
    registry: Registry,
}

pub(crate) fn settings(server: &ReputationServer) -> ReputationSettings {
    ReputationSettings { url: Some(server.url()), timeout: LONG, ..ReputationSettings::default() }
}

pub(crate) fn url(host: &str) -> CanonicalUrl {
    CanonicalUrl::parse(format!("http://{host}/dir/x?q=1").as_bytes()).unwrap()
}

impl Asker {
    pub(crate) fn new(settings: &ReputationSettings) -> Self {
        let registry = Registry::new();
        let metrics = ReputationMetrics::register(&registry).unwrap();
        let reputation = Reputation::over_http(settings, metrics).unwrap().expect("there is a URL");
        Self { reputation, registry }
    }

    pub(crate) async fn ask(&self, host: &str) -> Result<Arc<Answer>, AskError> {
        self.reputation.ask(&url(host)).await
    }

    /// The value of a series, by the only label that it has.
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).expect("it is there");
        let mut series = family.get_metric().iter();
        let series = series.find(|series| series.get_label().iter().any(|it| it.value() == label));
        let series = series.expect("it is there");
        series.get_counter().get_value() + series.get_gauge().get_value()
    }
}
