//! The connections that ask and whose answers are counted.

mod exchange;

use crate::Moment;
use crate::judge::Fault;
use crate::plan::Plan;
use crate::poll::{Group, Poll, Ready};
use crate::request::PIECES;
use crate::response::{Event, ResponseReader};
use crate::schedule::Schedule;
use crate::settings::Settings;
use crate::socket::{self, READ, READ_WRITE, Received};
use crate::tally::Tally;
use exchange::{Exchange, Step};
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

/// What one read takes at most.
const BUFFER: usize = 256 * 1024;

/// A request without an answer for so long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The rest after a connection that never brought an answer: a server that is gone must not be asked in
/// a busy loop.
const REST: Duration = Duration::from_millis(10);

/// The connections, what they ask, and what came of it.
#[derive(Debug)]
pub(crate) struct Measured {
    address: SocketAddr,
    new_connections: bool,
    may_refuse: bool,
    plan: Plan,
    /// In an open loop, when requests are due.
    schedule: Option<Schedule>,
    /// No request is begun any more.
    stopping: bool,
    slots: Vec<Slot>,
    /// Connections without a request, the longest unused first.
    free: VecDeque<usize>,
    /// Connections that failed, and when they are free again.
    resting: VecDeque<(Moment, usize)>,
    connecting: usize,
    opened: usize,
    buffer: Vec<u8>,
    pub(crate) tally: Tally,
}

/// Requests that were not answered when the run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    pub(crate) count: u64,
    pub(crate) oldest: Duration,
}

/// One connection, or the place for one.
#[derive(Debug, Default)]
struct Slot {
    socket: Option<OwnedFd>,
    phase: Phase,
    /// What epoll knows; `None`: nothing of this socket.
    interest: Option<EventFlags>,
    /// Bytes were moved, or the handshake is known to be over.
    connected: bool,
    /// An answer came over it.
    proven: bool,
    /// A connection was here before.
    used: bool,
    reader: ResponseReader,
    exchange: Exchange,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Free,
    Connecting,
    Busy,
}

// === impl Measured ===

impl Measured {
    pub(crate) fn new(settings: &Settings, seed: u64) -> Self {
        let count = settings.connections as usize;
        Self {
            address: settings.address,
            new_connections: settings.new_connections,
            may_refuse: settings.refusals,
            plan: Plan::new(settings, seed),
            schedule: None,
            stopping: false,
            slots: std::iter::repeat_with(Slot::default).take(count).collect(),
            free: VecDeque::with_capacity(count),
            resting: VecDeque::new(),
            connecting: 0,
            opened: 0,
            buffer: vec![0; BUFFER],
            tally: Tally::new(settings.rate.is_some()),
        }
    }

    /// Begins one more connection ahead of the load; false when there is none to begin.
    pub(crate) fn open_next(&mut self, poll: &Poll) -> bool {
        let index = self.opened;
        if self.new_connections || index == self.slots.len() {
            return false;
        }
        self.opened += 1;
        let slot = &mut self.slots[index];
        if slot.connect(self.address).is_ok() && slot.want(poll, index, READ_WRITE).is_ok() {
            slot.phase = Phase::Connecting;
            self.connecting += 1;
        } else {
            slot.close();
        }
        true
    }

    /// Connections whose handshake is not over.
    pub(crate) fn connecting(&self) -> usize {
        self.connecting
    }

