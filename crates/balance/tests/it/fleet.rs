//! A balancer with endpoints, on a clock that is turned by hand.

use icapstan_balance::{Balancer, Endpoint, EndpointId, Job, Outcome, Pick, ReportedLoad, Settings};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) struct Fleet {
    pub(crate) balancer: Balancer,
    pub(crate) now: Instant,
}

pub(crate) fn id(index: u8) -> EndpointId {
    EndpointId(SocketAddr::from(([10, 0, 0, index], 7344)))
}

pub(crate) fn endpoint(index: u8, zone: Option<&str>) -> Endpoint {
    Endpoint { id: id(index), zone: zone.map(Into::into) }
}

impl Fleet {
    /// So many endpoints, connected and warmed up.
    pub(crate) fn new(count: u8, settings: Settings) -> Self {
        let endpoints: Vec<_> = (0..count).map(|index| endpoint(index, None)).collect();
        Self::of(&endpoints, settings)
    }

    pub(crate) fn of(endpoints: &[Endpoint], settings: Settings) -> Self {
        let now = Instant::now();
        let balancer = Balancer::new(settings, 1, now);
        for id in balancer.update(endpoints, now).added {
            balancer.connected(id, now);
        }
        Self { balancer, now: now + Duration::from_mins(1) }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    pub(crate) fn pick(&self) -> Option<Pick> {
        self.balancer.pick(Job { bytes: 10_240, ..Job::default() }, self.now)
    }

    /// Picks that one endpoint, and no other.
    pub(crate) fn pick_at(&self, index: u8) -> Option<Pick> {
        let exclude: Vec<_> = (0..=255).filter(|&other| other != index).map(id).collect();
        self.balancer.pick(Job { bytes: 10_240, exclude: &exclude, ..Job::default() }, self.now)
    }

    pub(crate) fn answer(&self, pick: Pick) {
        pick.finish(answered(None), self.now);
    }

    pub(crate) fn fail(&self, index: u8, times: usize) {
        for _ in 0..times {
            self.pick_at(index).expect("it is not ejected").finish(Outcome::Late, self.now);
        }
    }

    /// How often each is picked of so many times, none of which ends before the last began.
    pub(crate) fn spread(&self, times: usize) -> BTreeMap<EndpointId, usize> {
        let picks: Vec<_> = (0..times).map(|_| self.pick().expect("there is somebody")).collect();
        let mut counts = BTreeMap::new();
        for pick in &picks {
            *counts.entry(pick.id()).or_default() += 1;
        }
        counts
    }
}

pub(crate) fn answered(load: Option<ReportedLoad>) -> Outcome {
    Outcome::Answered { took: Duration::from_millis(1), load }
}
