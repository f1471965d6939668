//! Who may take a Lease, and when. Knows no API and no clock.

use k8s_openapi::api::coordination::v1::LeaseSpec;
use std::time::{Duration, Instant};

/// A Lease without a duration, or with one beyond reason, is taken for one of this duration.
const USUAL: Duration = Duration::from_secs(15);
/// No duration that others wrote is waited for longer.
const LONGEST: Duration = Duration::from_mins(5);

/// What this process has seen of a Lease.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    seen: Option<(LeaseSpec, Instant)>,
}

/// What is to be done about a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It is another's.
    Wait,
    /// Write this process into it, with so many transitions.
    Write(i32),
}

// === impl Election ===

impl Election {
    pub(super) fn new(identity: &str) -> Self {
        Self { identity: identity.to_owned(), seen: None }
    }

    /// What follows from the Lease as it is `now`; `None` if there is none.
    pub(super) fn decide(&mut self, lease: Option<LeaseSpec>, now: Instant) -> Move {
        let Some(spec) = lease else {
            self.seen = None;
            return Move::Write(0);
        };
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != spec) {
            self.seen = Some((spec.clone(), now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        let transitions = spec.lease_transitions.unwrap_or(0).max(0);
        match spec.holder_identity.as_deref().unwrap_or_default() {
            holder if holder == self.identity => Move::Write(transitions),
            "" => Move::Write(transitions.saturating_add(1)),
            _ if now.saturating_duration_since(since) >= duration(&spec) => {
                Move::Write(transitions.saturating_add(1))
            }
            _ => Move::Wait,
        }
    }

    /// This process has written it.
    pub(super) fn wrote(&mut self, spec: LeaseSpec, now: Instant) {
        self.seen = Some((spec, now));
    }

    /// Who had it when it was looked at last.
    pub(super) fn holder(&self) -> Option<&str> {
        let (spec, _) = self.seen.as_ref()?;
        spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }
}

fn duration(spec: &LeaseSpec) -> Duration {
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.filter(|seconds| *seconds > 0).map_or(USUAL, Duration::from_secs).min(LONGEST)
}
