//! Where a body is kept while it is scanned.

use crate::spool::{self, Spool};
use bytes::Bytes;
use icapstan_icap_server::{Budget, Exchange, ExchangeError, Io, Share};
use icapstan_model::{Content, Object};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Larger bodies go to a file, in bytes.
const IN_MEMORY: u64 = 1 << 20;
/// The first allocation, unless the message says that less is coming.
const FIRST: u64 = 16 * 1024;
/// How much of an answer's body is one chunk.
const CHUNK: usize = 64 * 1024;

/// What all stores share.
#[derive(Clone, Debug)]
pub(crate) struct StoreConfig {
    pub(crate) memory: Arc<Budget>,
    pub(crate) spool: Arc<Budget>,
    pub(crate) dir: PathBuf,
}

/// The bytes of one body.
#[derive(Debug)]
pub(crate) struct Store {
    config: StoreConfig,
    place: Place,
    memory: Share,
    spool: Share,
    /// What was taken of the budgets, once something else holds the body too.
    held: Option<Arc<Held>>,
    /// More is not taken, in bytes.
    limit: u64,
}

/// A body's part of the budgets. Given back when nothing holds it any more.
#[derive(Debug)]
pub(crate) struct Held {
    _memory: Share,
    _spool: Share,
}

#[derive(Debug)]
enum Place {
    Growing(Vec<u8>),
    /// Complete.
    Memory(Bytes),
    File(Spool),
}

/// Why bytes were not, or not all, taken.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// The body is larger than the limit.
    #[error("the body is larger than the size limit")]
    TooLarge,
    /// All memory or all spool space is in use.
    #[error("the byte budget is spent")]
    Spent,
    /// The spool file cannot be written.
    #[error("the spool file cannot be used")]
    Io(#[from] io::Error),
}

// === impl Store ===

impl Store {
    /// For a body of at most `limit` bytes; `expected` is what the message claims.
    pub(crate) fn new(config: &StoreConfig, limit: u64, expected: Option<u64>) -> Result<Self, StoreError> {
        let mut memory = Share::new(&config.memory);
        let first = expected.unwrap_or(FIRST).clamp(256, FIRST);
        if !memory.grow_to(first) {
            return Err(StoreError::Spent);
        }
        let place = Place::Growing(Vec::with_capacity(usize::try_from(first).unwrap_or(0)));
        let spool = Share::new(&config.spool);
        Ok(Self { config: config.clone(), place, memory, spool, held: None, limit })
    }

    pub(crate) fn len(&self) -> u64 {
        match &self.place {
            Place::Growing(bytes) => bytes.len() as u64,
            Place::Memory(bytes) => bytes.len() as u64,
            Place::File(spool) => spool.len(),
        }
    }

    /// Takes `data`, or nothing of it.
    pub(crate) async fn push(&mut self, data: &[u8]) -> Result<(), StoreError> {
        let len = self.len() + data.len() as u64;
        if len > self.limit {
            return Err(StoreError::TooLarge);
        }
        match &mut self.place {
            Place::Growing(bytes) if len <= IN_MEMORY => {
                if len > bytes.capacity() as u64 {
                    let capacity = len.next_power_of_two();
                    // Both blocks exist while the bytes are moved.
                    if !self.memory.grow_to(capacity) {
                        return Err(StoreError::Spent);
                    }
                    bytes.reserve_exact(usize::try_from(capacity).unwrap_or(usize::MAX) - bytes.len());
                }
                bytes.extend_from_slice(data);
                Ok(())
            }
            Place::Growing(bytes) => {
                if !self.spool.grow_to(len) {
                    return Err(StoreError::Spent);
                }
                let mut spool = Spool::create(&self.config.dir).await?;
                let moved = spool.adopt(std::mem::take(bytes)).await;
                // What was taken stays, in the file or in front of it.
                self.place = Place::File(spool);
                moved?;
                // From now on there is one block in front of the file.
                if !self.memory.resize(spool::BLOCK as u64) {
                    return Err(StoreError::Spent);
                }
                match &mut self.place {
                    Place::File(spool) => Ok(spool.push(data).await?),
                    _ => Err(StoreError::TooLarge),
                }
            }
            Place::File(spool) => {
                if !self.spool.grow_to(len) {
                    return Err(StoreError::Spent);
                }
                Ok(spool.push(data).await?)
            }
            Place::Memory(_) => Err(StoreError::TooLarge),
        }
    }

