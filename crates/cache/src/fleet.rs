//! What the processes of a fleet tell each other of objects, through Redis.
//!
//! ```text
//!  CachedPort ── recall ──▶ asks (bounded) ──▶ own thread ── MGET, up to 64 keys ──▶ Redis
//!                 ▲ a few ms, then it is scanned  │
//!                 └──────── breaker ◀─────────────┘
//!             ── remember ─▶ puts (bounded) ─▶ own thread ── SET … PX, up to 64 ──▶ Redis
//! ```
//!
//! Invariants
//! 1. A record counts only under the key that it was made for, with the seal of who has the secret, and for no longer
//!    than its time by the clock of this process.
//! 2. Whatever Redis does or is, an object waits for it a few milliseconds at most, and only while that has been
//!    worth it lately.
//! 3. Lookups under way, records that wait to be written and answers of Redis are bounded.

mod breaker;
mod codec;
mod keeper;
mod known;
mod metrics;
mod poison;
mod record;
mod verdicts;

pub use metrics::{FleetMetrics, PoisonMetrics};
pub use poison::FleetPoison;
pub use record::{
    MAX_POISON_RECORD, MAX_VERDICT_RECORD, PoisonRecord, VerdictRecord, decode_poison, decode_verdict,
    encode_poison, encode_verdict, sealed_under,
};
pub use verdicts::FleetVerdicts;
pub(crate) use verdicts::Recalled;
