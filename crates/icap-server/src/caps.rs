//! When a connection has served long enough.
//!
//! The caps of a configuration are those of an average connection: each one's own differ by up to a
//! tenth, so that clients who connected together, after a restart of either side, do not go on to
//! connect together for ever.

use crate::ServerConfig;
use icapstan_icap_proto::RequestHead;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;

/// What ends one connection between two requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caps {
    keep_alive: bool,
    only_when_asked: bool,
    /// This request is the last one.
    requests: Option<u64>,
    /// The first request that comes later is the last one.
    end: Option<Instant>,
}

// === impl Caps ===

impl Caps {
    /// Those of a connection that begins now.
    pub(crate) fn new(config: &ServerConfig) -> Self {
        let requests = (config.max_requests > 0).then(|| scatter(config.max_requests, random()));
        let age = (!config.max_age.is_zero()).then(|| {
            let nanos = u64::try_from(config.max_age.as_nanos()).unwrap_or(u64::MAX);
            Duration::from_nanos(scatter(nanos, random()))
        });
        Self {
            keep_alive: config.keep_alive,
            only_when_asked: config.only_when_asked,
            requests,
            end: age.and_then(|age| Instant::now().checked_add(age)),
        }
    }

    /// Whether the connection ends with the answer to this request, the `number`th one.
    pub(crate) fn end_with(&self, head: &RequestHead, number: u64) -> bool {
        !self.keep_alive
            || head.connection_has("close")
            || (self.only_when_asked && !head.connection_has("keep-alive"))
            || self.requests.is_some_and(|most| number >= most)
            || self.end.is_some_and(|end| Instant::now() >= end)
    }
}

/// A number that differs from `cap` by a tenth at most.
fn scatter(cap: u64, random: u64) -> u64 {
    let tenth = cap / 10;
    (cap - tenth).saturating_add(random % (2 * tenth + 1))
}

/// Not to be relied on for secrets: how long a connection lives is none.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_scattered_over_a_tenth_to_both_sides_and_small_ones_are_exact() {
        assert_eq!([scatter(1000, 0), scatter(1000, 100), scatter(1000, 200)], [900, 1000, 1100]);
        assert_eq!([scatter(1, u64::MAX), scatter(9, 5)], [1, 9]);
        assert!(scatter(u64::MAX, u64::MAX) > u64::MAX / 10 * 9);
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| scatter(1000, random())).collect();
        assert!(drawn.len() > 50 && drawn.iter().all(|cap| (900..=1100).contains(cap)), "{drawn:?}");
    }
}
