//! What a process that takes containers apart does and cannot do, tried on real ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod formats;
mod life;
mod sandbox;
mod support;
