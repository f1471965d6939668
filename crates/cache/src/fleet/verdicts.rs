//! Verdicts that the processes of a fleet share.

use super::breaker::Breaker;
use super::keeper::{Ask, Keeper, Put};
use super::metrics::{Fate, FleetMetrics, Lookup};
use super::record::{VerdictRecord, decode_verdict, encode_verdict};
use crate::redis::Servers;
use crate::share::{Errand, Topic};
use crate::{CacheMetrics, SealKey, Secret, ShareError, Standing};
use icapstan_api::{RedisSettings, VerdictCache};
use icapstan_model::{Origin, ScanReport};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// Lookups that wait to be sent. With those under way, as many as there are at once.
const MAX_ASKS: usize = 512;
/// Records that wait to be written; each of a clean object takes about 200 bytes.
const MAX_PUTS: usize = 4096;

/// Looks verdicts up that others found, and tells them what was found here.
pub struct FleetVerdicts {
    keys: [u8; 32],
    seal: SealKey,
    ttl: Duration,
    /// How long an object waits.
    patience: Duration,
    breaker: Arc<Breaker>,
    asks: mpsc::Sender<Ask>,
    puts: mpsc::Sender<Put>,
    metrics: FleetMetrics,
    standing: Standing,
    /// Ends with this.
    _errand: Errand,
}

/// A verdict, and for how much longer it counts.
pub(crate) struct Recalled {
    pub(crate) report: ScanReport,
    pub(crate) left: Duration,
}

// === impl FleetVerdicts ===

impl FleetVerdicts {
    /// Begins. `None` if the settings do not want it, or name no server.
    pub fn start(
        settings: &VerdictCache,
        redis: &RedisSettings,
        metrics: FleetMetrics,
        connections: &CacheMetrics,
    ) -> Result<Option<Self>, ShareError> {
        if !settings.enabled || !settings.shared {
            return Ok(None);
        }
        let Some(servers) = Servers::new(redis) else { return Ok(None) };
        let path = redis.mac_key_file.as_deref().ok_or(ShareError::NoKey)?;
        let secret = Secret::load(path, &redis.key_prefix)?;
        let standing = Standing::new(Topic("Verdicts", "verdicts"));
        let breaker = Arc::new(Breaker::default());
        let (asks, asked) = mpsc::channel(MAX_ASKS);
        let (puts, put) = mpsc::channel(MAX_PUTS);
        let keeper = Keeper::new(
            servers,
            &redis.key_prefix,
            settings.lookup_timeout,
            Arc::clone(&breaker),
            metrics.clone(),
            connections.clone(),
            standing.clone(),
        );
        let errand = Errand::start("icapstan-fleet", async move || keeper.keep(asked, put).await)?;
        Ok(Some(Self {
            keys: secret.derive("icapstan fleet verdicts v1: keys"),
            seal: SealKey::of_verdicts(&secret),
            // Records have whole seconds.
            ttl: Duration::from_secs(settings.ttl.as_secs()),
            patience: settings.lookup_timeout,
            breaker,
            asks,
            puts,
            metrics,
            standing,
            _errand: errand,
        }))
    }

    /// What can be asked how it stands.
    pub fn standing(&self) -> Standing {
        self.standing.clone()
    }

    /// What keys are made with, in all processes alike.
    pub(crate) fn keys(&self) -> &[u8; 32] {
        &self.keys
    }

    /// What others found, if that can be had within a few milliseconds.
    pub(crate) async fn recall(&self, key: &[u8; 32], deadline: Instant) -> Option<Recalled> {
        if !self.breaker.is_closed() {
            self.metrics.lookups.inc(Lookup::Away);
            return None;
        }
        let begun = Instant::now();
        let (tell, told) = oneshot::channel();
        if self.asks.try_send(Ask { key: *key, tell }).is_err() {
            self.metrics.lookups.inc(Lookup::Busy);
            return None;
        }
        let told = timeout_at(deadline.min(begun + self.patience), told).await;
        self.metrics.took.observe(begun.elapsed());
        let (lookup, recalled) = match told {
            Err(_) => {
                if self.breaker.late() {
                    self.metrics.up.set(0);
                }
                (Lookup::Late, None)
            }
            // Whoever was to answer has let it go.
            Ok(Err(_)) => (Lookup::Failed, None),
            Ok(Ok(None)) => (Lookup::Miss, None),
            Ok(Ok(Some(bytes))) => self.read(key, &bytes),
        };
        if lookup != Lookup::Late && lookup != Lookup::Failed {
            self.breaker.in_time();
        }
        self.metrics.lookups.inc(lookup);
        recalled
    }

    /// Tells others. Waits for nothing.
    pub(crate) fn remember(&self, key: &[u8; 32], report: &ScanReport) {
        let ScanReport { findings, sha256, .. } = report;
        let record = VerdictRecord { at: now(), ttl: self.ttl, findings: findings.clone(), sha256: *sha256 };
        let Some(bytes) = encode_verdict(&record, key, &self.seal) else { return };
        if self.puts.try_send(Put { key: *key, bytes, ttl: self.ttl }).is_err() {
            self.metrics.records.inc(Fate::Dropped);
        }
    }

    fn read(&self, key: &[u8; 32], bytes: &[u8]) -> (Lookup, Option<Recalled>) {
        match decode_verdict(bytes, key, &self.seal, now()) {
            Ok((VerdictRecord { findings, sha256, .. }, left)) => {
                let report = ScanReport { sha256, origin: Origin::Fleet, ..ScanReport::unscanned(findings) };
                // Settings of another process give it no more time than those of this one.
                (Lookup::Hit, Some(Recalled { report, left: left.min(self.ttl) }))
            }
            Err(why) => {
                self.metrics.rejected.inc(why);
                (Lookup::Unbelieved, None)
            }
        }
    }
}

impl fmt::Debug for FleetVerdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetVerdicts").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// In milliseconds since 1970. Not by the clock of Redis, whose word about time would be worth as little as its
/// records without a seal.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
