//! What a connection runs on.

#![expect(unsafe_code, reason = "there is no other way to ask how much of a socket's queue is left")]

use rustix::ioctl::{Getter, Opcode, ioctl};
use socket2::SockRef;
use std::ffi::c_int;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// TCP, or TLS over it.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// Whether an end in order is a message of its own, without which the peer takes what it got for cut.
    const SAYS_GOODBYE: bool;

    /// Bytes that were written and that the peer's system has not confirmed.
    fn unconfirmed(&self) -> Option<u64>;

    /// What the peer has not taken is forgotten when this is dropped, and the connection is reset.
    fn forget_on_drop(&mut self);
}

/// `SIOCOUTQ` (tcp(7)), the same number as `TIOCOUTQ` of asm-generic/ioctls.h.
const OUTQ: Opcode = 0x5411;

impl Io for TcpStream {
    const SAYS_GOODBYE: bool = false;

    fn unconfirmed(&self) -> Option<u64> {
        // SAFETY: on a socket, this request writes one int to where its argument points.
        let queued: c_int = unsafe { ioctl(self, Getter::<OUTQ, c_int>::new()) }.ok()?;
        u64::try_from(queued).ok()
    }

    fn forget_on_drop(&mut self) {
        // The only error is that there is no connection any more.
        let _ = SockRef::from(&*self).set_linger(Some(Duration::ZERO));
    }
}

/// Dropped without a shutdown, it ends without `close_notify` (RFC 8446 section 6.1): an answer that was
/// given up does not look complete.
impl<I: Io> Io for TlsStream<I> {
    const SAYS_GOODBYE: bool = true;

    fn unconfirmed(&self) -> Option<u64> {
        self.get_ref().0.unconfirmed()
    }

    fn forget_on_drop(&mut self) {
        self.get_mut().0.forget_on_drop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_the_peer_does_not_take_is_seen_and_forgotten_when_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut here = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut there, _) = listener.accept().await.unwrap();
        assert_eq!(here.unconfirmed(), Some(0));
        let block = vec![7; 65_536];
        while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(200), here.write(&block)).await {}
        let queued = here.unconfirmed().unwrap();
        assert!(queued > 65_536, "{queued}");
        here.forget_on_drop();
        drop(here);
        let mut buffer = vec![0; 1 << 20];
        let error = loop {
            match tokio::io::AsyncReadExt::read(&mut there, &mut buffer).await {
                Ok(0) => panic!("an orderly end"),
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
