//! Artifacts from wherever they are.

mod attempt;
mod base;
mod error;
mod range;

pub use error::{AttemptError, FetchError};
pub use range::content_range;

use crate::{Pace, Store};
use arc_swap::ArcSwapOption;
use base::Base;
use icapstan_api::fleet::{Artifact, ContentDigest};
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tracing::debug;

/// How artifacts are fetched.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// What handshakes with `https` begin with; without it there is no `https`.
    pub tls: Option<Arc<ClientConfig>>,
    /// How many are fetched at once.
    pub concurrency: usize,
    /// How often one place is asked for one artifact, each time after it gave some of it.
    pub attempts: u32,
    /// How slow it may be.
    pub pace: Pace,
}

/// Fetches artifacts into a store. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Fetcher(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    tls: ArcSwapOption<ClientConfig>,
    attempts: u32,
    pace: Pace,
    places: Semaphore,
    /// What is under way.
    flights: Mutex<HashMap<ContentDigest, Arc<Flight>>>,
}

/// How one fetch ended, for all who wait for it.
type Flight = watch::Sender<Option<Result<PathBuf, FetchError>>>;

// === impl FetchOptions ===

impl Default for FetchOptions {
    fn default() -> Self {
        Self { tls: None, concurrency: 4, attempts: 8, pace: Pace::default() }
    }
}

// === impl Fetcher ===

impl Fetcher {
    /// Fetches into `store`.
    pub fn new(store: Store, options: FetchOptions) -> Self {
        Self(Arc::new(Inner {
            store,
            tls: ArcSwapOption::new(options.tls),
            attempts: options.attempts.max(1),
            pace: options.pace,
            places: Semaphore::new(options.concurrency.max(1)),
            flights: Mutex::default(),
        }))
    }

    /// Where it fetches to.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Handshakes begin with this from now on.
    pub fn set_tls(&self, tls: Option<Arc<ClientConfig>>) {
        self.0.tls.store(tls);
    }

    /// Where the bytes are, once they are there: at once if the store has them, else from the first of `bases` that
    /// gives them. What a base is: a URL to which `/sha256/` and the digits of the digest are added.
    ///
    /// Dropping it gives up, unless others wait for the same; what has come until then is kept for the next time.
    pub async fn fetch(&self, artifact: &Artifact, bases: &[String]) -> Result<PathBuf, FetchError> {
        if let Some(path) = self.0.store.path(&artifact.digest) {
            return Ok(path);
        }
        let mut flight = self.board(artifact, bases);
        let ended = flight.wait_for(Option::is_some).await;
        // The program ends, or it came to grief.
        ended.map_or(Err(FetchError::Stopped), |ended| ended.clone().unwrap_or(Err(FetchError::Stopped)))
    }

    /// The flight that brings this artifact, which begins if there is none.
    fn board(
        &self,
        artifact: &Artifact,
        bases: &[String],
    ) -> watch::Receiver<Option<Result<PathBuf, FetchError>>> {
        let mut flights = self.0.flights.lock();
        if let Some(flight) = flights.get(&artifact.digest) {
            return flight.subscribe();
        }
        let (flight, passenger) = watch::channel(None);
        let flight = Arc::new(flight);
        flights.insert(artifact.digest, Arc::clone(&flight));
        drop(flights);
        let (inner, artifact, bases) = (Arc::clone(&self.0), *artifact, bases.to_vec());
        tokio::spawn(fly(inner, artifact, bases, flight));
        passenger
    }
}

/// Fetches for as long as somebody waits.
async fn fly(inner: Arc<Inner>, artifact: Artifact, bases: Vec<String>, flight: Arc<Flight>) {
    let _landing = Landing { inner: &inner, digest: artifact.digest };
    let mut fetching = std::pin::pin!(inner.fetch(&artifact, &bases));
    loop {
        tokio::select! {
            result = &mut fetching => {
                // First, so that who comes now begins anew, or finds it in the store.
                inner.flights.lock().remove(&artifact.digest);
                flight.send_replace(Some(result));
                return;
            }
            () = flight.closed() => {
                let mut flights = inner.flights.lock();
                // Nobody can come between, who would be told nothing.
                if flight.receiver_count() == 0 {
                    flights.remove(&artifact.digest);
                    return;
                }
            }
        }
    }
}

/// Also a flight that panics does not stay.
struct Landing<'f> {
    inner: &'f Inner,
    digest: ContentDigest,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.inner.flights.lock().remove(&self.digest);
        }
    }
}

// === impl Inner ===

impl Inner {
    async fn fetch(&self, artifact: &Artifact, bases: &[String]) -> Result<PathBuf, FetchError> {
        let _place = self.places.acquire().await.map_err(|_| FetchError::Stopped)?;
        let mut last = FetchError::Nowhere;
        for url in bases {
            let error = match Base::parse(url) {
                Ok(base) => match self.fetch_from(artifact, &base).await {
                    Ok(path) => return Ok(path),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            debug!(digest = %artifact.digest, base = url, error = %error, "an artifact was not to be had there");
            let is_final = error.is_local();
            last = FetchError::Failed { base: url.as_str().into(), source: Arc::new(error) };
            if is_final {
                break;
            }
        }
        Err(last)
    }

    /// Asks one base, again while it gives something.
    async fn fetch_from(&self, artifact: &Artifact, base: &Base) -> Result<PathBuf, AttemptError> {
        let mut left = self.attempts;
        loop {
            let before = self.store.partial_len(&artifact.digest);
            let error = match self.attempt(artifact, base).await {
                Ok(()) => return self.store.path(&artifact.digest).ok_or(AttemptError::Vanished),
                Err(error) => error,
            };
            left -= 1;
            let is_worth_it = match &error {
                // It may have been what came before that was wrong.
                AttemptError::WrongBytes(_) | AttemptError::Status(416) => before > 0,
                _ => !error.is_local() && self.store.partial_len(&artifact.digest) > before,
            };
            if left == 0 || !is_worth_it {
                return Err(error);
            }
        }
    }
}
