//! A real service on loopback, and what becomes of those who ask it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod manners;
mod setup;
mod sharing;
mod tls;
