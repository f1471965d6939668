//! Connections that ask for OPTIONS once and then stay.

use crate::poll::{Group, Poll, Ready};
use crate::response::{Event, ResponseReader};
use crate::settings::Settings;
use crate::socket::{self, READ, READ_WRITE, Received};
use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use serde::Serialize;
use std::net::SocketAddr;

/// The connections.
#[derive(Debug)]
pub(crate) struct Idle {
    address: SocketAddr,
    request: Vec<u8>,
    count: usize,
    connections: Vec<Connection>,
    connecting: usize,
    /// Connections of which it is known whether they were answered.
    settled: usize,
    buffer: Vec<u8>,
}

/// What became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdleReport {
    /// Connections that were answered.
    pub opened: u64,
    /// Those of them that the server has not ended.
    pub still_open: u64,
}

#[derive(Debug)]
struct Connection {
    socket: Option<OwnedFd>,
    reader: ResponseReader,
    stage: Stage,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Asked,
    Answered,
    Failed,
}

// === impl Idle ===

impl Idle {
    pub(crate) fn new(settings: &Settings) -> Self {
        let count = settings.idle as usize;
        Self {
            address: settings.address,
            request: format!("OPTIONS {} ICAP/1.0\r\nHost: {}\r\n\r\n", settings.uri(), settings.target)
                .into_bytes(),
            count,
            connections: Vec::with_capacity(count),
            connecting: 0,
            settled: 0,
            buffer: vec![0; 16 * 1024],
        }
    }

    /// Begins one more connection; false when there are enough.
    pub(crate) fn open_next(&mut self, poll: &Poll) -> bool {
        let index = self.connections.len();
        if index == self.count {
            return false;
        }
        let socket = socket::connect(self.address, false).ok();
        let socket = socket.filter(|socket| poll.add(socket, Group::Idle, index, READ_WRITE).is_ok());
        let stage = if socket.is_some() { Stage::Connecting } else { Stage::Failed };
        self.connecting += usize::from(socket.is_some());
        self.settled += usize::from(socket.is_none());
        self.connections.push(Connection { socket, reader: ResponseReader::default(), stage, status: 0 });
        true
    }

    /// Connections whose handshake is not over.
    pub(crate) fn connecting(&self) -> usize {
        self.connecting
    }

    /// Connections of which it is known whether they were answered.
    pub(crate) fn settled(&self) -> usize {
        self.settled
    }

    /// Whether that is known of all.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled == self.count
    }

    pub(crate) fn report(&self) -> IdleReport {
        let answered = self.connections.iter().filter(|connection| connection.stage == Stage::Answered);
        let (mut opened, mut still_open) = (0, 0);
        for connection in answered {
            opened += 1;
            still_open += u64::from(connection.socket.is_some());
        }
        IdleReport { opened, still_open }
    }

    pub(crate) fn ready(&mut self, poll: &Poll, ready: Ready) {
        let Ready { index, flags, .. } = ready;
        let connection = &mut self.connections[index];
        let Some(socket) = &connection.socket else { return };
        if connection.stage == Stage::Connecting {
            self.connecting -= 1;
            // A fresh socket takes so few bytes at once.
            let asked = rustix::io::write(socket, &self.request).is_ok_and(|len| len == self.request.len())
                && poll.modify(socket, Group::Idle, index, READ).is_ok();
            connection.stage = if asked { Stage::Asked } else { Stage::Failed };
            if !asked {
                self.settled += 1;
                connection.socket = None;
            }
        } else if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            let before = connection.stage;
            connection.receive(&mut self.buffer);
            self.settled += usize::from(before == Stage::Asked && connection.stage != Stage::Asked);
        }
    }
}

// === impl Connection ===

impl Connection {
    fn receive(&mut self, buffer: &mut [u8]) {
        let Some(socket) = &self.socket else { return };
        match socket::receive(socket, buffer) {
            Received::Nothing => {}
            Received::Bytes(len) => self.take(&buffer[..len]),
            Received::End | Received::Failed(_) => self.end(),
        }
    }

    fn take(&mut self, mut input: &[u8]) {
        loop {
            match self.reader.step(input) {
                Ok((used, event)) => {
                    input = &input[used..];
                    match event {
                        None if input.is_empty() => return,
                        Some(Event::Head(head)) => self.status = head.status,
                        Some(Event::End) if self.status == 200 => self.stage = Stage::Answered,
                        Some(Event::End) => return self.end(),
                        None | Some(Event::Data(_)) => {}
                    }
                }
                Err(_) => return self.end(),
            }
        }
    }

    fn end(&mut self) {
        self.socket = None;
        if self.stage == Stage::Asked {
            self.stage = Stage::Failed;
        }
    }
}
