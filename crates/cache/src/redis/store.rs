//! The records in Redis.

use super::error::{Failure, RedisError};
use super::link::Link;
use super::scripts;
use crate::record::{self, MAX_RECORD, Unbelieved};
use crate::{Record, RedisClock, SealKey};
use redis::{Cmd, Value, cmd};
use std::time::Duration;

/// Records that go in one command.
pub(crate) const BATCH: usize = 64;
/// Records of the change stream that are read at once.
const NEWS: usize = 32;
/// About so many records in one answer.
const PAGE: usize = 64;
/// The most bytes of such an answer: a small hash comes whole, whatever is asked for.
const MAX_PAGE: usize = 4 << 20;
/// The most bytes of some news.
const MAX_NEWS: usize = NEWS * (MAX_RECORD + 256);
/// Keys live on for so long behind the last record, so that removals are known for long enough.
const LONGER: Duration = Duration::from_mins(10);

/// The records of one prefix, on the server that has them.
pub(crate) struct Stored {
    link: Link,
    place: Place,
}

/// What is told of each change from now on.
pub(crate) struct Follower {
    link: Link,
    place: Place,
    last: String,
}

/// Where records are, and how they are sealed.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    keys: [String; 3],
    key: SealKey,
    /// How many there may be.
    most: usize,
}

/// What a server says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) clock: RedisClock,
    /// What tells this set of records from one that began later.
    pub(crate) token: Vec<u8>,
    /// The id of the last change.
    pub(crate) last: String,
}

/// What became of a record that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Kept,
    /// It was there.
    Known,
    /// Something newer is there.
    Older,
    /// By Redis's clock it was made later than now.
    Future,
    /// Its time is over.
    Over,
}

/// A record, or why it is not believed.
pub(crate) type Told = Result<Record, Unbelieved>;

// === impl Place ===

impl Place {
    pub(crate) fn new(prefix: &str, key: SealKey, most: usize) -> Self {
        let keys = ["entries", "ends", "news"].map(|name| format!("{{{prefix}blocked-urls}}:{name}"));
        Self { keys, key, most }
    }

    fn script(&self, text: &str) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(text).arg(self.keys.len()).arg(&self.keys);
        command
    }
}

// === impl Stored ===

impl Stored {
    pub(super) fn new(link: Link, place: Place) -> Self {
        Self { link, place }
    }

    /// What the server says of itself. Fails unless writes go there.
    pub(crate) async fn state(&mut self) -> Result<Found, RedisError> {
        // First, since a replica in a cluster says here who the master is.
        let (millis, token, last): (u64, Vec<u8>, String) =
            self.link.ask(&self.place.script(scripts::STATE)).await?;
        let clock = RedisClock::says(millis);
        is_master(&mut self.link).await?;
        Ok(Found { clock, token, last })
    }

    /// Writes records, at most [`BATCH`].
    pub(crate) async fn put(&mut self, records: &[Record], token: &str) -> Result<Vec<Put>, RedisError> {
        let mut command = self.place.script(scripts::PUT);
        let longest = records.iter().map(|record| record.ttl).max().unwrap_or_default() + LONGER;
        command.arg(self.place.most).arg(token).arg(millis(longest)).arg(MAX_RECORD);
        for record in records {
            let till = record.at.saturating_add(millis(record.ttl));
            command.arg(&record.id.0).arg(record.at).arg(till);
            command.arg(record::encode(record, &self.place.key));
        }
        let said: Vec<u8> = self.link.ask(&command).await?;
        if said.len() != records.len() {
            return Err(RedisError::unexpected());
        }
        Ok(said.into_iter().map(Put::of).collect())
    }

