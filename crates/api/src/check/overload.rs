//! What has to hold for refusals, for what clients are told of the room, and for what each may take.

use super::Checker;
use super::identity::check_networks;
use crate::{AdvertisedSessions, Config, PerClient, RefusalStatuses};

// === impl RefusalStatuses ===

impl RefusalStatuses {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        for (field, status) in [("sessions", self.sessions), ("queue", self.queue), ("memory", self.memory)] {
            if !Self::ALLOWED.contains(&status) {
                here.report(field, format!("{status} is none of 429, 500 and 503"));
            }
        }
    }
}

// === impl AdvertisedSessions ===

impl AdvertisedSessions {
    pub(super) fn check(self, here: &mut Checker<'_>) {
        if let Self::Count(count) = self {
            here.within("advertisedSessions", count.get(), 1, 1_000_000_000);
        }
    }
}

// === impl PerClient ===

impl PerClient {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        here.within("sessions", self.sessions, 0, 1_000_000);
        here.within("requestsPerSecond", self.requests_per_second, 0, 1_000_000);
        if let Some(burst) = self.burst {
            here.within("burst", burst, 1, 1_000_000);
            if self.requests_per_second == 0 {
                here.report("burst", "says nothing without `requestsPerSecond`");
            }
        }
        if !self.exempt.is_empty() && !self.is_on() {
            here.report("exempt", "says nothing without `sessions` or `requestsPerSecond`");
        }
        here.count("exempt", self.exempt.len(), 0, Config::MAX_CONDITIONS);
        check_networks(here, "exempt", &self.exempt);
    }
}
