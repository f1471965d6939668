//! One connection's bytes, with a deadline on each wait.

use crate::buffer::Buffer;
use crate::config::Timeouts;
use crate::exchange::ExchangeError;
use icapstan_icap_proto::{ChunkHead, Decoder};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

/// What a connection runs on: TCP, or TLS over it.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// The two directions of a connection.
#[derive(Debug)]
pub(crate) struct Connection<I> {
    pub(crate) io: I,
    pub(crate) peer: SocketAddr,
    pub(crate) input: Buffer,
    pub(crate) decoder: Decoder,
    /// What is to be written before anything else.
    pub(crate) output: Vec<u8>,
    pub(crate) timeouts: Timeouts,
    /// The peer has closed its sending side.
    pub(crate) ended: bool,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

// === impl Connection ===

impl<I: Io> Connection<I> {
    /// Reads more input by `deadline`.
    pub(crate) async fn fill(&mut self, deadline: Instant) -> Result<(), ExchangeError> {
        if self.ended {
            return Err(ExchangeError::Gone);
        }
        let read = timeout_at(deadline, self.input.read(&mut self.io)).await;
        let count = read.map_err(|_| ExchangeError::ReadTimeout)?.map_err(|_| ExchangeError::Gone)?;
        self.received += count as u64;
        if count == 0 {
            self.ended = true;
            return Err(ExchangeError::Gone);
        }
        Ok(())
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
                Ok(count) => self.received += count as u64,
                Err(_) => return,
            }
        }
        tokio::time::sleep(self.timeouts.half_closed).await;
    }

    /// Writes the pending output and `more` behind it.
    pub(crate) async fn flush_with(&mut self, more: &[&[u8]]) -> Result<(), ExchangeError> {
        let mut slices = [IoSlice::new(&[]); 4];
        debug_assert!(more.len() < slices.len());
        slices[0] = IoSlice::new(&self.output);
        for (slot, bytes) in slices[1..].iter_mut().zip(more) {
            *slot = IoSlice::new(bytes);
        }
        let written = write_all(&mut self.io, &mut slices[..=more.len()], self.timeouts.write).await;
        self.output.clear();
        self.sent += written?;
        Ok(())
    }

    /// Writes the pending output and `body` behind it as chunks, with the last chunk: all by one
    /// call to the system unless the peer is slow. `body` is not empty.
    pub(crate) async fn flush_chunked(&mut self, body: &[u8]) -> Result<(), ExchangeError> {
        const CHUNK: usize = 64 * 1024;
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
        let written = write_all(&mut self.io, &mut slices, self.timeouts.write).await;
        self.output.clear();
        self.sent += written?;
        Ok(())
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
        let most = self.received + MOST;
        while self.received < most {
            self.input.consume(self.input.filled().len());
            if self.fill(deadline).await.is_err() {
                return;
            }
        }
    }
}

/// Writes `first` and then `second`. Returns the number of bytes.
pub(crate) async fn write_pair(
    io: &mut (impl AsyncWrite + Unpin),
    first: &[u8],
    second: &[u8],
    stall: Duration,
) -> Result<u64, ExchangeError> {
    write_all(io, &mut [IoSlice::new(first), IoSlice::new(second)], stall).await
}

/// Writes everything, waiting at most `stall` for each piece. Returns the number of bytes.
async fn write_all(
    io: &mut (impl AsyncWrite + Unpin),
    mut slices: &mut [IoSlice<'_>],
    stall: Duration,
) -> Result<u64, ExchangeError> {
    let mut written = 0;
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let write = timeout(stall, io.write_vectored(slices)).await;
        let count = match write.map_err(|_| ExchangeError::WriteTimeout)? {
            Ok(0) => return Err(ExchangeError::Gone),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(_) => return Err(ExchangeError::Gone),
        };
        written += count as u64;
        IoSlice::advance_slices(&mut slices, count);
    }
    Ok(written)
}
