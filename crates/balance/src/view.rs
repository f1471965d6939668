//! What metrics and `/readyz` say of a balancer.

use crate::endpoint::{EndpointId, Standing};
use crate::member::Member;

/// How many endpoints stand how, and what they have of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Endpoints that get jobs.
    pub ready: usize,
    /// Those without a connection.
    pub connecting: usize,
    /// Those left alone since they failed.
    pub ejected: usize,
    /// Those of them that have a job which is to tell whether they still fail.
    pub probing: usize,
    /// Those about to end.
    pub draining: usize,
    /// Jobs that are with an endpoint of the set.
    pub jobs: u64,
    /// Bytes of their objects.
    pub bytes: u64,
}

/// One endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointView {
    /// Which.
    pub id: EndpointId,
    /// How it stands.
    pub standing: Standing,
    /// Jobs of this process that it has.
    pub jobs: u32,
    /// Bytes of their objects.
    pub bytes: u64,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How often an endpoint was left alone that had worked.
    pub ejections: u64,
    /// How often one got jobs again.
    pub readmissions: u64,
}

// === impl View ===

impl View {
    pub(crate) fn add(&mut self, standing: Standing, member: &Member) {
        let count = match standing {
            Standing::Ready => &mut self.ready,
            Standing::Connecting => &mut self.connecting,
            Standing::Ejected => &mut self.ejected,
            Standing::Probing => &mut self.probing,
            Standing::Draining => &mut self.draining,
        };
        *count += 1;
        self.jobs += u64::from(member.jobs());
        self.bytes = self.bytes.saturating_add(member.bytes());
    }

    /// All endpoints.
    pub fn total(&self) -> usize {
        self.ready + self.connecting + self.ejected + self.probing + self.draining
    }
}

// === impl EndpointView ===

impl EndpointView {
    pub(crate) fn new(standing: Standing, member: &Member) -> Self {
        Self { id: member.id, standing, jobs: member.jobs(), bytes: member.bytes() }
    }
}
