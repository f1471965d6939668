//! Generates ICAP load and measures what it costs the server, so that two servers can be compared
//! side by side, honestly.
//!
//! ```text
//!  Schedule ──▶ Measured: N connections, one request each ──ICAP──▶ server ◀── ProcessTree, Sampler
//!                  │ answers, latencies        Idle, Slow ──ICAP──▶   │           (/proc)
//!                  ▼                                                  ▼
//!                Tally ─────────────────────▶ Report ◀─────────── processor time, memory, threads
//! ```
//!
//! What it measures
//! - Right answers a second, and their latency. In a closed loop each connection asks again as soon as
//!   it is answered. In an open loop (`--rate`) requests have fixed times, and latency counts from
//!   these: a server that stands still makes late what should have been sent meanwhile.
//! - Whether answers are right: framing, status, and that what comes back is what was sent, byte by
//!   byte. Clean bodies that are blocked and infected ones that pass are counted apart, as `wrong`.
//! - Processor time, proportional memory and threads of the server with all its descendants.
//! - What a server does about connections that stay idle, or stop in the middle of a request.
//!
//! What it does not measure
//! - Networks: it is meant for the loopback interface. TLS, pipelining and compressed bodies are not
//!   there.
//! - Its own cost is in the latency: one thread takes answers one after the other. Compare with
//!   [`Bare`], the floor, on the same machine, and look at `loader_cpu_seconds`: where that is near
//!   `seconds`, the load generator is what was measured.
//! - Work that the server hands to processes that it did not start, unless they are named too.
//! - EICAR bodies are the same each time (unlike their URLs): a cache of verdicts may know them.
//!
//! Invariants
//! 1. One request in flight on a connection; nothing is allocated for a request.
//! 2. Only a right answer counts as a request; every other one has a kind under `errors`, or is wrong,
//!    or is told of as unfinished.
//! 3. Nothing is tried again behind the back of the numbers.
//! 4. The reader of answers shares no code with any server of this workspace.

mod bare;
mod body;
mod cli;
mod idle;
mod judge;
mod latency;
mod measured;
mod moment;
mod plan;
mod poll;
mod report;
mod request;
mod response;
mod run;
mod schedule;
mod server;
mod settings;
mod slow;
mod socket;
mod tally;

use moment::Moment;

pub use bare::Bare;
pub use cli::{BareArgs, Cli, Command, RunArgs};
pub use idle::IdleReport;
pub use judge::Fault;
pub use latency::Percentiles;
pub use report::{RefusedReport, Report, UnfinishedReport};
pub use run::{RunError, run};
pub use server::{PssBytes, ServerReport};
pub use settings::{Kind, Settings, Shape, Slow, SlowState};
pub use slow::{End, SlowReport, Spread};
