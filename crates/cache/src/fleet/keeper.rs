//! Asks and tells Redis, beside everything else.

use super::breaker::Breaker;
use super::metrics::{Fate, FleetMetrics};
use super::record::MAX_VERDICT_RECORD;
use crate::CacheMetrics;
use crate::redis::{Failure, Link, RedisError, Servers, is_master};
use crate::share::{Pause, Standing, Topic, Voice};
use redis::{Cmd, Pipeline, cmd};
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Keys that are asked for, and records that are written, in one go.
const BATCH: usize = 64;
/// How often Redis is asked whether it answers, though nobody wants to know anything.
const LOOK: Duration = Duration::from_secs(1);
/// What frames one value of an answer.
const FRAME: usize = 64;

/// A lookup. It is off when nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) key: [u8; 32],
    pub(super) tell: oneshot::Sender<Option<Vec<u8>>>,
}

/// A record to be written.
#[derive(Debug)]
pub(super) struct Put {
    pub(super) key: [u8; 32],
    pub(super) bytes: Vec<u8>,
    pub(super) ttl: Duration,
}

/// Keeps two connections: a lookup never waits for a record to be written.
pub(super) struct Keeper {
    servers: Servers,
    /// What all keys begin with; the tag in it keeps them on one node of a cluster.
    front: Vec<u8>,
    patience: Duration,
    breaker: Arc<Breaker>,
    metrics: FleetMetrics,
    connections: CacheMetrics,
    voice: Voice,
    writing: Voice,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(
        servers: Servers,
        prefix: &str,
        patience: Duration,
        breaker: Arc<Breaker>,
        metrics: FleetMetrics,
        connections: CacheMetrics,
        standing: Standing,
    ) -> Self {
        let front = format!("{{{prefix}verdicts}}:1:").into_bytes();
        let voice = Voice::new(standing);
        let writing = Voice::new(Standing::new(Topic("New verdicts", "new verdicts")));
        Self { servers, front, patience, breaker, metrics, connections, voice, writing }
    }

    pub(super) async fn keep(&self, mut asks: mpsc::Receiver<Ask>, mut puts: mpsc::Receiver<Put>) {
        tokio::join!(self.read(&mut asks), self.write(&mut puts));
    }

    async fn read(&self, asks: &mut mpsc::Receiver<Ask>) {
        let mut pause = Pause::default();
        loop {
            let begun = Instant::now();
            let Err(error) = self.reading(asks).await;
            self.breaker.set_up(false);
            self.metrics.up.set(0);
            // Those who wait are told at once that nothing will come.
            while asks.try_recv().is_ok() {}
            self.connections.errors.inc(error.failure);
            self.voice.failed(&error);
            pause.after(begun.elapsed()).await;
        }
    }

    async fn write(&self, puts: &mut mpsc::Receiver<Put>) {
        let mut pause = Pause::default();
        loop {
            let begun = Instant::now();
            let Err(error) = self.writing(puts).await;
            self.connections.errors.inc(error.failure);
            self.writing.failed(&error);
            pause.after(begun.elapsed()).await;
        }
    }

    /// Ends with the first error.
    async fn reading(&self, asks: &mut mpsc::Receiver<Ask>) -> Result<Infallible, RedisError> {
        let mut link = self.connect().await?;
        self.breaker.set_up(true);
        self.voice.succeeded();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                count = asks.recv_many(&mut batch, BATCH) => match count {
                    0 => pending().await,
                    _ => self.answer(&mut link, &mut batch).await?,
                },
                _ = looks.tick() => self.look(&mut link).await?,
            }
        }
    }

    async fn connect(&self) -> Result<Link, RedisError> {
        let enter = async |mut link: Link| {
            // Asks for a key, since a node of a cluster says then who has it.
            let _: Vec<Option<Vec<u8>>> = link.ask(&self.probe()).await?;
            is_master(&mut link).await?;
            Ok(link)
        };
        let (link, _) = self.servers.find(&enter).await?;
        self.connections.connects.inc();
        Ok(link)
    }

    /// Those who waited when this fails are told by the end of their channels.
    async fn answer(&self, link: &mut Link, batch: &mut Vec<Ask>) -> Result<(), RedisError> {
        let mut asked: Vec<Ask> = batch.drain(..).filter(|ask| !ask.tell.is_closed()).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let mut command = cmd("MGET");
        for ask in &asked {
            command.arg(self.key(&ask.key));
        }
        let most = (asked.len() + 1) * (MAX_VERDICT_RECORD + FRAME);
        let told: Vec<Option<Vec<u8>>> = link.ask_for(&command, most, Duration::ZERO).await?;
        if told.len() != asked.len() {
            return Err(RedisError::unexpected());
        }
        for (ask, bytes) in asked.drain(..).zip(told) {
            // Whoever waited may have given up.
            let _ = ask.tell.send(bytes);
        }
        Ok(())
    }

    /// Finds out whether answers come in time, at nobody's cost.
    async fn look(&self, link: &mut Link) -> Result<(), RedisError> {
        let begun = Instant::now();
        let _: Vec<Option<Vec<u8>>> = link.ask(&self.probe()).await?;
        if begun.elapsed() < self.patience {
            if self.breaker.is_slow() {
                self.breaker.has_recovered();
            }
            self.metrics.up.set(1);
            self.voice.succeeded();
        } else if self.breaker.is_slow() {
            self.voice.failed(&RedisError::new(Failure::Timeout, "Redis: answers come too late"));
        }
        Ok(())
    }

    /// Ends with the first error that is one of the connection.
    async fn writing(&self, puts: &mut mpsc::Receiver<Put>) -> Result<Infallible, RedisError> {
        let mut link = self.connect().await?;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let count = puts.recv_many(&mut batch, BATCH).await;
            if count == 0 {
                pending::<()>().await;
            }
            let mut commands = Pipeline::with_capacity(count);
            for put in batch.drain(..) {
                let millis = u64::try_from(put.ttl.as_millis()).unwrap_or(u64::MAX);
                let mut command = cmd("SET");
                command.arg(self.key(&put.key)).arg(put.bytes).arg("PX").arg(millis);
                commands.add_command(command);
            }
            let written = link.ask_all(&commands, count).await;
            let done = written.as_ref().map_or(0, |(done, _)| *done);
            self.metrics.records.inc_by(Fate::Written, done as u64);
            self.metrics.records.inc_by(Fate::Failed, (count - done) as u64);
            match written?.1 {
                None => self.writing.succeeded(),
                // That may be over with the next record.
                Some(refused) if refused.failure == Failure::Full => {
                    self.connections.errors.inc(refused.failure);
                    self.writing.failed(&refused);
                }
                Some(refused) => return Err(refused),
            }
        }
    }

    fn key(&self, key: &[u8; 32]) -> Vec<u8> {
        [&self.front[..], key].concat()
    }

    fn probe(&self) -> Cmd {
        let mut command = cmd("MGET");
        command.arg([&self.front[..], b"probe"].concat());
        command
    }
}
