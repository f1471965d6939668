//! clamd's protocol (clamd(8), "COMMANDS"): one command for each connection.

use icapstan_clamav_wire::{Reply, ReplyFlags};
use rustix::io::{Errno, IoSlice};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::{TcpStream, UnixStream};

use super::{ClamdAddress, ClamdConfig};

/// An answer is one line; names of signatures are short.
const MAX_ANSWER: usize = 4096;
/// Of one piece of an object.
const PIECE: usize = 256 << 10;
/// A clamd that takes longer to accept is not one that scans.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Talks to one clamd.
#[derive(Clone, Debug)]
pub(super) struct Client(ClamdConfig);

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum ClientError {
    #[error("it cannot be connected to: {0}")]
    Connect(io::Error),
    #[error("the connection failed: {0}")]
    Exchange(#[from] io::Error),
    #[error("it closed the connection without an answer")]
    Closed,
    #[error("its answer is not understood: {0}")]
    Answer(String),
}

/// What is left of a connection once a command was written.
type Result<T> = std::result::Result<T, ClientError>;

// === impl Client ===

impl Client {
    pub(super) fn new(config: ClamdConfig) -> Self {
        Self(config)
    }

    pub(super) fn address(&self) -> &ClamdAddress {
        &self.0.address
    }

    /// What it says of its program and its database, such as `ClamAV 1.4.6/27800/Mon Nov 23 08:25:01 2026`.
    pub(super) async fn version(&self) -> Result<String> {
        let answer = match &self.0.address {
            ClamdAddress::Unix(_) => ask(self.unix().await?, b"zVERSION\0").await?,
            ClamdAddress::Tcp(address) => ask(tcp(address).await?, b"zVERSION\0").await?,
        };
        let text = String::from_utf8_lossy(&answer).into_owned();
        let is_version = text.starts_with("ClamAV ") && !text.chars().any(char::is_control);
        if is_version { Ok(text) } else { Err(ClientError::Answer(shown(&answer))) }
    }

    /// Scans one file, from its start.
    pub(super) async fn scan(&self, file: BorrowedFd<'_>) -> Result<Reply> {
        let answer = match &self.0.address {
            ClamdAddress::Unix(_) if !self.0.stream => lend(self.unix().await?, file).await?,
            ClamdAddress::Unix(_) => stream(self.unix().await?, file).await?,
            ClamdAddress::Tcp(address) => stream(tcp(address).await?, file).await?,
        };
        reply(&answer)
    }

    async fn unix(&self) -> Result<UnixStream> {
        let ClamdAddress::Unix(path) = &self.0.address else {
            return Err(ClientError::Connect(io::ErrorKind::AddrNotAvailable.into()));
        };
        connected(UnixStream::connect(path)).await
    }
}

async fn tcp(address: &str) -> Result<TcpStream> {
    let stream = connected(TcpStream::connect(address)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connected<S>(connect: impl Future<Output = io::Result<S>>) -> Result<S> {
    let in_time = tokio::time::timeout(CONNECT_TIMEOUT, connect).await;
    in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(ClientError::Connect)
}

async fn ask(mut socket: impl AsyncRead + AsyncWrite + Unpin, command: &[u8]) -> Result<Vec<u8>> {
    socket.write_all(command).await?;
    answer(&mut socket).await
}

/// `FILDES`: the descriptor follows the command, with one byte that means nothing.
async fn lend(mut socket: UnixStream, file: BorrowedFd<'_>) -> Result<Vec<u8>> {
    socket.write_all(b"zFILDES\0").await?;
    let send = || {
        let fds = [file];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = control.push(SendAncillaryMessage::ScmRights(&fds));
        debug_assert!(fits, "the space is made for one descriptor");
        let byte = [IoSlice::new(b"\0")];
        loop {
            match sendmsg(socket.as_fd(), &byte, &mut control, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    };
    socket.async_io(Interest::WRITABLE, send).await?;
    answer(&mut socket).await
}

/// `INSTREAM`: pieces with their lengths, and an empty one last.
async fn stream(mut socket: impl AsyncRead + AsyncWrite + Unpin, file: BorrowedFd<'_>) -> Result<Vec<u8>> {
    let file = Arc::new(File::from(file.try_clone_to_owned()?));
    let written = async {
        socket.write_all(b"zINSTREAM\0").await?;
        let mut at = 0;
        loop {
            let piece = piece(file.clone(), at).await?;
            socket.write_all(&u32::try_from(piece.len()).unwrap_or(0).to_be_bytes()).await?;
            if piece.is_empty() {
                return Ok::<_, io::Error>(());
            }
            socket.write_all(&piece).await?;
            at += piece.len() as u64;
        }
    };
    let written = written.await;
    // Beyond its limit it says so and closes, with the rest unread.
    match (answer(&mut socket).await, written) {
        (Ok(answer), _) => Ok(answer),
        (Err(_), Err(error)) => Err(error.into()),
        (Err(error), Ok(())) => Err(error),
    }
}

/// The file may lie on a disk.
async fn piece(file: Arc<File>, at: u64) -> io::Result<Vec<u8>> {
    let read = move || {
        let mut piece = vec![0; PIECE];
        let mut len = 0;
        while len < PIECE {
            match file.read_at(&mut piece[len..], at + len as u64) {
                Ok(0) => break,
                Ok(count) => len += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        piece.truncate(len);
        Ok(piece)
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// Up to the NUL that ends it, or to the end of the connection.
async fn answer(socket: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(128);
    while !text.contains(&0) {
        if text.len() > MAX_ANSWER {
            return Err(ClientError::Answer(shown(&text)));
        }
        match socket.read_buf(&mut text).await {
            Ok(0) => break,
            Ok(_) => {}
            // What it had said before it went counts.
            Err(_) if !text.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(end) = text.iter().position(|byte| *byte == 0) {
        text.truncate(end);
    }
    if text.is_empty() { Err(ClientError::Closed) } else { Ok(text) }
}

/// `fd[10]: OK`, `stream: NAME FOUND` or `stream: words ERROR`.
fn reply(answer: &[u8]) -> Result<Reply> {
    let text = answer.trim_ascii();
    let said = match text.windows(2).position(|pair| pair == b": ") {
        Some(at) => &text[at + 2..],
        None => text,
    };
    let mut reply = Reply {
        id: 0,
        code: 0,
        flags: ReplyFlags::INSPECTED,
        scanned: 0,
        layers: 1,
        names: Vec::new(),
        message: Vec::new(),
        noted: Vec::new(),
    };
    if said == b"OK" {
        return Ok(reply);
    }
    if let Some(name) = said.strip_suffix(b" FOUND") {
        reply.code = 1;
        reply.names.push(plain_name(name).to_vec());
        return Ok(reply);
    }
    if !said.ends_with(b"ERROR") {
        return Err(ClientError::Answer(shown(answer)));
    }
    if text.windows(10).any(|words| words == b"size limit") {
        // `StreamMaxLength`, of which it knows before it scans.
        reply.code = 1;
        reply.names.push(b"Heuristics.Limits.Exceeded.MaxFileSize".to_vec());
    } else {
        reply.flags = reply.flags.with(ReplyFlags::WARNED);
        reply.message = text.to_vec();
    }
    Ok(reply)
}

/// Without the digest and length that `ExtendedDetectionInfo` puts behind it.
fn plain_name(name: &[u8]) -> &[u8] {
    match name.iter().position(|byte| *byte == b'(') {
        Some(at) if at > 0 && name.ends_with(b")") => &name[..at],
        _ => name,
    }
}

fn shown(answer: &[u8]) -> String {
    answer.iter().take(200).flat_map(|byte| byte.escape_ascii()).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read_as_clamd_writes_them() {
        let ok = reply(b"fd[11]: OK").unwrap();
        assert_eq!((ok.code, ok.names.len(), ok.flags), (0, 0, ReplyFlags::INSPECTED));
        let found = reply(b"stream: Win.Test.EICAR_HDB-1 FOUND").unwrap();
        assert_eq!((found.code, found.names), (1, vec![b"Win.Test.EICAR_HDB-1".to_vec()]));
        let extended = reply(b"stream: A.B(44d88612fea8a8f36de82e1278abb02f:68) FOUND").unwrap();
        assert_eq!(extended.names, [b"A.B".to_vec()]);
        let large = reply(b"INSTREAM size limit exceeded. ERROR").unwrap();
        assert_eq!(large.names, [b"Heuristics.Limits.Exceeded.MaxFileSize".to_vec()]);
        let error = reply(b"fd[11]: Can't create temporary directory ERROR").unwrap();
        assert!(error.flags.has(ReplyFlags::WARNED) && error.names.is_empty());
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for odd in
            [&b"OKAY"[..], b"stream: ", b"x", b"UNKNOWN COMMAND", b"stream: FOUND", b"stream: OK FOUND X"]
        {
            assert!(reply(odd).is_err(), "{}", shown(odd));
        }
    }

    proptest! {
        #[test]
        fn nothing_but_ok_is_clean(answer in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(reply) = reply(&answer) {
                let is_clean = reply.code == 0 && !reply.flags.has(ReplyFlags::WARNED);
                prop_assert!(!is_clean || answer.trim_ascii().ends_with(b"OK"));
            }
        }
    }
}
