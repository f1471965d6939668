//! A connection whose peer has to take what it asked for.

use crate::Pace;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// A connection that fails when its peer takes less than it has to, for as long as there is something to take.
pub(super) struct Paced {
    stream: TcpStream,
    pace: Pace,
    /// Since when the peer's window is full, if it is.
    full_since: Option<Instant>,
    /// How long it was full before, since counting began.
    was_full: Duration,
    /// What the peer took since then.
    taken: u64,
    /// When it is looked at how much that is.
    alarm: Option<Pin<Box<Sleep>>>,
}

// === impl Paced ===

impl Paced {
    pub(super) fn new(stream: TcpStream, pace: Pace) -> Self {
        Self { stream, pace, full_since: None, was_full: Duration::ZERO, taken: 0, alarm: None }
    }

    /// What has to be taken while the window is full for [`Pace::idle`] in all: sockets give room in lumps.
    fn has_taken_enough(&self) -> bool {
        u128::from(self.taken) * 1000 >= u128::from(self.pace.min_rate) * self.pace.idle.as_millis()
    }

    fn begin(&mut self) {
        (self.was_full, self.taken) = (Duration::ZERO, 0);
    }

    /// The window is full.
    fn watch(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.full_since.is_none() {
            let now = Instant::now();
            self.full_since = Some(now);
            let at = now + self.pace.idle.saturating_sub(self.was_full);
            self.alarm.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut().reset(at);
        }
        while let Some(alarm) = &mut self.alarm {
            ready!(alarm.as_mut().poll(cx));
            if !self.has_taken_enough() {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.begin();
            let now = Instant::now();
            self.full_since = Some(now);
            self.alarm = Some(Box::pin(sleep_until(now + self.pace.idle)));
        }
        Poll::Pending
    }

    fn after_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.watch(cx).map(Err),
            Poll::Ready(Ok(count)) => {
                if let Some(since) = self.full_since.take() {
                    self.was_full += since.elapsed();
                }
                self.taken += count as u64;
                if self.has_taken_enough() {
                    self.begin();
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
