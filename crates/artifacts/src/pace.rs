//! How slow a peer may be.

use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// How long a peer may take for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A connection, with its TLS handshake.
    pub connect: Duration,
    /// The head of an answer or of a request.
    pub head: Duration,
    /// A pause between two pieces of a body.
    pub idle: Duration,
    /// The fewest bytes in a second, on average, [`Self::grace`] left out.
    pub min_rate: u64,
    /// So long a body may be slower: connections begin slowly.
    pub grace: Duration,
}

/// Whether a body comes fast enough.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    pace: Pace,
    since: Instant,
}

/// A body that would take for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{bytes} bytes in {elapsed:?}, fewer than {min_rate} in a second")]
pub struct TooSlow {
    /// What came.
    pub bytes: u64,
    /// In that time.
    pub elapsed: Duration,
    /// What should.
    pub min_rate: u64,
}

// === impl Pace ===

impl Default for Pace {
    /// For one data centre.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            min_rate: 64 << 10,
            grace: Duration::from_secs(10),
        }
    }
}

impl Pace {
    /// From the first byte of a body, which begins now.
    pub fn meter(self) -> Meter {
        Meter { pace: self, since: Instant::now() }
    }
}

// === impl Meter ===

impl Meter {
    /// Whether `bytes` are enough for now.
    pub fn check(&self, bytes: u64) -> Result<(), TooSlow> {
        let elapsed = self.since.elapsed();
        let counted = elapsed.saturating_sub(self.pace.grace).as_millis();
        if u128::from(bytes) * 1000 >= u128::from(self.pace.min_rate) * counted {
            Ok(())
        } else {
            Err(TooSlow { bytes, elapsed, min_rate: self.pace.min_rate })
        }
    }
}