    /// The body as an object for a scan. Nothing can be added afterwards.
    pub(crate) async fn object(&mut self) -> io::Result<Object> {
        let len = self.len();
        let content = match &mut self.place {
            Place::Growing(bytes) => {
                let bytes = Bytes::from(std::mem::take(bytes));
                self.place = Place::Memory(bytes.clone());
                Content::Memory(bytes)
            }
            Place::Memory(bytes) => Content::Memory(bytes.clone()),
            Place::File(spool) => {
                spool.settle().await?;
                Content::File(spool.file())
            }
        };
        Ok(Object { content, len })
    }

    /// The body's part of the budgets, for what goes on holding its object. Nothing can be added afterwards.
    pub(crate) fn hold(&mut self) -> Arc<Held> {
        let Self { config, memory, spool, held, .. } = self;
        let take = || {
            Arc::new(Held {
                _memory: std::mem::replace(memory, Share::new(&config.memory)),
                _spool: std::mem::replace(spool, Share::new(&config.spool)),
            })
        };
        Arc::clone(held.get_or_insert_with(take))
    }

    /// Makes room for what sends the body, as far as that goes: nothing will be added.
    pub(crate) async fn settle(&mut self) {
        // What cannot be written is sent from where it is.
        if let Place::File(spool) = &mut self.place
            && let Err(error) = spool.settle().await
        {
            tracing::warn!(%error, "A spool file cannot be written.");
        }
    }

    /// The body, if it is in memory.
    pub(crate) fn in_memory(&self) -> Option<&[u8]> {
        match &self.place {
            Place::Growing(bytes) => Some(bytes),
            Place::Memory(bytes) => Some(bytes),
            Place::File(_) => None,
        }
    }

    /// The first bytes of the body; fewer if that is shorter.
    pub(crate) async fn front(&self, len: u64) -> Result<Vec<u8>, ExchangeError> {
        self.part(0, len).await
    }

    /// `len` bytes of the body from `offset` on; fewer if it ends before that.
    pub(crate) async fn part(&self, offset: u64, len: u64) -> Result<Vec<u8>, ExchangeError> {
        let (at, len) = (index(offset), index(len));
        let first = |bytes: &[u8], len| bytes[..bytes.len().min(len)].to_vec();
        match &self.place {
            Place::Growing(bytes) => Ok(first(&bytes[at.min(bytes.len())..], len)),
            Place::Memory(bytes) => Ok(first(&bytes[at.min(bytes.len())..], len)),
            Place::File(spool) => {
                let mut bytes = spool.read(offset, len, Vec::new()).await.map_err(unreadable)?;
                let pending = spool.pending(offset + bytes.len() as u64);
                bytes.extend(first(pending, len - bytes.len()));
                Ok(bytes)
            }
        }
    }

    /// Sends `len` bytes from `offset` on, which are here, as pieces of an answer that was begun.
    pub(crate) async fn send_part(
        &self,
        exchange: &mut Exchange<'_, impl Io>,
        offset: u64,
        len: u64,
    ) -> Result<(), ExchangeError> {
        if let Some(bytes) = self.in_memory() {
            let bytes = &bytes[index(offset).min(bytes.len())..];
            return send_chunks(&bytes[..index(len).min(bytes.len())], exchange).await;
        }
        let (mut at, end) = (offset, offset + len);
        while at < end {
            let piece = self.part(at, (end - at).min(CHUNK as u64)).await?;
            if piece.is_empty() {
                break;
            }
            at += piece.len() as u64;
            exchange.chunk(&piece).await?;
        }
        Ok(())
    }

