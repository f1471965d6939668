//! What operators, probes and scrapers can rely on, over real sockets and real processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod admin;
mod client;
mod stuck;
