//! What a service says of URLs, without ever being kept waiting by it.
//!
//! ```text
//!  URL ─▶ Question ─▶ cache ─▶ a lookup of the same URL under way ─▶ breaker ─▶ Oracle (HTTP)
//!                       │            │ all wait no longer than the deadline       │
//!                       ▼            ▼                                            ▼
//!                    Answer ◀────────┴── an answer that comes too late is still remembered
//! ```
//!
//! Refuses to do: lists, rules, and what an answer means for a message.
//!
//! Invariants
//! 1. Nobody waits longer than the deadline, whatever the service does; and nothing that it says is larger
//!    than [`MAX_ANSWER`] in memory, or acts where it is shown.
//! 2. Lookups, connections and remembered answers are bounded. A URL is asked about once at a time.
//! 3. A service that fails again and again is left alone, but for one lookup now and then.
//! 4. No answer is no verdict: it is an [`AskError`], and never "clean".
//!
//! The protocol is in `docs/reputation.md`.

mod answer;
mod breaker;
mod cache;
mod error;
mod flights;
mod http;
mod metrics;
mod oracle;
mod question;
mod reputation;
mod voice;

pub use answer::{Answer, MAX_ANSWER, MAX_CATEGORIES, Opinion, Unreadable};
pub use error::AskError;
pub use http::{HttpOracle, SetupError};
pub use metrics::ReputationMetrics;
pub use oracle::{Asking, Oracle};
pub use question::Question;
pub use reputation::{Limits, Reputation};
