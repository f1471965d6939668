//! Objects that take workers, as the processes of a fleet tell each other of them.
//!
//! ```text
//!  scanner ── recall ──▶ Known (memory) ◀── learn ── own thread ◀── XREAD, as soon as there is news ── Redis
//!          ── remember ─▶ puts (bounded) ──────────▶ own thread ── XADD ──▶ Redis
//! ```
//!
//! No object waits for Redis.

use super::known::Known;
use super::metrics::{Fate, PoisonMetrics};
use super::record::{MAX_POISON_RECORD, PoisonRecord, decode_poison, encode_poison};
use super::verdicts::now;
use crate::redis::{Link, RedisError, Servers, changes, is_master};
use crate::share::{Errand, Pause, Topic, Voice};
use crate::{CacheMetrics, SealKey, Secret, ShareError, Standing};
use icapstan_api::{Poison, RedisSettings};
use icapstan_model::{PoisonMark, PoisonShare};
use redis::{Pipeline, Value, cmd};
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Records that wait to be written.
const MAX_PUTS: usize = 1024;
/// Records that go in one command.
const BATCH: usize = 32;
/// How long a wait for news lasts.
const PATIENCE: Duration = Duration::from_secs(1);
/// After this everything is read anew, whether or not there is a reason.
const ANEW: Duration = Duration::from_mins(5);
/// How long it waits before it reads on where there is no end of records.
const NO_END: Duration = Duration::from_millis(100);
/// What frames one record of an answer.
const FRAME: usize = 256;

/// Tells others what was remembered here, and knows what they said.
pub struct FleetPoison {
    secret: [u8; 32],
    seal: SealKey,
    ttl: Duration,
    known: Arc<Known>,
    puts: mpsc::Sender<Put>,
    metrics: PoisonMetrics,
    standing: Standing,
    /// Ends with this.
    _errand: Errand,
}

struct Put {
    key: [u8; 32],
    bytes: Vec<u8>,
}

struct Keeper {
    servers: Servers,
    stream: String,
    seal: SealKey,
    settings: Poison,
    known: Arc<Known>,
    metrics: PoisonMetrics,
    connections: CacheMetrics,
    voice: Voice,
}

// === impl FleetPoison ===