    /// Calls `each` with every record.
    pub(crate) async fn read(
        &mut self,
        clock: RedisClock,
        mut each: impl FnMut(Told),
    ) -> Result<(), RedisError> {
        let mut cursor = b"0".to_vec();
        // Of what nobody of us has put there, not all is read.
        for _ in 0..16 + 4 * self.place.most / PAGE {
            let mut command = self.place.script(scripts::PAGE);
            command.arg(&cursor).arg(PAGE).arg(MAX_RECORD);
            let mut told: Vec<Vec<u8>> = self.link.ask_for(&command, MAX_PAGE, Duration::ZERO).await?;
            if told.is_empty() {
                return Err(RedisError::unexpected());
            }
            for pair in told[1..].chunks_exact(2) {
                each(if pair[1].is_empty() {
                    Err(Unbelieved::Oversized)
                } else {
                    record::decode(&pair[0], &pair[1], &self.place.key, clock.now())
                });
            }
            cursor = told.swap_remove(0);
            if cursor == b"0" {
                return Ok(());
            }
        }
        // None of us has put so many there. What is ours comes back from the processes that know it.
        let mut remove = cmd("DEL");
        remove.arg(&self.place.keys);
        let _: Value = self.link.ask(&remove).await?;
        Err(RedisError::new(Failure::Other, "Redis: there was no end of records; they were removed"))
    }
}

// === impl Follower ===

impl Follower {
    pub(super) fn new(link: Link, place: Place, last: String) -> Self {
        Self { link, place, last }
    }

    /// Goes on behind the change `last`, which may be one of another stream than before.
    pub(crate) fn begin_behind(&mut self, last: String) {
        self.last = last;
    }

    /// What was changed, as soon as something is; nothing after `patience`.
    pub(crate) async fn next(
        &mut self,
        clock: RedisClock,
        patience: Duration,
    ) -> Result<Vec<Told>, RedisError> {
        let mut command = cmd("XREAD");
        command.arg("BLOCK").arg(millis(patience)).arg("COUNT").arg(NEWS);
        command.arg("STREAMS").arg(&self.place.keys[2]).arg(&self.last);
        let said: Value = self.link.ask_for(&command, MAX_NEWS, patience).await?;
        let mut told = Vec::new();
        for (id, fields) in changes(said).ok_or_else(RedisError::unexpected)? {
            self.last = id;
            told.push(match fields.as_slice() {
                [i, id, r, record] if i == b"i" && r == b"r" => {
                    record::decode(id, record, &self.place.key, clock.now())
                }
                _ => Err(Unbelieved::Malformed),
            });
        }
        Ok(told)
    }
}

// === impl Put ===

impl Put {
    fn of(word: u8) -> Self {
        match word {
            1 => Self::Kept,
            2 => Self::Known,
            3 => Self::Older,
            4 => Self::Future,
            _ => Self::Over,
        }
    }
}

/// The ids and the fields of what XREAD says of one stream.
pub(crate) fn changes(said: Value) -> Option<Vec<(String, Vec<Vec<u8>>)>> {
    let streams = match said {
        Value::Nil => return Some(Vec::new()),
        Value::Array(streams) => streams,
        _ => return None,
    };
    let mut found = Vec::new();
    for stream in streams {
        let Value::Array(stream) = stream else { return None };
        let Value::Array(changes) = stream.into_iter().nth(1)? else { return None };
        for change in changes {
            let Value::Array(change) = change else { return None };
            let [id, fields] = <[Value; 2]>::try_from(change).ok()?;
            let Value::BulkString(id) = id else { return None };
            let fields = match fields {
                Value::Array(fields) => fields,
                Value::Nil => Vec::new(),
                _ => return None,
            };
            let fields = fields.into_iter().map(|field| match field {
                Value::BulkString(bytes) => bytes,
                _ => Vec::new(),
            });
            found.push((String::from_utf8(id).ok()?, fields.collect()));
        }
    }
    Some(found)
}

/// Fails unless the server takes writes.
pub(crate) async fn is_master(link: &mut Link) -> Result<(), RedisError> {
    let role: Value = link.ask(&cmd("ROLE")).await?;
    let word = match &role {
        Value::Array(role) => role.first(),
        _ => None,
    };
    if matches!(word, Some(Value::BulkString(word)) if word == b"master") {
        Ok(())
    } else {
        Err(RedisError::new(Failure::ReadOnly, "Redis: the server is a replica"))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
