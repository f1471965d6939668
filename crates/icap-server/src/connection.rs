//! One connection's bytes, with a deadline on each wait.

use crate::alarm::{Alarm, Deadline};
use crate::buffer::Buffer;
use crate::config::{ServerConfig, Timeouts};
use crate::exchange::ExchangeError;
use crate::io::Io;
use crate::{Budget, Caller, Refusals, Share};
use icapstan_icap_proto::{ChunkHead, Decoder, LAST_CHUNK};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};

/// The two directions of a connection.
#[derive(Debug)]
pub(crate) struct Connection<I> {
    pub(crate) caller: Caller,
    pub(crate) input: Buffer,
    pub(crate) decoder: Decoder,
    /// What is to be written before anything else.
    pub(crate) output: Vec<u8>,
    pub(crate) timeouts: Timeouts,
    pub(crate) refusals: Refusals,
    /// The peer has closed its sending side.
    pub(crate) ended: bool,
    /// Since when that is known to who waits for it.
    ended_since: Option<Instant>,
    /// Since the last request.
    pub(crate) traffic: Traffic,
    io: I,
    alarm: Alarm,
    pace: Pace,
    /// What unusually large heads take.
    heads: Share,
}

/// Bytes that went through a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// From the client.
    pub received: u64,
    /// To the client.
    pub sent: u64,
}

/// How fast the peer takes an answer.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    bytes: u64,
    /// Time spent waiting for the peer.
    waited: Duration,
    /// How it stood when the peer was looked at first.
    start: Option<Start>,
}

/// How an answer stood at one time. The queue may hold answers before it, which count as little as what
/// the peer takes of them does not.
#[derive(Clone, Copy, Debug)]
struct Start {
    bytes: u64,
    queued: u64,
    waited: Duration,
}

/// Pieces of the input that are passed on by one call to the system.
pub(crate) struct Pieces {
    ranges: [Range<usize>; Self::MOST],
    count: usize,
}

/// The longest chunk that is sent, in bytes: what all clients take.
const CHUNK: usize = 64 * 1024;

/// What the heads of any request may take without being counted, in bytes.
const FREE_HEADS: usize = 16 * 1024;

// === impl Connection ===

impl<I: Io> Connection<I> {
    pub(crate) fn new(io: I, caller: Caller, config: &ServerConfig, memory: &Arc<Budget>) -> Self {
        Self {
            caller,
            input: Buffer::new(config.limits.icap_head, memory),
            decoder: Decoder::new(config.limits),
            output: Vec::new(),
            timeouts: config.timeouts,
            refusals: config.refusals,
            ended: false,
            ended_since: None,
            traffic: Traffic::default(),
            io,
            alarm: Alarm::default(),
            pace: Pace::default(),
            heads: Share::new(memory),
        }
    }

    /// Reads more input by `deadline`.
    pub(crate) async fn fill(&mut self, deadline: Deadline) -> Result<(), ExchangeError> {
        if self.ended {
            return Err(ExchangeError::Gone);
        }
        let read = self.alarm.by(deadline, self.input.read(&mut self.io)).await;
        let count = match read.map_err(|_| ExchangeError::ReadTimeout)? {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => return Err(ExchangeError::Spent),
            Err(_) => return Err(ExchangeError::Gone),
        };
        self.traffic.received += count as u64;
        if count == 0 {
            self.ended = true;
            return Err(ExchangeError::Gone);
        }
        Ok(())
    }

    /// Takes memory for heads of `bytes`, or gives back what former ones took.
    pub(crate) fn charge_heads(&mut self, bytes: usize) -> Result<(), ExchangeError> {
        let bytes = bytes.saturating_sub(FREE_HEADS) as u64;
        if self.heads.resize(bytes) { Ok(()) } else { Err(ExchangeError::Spent) }
    }

