//! What log and probes say of Redis.

use crate::redis::RedisError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// How it stands with Redis.
#[derive(Clone, Debug, Default)]
pub struct Standing(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    /// Nothing is known so far.
    #[default]
    New,
    Up,
    /// For this cause, of which the log had a line then.
    Away(RedisError, Instant),
}

/// Causes that change by turns are told no more often.
const PAUSE: Duration = Duration::from_secs(30);

/// Says each change once.
#[derive(Debug)]
pub(super) struct Voice(Standing);

// === impl Standing ===

impl Standing {
    /// What there is to be said, if anything.
    pub fn note(&self) -> Option<String> {
        match &*self.0.lock() {
            State::Up => None,
            State::New => Some("blocked URLs are not shared yet".to_owned()),
            State::Away(error, _) => {
                Some(format!("blocked URLs are not shared: {}: {error}", error.failure.as_str()))
            }
        }
    }
}

// === impl Voice ===

impl Voice {
    pub(super) fn new(standing: Standing) -> Self {
        Self(standing)
    }

    pub(super) fn failed(&self, error: &RedisError) {
        let mut state = self.0.0.lock();
        let told = match &*state {
            State::Away(before, told) if before.failure == error.failure || told.elapsed() < PAUSE => {
                Some(*told)
            }
            _ => None,
        };
        *state = State::Away(error.clone(), told.unwrap_or_else(Instant::now));
        drop(state);
        if told.is_none() {
            warn!(cause = error.failure.as_str(), %error, "Blocked URLs are not shared through Redis.");
        }
    }

    pub(super) fn succeeded(&self) {
        let before = std::mem::replace(&mut *self.0.0.lock(), State::Up);
        if !matches!(before, State::Up) {
            info!("Blocked URLs are shared through Redis.");
        }
    }
}