    /// Sends the body from `offset` on as pieces of an answer that was begun.
    pub(crate) async fn send(
        &self,
        exchange: &mut Exchange<'_, impl Io>,
        mut offset: u64,
    ) -> Result<(), ExchangeError> {
        match &self.place {
            Place::Growing(bytes) => send_chunks(&bytes[index(offset).min(bytes.len())..], exchange).await,
            Place::Memory(bytes) => send_chunks(&bytes[index(offset).min(bytes.len())..], exchange).await,
            Place::File(spool) => {
                let mut block = Vec::new();
                loop {
                    block = spool.read(offset, spool::BLOCK, block).await.map_err(unreadable)?;
                    if block.is_empty() {
                        return send_chunks(spool.pending(offset), exchange).await;
                    }
                    offset += block.len() as u64;
                    send_chunks(&block, exchange).await?;
                }
            }
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: io::Error) -> ExchangeError {
    tracing::error!(%error, "A spool file cannot be read back.");
    ExchangeError::Aborted
}

async fn send_chunks(bytes: &[u8], exchange: &mut Exchange<'_, impl Io>) -> Result<(), ExchangeError> {
    for chunk in bytes.chunks(CHUNK) {
        exchange.chunk(chunk).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(memory: u64, spool: u64) -> (StoreConfig, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (memory, spool) = (Budget::unwatched(memory), Budget::unwatched(spool));
        (StoreConfig { memory, spool, dir: dir.path().to_owned() }, dir)
    }

    #[tokio::test]
    async fn small_bodies_stay_in_memory_and_large_ones_move_to_a_file() {
        let (config, _dir) = config(4 << 20, 4 << 20);
        let mut store = Store::new(&config, 3 << 20, Some(9)).unwrap();
        let piece = vec![7; 100_000];
        for _ in 0..10 {
            store.push(&piece).await.unwrap();
        }
        assert!(matches!(store.place, Place::Growing(_)));
        assert_eq!((config.memory.taken(), config.spool.taken()), (1 << 20, 0));
        store.push(&piece).await.unwrap();
        assert!(matches!(store.object().await.unwrap().content, Content::File(_)));
        assert_eq!((config.memory.taken(), config.spool.taken()), (spool::BLOCK as u64, 1_100_000));
        drop(store);
        assert_eq!(config.spool.taken(), 0);
    }

    #[tokio::test]
    async fn limits_refuse_a_piece_and_keep_what_was_there() {
        let (config, _dir) = config(64 * 1024, 1 << 20);
        let mut store = Store::new(&config, 100_000, None).unwrap();
        store.push(&vec![1; 60_000]).await.unwrap();
        assert!(matches!(store.push(&vec![2; 50_000]).await, Err(StoreError::TooLarge)));
        assert!(matches!(store.push(&vec![2; 10_000]).await, Err(StoreError::Spent)));
        assert_eq!(store.in_memory().unwrap(), vec![1; 60_000]);
        assert!(matches!(Store::new(&config, 1, Some(1)), Err(StoreError::Spent)));
    }

    #[tokio::test]
    async fn what_is_held_besides_is_counted_until_nobody_holds_it() {
        let (config, _dir) = config(4 << 20, 4 << 20);
        for (len, memory, spool) in [(60_000, 65_536, 0), (2_000_000, 0, 2_000_000)] {
            let mut store = Store::new(&config, 3 << 20, None).unwrap();
            store.push(&vec![1; len]).await.unwrap();
            let object = store.object().await.unwrap();
            let held = [store.hold(), store.hold()];
            drop(store);
            assert!(config.memory.taken() >= memory && config.spool.taken() == spool, "{len}");
            assert_eq!(object.len, len as u64);
            drop(held);
            assert_eq!((config.memory.taken(), config.spool.taken()), (0, 0), "{len}");
        }
    }

    #[tokio::test]
    async fn a_spool_folder_that_is_gone_loses_nothing_that_was_taken() {
        let (mut config, _dir) = config(4 << 20, 4 << 20);
        config.dir.push("gone");
        let mut store = Store::new(&config, 3 << 20, None).unwrap();
        store.push(&vec![1; 1 << 20]).await.unwrap();
        assert!(matches!(store.push(&[2]).await, Err(StoreError::Io(_))));
        assert_eq!(store.len(), 1 << 20);
        assert_eq!(store.in_memory().unwrap().len(), 1 << 20);
    }
}
