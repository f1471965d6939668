//! Connections that stay in a state, and what the server does about them.

mod peer;
mod script;

use crate::Moment;
use crate::poll::{Group, Poll, Ready};
use crate::response::{Event, ResponseReader};
use crate::settings::{Settings, Slow, SlowState};
use crate::socket::{self, READ, READ_WRITE, Received};
use peer::PeerStates;
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use script::Script;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

/// The connections.
#[derive(Debug)]
pub(crate) struct SlowConnections {
    address: SocketAddr,
    slow: Slow,
    script: Script,
    connections: Vec<Connection>,
    connecting: usize,
    /// For connections that never read.
    peers: Option<PeerStates>,
    /// When each of those that send now and then is due; the intervals are equal, so it is in order.
    due: VecDeque<(Moment, usize)>,
    buffer: Vec<u8>,
}

/// What the server did about slow connections.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowReport {
    /// Where they stayed.
    pub state: SlowState,
    /// Connections that got there.
    pub opened: u64,
    /// Connections that did not.
    pub failed: u64,
    /// Those that the server has not ended.
    pub still_open: u64,
    /// How the server ended the others.
    pub ended: BTreeMap<End, u64>,
    /// Final answers, by their status.
    pub statuses: BTreeMap<String, u64>,
    /// How long the server bore those that it ended.
    pub seconds: Option<Spread>,
}

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// In order.
    Closed,
    /// By a reset.
    Reset,
}

/// Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The shortest.
    pub min: f64,
    /// The middle one.
    pub median: f64,
    /// The longest.
    pub max: f64,
}

#[derive(Debug)]
struct Connection {
    socket: Option<OwnedFd>,
    /// Our end, where the server's has to be asked for.
    local: Option<SocketAddr>,
    reader: ResponseReader,
    stage: Stage,
    /// When it came to where it stays.
    since: Moment,
    sent: usize,
    drops: u64,
    status: Option<u16>,
    end: Option<(End, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// Sends the opening.
    Opening,
    /// Waits for 100 Continue.
    Awaiting,
    /// Is where it stays.
    Staying,
    /// Has its final answer, or one that cannot be read.
    Answered,
    Failed,
}

// === impl SlowConnections ===

impl SlowConnections {
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        let slow = settings.slow.clone()?;
        Some(Self {
            address: settings.address,
            script: Script::new(settings, slow.state),
            connections: Vec::with_capacity(slow.count as usize),
            connecting: 0,
            peers: (slow.state == SlowState::Read).then(PeerStates::new).and_then(Result::ok),
            due: VecDeque::new(),
            buffer: vec![0; 16 * 1024],
            slow,
        })
    }

    /// Begins one more connection; false when there are enough.
    pub(crate) fn open_next(&mut self, poll: &Poll) -> bool {
        let index = self.connections.len();
        if index == self.slow.count as usize {
            return false;
        }
        let narrow = self.slow.state == SlowState::Read;
        let socket = socket::connect(self.address, narrow).ok();
        let socket = socket.filter(|socket| poll.add(socket, Group::Slow, index, READ_WRITE).is_ok());
        self.connecting += usize::from(socket.is_some());
        self.connections.push(Connection {
            stage: if socket.is_some() { Stage::Connecting } else { Stage::Failed },
            socket,
            local: None,
            reader: ResponseReader::default(),
            since: Moment::NEVER,
            sent: 0,
            drops: 0,
            status: None,
            end: None,
        });
        true
    }

    /// Connections whose handshake is not over.
    pub(crate) fn connecting(&self) -> usize {
        self.connecting
    }

    /// When [`Self::drip`] has something to do next.
    pub(crate) fn next_due(&self) -> Moment {
        self.due.front().map_or(Moment::NEVER, |(due, _)| *due)
    }

    /// Sends what is due.
    pub(crate) fn drip(&mut self, now: Moment) {
        while self.due.front().is_some_and(|(due, _)| *due <= now) {
            let (due, index) = self.due.pop_front().expect("there is a first");
            let connection = &mut self.connections[index];
            let Some(socket) = connection.socket.as_ref().filter(|_| connection.stage == Stage::Staying)
            else {
                continue;
            };
            // What fails here is seen by reading.
            let _ = io::write(socket, self.script.drop);
            connection.drops += 1;
            if connection.drops < self.script.drops {
                self.due.push_back((due + self.slow.interval, index));
            }
        }
    }

    /// Asks for connections whose end cannot be seen behind what is never read.
    pub(crate) fn look(&mut self, now: Moment) {
        let Some(peers) = &self.peers else { return };
        for connection in &mut self.connections {
            let open = connection.local.filter(|_| connection.socket.is_some());
            if open.is_some_and(|local| peers.has_closed(self.address, local)) {
                connection.finish(End::Closed, now);
            }
        }
    }

