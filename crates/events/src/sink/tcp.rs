//! Syslog over TCP (RFC 6587).

use super::dial::{Timed, Timeouts, connect, drain, frame};
use super::{Sink, WriteError};
use crate::{Framing, Peer};
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

#[derive(Debug)]
pub(super) struct TcpSink {
    peer: Peer,
    framing: Framing,
    timeouts: Timeouts,
    stream: Option<TcpStream>,
    frame: Vec<u8>,
}

// === impl TcpSink ===

impl TcpSink {
    pub(super) const fn new(peer: Peer, framing: Framing, timeouts: Timeouts) -> Self {
        Self { peer, framing, timeouts, stream: None, frame: Vec::new() }
    }

    /// Gives the connection up with the first error: what is in it is of no use any more.
    fn with<T>(&mut self, act: impl FnOnce(&TcpStream, &[u8]) -> io::Result<T>) -> io::Result<T> {
        let stream = self.stream.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        act(stream, &self.frame).inspect_err(|_| self.stream = None)
    }
}

impl Sink for TcpSink {
    fn open(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            self.stream = Some(connect(&self.peer, Instant::now() + self.timeouts.connect)?);
        }
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        self.with(|stream, _| drain(stream))
    }

    fn write(&mut self, record: &[u8]) -> Result<(), WriteError> {
        frame(self.framing, record, &mut self.frame);
        let timeout = self.timeouts.write;
        Ok(self.with(|stream, frame| {
            // A server that has closed would take this record, and lose it.
            drain(stream)?;
            Timed::new(stream, timeout).write_all(frame)
        })?)
    }

    fn close(&mut self) {
        if let Some(stream) = self.stream.take() {
            // It may be gone already.
            let _ = stream.shutdown(Shutdown::Write);
        }
    }
}
