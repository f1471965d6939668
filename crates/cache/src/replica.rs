//! What this process knows of blocked URLs.

mod ledger;

use crate::metrics::{Added, Cause};
use crate::record::SKEW;
use crate::{CacheMetrics, Entry, Id, Record};
use icapstan_api::BlockedUrls;
use icapstan_model::{GenerationId, Verdict};
use ledger::{Known, Ledger, Stamp};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Lookups of URLs in different shards do not meet.
const SHARDS: usize = 16;

/// A bounded set of URLs, each until its time is over. The oldest go first.
///
/// Lookups read one shard and wait for nobody who learns something. What each URL is known by stands in the
/// ledger, which only those who learn something lock.
pub struct Replica {
    enabled: bool,
    /// So that nobody looks for nothing.
    any: AtomicBool,
    /// When the first one's time is over, in milliseconds since `base`.
    first_end: AtomicU64,
    base: Instant,
    shards: Box<[RwLock<Shard>]>,
    ledger: Mutex<Ledger>,
    /// Rung when there is something to tell others.
    news: Notify,
    metrics: CacheMetrics,
}

type Shard = HashMap<Id, Shown>;

/// What a lookup finds.
struct Shown {
    until: Instant,
    entry: Arc<Entry>,
}

/// What the clock of Redis said, and when it said so.
#[derive(Clone, Copy, Debug)]
pub struct RedisClock {
    millis: u64,
    seen: Instant,
}

/// What became of what somebody else said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merged {
    /// It is known now.
    New,
    /// It was known.
    Known,
    /// Something later is known.
    Older,
    /// Its time is over.
    Over,
}

// === impl Replica ===

