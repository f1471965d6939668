//! What log and probes say of Redis.

use crate::redis::RedisError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// How it stands with Redis.
#[derive(Clone, Debug)]
pub struct Standing {
    topic: Topic,
    state: Arc<Mutex<State>>,
}

/// What is shared or not: at the beginning of a sentence, and within one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topic(pub(crate) &'static str, pub(crate) &'static str);

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
pub(crate) struct Voice(Standing);

// === impl Standing ===

impl Standing {
    pub(crate) fn new(topic: Topic) -> Self {
        Self { topic, state: Arc::default() }
    }

    /// What there is to be said, if anything.
    pub fn note(&self) -> Option<String> {
        let what = self.topic.1;
        match &*self.state.lock() {
            State::Up => None,
            State::New => Some(format!("{what} are not shared yet")),
            State::Away(error, _) => {
                Some(format!("{what} are not shared: {}: {error}", error.failure.as_str()))
            }
        }
    }
}

// === impl Voice ===

impl Voice {
    pub(crate) fn new(standing: Standing) -> Self {
        Self(standing)
    }

    pub(crate) fn failed(&self, error: &RedisError) {
        let mut state = self.0.state.lock();
        let told = match &*state {
            State::Away(before, told) if before.failure == error.failure || told.elapsed() < PAUSE => {
                Some(*told)
            }
            _ => None,
        };
        *state = State::Away(error.clone(), told.unwrap_or_else(Instant::now));
        drop(state);
        if told.is_none() {
            let what = self.0.topic.0;
            warn!(cause = error.failure.as_str(), %error, "{what} are not shared through Redis.");
        }
    }

    pub(crate) fn succeeded(&self) {
        let before = std::mem::replace(&mut *self.0.state.lock(), State::Up);
        if !matches!(before, State::Up) {
            info!("{} are shared through Redis.", self.0.topic.0);
        }
    }
}
