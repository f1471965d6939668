//! A stream from which no more is read than an answer may have.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many more bytes may come.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowance(Arc<AtomicUsize>);

/// Fails when more comes.
pub(super) struct Bounded<S> {
    stream: S,
    allowance: Allowance,
}

// === impl Allowance ===

impl Allowance {
    /// From now on so many.
    pub(super) fn set(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether more came.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

// === impl Bounded ===

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, allowance: Allowance) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        let left = self.allowance.0.load(Ordering::Relaxed);
        self.allowance.0.store(left.saturating_sub(read), Ordering::Relaxed);
        Poll::Ready(if read >= left && read > 0 {
            Err(io::Error::other("an answer is too large"))
        } else {
            Ok(())
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
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
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn more_than_is_allowed_is_an_error() {
        let allowance = Allowance::default();
        let mut stream = Bounded::new(&[7_u8; 100][..], allowance.clone());
        let mut buffer = [0; 10];
        allowance.set(30);
        stream.read_exact(&mut buffer).await.unwrap();
        stream.read_exact(&mut buffer).await.unwrap();
        assert!(!allowance.is_spent());
        allowance.set(30);
        stream.read_exact(&mut buffer).await.unwrap();
        stream.read_exact(&mut buffer).await.unwrap();
        stream.read_exact(&mut buffer).await.unwrap_err();
        assert!(allowance.is_spent());
    }
}
