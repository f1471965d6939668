//! Keeps what this process knows and what Redis has the same, beside everything else.
//!
//! ```text
//!  find the server ─▶ read all, merge ─▶ write what is missing there ─▶ follow changes, write own ones
//!        ▲                   ▲                                               │          │
//!        └── a pause ◀── any error              another set of records, or long ago ────┘
//! ```

mod errand;
mod pause;
mod voice;

use crate::metrics::CacheMetrics;
use crate::record::Unbelieved;
use crate::redis::{BATCH, Finder, Follower, Found, Place, Put, RedisError, Stored};
use crate::replica::{Merged, RedisClock, Replica};
use crate::{KeyError, Record, SealKey};
use icapstan_api::{BlockedUrls, RedisSettings};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub(crate) use errand::Errand;
pub(crate) use pause::Pause;
pub use voice::Standing;
pub(crate) use voice::{Topic, Voice};

/// How often the server is asked whether it is still the same.
const LOOK: Duration = Duration::from_secs(1);
/// How long a wait for changes lasts. Ends are noticed when no answer comes then.
const PATIENCE: Duration = Duration::from_secs(1);
/// After this everything is compared, whether or not there is a reason.
const COMPARE: Duration = Duration::from_mins(5);

/// Shares a [`Replica`] until it is dropped.
#[derive(Debug)]
pub struct Share {
    standing: Standing,
    /// Ends with this.
    _errand: Errand,
}

/// Why nothing can be shared at all.
#[derive(Debug, Error)]
pub enum ShareError {
    /// Nothing could be believed.
    #[error("redis.macKeyFile cannot be used")]
    Key(#[from] KeyError),
    /// The settings name no key.
    #[error("redis.macKeyFile is missing")]
    NoKey,
    /// The system has no room.
    #[error("there is no thread for Redis")]
    Thread(#[source] io::Error),
}

/// One connection's work.
struct Session<'a> {
    replica: &'a Replica,
    metrics: &'a CacheMetrics,
    stored: Stored,
    clock: RedisClock,
    token: Vec<u8>,
    /// The id of the last change when it was looked at last.
    last: String,
}

struct Keeper {
    finder: Finder,
    replica: Arc<Replica>,
    metrics: CacheMetrics,
    voice: Voice,
}

/// Where the records of these settings are. `None`: they name no server.
pub fn finder(blocked: &BlockedUrls, redis: &RedisSettings) -> Result<Option<Finder>, ShareError> {
    if !redis.is_set() {
        return Ok(None);
    }
    let path = redis.mac_key_file.as_deref().ok_or(ShareError::NoKey)?;
    let key = SealKey::load(path, &redis.key_prefix)?;
    // As many as fit into this process: a URL of some length, and what is kept of it.
    let most = (blocked.max_size.to_usize() / 512).clamp(256, 1_000_000);
    Ok(Finder::new(redis, Place::new(&redis.key_prefix, key, most)))
}

/// Names a set of records that begins now.
pub(crate) fn token() -> String {
    let state = RandomState::new();
    format!("{:016x}{:016x}", state.hash_one(0), state.hash_one(1))
}

// === impl Share ===

impl Share {
    /// Begins. `None` if the settings name no server.
    pub fn start(
        blocked: &BlockedUrls,
        redis: &RedisSettings,
        replica: &Arc<Replica>,
        metrics: &CacheMetrics,
    ) -> Result<Option<Self>, ShareError> {
        let Some(finder) = finder(blocked, redis)?.filter(|_| blocked.enabled) else { return Ok(None) };
        let standing = Standing::new(Topic("Blocked URLs", "blocked URLs"));
        let keeper = Keeper {
            finder,
            replica: Arc::clone(replica),
            metrics: metrics.clone(),
            voice: Voice::new(standing.clone()),
        };
        let errand = Errand::start("icapstan-redis", async move || keeper.keep().await)?;
        Ok(Some(Self { standing, _errand: errand }))
    }

    /// What can be asked how it stands.
    pub fn standing(&self) -> Standing {
        self.standing.clone()
    }
}

// === impl Keeper ===

impl Keeper {
    async fn keep(&self) {
        let mut pause = Pause::default();
        loop {
            let begun = Instant::now();
            let Err(error) = self.session().await;
            self.metrics.up.set(0);
            self.metrics.errors.inc(error.failure);
            self.voice.failed(&error);
            pause.after(begun.elapsed()).await;
            self.replica.expire();
        }
    }

