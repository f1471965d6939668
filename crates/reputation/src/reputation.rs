//! Cache, deadline, breaker: everything between who wants to know and who is asked.

use crate::breaker::{Admission, Breaker};
use crate::cache::Cache;
use crate::flights::{self, Boarding, Flight, Flights};
use crate::metrics::Source;
use crate::question::Key;
use crate::voice::Voice;
use crate::{AskError, HttpOracle, Oracle, Question, ReputationMetrics, SetupError};
use icapstan_api::ReputationSettings;
use icapstan_urls::CanonicalUrl;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// A lookup goes on for so long after everybody has stopped waiting, or else a service at a distance
/// could never be connected to within a short deadline.
const GRACE: Duration = Duration::from_secs(2);

/// How much is taken on at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Lookups that the service has at once.
    pub concurrency: usize,
    /// Lookups under way or waiting for that.
    pub waiting: usize,
}

/// Asks an [`Oracle`] about URLs.
pub struct Reputation {
    oracle: Box<dyn Oracle>,
    settings: ReputationSettings,
    cache: Cache,
    flights: Arc<Flights>,
    asking: Semaphore,
    breaker: Breaker,
    voice: Voice,
    metrics: ReputationMetrics,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 128, waiting: 1024 }
    }
}

// === impl Reputation ===

impl Reputation {
    /// Asks the service that `settings` name. `None`: they name none.
    pub fn over_http(
        settings: &ReputationSettings,
        metrics: ReputationMetrics,
    ) -> Result<Option<Arc<Self>>, SetupError> {
        let Some(endpoint) = settings.endpoint() else { return Ok(None) };
        let oracle = HttpOracle::new(&endpoint, settings.ca_file.as_deref())?;
        Ok(Some(Self::new(oracle, settings, Limits::default(), metrics)))
    }

    /// Asks `oracle`.
    pub fn new(
        oracle: impl Oracle,
        settings: &ReputationSettings,
        limits: Limits,
        metrics: ReputationMetrics,
    ) -> Arc<Self> {
        let most = usize::try_from(settings.cache_entries).unwrap_or(usize::MAX);
        Arc::new(Self {
            oracle: Box::new(oracle),
            settings: settings.clone(),
            cache: Cache::new(most, settings.cache_ttl),
            flights: Flights::new(limits.waiting),
            asking: Semaphore::new(limits.concurrency),
            breaker: Breaker::new(metrics.breaker.clone()),
            voice: Voice::default(),
            metrics,
        })
    }

    /// Whether a message without an answer is one whose scan has failed.
    pub fn is_required(&self) -> bool {
        self.settings.required
    }

    /// What tells these settings from others that may lead to other verdicts.
    pub fn identity(&self) -> [u8; 32] {
        let ReputationSettings { url, required, send_path, .. } = &self.settings;
        let url = url.as_deref().unwrap_or_default();
        *blake3::hash(format!("icapstan reputation v1 {required} {send_path} {url}").as_bytes()).as_bytes()
    }

    /// What is known of `url`. Waits no longer than the deadline of the settings.
    pub async fn ask(self: &Arc<Self>, url: &CanonicalUrl) -> flights::Result {
        let question = Question::of(url, self.settings.send_path);
        let (source, result) = self.find(question).await;
        if let Err(error @ AskError::Busy) = &result {
            self.voice.failed(error);
        }
        self.metrics.sources.inc(source);
        self.metrics.lookups.inc(match &result {
            Ok(answer) => answer.outcome(),
            Err(error) => error.outcome(),
        });
        result
    }

    async fn find(self: &Arc<Self>, question: Question) -> (Source, flights::Result) {
        let key = question.key();
        if let Some(answer) = self.cache.get(&key) {
            return (Source::Cache, Ok(answer));
        }
        let (source, mut waiting) = match self.flights.board(key) {
            Boarding::Joined(waiting) => (Source::Joined, waiting),
            Boarding::Full => return (Source::None, Err(AskError::Busy)),
            Boarding::First(flight, waiting) => {
                let Some(admission) = self.breaker.admit() else {
                    // Whoever joined meanwhile learns it too.
                    flight.land(Err(AskError::Open));
                    return (Source::None, Err(AskError::Open));
                };
                tokio::spawn(Arc::clone(self).fly(flight, admission, key, question));
                (Source::Service, waiting)
            }
        };
        let landed = timeout(self.settings.timeout, waiting.wait_for(Option::is_some)).await;
        let result = match landed {
            Ok(Ok(landed)) => landed.clone().unwrap_or(Err(AskError::Timeout)),
            Ok(Err(_)) => Err(AskError::Unreachable("the lookup broke off".into())),
            Err(_) => Err(AskError::Timeout),
        };
        (source, result)
    }

    /// One lookup from its beginning to its end, whether or not anybody still waits for it.
    async fn fly(self: Arc<Self>, flight: Flight, admission: Admission, key: Key, question: Question) {
        let Ok(Ok(_turn)) = timeout(self.settings.timeout, self.asking.acquire()).await else {
            return flight.land(Err(AskError::Busy));
        };
        let started = Instant::now();
        let mut asking = self.oracle.ask(&question);
        let asked = if let Ok(asked) = timeout(self.settings.timeout, &mut asking).await {
            self.settle(admission, asked.as_ref().err());
            asked
        } else {
            self.settle(admission, Some(&AskError::Timeout));
            timeout(GRACE, asking).await.unwrap_or(Err(AskError::Timeout))
        };
        self.metrics.seconds.observe(started.elapsed());
        let result = asked.map(Arc::new);
        if let Ok(answer) = &result {
            self.cache.insert(key, answer);
            self.metrics.remembered.set(i64::try_from(self.cache.len()).unwrap_or(i64::MAX));
        }
        flight.land(result);
    }

    /// Takes note of how the service has served.
    fn settle(&self, admission: Admission, failure: Option<&AskError>) {
        if let Some(error) = failure {
            self.voice.failed(error);
            admission.failed();
        } else {
            self.voice.succeeded();
            admission.succeeded();
        }
    }
}

impl fmt::Debug for Reputation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reputation").field("settings", &self.settings).finish_non_exhaustive()
    }
}
