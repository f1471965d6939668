//! ICAP connections on tokio.
//!
//! ```text
//!  accept ─▶ entrance ─▶ session ─▶ head ─▶ Service::route ─▶ Service::serve(Exchange) ─▶ next request
//!     │         └─ idle, slow or broken: answered and closed, each state by its own deadline
//!     └─ over the session limit: the longest idle connection gives way; without one OPTIONS is
//!        answered, and everything else is refused
//! ```
//!
//! Refuses to do: scanning, policy, URLs. A [`Service`] decides what to answer; this crate sees to
//! it that the answer is legal where the conversation stands, that it arrives whole, and that no
//! peer holds a connection for ever.
//!
//! Invariants
//! 1. Answers leave in the order of their requests, and nothing follows an answer's last byte but
//!    the next answer.
//! 2. A connection that will end is announced in the last answer's head (`Connection: close`), and
//!    ends so that the client has the chance to read that answer: what it still sends is read and
//!    dropped for a while.
//! 3. An answer that cannot be completed ends in an aborted connection, never in a last chunk.
//! 4. No state waits without a deadline.
//! 5. What connections hold beyond a few KiB each comes out of one [`Budget`].

mod access;
mod alarm;
mod budget;
mod buffer;
mod caller;
mod caps;
mod clients;
mod config;
mod connection;
mod entrance;
mod exchange;
mod fence;
mod idle;
mod io;
mod metrics;
mod network;
mod rarely;
mod refusal;
mod server;
mod service;
mod session;

pub use access::{AccessControl, AccessRules, Authentication, Users, UsersError};
pub use budget::{Budget, Share};
pub use caller::Caller;
pub use clients::ClientLimits;
pub use config::{ServerConfig, Timeouts};
pub use connection::Traffic;
pub use entrance::Entrance;
pub use exchange::{Body, Exchange, ExchangeError, Reply};
pub use fence::Fence;
pub use icapstan_icap_proto as proto;
pub use icapstan_tls::Names as CallerNames;
pub use io::Io;
pub use metrics::ServerMetrics;
pub use refusal::Refusals;
pub use server::{Server, Shutdown};
pub use service::Service;