    /// Ends with the first error.
    async fn session(&self) -> Result<std::convert::Infallible, RedisError> {
        let (stored, found, endpoint) = self.finder.connect().await?;
        let follower = self.finder.follow(&endpoint, found.last.clone()).await?;
        self.metrics.connects.inc();
        let Found { clock, token, last } = found;
        let mut session =
            Session { replica: &self.replica, metrics: &self.metrics, stored, clock, token, last };
        session.compare().await?;
        self.metrics.up.set(1);
        self.voice.succeeded();
        session.follow(follower).await
    }
}

// === impl Session ===

impl Session<'_> {
    /// Learns all that is there, and tells what is not.
    async fn compare(&mut self) -> Result<(), RedisError> {
        let (replica, metrics, clock) = (self.replica, self.metrics, self.clock);
        let mut there = HashMap::new();
        self.stored
            .read(clock, |told| {
                if let Some(record) = learn(replica, metrics, told, clock) {
                    there.insert(record.id, record);
                }
            })
            .await?;
        let mut missing = replica.records(clock);
        missing.retain(|record| there.get(&record.id).is_none_or(|there| there.rank() < record.rank()));
        for batch in missing.chunks(BATCH) {
            // What is told to be of the future stays untold, and is tried again soon.
            self.tell(batch).await?;
        }
        if self.token.is_empty() {
            // Begins a set of records, if only to know when it is gone.
            self.tell(&[]).await?;
        }
        self.look().await
    }

    async fn follow(&mut self, mut follower: Follower) -> Result<std::convert::Infallible, RedisError> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut compared = Instant::now();
        loop {
            let clock = self.clock;
            let mut begins_anew = None;
            let told = {
                // Not given up for anything else: what it has read would be lost.
                let mut reading = std::pin::pin!(follower.next(clock, PATIENCE));
                loop {
                    tokio::select! {
                        told = &mut reading => break told?,
                        () = self.replica.news() => self.tell_untold().await?,
                        _ = looks.tick() => {
                            let before = self.token.clone();
                            self.look().await?;
                            if self.token != before || compared.elapsed() > COMPARE {
                                // Of what comes while it is compared nothing is to be missed.
                                begins_anew = Some(self.last.clone());
                                self.compare().await?;
                                compared = Instant::now();
                            }
                            self.tell_untold().await?;
                            self.replica.expire();
                        }
                    }
                }
            };
            for told in told {
                learn(self.replica, self.metrics, told, clock);
            }
            if let Some(last) = begins_anew {
                follower.begin_behind(last);
            }
        }
    }

    /// Asks whether it is still the same server with the same records, and what time it is.
    async fn look(&mut self) -> Result<(), RedisError> {
        let Found { clock, token, last } = self.stored.state().await?;
        (self.clock, self.token, self.last) = (clock, token, last);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.synced.set(now.as_secs_f64());
        Ok(())
    }

    async fn tell_untold(&mut self) -> Result<(), RedisError> {
        loop {
            let batch = self.replica.untold(self.clock, BATCH);
            if batch.is_empty() || !self.tell(&batch).await? {
                return Ok(());
            }
        }
    }

    /// False if the clock of Redis has gone back, so that some are to be told anew by its new time.
    async fn tell(&mut self, records: &[Record]) -> Result<bool, RedisError> {
        let puts = self.stored.put(records, &token()).await?;
        let mut is_done = true;
        for (record, put) in records.iter().zip(puts) {
            match put {
                Put::Future => is_done = false,
                put => {
                    self.metrics.sent.inc_by(u64::from(put == Put::Kept));
                    self.replica.told(record, self.clock);
                }
            }
        }
        Ok(is_done)
    }
}

/// The record, if it can be believed.
fn learn(
    replica: &Replica,
    metrics: &CacheMetrics,
    told: Result<Record, Unbelieved>,
    clock: RedisClock,
) -> Option<Record> {
    match told {
        Ok(record) => {
            let _: Merged = replica.merge(&record, clock);
            Some(record)
        }
        Err(unbelieved) => {
            metrics.rejected.inc(unbelieved);
            None
        }
    }
}
