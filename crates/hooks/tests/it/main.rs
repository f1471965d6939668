//! Hooks as who sends sees them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod exec;
mod http;
mod setup;
mod stop;