impl Replica {
    /// An empty one.
    pub fn new(settings: &BlockedUrls, metrics: CacheMetrics) -> Arc<Self> {
        Arc::new(Self {
            enabled: settings.enabled,
            any: AtomicBool::new(false),
            first_end: AtomicU64::new(u64::MAX),
            base: Instant::now(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            // Records have whole seconds.
            ledger: Mutex::new(Ledger::new(
                settings.max_size.to_usize(),
                Duration::from_secs(settings.ttl.as_secs()),
            )),
            news: Notify::new(),
            metrics,
        })
    }

    /// Whether there may be anything to be found.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Why `url`, as [`exact_url`](crate::exact_url) has it, is blocked for `tenant`. `generation` are the
    /// signatures that would judge it now: others may say otherwise.
    pub fn get(&self, tenant: &str, url: &str, generation: Option<GenerationId>) -> Option<Verdict> {
        if !self.any() {
            return None;
        }
        let now = Instant::now();
        if self.millis(now) >= self.first_end.load(Ordering::Relaxed)
            && let Some(mut ledger) = self.ledger.try_lock()
        {
            self.tidy(&mut ledger, now);
        }
        let id = Id::of(tenant, url);
        let shard = self.shard(id).read();
        let shown = shard.get(&id).filter(|shown| now < shown.until)?;
        let verdict = shown.entry.holds_for(generation).then(|| shown.entry.verdict().clone())?;
        self.metrics.hits.inc();
        Some(verdict)
    }

    /// Remembers what was found at `url` just now.
    pub fn detected(
        &self,
        tenant: &str,
        url: &str,
        verdict: &Verdict,
        generation: Option<GenerationId>,
    ) -> bool {
        let Some(entry) = Entry::new(tenant, url, verdict, generation).filter(|_| self.enabled) else {
            return false;
        };
        let now = Instant::now();
        let mut ledger = self.ledger.lock();
        let known = Known {
            until: now + ledger.ttl,
            stamp: Stamp::Since(now),
            ttl: ledger.ttl,
            entry: Some(entry.into()),
        };
        self.put(&mut ledger, known.entry.as_ref().map(|entry| entry.id()), known);
        self.tidy(&mut ledger, now);
        drop(ledger);
        self.metrics.added.inc(Added::Detection);
        self.news.notify_one();
        true
    }

    /// Learns what somebody else said.
    pub fn merge(&self, record: &Record, clock: RedisClock) -> Merged {
        let now = Instant::now();
        let mut ledger = self.ledger.lock();
        let own = ledger.ttl;
        let ttl = if record.entry.is_some() { record.ttl.min(own) } else { record.ttl.max(own) };
        let age = Duration::from_millis(clock.at(now).saturating_sub(record.at));
        let Some(mut left) = ttl.checked_sub(age).filter(|left| !left.is_zero()) else { return Merged::Over };
        if let Some(known) = ledger.get(&record.id) {
            let before = known.record(record.id, clock);
            // A time that the clock of Redis has gone back behind is none, as for the script that writes.
            let is_ahead = before.at > clock.at(now).saturating_add(SKEW);
            if !is_ahead && before.rank() > record.rank() {
                return Merged::Older;
            }
            if before.rank() == record.rank() {
                // The same again gives nothing more time, whatever the clock says.
                left = left.min(known.until.saturating_duration_since(now));
                if matches!(known.stamp, Stamp::At(_)) {
                    return Merged::Known;
                }
            }
        }
        let known = Known {
            until: now + left,
            stamp: Stamp::At(record.at),
            ttl: record.ttl,
            entry: record.entry.clone(),
        };
        self.put(&mut ledger, Some(record.id), known);
        self.tidy(&mut ledger, now);
        drop(ledger);
        self.metrics.added.inc(if record.entry.is_some() { Added::Shared } else { Added::Removal });
        Merged::New
    }

    /// Everything known, as others would be told.
    pub fn records(&self, clock: RedisClock) -> Vec<Record> {
        let mut ledger = self.ledger.lock();
        self.tidy(&mut ledger, Instant::now());
        ledger.iter().map(|(id, known)| known.record(*id, clock)).collect()
    }

    /// What others were not told so far, at most `most`.
    pub fn untold(&self, clock: RedisClock, most: usize) -> Vec<Record> {
        let mut ledger = self.ledger.lock();
        self.tidy(&mut ledger, Instant::now());
        let untold = ledger.untold().take(most);
        untold.filter_map(|id| Some(ledger.get(&id)?.record(id, clock))).collect()
    }

    /// Others were told, or know better.
    pub fn told(&self, record: &Record, clock: RedisClock) {
        let mut ledger = self.ledger.lock();
        let is_same = ledger.get(&record.id).is_some_and(|known| known.record(record.id, clock) == *record);
        if is_same {
            ledger.stamp(&record.id, record.at);
        }
    }

    /// Waits until there is something to tell.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Forgets what is over.
    pub fn expire(&self) {
        self.tidy(&mut self.ledger.lock(), Instant::now());
    }

    fn shard(&self, id: Id) -> &RwLock<Shard> {
        &self.shards[usize::from(id.0[0]) % SHARDS]
    }

    fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_millis()).unwrap_or(u64::MAX)
    }

    /// In the ledger and where lookups find it.
    fn put(&self, ledger: &mut Ledger, id: Option<Id>, known: Known) {
        let Some(id) = id else { return };
        let mut shard = self.shard(id).write();
        match &known.entry {
            Some(entry) => {
                shard.insert(id, Shown { until: known.until, entry: Arc::clone(entry) });
            }
            None => {
                shard.remove(&id);
            }
        }
        drop(shard);
        ledger.put(id, known);
    }

    /// Makes room, and lets go of what is over.
    fn tidy(&self, ledger: &mut Ledger, now: Instant) {
        while let Some((id, known, is_over)) = ledger.pop(now) {
            if known.entry.is_some() {
                self.shard(id).write().remove(&id);
            }
            self.metrics.evicted.inc(if is_over { Cause::Expired } else { Cause::Size });
        }
        let first = ledger.first_end().map_or(u64::MAX, |end| self.millis(end));
        self.first_end.store(first, Ordering::Relaxed);
        self.any.store(ledger.entries() > 0, Ordering::Release);
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.entries.set(number(ledger.entries()));
        self.metrics.bytes.set(number(ledger.bytes()));
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

// === impl RedisClock ===

impl RedisClock {
    /// It says `millis` now, or said so a moment ago.
    pub fn says(millis: u64) -> Self {
        Self { millis, seen: Instant::now() }
    }

    /// What it says now, or a little less.
    pub fn now(self) -> u64 {
        self.at(Instant::now())
    }

    /// What it says, or said, at `then`.
    pub(crate) fn at(self, then: Instant) -> u64 {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        if then >= self.seen {
            self.millis.saturating_add(millis(then - self.seen))
        } else {
            self.millis.saturating_sub(millis(self.seen - then))
        }
    }
}

#[cfg(test)]
mod tests;