    /// Gives back what an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        self.input.shrink();
        self.decoder.shrink();
        self.output = Vec::new();
    }

    /// The peer does not take what was written: nothing of it is kept for it.
    pub(crate) fn forget(&mut self) {
        self.io.forget_on_drop();
    }

    /// A new answer: the peer's pace is measured anew.
    pub(crate) fn restart_pace(&mut self) {
        self.pace = Pace::default();
    }

    /// Ends when the peer is gone: at once if it reset the connection, after a while if it merely
    /// closed its sending side. Keeps what comes in, as far as there is room.
    pub(crate) async fn gone(&mut self) {
        while !self.ended {
            if self.input.is_full() {
                // The peer is there, and sends ahead. Its end is not seen before that is used.
                std::future::pending::<()>().await;
            }
            match self.input.read(&mut self.io).await {
                Ok(0) => self.ended = true,
                Ok(count) => self.traffic.received += count as u64,
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => std::future::pending().await,
                Err(_) => return,
            }
        }
        // Whoever asks again and again waits no longer for that.
        let since = *self.ended_since.get_or_insert_with(Instant::now);
        tokio::time::sleep_until(since + self.timeouts.half_closed).await;
    }

    /// Writes the pending output and `more` behind it.
    pub(crate) async fn flush_with(&mut self, more: &[&[u8]]) -> Result<(), ExchangeError> {
        let mut slices = [IoSlice::new(&[]); 4];
        debug_assert!(more.len() < slices.len());
        slices[0] = IoSlice::new(&self.output);
        for (slot, bytes) in slices[1..].iter_mut().zip(more) {
            *slot = IoSlice::new(bytes);
        }
        let sink =
            Sink { io: &mut self.io, alarm: &mut self.alarm, pace: &mut self.pace, timeouts: &self.timeouts };
        let written = sink.write_all(&mut slices[..=more.len()]).await;
        self.output.clear();
        self.traffic.sent += written?;
        Ok(())
    }

    /// Writes the pending output and `body` behind it as chunks, with the last chunk: all by one
    /// call to the system unless the peer is slow. `body` is not empty.
    pub(crate) async fn flush_chunked(&mut self, body: &[u8]) -> Result<(), ExchangeError> {
        const BETWEEN: &[u8] = b"\r\n10000\r\n";
        let head = ChunkHead::new(body.len().min(CHUNK));
        let last = ChunkHead::new(body.len() - (body.len() - 1) / CHUNK * CHUNK);
        if body.len() <= CHUNK {
            return self.flush_with(&[head.as_bytes(), body, b"\r\n0\r\n\r\n"]).await;
        }
        let mut slices = Vec::with_capacity(2 * body.len().div_ceil(CHUNK) + 4);
        slices.extend([IoSlice::new(&self.output), IoSlice::new(head.as_bytes())]);
        let mut left = body;
        while left.len() > 2 * CHUNK {
            let (chunk, rest) = left.split_at(CHUNK);
            slices.extend([IoSlice::new(chunk), IoSlice::new(BETWEEN)]);
            left = rest;
        }
        let (chunk, rest) = left.split_at(CHUNK);
        slices.extend([chunk, b"\r\n", last.as_bytes(), rest, b"\r\n0\r\n\r\n"].map(IoSlice::new));
        let sink =
            Sink { io: &mut self.io, alarm: &mut self.alarm, pace: &mut self.pace, timeouts: &self.timeouts };
        let written = sink.write_all(&mut slices).await;
        self.output.clear();
        self.traffic.sent += written?;
        Ok(())
    }

    /// Writes the pending output and behind it `pieces` as chunks; with the last chunk, if they are the
    /// `last`.
    pub(crate) async fn flush_pieces(&mut self, pieces: &Pieces, last: bool) -> Result<(), ExchangeError> {
        const FULL: &[u8] = b"10000\r\n";
        let len: usize = pieces.iter().map(ExactSizeIterator::len).sum();
        let rest = len % CHUNK;
        let rest_head = (rest > 0).then(|| ChunkHead::new(rest));
        let mut slices = Vec::with_capacity(pieces.count + 3 * len.div_ceil(CHUNK) + 2);
        slices.push(IoSlice::new(&self.output));
        let mut ranges = pieces.iter().cloned();
        let mut range = ranges.next().unwrap_or_default();
        let full = std::iter::repeat_n((CHUNK, FULL), len / CHUNK);
        for (size, head) in full.chain(rest_head.iter().map(|head| (rest, head.as_bytes()))) {
            slices.push(IoSlice::new(head));
            let mut left = size;
            while left > 0 {
                let taken = range.len().min(left);
                slices.push(IoSlice::new(self.input.at(range.start..range.start + taken)));
                range.start += taken;
                left -= taken;
                if range.is_empty() {
                    range = ranges.next().unwrap_or_default();
                }
            }
            slices.push(IoSlice::new(b"\r\n"));
        }
        if last {
            slices.push(IoSlice::new(LAST_CHUNK));
        }
        let sink =
            Sink { io: &mut self.io, alarm: &mut self.alarm, pace: &mut self.pace, timeouts: &self.timeouts };
        let written = sink.write_all(&mut slices).await;
        self.output.clear();
        self.traffic.sent += written?;
        Ok(())
    }

    /// Says that there will be nothing more, where that is a message of its own.
    pub(crate) async fn say_goodbye(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        if I::SAYS_GOODBYE {
            // It may be gone already.
            let _ = tokio::time::timeout(PATIENCE, self.io.shutdown()).await;
        }
    }

    /// Says no more, and reads what the peer still sends, so that closing does not destroy the
    /// answer that is on its way to it (a close with unread bytes resets the connection).
    pub(crate) async fn linger(&mut self) {
        const MOST: u64 = 64 << 20;
        let deadline = Instant::now() + self.timeouts.linger;
        let shut = timeout_at(deadline, self.io.shutdown()).await;
        if !matches!(shut, Ok(Ok(()))) {
            return;
        }
        let most = self.traffic.received + MOST;
        while self.traffic.received < most {
            self.input.consume(self.input.filled().len());
            if self.fill(Deadline::At(deadline)).await.is_err() {
                return;
            }
        }
    }
}

