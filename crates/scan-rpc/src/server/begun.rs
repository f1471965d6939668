//! A connection that has to begin in time.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// What clients of HTTP/2 send first, in bytes (RFC 9113, 3.4).
const PREFACE: usize = 24;

/// Fails to be read when the preface of HTTP/2 has not come in time: whoever connects and says nothing, or not enough,
/// would have its place for ever.
#[derive(Debug)]
pub struct Begun<S> {
    stream: S,
    /// How much of the preface is missing, and the end of its time; nothing once it is there.
    waits: Option<(usize, Pin<Box<Sleep>>)>,
}

// === impl Begun ===

impl<S> Begun<S> {
    /// Gives the preface this much time from now on. To be made on a runtime with a timer.
    pub fn within(time: Duration, stream: S) -> Self {
        Self { stream, waits: Some((PREFACE, Box::pin(tokio::time::sleep(time)))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, waits } = &mut *self;
        let Some((missing, end)) = waits else { return Pin::new(stream).poll_read(cx, buf) };
        let before = buf.filled().len();
        let Poll::Ready(read) = Pin::new(stream).poll_read(cx, buf) else {
            ready!(end.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        };
        *missing = missing.saturating_sub(buf.filled().len() - before);
        if *missing == 0 {
            *waits = None;
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    const TIME: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_not_enough_has_its_time_and_no_more() {
        for said in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            let (mut client, server) = tokio::io::duplex(1024);
            client.write_all(said).await.unwrap();
            let begun = Instant::now();
            let mut server = Begun::within(TIME, server);
            let error = server.read_exact(&mut [0; PREFACE]).await.unwrap_err();
            assert_eq!((error.kind(), begun.elapsed().as_secs()), (io::ErrorKind::TimedOut, 5));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_begun_may_be_silent() {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut server = Begun::within(TIME, server);
        for piece in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".chunks(5) {
            client.write_all(piece).await.unwrap();
        }
        server.read_exact(&mut [0; PREFACE]).await.unwrap();
        let read = tokio::time::timeout(TIME * 100, server.read_u8()).await;
        assert!(read.is_err(), "nothing came, and nothing failed");
    }
}