    /// From now on there is load; at `rate` requests a second, or as fast as it goes.
    pub(crate) fn start(&mut self, now: Moment, rate: Option<f64>) {
        self.schedule = rate.map(|rate| Schedule::new(now, rate));
        self.connecting = 0;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.phase == Phase::Connecting {
                slot.close();
            }
            slot.phase = Phase::Free;
            self.free.push_back(index);
        }
    }

    /// No request is begun any more, but for those that an open loop still owes.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }

    /// Begins requests that are due, as far as there are connections.
    pub(crate) fn dispatch(&mut self, poll: &Poll, now: Moment) {
        while self.resting.front().is_some_and(|(until, _)| *until <= now) {
            let (_, index) = self.resting.pop_front().expect("there is a first");
            self.free.push_back(index);
        }
        while let Some(&index) = self.free.front() {
            let Some(intended) = self.due(now) else { break };
            self.free.pop_front();
            self.begin(poll, index, intended, now);
        }
    }

    /// When [`Self::dispatch`] can do something next.
    pub(crate) fn next_due(&self) -> Moment {
        let rested = self.resting.front().map_or(Moment::NEVER, |(until, _)| *until);
        let scheduled = match &self.schedule {
            Some(schedule) if !self.free.is_empty() && schedule.next() < self.tally.window().end => {
                schedule.next()
            }
            _ => Moment::NEVER,
        };
        rested.min(scheduled)
    }

    /// Gives up what has waited too long.
    pub(crate) fn expire(&mut self, now: Moment) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            if slot.phase == Phase::Busy && now - slot.exchange.begun > PATIENCE {
                self.fail(index, Fault::Timeout, now);
            }
        }
    }

    /// Whether nothing is owed.
    pub(crate) fn is_settled(&self) -> bool {
        let owed = |schedule: &Schedule| schedule.next() < self.tally.window().end;
        !self.schedule.as_ref().is_some_and(owed) && !self.slots.iter().any(Slot::is_asking)
    }

    /// Tells of what is owed at `now`, and enters it with the time that it has waited: the longest
    /// latencies must not be those that are missing. In a closed loop some request is always under way,
    /// and only one that waits longer than all that were answered has something to tell.
    pub(crate) fn settle(&mut self, now: Moment) -> Unfinished {
        let window = *self.tally.window();
        let mut unfinished = Unfinished::default();
        let mut add = |tally: &mut Tally, intended: Moment| {
            let age = now - intended;
            unfinished.count += 1;
            unfinished.oldest = unfinished.oldest.max(age);
            if window.by_intention || (tally.requests > 0 && age > tally.latencies.max()) {
                tally.latencies.record(now.nanos_since(intended));
            }
        };
        for slot in self.slots.iter().filter(|slot| slot.is_asking()) {
            if !window.by_intention || window.contains(slot.exchange.intended) {
                add(&mut self.tally, slot.exchange.intended);
            }
        }
        while let Some(intended) = self.due(now) {
            if window.contains(intended) {
                add(&mut self.tally, intended);
            }
        }
        unfinished
    }

    /// Goes on with a connection.
    pub(crate) fn ready(&mut self, poll: &Poll, ready: Ready) {
        let Ready { index, flags, .. } = ready;
        let slot = &mut self.slots[index];
        match slot.phase {
            Phase::Connecting => {
                self.connecting -= 1;
                let connected = slot.socket.as_ref().is_some_and(socket::is_connected);
                if connected && slot.want(poll, index, READ).is_ok() {
                    slot.connected = true;
                } else {
                    slot.close();
                }
                slot.phase = Phase::Free;
                return;
            }
            Phase::Busy if flags.contains(EventFlags::OUT) => self.send(poll, index),
            Phase::Busy | Phase::Free => {}
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.receive(poll, index);
        }
    }

    /// Closes all connections.
    pub(crate) fn into_tally(self) -> Tally {
        self.tally
    }

    fn due(&mut self, now: Moment) -> Option<Moment> {
        let end = self.tally.window().end;
        match &mut self.schedule {
            None => (!self.stopping).then_some(now),
            Some(schedule) if schedule.next() < end => schedule.take(now),
            Some(_) => None,
        }
    }

    fn begin(&mut self, poll: &Poll, index: usize, intended: Moment, now: Moment) {
        let turn = self.plan.next();
        let request = self.plan.request(turn);
        let slot = &mut self.slots[index];
        slot.exchange = Exchange::new(turn, request, intended, now);
        slot.phase = Phase::Busy;
        if slot.socket.is_none() {
            if slot.used && !self.new_connections {
                self.tally.reconnect(now);
            }
            if slot.connect(self.address).is_err() {
                self.fail(index, Fault::Connect, now);
                return;
            }
        }
        self.send(poll, index);
    }

    /// Sends what the server may have by now, as far as the socket takes it.
    fn send(&mut self, poll: &Poll, index: usize) {
        let slot = &mut self.slots[index];
        let Some(socket) = &slot.socket else { return };
        let exchange = &mut slot.exchange;
        let mut want = READ;
        while exchange.sent < exchange.goal && !exchange.broken {
            let request = self.plan.stamped(exchange.turn, exchange.sent, exchange.goal);
            let mut slices = [IoSlice::new(&[]); PIECES];
            let count = request.gather(exchange.sent, exchange.goal, &mut slices);
            let result = match &slices[..count] {
                [slice] => io::write(socket, slice),
                slices => io::writev(socket, slices),
            };
            match result {
                Ok(len) => {
                    exchange.sent += len;
                    self.tally.bytes.sent += len as u64;
                    slot.connected = true;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    want = READ_WRITE;
                    break;
                }
                // There may be an answer all the same; reading tells.
                Err(_) => exchange.broken = true,
            }
        }
        let over = exchange.answered && (exchange.sent == exchange.goal || exchange.broken);
        if slot.want(poll, index, want).is_err() {
            self.fail(index, Fault::Connect, Moment::now());
        } else if over {
            self.release(poll, index, Moment::now());
        }
    }

    fn receive(&mut self, poll: &Poll, index: usize) {
        let slot = &mut self.slots[index];
        let Some(socket) = &slot.socket else { return };
        match socket::receive(socket, &mut self.buffer) {
            Received::Nothing => {}
            Received::Bytes(len) => {
                self.tally.bytes.received += len as u64;
                let buffer = std::mem::take(&mut self.buffer);
                self.take(poll, index, &buffer[..len]);
                self.buffer = buffer;
            }
            // The server may close a connection that nobody uses.
            _ if slot.phase != Phase::Busy => slot.close(),
            end => {
                let fault = match end {
                    _ if !slot.connected => Fault::Connect,
                    Received::Failed(_) => Fault::Reset,
                    _ => Fault::Closed,
                };
                self.fail(index, fault, Moment::now());
            }
        }
    }

    /// Takes bytes of an answer.
    fn take(&mut self, poll: &Poll, index: usize, mut input: &[u8]) {
        loop {
            let slot = &mut self.slots[index];
            if !slot.is_asking() {
                if !input.is_empty() {
                    self.fail(index, Fault::Unasked, Moment::now());
                }
                return;
            }
            let Ok((used, event)) = slot.reader.step(input) else {
                self.fail(index, Fault::Malformed, Moment::now());
                return;
            };
            input = &input[used..];
            let step = match event {
                None if input.is_empty() => return,
                None => continue,
                Some(Event::Head(head)) => slot.exchange.head(&head, self.plan.request(slot.exchange.turn)),
                Some(Event::Data(data)) => slot.exchange.data(data, &mut self.plan),
                Some(Event::End) => slot.exchange.end(self.plan.request(slot.exchange.turn)),
            };
            match step {
                Step::More => {}
                Step::Continue => self.send(poll, index),
                Step::Malformed => {
                    self.fail(index, Fault::Malformed, Moment::now());
                    return;
                }
                Step::Answered => {
                    let now = Moment::now();
                    let slot = &mut self.slots[index];
                    slot.proven = true;
                    let exchange = &mut slot.exchange;
                    exchange.answered = true;
                    if self.may_refuse {
                        exchange.outcome = exchange.outcome.or_refused(exchange.status);
                    }
                    self.tally.answer(exchange.outcome, exchange.status, exchange.intended, now);
                    if !input.is_empty() {
                        self.fail(index, Fault::Unasked, now);
                    } else if exchange.closes || exchange.broken || exchange.sent == exchange.goal {
                        self.release(poll, index, now);
                    }
                    return;
                }
            }
        }
    }

    /// The request has its answer: the connection is free, and in a closed loop asks again.
    fn release(&mut self, poll: &Poll, index: usize, now: Moment) {
        let slot = &mut self.slots[index];
        if self.new_connections || slot.exchange.closes || slot.exchange.broken {
            slot.close();
        }
        slot.phase = Phase::Free;
        if self.schedule.is_none() && !self.stopping {
            self.begin(poll, index, now, now);
        } else {
            self.free.push_back(index);
        }
    }

    /// The connection is of no use any more.
    fn fail(&mut self, index: usize, fault: Fault, now: Moment) {
        let slot = &mut self.slots[index];
        self.tally.failure(fault, slot.exchange.intended, now);
        let proven = slot.proven;
        slot.close();
        if std::mem::replace(&mut slot.phase, Phase::Free) == Phase::Busy {
            if proven {
                self.free.push_back(index);
            } else {
                self.resting.push_back((now + REST, index));
            }
        }
    }
}

// === impl Slot ===

impl Slot {
    fn connect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.socket = Some(socket::connect(address, false)?);
        self.used = true;
        Ok(())
    }

    fn close(&mut self) {
        // Closing takes the socket out of epoll.
        self.socket = None;
        self.interest = None;
        self.connected = false;
        self.proven = false;
        self.reader.reset();
    }

    fn want(&mut self, poll: &Poll, index: usize, flags: EventFlags) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        match self.interest {
            Some(known) if known == flags => return Ok(()),
            Some(_) => poll.modify(socket, Group::Measured, index, flags)?,
            None => poll.add(socket, Group::Measured, index, flags)?,
        }
        self.interest = Some(flags);
        Ok(())
    }

    fn is_asking(&self) -> bool {
        self.phase == Phase::Busy && !self.exchange.answered
    }
}
