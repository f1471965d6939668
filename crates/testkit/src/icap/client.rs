//! The connection of the raw ICAP client.

use super::response::{IcapResponse, Kind, Source};
use crate::wait::PATIENCE;
use rustix::net::sockopt::set_socket_linger;
use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// One connection to an ICAP server.
#[derive(Debug)]
pub struct IcapClient {
    reader: BufReader<TcpStream>,
}

/// Why there is no response.
#[derive(Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The server closed the connection before the first byte.
    Closed,
    /// The server closed the connection in the middle of a response.
    Truncated,
    /// The server, or its kernel, reset the connection.
    Reset,
    /// Nothing came in time.
    Silent,
    /// What came breaks a rule.
    Wrong(String),
}

// === impl IcapClient ===

impl IcapClient {
    /// Connects; each read waits for [`PATIENCE`].
    #[track_caller]
    pub fn connect(server: SocketAddr) -> Self {
        Self::try_connect(server).unwrap_or_else(|error| panic!("no connection to {server}: {error}"))
    }

    /// As [`IcapClient::connect`], for servers that may refuse.
    pub fn try_connect(server: SocketAddr) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(server)?)
    }

    /// As [`IcapClient::connect`], from another address of this machine.
    #[track_caller]
    pub fn connect_from(address: IpAddr, server: SocketAddr) -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        let connected = || {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = socket(family, SocketType::STREAM, None)?;
            bind(&socket, &SocketAddr::new(address, 0))?;
            connect(&socket, &server)?;
            Self::over(socket.into())
        };
        connected().unwrap_or_else(|error| panic!("no connection from {address} to {server}: {error}"))
    }

    fn over(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::with_capacity(64 * 1024, stream) })
    }

    /// Writes all of it.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("cannot write: {error}"));
    }

    /// As [`IcapClient::send`], for servers that may have closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream().write_all(bytes.as_ref())
    }

    /// Writes the bytes up to `at`, then the rest, in segments of their own.
    #[track_caller]
    pub fn send_split(&mut self, bytes: &[u8], at: usize) {
        self.send(&bytes[..at]);
        self.send(&bytes[at..]);
    }

    /// Writes each byte in a segment of its own.
    #[track_caller]
    pub fn send_bytewise(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send([*byte]);
        }
    }

    /// Runs `read` while `bytes` are being written, for what the server answers before it has all.
    /// What cannot be written any more, since the server closed, is not missed.
    pub fn send_while<T>(&mut self, bytes: &[u8], read: impl FnOnce(&mut Self) -> T) -> T {
        let mut writer = self.reader.get_ref().try_clone().expect("there are descriptors left");
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let _ = writer.write_all(bytes);
            });
            read(self)
        })
    }

    /// Tells the server that no more will come.
    pub fn end_sending(&self) {
        // Fails only when the server was first.
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
    }

    /// Leaves at once: the server is told by a reset.
    pub fn reset(self) {
        set_socket_linger(self.reader.get_ref(), Some(Duration::ZERO)).expect("an open socket takes it");
    }

    /// How long a read waits.
    pub fn patience(&self, limit: Duration) {
        self.reader.get_ref().set_read_timeout(Some(limit)).expect("a duration that is not zero");
    }

    /// Reads one response.
    pub fn try_read(&mut self, kind: Kind) -> Result<IcapResponse, ReadError> {
        IcapResponse::read(self, kind)
    }

    /// Reads one response; panics with what came instead.
    #[track_caller]
    pub fn read(&mut self, kind: Kind) -> IcapResponse {
        self.try_read(kind).unwrap_or_else(|error| panic!("no answer to {kind:?}: {error}"))
    }

    /// Reads the response to an `OPTIONS`.
    #[track_caller]
    pub fn read_options(&mut self) -> IcapResponse {
        self.read(Kind::Options)
    }

    /// Reads the response to a `REQMOD`.
    #[track_caller]
    pub fn read_reqmod(&mut self) -> IcapResponse {
        self.read(Kind::Reqmod)
    }

    /// Reads the response to a `RESPMOD`.
    #[track_caller]
    pub fn read_respmod(&mut self) -> IcapResponse {
        self.read(Kind::Respmod)
    }

    /// Panics unless the server closes without another byte.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(0) => {}
            Ok(_) => panic!("more bytes before the end: {:?}", String::from_utf8_lossy(&rest)),
            Err(error) => panic!("no clean end of the connection: {error}"),
        }
    }

    /// Panics unless the server closes without another byte, in order or by a reset: for a server
    /// that had reason not to read all that was sent.
    #[track_caller]
    pub fn expect_gone(&mut self) {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Ok(_) | Err(_) if !rest.is_empty() => {
                panic!("more bytes before the end: {:?}", String::from_utf8_lossy(&rest))
            }
            Err(error) if ReadError::from_kind(error.kind()) == Some(ReadError::Silent) => {
                panic!("not closed")
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// Whether the server says nothing for as long as `limit`.
    pub fn is_silent_for(&mut self, limit: Duration) -> bool {
        self.patience(limit);
        let silent = matches!(
            self.reader.fill_buf(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        );
        self.patience(PATIENCE);
        silent
    }

    /// All bytes until the server closes, which it must do in order.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).unwrap_or_else(|error| panic!("no clean end: {error}"));
        rest
    }

    /// The socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.reader.get_mut()
    }

    fn until(&mut self, end: &[u8], limit: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end) {
            if bytes.len() >= limit {
                return Err(ReadError::Wrong(format!(
                    "no {end:?} within {limit} bytes: {:?}",
                    String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
                )));
            }
            let mut byte = [0];
            match self.reader.read_exact(&mut byte) {
                Ok(()) => bytes.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && bytes.is_empty() => {
                    return Err(ReadError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(bytes)
    }
}

impl Source for IcapClient {
    type Error = ReadError;

    fn head(&mut self, limit: usize) -> Result<Vec<u8>, ReadError> {
        self.until(b"\r\n\r\n", limit)
    }

    fn line(&mut self, limit: usize) -> Result<Vec<u8>, ReadError> {
        self.until(b"\r\n", limit)
            .map_err(|error| if error == ReadError::Closed { ReadError::Truncated } else { error })
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

// === impl ReadError ===

impl ReadError {
    fn from_kind(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::UnexpectedEof => Some(Self::Truncated),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Some(Self::Reset),
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Some(Self::Silent),
            _ => None,
        }
    }
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        Self::from_kind(error.kind()).unwrap_or_else(|| Self::Wrong(error.to_string()))
    }
}

impl From<String> for ReadError {
    fn from(rule: String) -> Self {
        Self::Wrong(rule)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Truncated => f.write_str("the server closed the connection in the middle of its answer"),
            Self::Reset => f.write_str("the connection was reset"),
            Self::Silent => f.write_str("the server said nothing"),
            Self::Wrong(rule) => write!(f, "the answer breaks a rule: {rule}"),
        }
    }
}

impl std::error::Error for ReadError {}
