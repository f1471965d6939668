//! What goes wrong, and what is done on purpose: stops, crashes, replacement.

use super::{Event, Fleet};
use crate::events::{MILLI, Micros, SECOND};
use crate::plan::Fault;
use crate::scanner::State;

/// A scanner that drains takes jobs at least so long, since not everybody has heard of it,
const DRAIN_LEAST: Micros = 2 * SECOND;
/// and ends after so long, whatever it has.
const DRAIN_MOST: Micros = 30 * SECOND;

// === impl Fleet ===

impl Fleet<'_> {
    pub(super) fn trouble(&mut self, fault: Fault) {
        match fault {
            Fault::Slow(count, factor) => {
                for scanner in 0..count {
                    self.scanners[scanner].slowness = factor;
                    self.nodes[scanner].is_plain = false;
                }
            }
            Fault::Stop(count) => (0..count).for_each(|scanner| self.stop(scanner)),
            Fault::Hang(count) => {
                for scanner in 0..count {
                    self.scanners[scanner].is_hung = true;
                    self.nodes[scanner].is_plain = false;
                }
            }
            Fault::Resume => (0..self.scanners.len()).for_each(|scanner| self.resume(scanner)),
            Fault::Crash(count) => (0..count).for_each(|scanner| self.crash(scanner)),
            Fault::Roll(batch) => {
                for scanner in 0..self.scanners.len() {
                    if self.nodes[scanner].is_member {
                        self.samples.to_replace.push(scanner);
                    }
                }
                (0..batch).for_each(|_| self.replace_next());
            }
            Fault::Cut { gateways, scanners } => {
                self.cut = (gateways, scanners);
                for scanner in 0..scanners {
                    self.nodes[scanner].mute = Some((self.events.now(), Micros::MAX, gateways));
                    self.nodes[scanner].is_plain = false;
                    (0..gateways).for_each(|gateway| self.mute(gateway, scanner));
                }
            }
            Fault::Heal => {
                for scanner in 0..self.cut.1 {
                    self.sounds(scanner);
                }
                self.cut = (0, 0);
            }
        }
    }

    fn stop(&mut self, scanner: usize) {
        self.scanners[scanner].state = State::Stopped;
        self.nodes[scanner].mute = Some((self.events.now(), Micros::MAX, usize::MAX));
        self.nodes[scanner].is_plain = false;
        (0..self.gateways.len()).for_each(|gateway| self.mute(gateway, scanner));
    }

    fn resume(&mut self, scanner: usize) {
        if std::mem::take(&mut self.scanners[scanner].is_hung) {
            self.crash(scanner);
        }
        if self.scanners[scanner].state != State::Stopped {
            return;
        }
        self.scanners[scanner].state = State::Up;
        self.sounds(scanner);
        for task in std::mem::take(&mut self.scanners[scanner].inbox) {
            let link = self.gateways[task.gateway].links[scanner].number;
            self.events.after(0, Event::Deliver { scanner, link, task });
        }
        self.start(scanner);
    }

    /// It can be heard again.
    fn sounds(&mut self, scanner: usize) {
        if let Some((_, to, _)) = &mut self.nodes[scanner].mute {
            *to = self.events.now();
        }
    }

    /// It dies, and is started again at the same place.
    fn crash(&mut self, scanner: usize) {
        self.nodes[scanner].is_plain = false;
        self.scanners[scanner].end(self.events.now());
        self.hang_up(scanner);
        self.bear(scanner);
    }

    pub(super) fn bear(&mut self, scanner: usize) {
        self.scanners[scanner].state = State::Starting;
        let life = self.scanners[scanner].life;
        self.events.after(self.plan.start_ms * MILLI, Event::Born { scanner, life });
    }

    pub(super) fn born(&mut self, scanner: usize, life: u32) {
        let now = self.events.now();
        let server = &mut self.scanners[scanner];
        if server.life != life || server.state != State::Starting {
            return;
        }
        server.state = State::Up;
        server.up_since = now;
        if !self.nodes[scanner].is_member {
            self.nodes[scanner].is_member = true;
            self.tell_all();
        }
        if let Some(old) = self.nodes[scanner].replaces.take() {
            self.drain(old);
        }
    }

    pub(super) fn drain(&mut self, scanner: usize) {
        let now = self.events.now();
        self.scanners[scanner].state = State::Draining;
        self.nodes[scanner].is_member = false;
        self.nodes[scanner].is_plain = false;
        self.nodes[scanner].drained_at = now;
        for gateway in 0..self.gateways.len() {
            let delay = self.delay();
            self.events.after(delay, Event::GoAway { gateway, scanner });
        }
        self.tell_all();
        let life = self.scanners[scanner].life;
        self.events.after(DRAIN_LEAST, Event::Drained { scanner, life });
    }

    /// Whether it has nothing left to do.
    pub(super) fn drained(&mut self, scanner: usize, life: u32) {
        let now = self.events.now();
        let server = &mut self.scanners[scanner];
        if server.life != life {
            return;
        }
        if !server.is_idle() && now < self.nodes[scanner].drained_at + DRAIN_MOST {
            self.events.after(50 * MILLI, Event::Drained { scanner, life });
            return;
        }
        server.end(now);
        // What it answered last is on its way: the connections end a little later.
        for gateway in 0..self.gateways.len() {
            let link = self.gateways[gateway].links[scanner].number;
            self.events.after(400 * MILLI, Event::Dead { gateway, scanner, link });
        }
        self.replace_next();
    }

    /// Starts one that takes the place of the next old one.
    fn replace_next(&mut self) {
        if let Some(old) = self.samples.to_replace.pop() {
            let new = self.add(State::Starting);
            self.nodes[new].replaces = Some(old);
            self.bear(new);
        }
    }
}
