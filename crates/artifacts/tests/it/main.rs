//! Stores, servers and those who fetch, over sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fetch;
mod hostile;
mod peer;
mod serve;
