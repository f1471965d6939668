//! Downloads that the client will not go on with until it gets something back.
//!
//! Squid up to 6.13, Debian 12's among them, stops reading from a fast origin once the 64 KiB between
//! that and its ICAP side are full, and resumes only when adapted response data comes (Squid bug 5352).
//! A server that answers after the whole body then waits for ever. So when such a body falls silent,
//! the answer is begun: the heads as they came, and with each further silence one byte.
//!
//! After that a block can only be an aborted connection, so nothing is begun without need: at once
//! only after exactly the bytes that Squid's pipe holds, else after a long silence; and never more
//! than a few bytes, which hold nothing that could do harm.

use crate::store::Store;
use std::time::Duration;

/// What Squid's body pipe holds (`BodyPipe::MaxCapacity` less one), in bytes.
const PIPE: u64 = 65_535;
/// A silence with this pipe full is no slow origin.
const SHORT: Duration = Duration::from_millis(50);
/// Any other silence in the midst of a body.
const LONG: Duration = Duration::from_secs(5);
/// How many bytes go out ahead of the verdict at most.
pub(crate) const MOST: u64 = 24;

/// How long each silence of one body is waited out.
#[derive(Debug)]
pub(crate) struct Stall {
    watched: bool,
    released: u64,
}

// === impl Stall ===

impl Stall {
    /// Only downloads that an answer can be begun to are `watched`.
    pub(crate) fn new(watched: bool) -> Self {
        Self { watched, released: 0 }
    }

    /// How long the next piece of the body is waited for before something is sent back. `None`: for
    /// as long as the deadlines of a body allow.
    pub(crate) fn patience(&self, store: &Store) -> Option<Duration> {
        if !self.watched || store.len() < PIPE || self.released > MOST {
            return None;
        }
        Some(match self.released {
            0 if store.len() == PIPE => SHORT,
            0 => LONG,
            // The same fault again is answered soon, an origin that is slow by itself seldom.
            released => {
                LONG.min(SHORT * 2u32.saturating_pow(u32::try_from(released / 2).unwrap_or(u32::MAX)))
            }
        })
    }

    /// One more silence: how many body bytes are to be out after it.
    pub(crate) fn release(&mut self) -> u64 {
        self.released += 1;
        self.released - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreConfig;
    use icapstan_icap_server::Budget;

    async fn store(len: usize) -> Store {
        let config =
            StoreConfig { memory: Budget::unwatched(1 << 20), spool: Budget::unwatched(0), dir: "/".into() };
        let mut store = Store::new(&config, 1 << 20, None).unwrap();
        store.push(&vec![0; len]).await.unwrap();
        store
    }

    #[tokio::test]
    async fn only_a_full_pipe_is_answered_soon_and_only_downloads_are() {
        let stall = Stall::new(true);
        assert_eq!(stall.patience(&store(65_534).await), None);
        assert_eq!(stall.patience(&store(65_535).await), Some(SHORT));
        assert_eq!(stall.patience(&store(65_536).await), Some(LONG));
        assert_eq!(Stall::new(false).patience(&store(65_535).await), None);
    }

    #[tokio::test]
    async fn few_bytes_go_out_and_ever_more_slowly() {
        let mut stall = Stall::new(true);
        let store = store(70_000).await;
        let mut waits = Vec::new();
        while let Some(patience) = stall.patience(&store) {
            waits.push(patience);
            assert_eq!(stall.release(), waits.len() as u64 - 1);
        }
        assert_eq!(waits.len() as u64, MOST + 1, "the heads, and that many bytes");
        assert!(waits[1..].is_sorted() && waits.last() == Some(&LONG));
    }
}
