//! Connections between gateways and scanners, and discovery.

use super::{Event, Fleet, id_of, index_of};
use crate::events::{MILLI, Micros, SECOND};
use crate::scanner::State;
use icapstan_balance::Outcome;

/// A gateway pings each scanner so often,
pub(super) const PING_EVERY: Micros = SECOND;
/// and gives a connection up that did not answer for so long.
pub(super) const PING_TIMEOUT: Micros = 1_500 * MILLI;

/// The connection of a gateway to a scanner.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    /// How many there have been.
    pub(super) number: u32,
    is_up: bool,
    /// Discovery told of the scanner.
    is_known: bool,
}

// === impl Fleet ===

impl Fleet<'_> {
    pub(super) fn is_linked(&self, gateway: usize, scanner: usize, number: u32) -> bool {
        let link = self.gateways[gateway].links[scanner];
        link.is_up && link.number == number
    }

    pub(super) fn is_cut(&self, gateway: usize, scanner: usize) -> bool {
        gateway < self.cut.0 && scanner < self.cut.1
    }

    /// All gateways learn, one sooner and another later, which scanners there are.
    pub(super) fn tell_all(&mut self) {
        for gateway in 0..self.gateways.len() {
            let lag = self.rng.u64(200 * MILLI..1_500 * MILLI);
            self.events.after(lag, Event::Discover { gateway });
        }
    }

    pub(super) fn discover(&mut self, gateway: usize) {
        let endpoints = self.endpoints();
        let changes = self.gateways[gateway].balancer.update(&endpoints, self.instant());
        for id in changes.removed {
            self.gateways[gateway].links[index_of(id)].is_known = false;
        }
        for id in changes.added {
            let scanner = index_of(id);
            self.gateways[gateway].links[scanner].is_known = true;
            let delay = self.rng.u64(MILLI..100 * MILLI);
            self.events.after(delay, Event::Connect { gateway, scanner });
        }
    }

    pub(super) fn connect(&mut self, gateway: usize, scanner: usize) {
        let can = self.scanners[scanner].serves() && !self.is_cut(gateway, scanner);
        let now = self.instant();
        let is_draining = self.scanners[scanner].state == State::Draining;
        let owner = &mut self.gateways[gateway];
        let link = &mut owner.links[scanner];
        if link.is_up || !link.is_known {
            return;
        }
        if can {
            link.number += 1;
            link.is_up = true;
            owner.balancer.connected(id_of(scanner), now);
            if is_draining {
                owner.balancer.draining(id_of(scanner), now);
            }
        } else {
            let pause = self.rng.u64(500 * MILLI..1_500 * MILLI);
            self.events.after(pause, Event::Connect { gateway, scanner });
        }
    }

    /// The gateway learns that the connection is gone.
    pub(super) fn dead(&mut self, gateway: usize, scanner: usize, number: u32) {
        if !self.is_linked(gateway, scanner, number) {
            return;
        }
        let now = self.instant();
        let owner = &mut self.gateways[gateway];
        owner.links[scanner].is_up = false;
        owner.balancer.disconnected(id_of(scanner), now);
        let is_drained = self.nodes[scanner].drained_at > 0;
        for job in 0..self.jobs.len() {
            let waiting = &self.jobs[job];
            if waiting.attempt != 0 && waiting.gateway == gateway && waiting.scanner == scanner {
                self.figures.lost_by_drain += u64::from(is_drained);
                self.ended(job, Outcome::Lost);
            }
        }
        let pause = self.rng.u64(100 * MILLI..1_000 * MILLI);
        self.events.after(pause, Event::Connect { gateway, scanner });
    }

    /// A ping was not answered in time, unless all is well again.
    pub(super) fn silent(&mut self, gateway: usize, scanner: usize, number: u32) {
        if self.scanners[scanner].state == State::Stopped || self.is_cut(gateway, scanner) {
            self.dead(gateway, scanner, number);
        }
    }

    /// From now on nothing comes over these connections.
    pub(super) fn mute(&mut self, gateway: usize, scanner: usize) {
        let link = self.gateways[gateway].links[scanner];
        if link.is_up {
            let notice = self.rng.u64(0..PING_EVERY) + PING_TIMEOUT;
            self.events.after(notice, Event::Silent { gateway, scanner, link: link.number });
        }
    }

    /// The scanner's connections end, and every gateway is told so by the network.
    pub(super) fn hang_up(&mut self, scanner: usize) {
        for gateway in 0..self.gateways.len() {
            let delay = self.delay();
            let link = self.gateways[gateway].links[scanner].number;
            self.events.after(delay, Event::Dead { gateway, scanner, link });
        }
    }
}
