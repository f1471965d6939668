//! A job that is with an endpoint.

use crate::balancer::Inner;
use crate::endpoint::{EndpointId, Outcome};
use crate::member::{Member, Weight};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// The endpoint that was chosen. As long as this lives, the job counts there. Dropped without an outcome the job
/// counts as cancelled.
#[derive(Debug)]
#[must_use = "the job counts at its endpoint as long as this lives"]
pub struct Pick {
    member: Arc<Member>,
    home: Weak<Inner>,
    weight: Weight,
    is_counted: bool,
    begun: u64,
    link: u64,
    /// Whether this job is to tell if the endpoint works again, and has not told.
    is_probe: bool,
}

// === impl Pick ===

impl Pick {
    pub(crate) fn new(
        home: &Arc<Inner>,
        member: Arc<Member>,
        weight: Weight,
        now: u64,
        is_probe: bool,
    ) -> Self {
        member.begin(weight, now);
        let link = member.link();
        Self { member, home: Arc::downgrade(home), weight, is_counted: true, begun: now, link, is_probe }
    }

    /// Which endpoint.
    pub fn id(&self) -> EndpointId {
        self.member.id
    }

    /// Whether this job is to tell if an endpoint that failed works again. It might better be one that can be
    /// sent once more.
    pub fn is_probe(&self) -> bool {
        self.is_probe
    }

    /// The job has ended.
    pub fn finish(mut self, outcome: Outcome, now: Instant) {
        // Before the report is looked at: what it says is without this job.
        self.release();
        let Some(home) = self.home.upgrade() else { return };
        let at = home.at(now);
        let works = match outcome {
            Outcome::Answered { took, load } => {
                self.member.heard(load, at);
                self.member.answered(took, self.weight.cost, at);
                Some(true)
            }
            Outcome::Refused { load } => {
                self.member.heard(load, at);
                self.member.refused(home.refusal_cost(), at);
                Some(true)
            }
            Outcome::Lost | Outcome::Late => Some(false),
            Outcome::Cancelled => None,
        };
        if std::mem::take(&mut self.is_probe) {
            home.probed(&self.member, works, Some(at));
        } else if works == Some(false) && self.is_news(outcome) {
            home.failed(&self.member, at);
        }
    }

    fn release(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.member.end(self.weight);
        }
    }

    /// All jobs of a connection that is lost tell of one failure, and those that were begun before the endpoint
    /// worked again of none.
    fn is_news(&self, outcome: Outcome) -> bool {
        let is_first = outcome != Outcome::Lost || self.member.lost(self.link);
        is_first && self.begun >= self.member.ready_at()
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        self.release();
        if self.is_probe
            && let Some(home) = self.home.upgrade()
        {
            home.probed(&self.member, None, None);
        }
    }
}