    pub(crate) fn ready(&mut self, poll: &Poll, ready: Ready, now: Moment) {
        let Ready { index, flags, .. } = ready;
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else { return };
        if connection.stage == Stage::Connecting {
            self.connecting -= 1;
            if !socket::is_connected(socket) {
                connection.socket = None;
                connection.stage = Stage::Failed;
                return;
            }
            connection.local = socket::local_address(socket);
            connection.since = now;
            connection.stage = Stage::Opening;
        }
        let reads = self.slow.state != SlowState::Read;
        if connection.stage == Stage::Opening {
            let idle = if reads { READ } else { EventFlags::empty() };
            if connection.open(&self.script.opening) {
                connection.stage = if self.script.awaits { Stage::Awaiting } else { Stage::Staying };
                connection.since = now;
                connection.want(poll, index, idle);
                self.plan_drop(index, now);
            } else {
                connection.want(poll, index, idle | EventFlags::OUT);
            }
        }
        let connection = &mut self.connections[index];
        let gone = flags.intersects(EventFlags::HUP | EventFlags::ERR);
        if !reads && gone {
            // Behind a window of nothing only a reset can be seen.
            connection.finish(End::Reset, now);
        } else if reads && (gone || flags.contains(EventFlags::IN)) {
            let awaiting = connection.stage == Stage::Awaiting;
            connection.receive(&mut self.buffer, now);
            if awaiting && connection.stage == Stage::Staying {
                self.plan_drop(index, now);
            }
        }
    }

    pub(crate) fn report(&self) -> SlowReport {
        let mut report = SlowReport {
            state: self.slow.state,
            opened: 0,
            failed: 0,
            still_open: 0,
            ended: BTreeMap::new(),
            statuses: BTreeMap::new(),
            seconds: None,
        };
        let mut seconds = vec![];
        for connection in &self.connections {
            let arrived = !matches!(connection.stage, Stage::Connecting | Stage::Failed);
            report.opened += u64::from(arrived);
            report.failed += u64::from(!arrived);
            report.still_open += u64::from(arrived && connection.end.is_none());
            if let Some(status) = connection.status {
                *report.statuses.entry(status.to_string()).or_default() += 1;
            }
            if let Some((end, after)) = connection.end {
                *report.ended.entry(end).or_default() += 1;
                seconds.push(after);
            }
        }
        report.seconds = Spread::of(seconds);
        report
    }

    fn plan_drop(&mut self, index: usize, now: Moment) {
        if self.connections[index].stage == Stage::Staying && self.script.drops > 0 {
            self.due.push_back((now + self.slow.interval, index));
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Sends the opening as far as it goes; whether it is over, which it also is if the server takes no
    /// more of it.
    fn open(&mut self, opening: &[u8]) -> bool {
        let Some(socket) = &self.socket else { return true };
        while self.sent < opening.len() {
            match io::write(socket, &opening[self.sent..]) {
                Ok(len) => self.sent += len,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return false,
                Err(_) => return true,
            }
        }
        true
    }

    fn want(&self, poll: &Poll, index: usize, flags: EventFlags) {
        if let Some(socket) = &self.socket {
            // It is known to epoll, so this cannot fail.
            let _ = poll.modify(socket, Group::Slow, index, flags);
        }
    }

    fn receive(&mut self, buffer: &mut [u8], now: Moment) {
        let Some(socket) = &self.socket else { return };
        match socket::receive(socket, buffer) {
            Received::Nothing => {}
            Received::Bytes(len) => self.take(&buffer[..len], now),
            Received::End => self.finish(End::Closed, now),
            Received::Failed(_) => self.finish(End::Reset, now),
        }
    }

    fn take(&mut self, mut input: &[u8], now: Moment) {
        while self.stage != Stage::Answered {
            let Ok((used, event)) = self.reader.step(input) else {
                self.stage = Stage::Answered;
                return;
            };
            input = &input[used..];
            match event {
                None if input.is_empty() => return,
                Some(Event::Head(head)) if head.status == 100 && self.stage == Stage::Awaiting => {
                    self.stage = Stage::Staying;
                    self.since = now;
                }
                Some(Event::Head(head)) if head.status != 100 => {
                    self.status = Some(head.status);
                    self.stage = Stage::Answered;
                }
                _ => {}
            }
        }
    }

    fn finish(&mut self, end: End, now: Moment) {
        self.socket = None;
        self.end = Some((end, now.secs_since(self.since)));
    }
}

// === impl Spread ===

impl Spread {
    fn of(mut seconds: Vec<f64>) -> Option<Self> {
        seconds.sort_by(f64::total_cmp);
        let median = *seconds.get(seconds.len() / 2)?;
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        Some(Self { min: round(seconds[0]), median: round(median), max: round(seconds[seconds.len() - 1]) })
    }
}