impl FleetPoison {
    /// Begins. `None` if the settings do not want it, or name no server.
    pub fn start(
        settings: &Poison,
        redis: &RedisSettings,
        metrics: PoisonMetrics,
        connections: &CacheMetrics,
    ) -> Result<Option<Self>, ShareError> {
        if settings.entries == 0 || !settings.shared {
            return Ok(None);
        }
        let Some(servers) = Servers::new(redis) else { return Ok(None) };
        let path = redis.mac_key_file.as_deref().ok_or(ShareError::NoKey)?;
        let secret = Secret::load(path, &redis.key_prefix)?;
        let standing = Standing::new(Topic("Objects that take workers", "objects that take workers"));
        let known = Arc::new(Known::new(settings.entries as usize));
        let seal = SealKey::of_poison(&secret);
        let (puts, put) = mpsc::channel(MAX_PUTS);
        let keeper = Keeper {
            servers,
            stream: format!("{{{}poison}}:1", redis.key_prefix),
            seal: seal.clone(),
            settings: settings.clone(),
            known: Arc::clone(&known),
            metrics: metrics.clone(),
            connections: connections.clone(),
            voice: Voice::new(standing.clone()),
        };
        let errand = Errand::start("icapstan-poison", async move || keeper.keep(put).await)?;
        Ok(Some(Self {
            secret: secret.derive("icapstan fleet poison v1: keys"),
            seal,
            // Records have whole seconds.
            ttl: Duration::from_secs(settings.ttl.as_secs()),
            known,
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
}

impl PoisonShare for FleetPoison {
    fn secret(&self) -> [u8; 32] {
        self.secret
    }

    fn knows_length(&self, len: u64) -> bool {
        self.known.has_length(len)
    }

    fn recall(&self, key: &[u8; 32]) -> Option<PoisonMark> {
        let mark = self.known.get(key).filter(|mark| *mark != PoisonMark::Innocent)?;
        self.metrics.hits.inc();
        Some(mark)
    }

    fn remember(&self, key: &[u8; 32], len: u64, mark: PoisonMark) {
        let record = PoisonRecord { at: now(), ttl: self.ttl, len, mark };
        let Some(bytes) = encode_poison(&record, key, &self.seal) else { return };
        if self.puts.try_send(Put { key: *key, bytes }).is_err() {
            self.metrics.records.inc(Fate::Dropped);
        }
    }
}

impl fmt::Debug for FleetPoison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FleetPoison").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

// === impl Keeper ===

impl Keeper {
    async fn keep(&self, mut puts: mpsc::Receiver<Put>) {
        let mut pause = Pause::default();
        loop {
            let begun = Instant::now();
            // Either of them ends with the first error, and the other one with it.
            let ended = tokio::try_join!(self.follow(), self.tell(&mut puts));
            let Err(error): Result<(Infallible, Infallible), RedisError> = ended;
            self.metrics.up.set(0);
            self.connections.errors.inc(error.failure);
            self.voice.failed(&error);
            pause.after(begun.elapsed()).await;
            self.known.expire();
            self.show();
        }
    }

    async fn connect(&self) -> Result<Link, RedisError> {
        let enter = async |mut link: Link| {
            // Asks for the key, since a node of a cluster says then who has it.
            let _: u64 = link.ask(cmd("XLEN").arg(&self.stream)).await?;
            is_master(&mut link).await?;
            Ok(link)
        };
        let (link, _) = self.servers.find(&enter).await?;
        self.connections.connects.inc();
        Ok(link)
    }

    /// Learns what is there, and what comes.
    async fn follow(&self) -> Result<Infallible, RedisError> {
        let mut link = self.connect().await?;
        let (mut last, mut begun, mut behind) = ("0-0".to_owned(), Instant::now(), 0);
        let mut is_idle = false;
        loop {
            let mut command = cmd("XREAD");
            if is_idle {
                command.arg("BLOCK").arg(millis(PATIENCE));
            }
            command.arg("COUNT").arg(BATCH).arg("STREAMS").arg(&self.stream).arg(&last);
            let most = (BATCH + 1) * (MAX_POISON_RECORD + FRAME);
            let said: Value = link.ask_for(&command, most, PATIENCE).await?;
            let told = changes(said).ok_or_else(RedisError::unexpected)?;
            self.metrics.up.set(1);
            self.voice.succeeded();
            is_idle = told.is_empty();
            behind = if is_idle { 0 } else { behind + told.len() };
            for (id, fields) in told {
                last = id;
                self.learn(&fields);
            }
            self.known.expire();
            self.show();
            if behind > 4 * self.settings.entries as usize + BATCH {
                // None of us has put so many there.
                sleep(NO_END).await;
            } else if behind == 0 && begun.elapsed() > ANEW {
                // Another stream may have begun with ids that count from before.
                (last, begun) = ("0-0".to_owned(), Instant::now());
            }
        }
    }

    fn learn(&self, fields: &[Vec<u8>]) {
        let (key, record) = match fields {
            [k, key, r, record] if k == b"k" && r == b"r" => (key, record),
            _ => return self.metrics.rejected.inc(crate::Unbelieved::Malformed),
        };
        let Ok(key) = <[u8; 32]>::try_from(key.as_slice()) else {
            return self.metrics.rejected.inc(crate::Unbelieved::Malformed);
        };
        match decode_poison(record, &key, &self.seal, now()) {
            Ok((record, left)) => {
                // Settings of another process give it no more time than those of this one.
                if self.known.learn(key, record, left.min(self.settings.ttl)) {
                    self.metrics.learnt.inc();
                }
            }
            Err(why) => self.metrics.rejected.inc(why),
        }
    }

    async fn tell(&self, puts: &mut mpsc::Receiver<Put>) -> Result<Infallible, RedisError> {
        let mut link = self.connect().await?;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if puts.recv_many(&mut batch, BATCH).await == 0 {
                pending::<()>().await;
            }
            let count = batch.len();
            let mut commands = Pipeline::with_capacity(count + 1);
            for Put { key, bytes } in batch.drain(..) {
                let mut command = cmd("XADD");
                command.arg(&self.stream).arg("MAXLEN").arg("~").arg(self.settings.entries).arg("*");
                command.arg("k").arg(&key).arg("r").arg(bytes);
                commands.add_command(command);
            }
            let mut command = cmd("PEXPIRE");
            command.arg(&self.stream).arg(millis(self.settings.ttl));
            commands.add_command(command);
            let written = link.ask_all(&commands, count + 1).await;
            let done = written.as_ref().map_or(0, |(done, _)| (*done).min(count));
            self.metrics.records.inc_by(Fate::Written, done as u64);
            self.metrics.records.inc_by(Fate::Failed, (count - done) as u64);
            if let Some(refused) = written?.1 {
                return Err(refused);
            }
        }
    }

    fn show(&self) {
        self.metrics.entries.set(i64::try_from(self.known.len()).unwrap_or(i64::MAX));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