/// The sending side, apart from what is sent.
struct Sink<'c, I> {
    io: &'c mut I,
    alarm: &'c mut Alarm,
    pace: &'c mut Pace,
    timeouts: &'c Timeouts,
}

impl<I: Io> Sink<'_, I> {
    /// Writes everything, to a peer that takes a piece now and then and enough on average. Returns
    /// the number of bytes.
    async fn write_all(mut self, mut slices: &mut [IoSlice<'_>]) -> Result<u64, ExchangeError> {
        let mut written = 0;
        IoSlice::advance_slices(&mut slices, 0);
        loop {
            let is_flush = slices.is_empty();
            let count = match self.write(slices).await? {
                Ok(_) if is_flush => return Ok(written),
                Ok(0) => return Err(ExchangeError::Gone),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(_) => return Err(ExchangeError::Gone),
            };
            written += count as u64;
            self.pace.bytes += count as u64;
            IoSlice::advance_slices(&mut slices, count);
        }
    }

    /// Writes once, as soon as there is room; without slices, passes on what is kept on the way (TLS does). The system reports room only when a good part of its
    /// queue, which may be megabytes, is free; so what tells a slow peer from a dead one is whether
    /// the queue gets shorter. It is looked at now and then, and given up when it has not for the
    /// whole time, or when the peer is too slow on average.
    async fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<io::Result<usize>, ExchangeError> {
        const LOOKS: u32 = 4;
        let Timeouts { write: patience, body_rate, .. } = *self.timeouts;
        let (mut shortest, mut silent) = (u64::MAX, Duration::ZERO);
        loop {
            let io = &mut *self.io;
            let step = async {
                if slices.is_empty() { io.flush().await.map(|()| 0) } else { io.write_vectored(slices).await }
            };
            let write = self.alarm.by(Deadline::In(patience / LOOKS), step).await;
            let waited = self.alarm.waited();
            self.pace.waited += waited;
            if let Ok(written) = write {
                return Ok(written);
            }
            let queued = self.io.unconfirmed().unwrap_or(0);
            silent = if queued < shortest { Duration::ZERO } else { silent + waited };
            shortest = queued;
            if self.pace.is_too_slow(queued, patience, body_rate) || silent >= patience {
                return Err(ExchangeError::WriteTimeout);
            }
        }
    }
}

// === impl Pace ===

impl Pace {
    /// Whether the peer, in whose queue so many bytes are, takes less than `rate` bytes a second, once it
    /// was waited for longer than `patience`.
    fn is_too_slow(&mut self, queued: u64, patience: Duration, rate: u64) -> bool {
        let now = Start { bytes: self.bytes, queued, waited: self.waited };
        let start = *self.start.get_or_insert(now);
        let waited = self.waited.saturating_sub(start.waited);
        let taken = (start.queued + (now.bytes - start.bytes)).saturating_sub(queued);
        waited > patience && taken < rate * waited.as_secs()
    }
}

// === impl Pieces ===

impl Pieces {
    const MOST: usize = 16;
    /// Smaller ones are moved together: a slice of its own costs more than the copy.
    const SMALL: usize = 2048;

    pub(crate) fn new() -> Self {
        Self { ranges: [const { 0..0 }; Self::MOST], count: 0 }
    }

    /// Adds a piece that lies behind all others. `false`: one more may not fit.
    pub(crate) fn push(&mut self, input: &mut Buffer, range: Range<usize>) -> bool {
        match self.ranges[..self.count].last_mut() {
            Some(last) if range.len() <= Self::SMALL => {
                let end = last.end;
                last.end += range.len();
                input.move_down(range, end);
            }
            _ => {
                self.ranges[self.count] = range;
                self.count += 1;
            }
        }
        self.count < Self::MOST
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn iter(&self) -> impl Iterator<Item = &Range<usize>> {
        self.ranges[..self.count].iter()
    }
}
