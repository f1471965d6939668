//! The least that a server on tokio can do and still answer ICAP: the floor for every other one.
//!
//! It reads requests whole, OPTIONS gets a fixed 200, a message without a body a fixed 204, and a
//! message with a body comes back as it was sent. There are no deadlines, no logs, no metrics, and no
//! checks beyond what framing needs.

mod request;

use request::{Asked, Next, Pending};
use std::convert::Infallible;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// What one read has room for at least.
const ROOM: usize = 16 * 1024;

const OPTIONS: &[u8] = b"ICAP/1.0 200 OK\r\nMethods: REQMOD, RESPMOD\r\nService: bare\r\nISTag: \"BARE\"\r\n\
    Allow: 204\r\nPreview: 4096\r\nTransfer-Preview: *\r\nMax-Connections: 10000\r\nOptions-TTL: 3600\r\n\
    Encapsulated: null-body=0\r\n\r\n";
const NO_CONTENT: &[u8] = b"ICAP/1.0 204 No Content\r\nISTag: \"BARE\"\r\nEncapsulated: null-body=0\r\n\r\n";
const CONTINUE: &[u8] = b"ICAP/1.0 100 Continue\r\n\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Bare {
    address: SocketAddr,
    runtime: Runtime,
}

// === impl Bare ===

impl Bare {
    /// Listens, and answers from then on.
    pub fn start(listen: SocketAddr) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().enable_io().build()?;
        let listener = {
            let _inside = runtime.enter();
            let listener = std::net::TcpListener::bind(listen)?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)?
        };
        let address = listener.local_addr()?;
        runtime.spawn(accept(listener));
        Ok(Self { address, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes on for ever.
    pub fn wait(self) -> ! {
        match self.runtime.block_on(std::future::pending::<Infallible>()) {}
    }
}

async fn accept(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(async {
                    // Nobody is told why a connection ended.
                    let _ = serve(stream).await;
                });
            }
            // Out of descriptors: others end meanwhile.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(ROOM);
    let mut head = Vec::with_capacity(128);
    let mut pending = Pending::default();
    loop {
        match pending.step(&mut buffer).ok_or(ErrorKind::InvalidData)? {
            Next::More => {
                if buffer.capacity() - buffer.len() < ROOM {
                    buffer.reserve(ROOM.max(buffer.len()));
                }
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            Next::Continue => stream.write_all(CONTINUE).await?,
            Next::Answer { asked, used, closes } => {
                match asked {
                    Asked::Options => stream.write_all(OPTIONS).await?,
                    Asked::Message => stream.write_all(NO_CONTENT).await?,
                    Asked::Body { part, heads, whole } => {
                        let body = heads.len();
                        head.clear();
                        write!(
                            head,
                            "ICAP/1.0 200 OK\r\nISTag: \"BARE\"\r\nEncapsulated: {part}-hdr=0, {part}-body={body}\r\n\r\n"
                        )?;
                        let encapsulated = &buffer[heads.start..whole];
                        write_all(&mut stream, [&head, encapsulated, LAST_CHUNK]).await?;
                    }
                }
                if closes {
                    return Ok(());
                }
                buffer.drain(..used);
                pending = Pending::default();
            }
        }
    }
}

async fn write_all(stream: &mut TcpStream, parts: [&[u8]; 3]) -> io::Result<()> {
    let mut slices = parts.map(IoSlice::new);
    let mut left = &mut slices[..];
    while !left.is_empty() {
        let written = stream.write_vectored(left).await?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}
