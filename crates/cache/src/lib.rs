//! What is remembered so that it need not be found out again: of URLs, and of objects.
//!
//! URLs whose download was cut because it turned out to be blocked when part of it was out: whoever asks
//! again, of whatever process, gets the page instead of another cut.
//!
//! ```text
//!  transaction ── get ──▶ Replica: a map in memory ◀── merge ── Share (own thread) ◀── stream ── Redis
//!              ── detected ─▶          │  untold ─────────────────▶ script ───────────────────▶    │
//!                                     bounded by size and time        icapstan blocked-urls ◀──────┘
//! ```
//!
//! Objects equal to one that came before, or that is being scanned, are not scanned again: [`CachedPort`]. Nor are
//! those that another process has scanned: [`FleetVerdicts`]. [`FleetPoison`] tells of objects that take workers.
//!
//! Refuses to do: what an entry means for a message (policy), lists of URLs (`icapstan-urls`), scanning.
//!
//! Invariants of blocked URLs; those of verdicts stand in `verdict.rs` and `fleet.rs`.
//! 1. No lookup waits for Redis, and nothing that Redis does or is changes a verdict: it is a help for users
//!    only, and what is not found here is scanned.
//! 2. No entry counts for longer than its time, from the detection on: neither merges nor restarts give it more.
//! 3. Of one URL all believe what was said last, by the time of Redis. A removal is something said, too.
//! 4. Nothing is believed without the seal of who has the key, for this URL of this tenant.
//! 5. Memory, keys in Redis, answers of Redis, waits and tries are bounded.
//!
//! `docs/blocked-urls.md` tells the keys and how to set Redis up, `docs/verdict-cache.md` what counts for what.

mod admin;
mod entry;
mod fleet;
mod id;
mod key;
mod metrics;
mod record;
mod redis;
mod replica;
mod share;
mod url;
mod verdict;

pub use admin::{Listed, Shown};
pub use entry::{Entry, Record};
pub use fleet::{
    FleetMetrics, FleetPoison, FleetVerdicts, MAX_POISON_RECORD, MAX_VERDICT_RECORD, PoisonMetrics,
    PoisonRecord, VerdictRecord, decode_poison, decode_verdict, encode_poison, encode_verdict, sealed_under,
};
pub use id::Id;
pub use key::{KeyError, SealKey, Secret};
pub use metrics::CacheMetrics;
pub use record::{MAX_RECORD, Unbelieved, decode, encode, sealed};
pub use redis::{Failure, Finder, Put, RedisError};
pub use replica::{Merged, RedisClock, Replica};
pub use share::{Share, ShareError, Standing, finder};
pub use url::{MAX_URL, exact_url};
pub use verdict::{CachedPort, CachedPortError, VerdictMetrics};
