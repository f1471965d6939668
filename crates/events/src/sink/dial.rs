//! Connections to servers, with deadlines for everything.

use crate::{Framing, Peer};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 8;

/// How long bytes may be on their way before the connection counts as dead.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// How often to ask a silent server whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How much of what a server says is thrown away at once.
const MAX_DRAINED: usize = 64 << 10;

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) write: Duration,
}

/// A stream whose reads and writes end at a deadline, however many they are.
pub(super) struct Timed<'a> {
    stream: &'a TcpStream,
    by: Instant,
}

/// A stream that reads what is there, and does not wait for more.
pub(super) struct Present<'a>(pub(super) &'a TcpStream);

/// All addresses of `peer` that are to be tried.
pub(super) fn resolve(peer: &Peer) -> io::Result<Vec<SocketAddr>> {
    let all: Vec<_> = (peer.host.as_str(), peer.port).to_socket_addrs()?.take(MAX_ADDRESSES).collect();
    if all.is_empty() {
        Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    } else {
        Ok(all)
    }
}

/// Connects to the first address of `peer` that answers until `by`.
pub(super) fn connect(peer: &Peer, by: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for address in resolve(peer)? {
        let Some(left) = left(by) else { break };
        match TcpStream::connect_timeout(&address, left) {
            // On this machine a port where nobody listens may be the one that the kernel gives to its client.
            Ok(stream) if stream.local_addr()? == address => last = io::ErrorKind::ConnectionRefused.into(),
            Ok(stream) => {
                stream.set_nodelay(true)?;
                // A server that is gone without a word is noticed by what it does not acknowledge.
                let millis = u32::try_from(UNACKNOWLEDGED.as_millis()).expect("less than 2^32");
                sockopt::set_tcp_user_timeout(&stream, millis)?;
                sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
                sockopt::set_socket_keepalive(&stream, true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Throws away what the server said. An error if it closed the connection.
pub(super) fn drain(stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    for _ in 0..MAX_DRAINED / buffer.len() {
        match Present(stream).read(&mut buffer) {
            Ok(0) => return Err(closed()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What a server does when it ends.
pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the server closed the connection")
}

/// Makes `frame` what goes over a connection for `record` (RFC 6587 section 3.4).
pub(super) fn frame(framing: Framing, record: &[u8], frame: &mut Vec<u8>) {
    frame.clear();
    match framing {
        Framing::OctetCounting => {
            frame.extend_from_slice(record.len().to_string().as_bytes());
            frame.push(b' ');
            frame.extend_from_slice(record);
        }
        Framing::Newline => {
            frame.extend_from_slice(record);
            frame.push(b'\n');
        }
    }
}

fn left(by: Instant) -> Option<Duration> {
    by.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}

// === impl Timed ===

impl<'a> Timed<'a> {
    pub(super) fn new(stream: &'a TcpStream, timeout: Duration) -> Self {
        Self { stream, by: Instant::now() + timeout }
    }

    fn left(&self) -> io::Result<Duration> {
        left(self.by).ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A timeout of a socket says that it would block.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

// === impl Present ===

impl Read for Present<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.0, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, count)) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
