//! Syslog over TLS (RFC 5425).

use super::dial::{Present, Timed, Timeouts, closed, connect, frame};
use super::{Sink, WriteError};
use crate::{Framing, Peer, TlsSettings};
use icapstan_tls::{ClientFiles, TlsError, client_config};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

/// How many pieces of what a server says are read at once. Servers of syslog say nothing, but TLS
/// itself does.
const MAX_READS: usize = 16;

pub(super) struct TlsSink {
    peer: Peer,
    name: ServerName<'static>,
    framing: Framing,
    timeouts: Timeouts,
    settings: TlsSettings,
    connection: Option<Connection>,
    frame: Vec<u8>,
}

struct Connection {
    tls: ClientConnection,
    stream: TcpStream,
}

// === impl TlsSink ===

impl TlsSink {
    /// Reads all files once, so that what is wrong with them is known from the start.
    pub(super) fn new(
        peer: Peer,
        framing: Framing,
        timeouts: Timeouts,
        settings: TlsSettings,
    ) -> Result<Self, TlsError> {
        let name = settings.server_name.as_ref().unwrap_or(&peer.host).clone();
        let name = ServerName::try_from(name.as_str()).map_err(|_| TlsError::Name(name.clone()))?.to_owned();
        config(&settings)?;
        Ok(Self { peer, name, framing, timeouts, settings, connection: None, frame: Vec::new() })
    }

    fn connect(&self) -> io::Result<Connection> {
        let config = config(&self.settings).map_err(io::Error::other)?;
        let stream = connect(&self.peer, Instant::now() + self.timeouts.connect)?;
        let mut tls = ClientConnection::new(Arc::new(config), self.name.clone()).map_err(io::Error::other)?;
        tls.complete_io(&mut Timed::new(&stream, self.timeouts.connect))?;
        Ok(Connection { tls, stream })
    }

    /// Gives the connection up with the first error: what is in it is of no use any more.
    fn with<T>(&mut self, act: impl FnOnce(&mut Connection, &[u8]) -> io::Result<T>) -> io::Result<T> {
        let connection = self.connection.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        act(connection, &self.frame).inspect_err(|_| self.connection = None)
    }
}

impl Sink for TlsSink {
    fn open(&mut self) -> io::Result<()> {
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        Ok(())
    }

    fn check(&mut self) -> io::Result<()> {
        self.with(|connection, _| connection.drain())
    }

    fn write(&mut self, record: &[u8]) -> Result<(), WriteError> {
        frame(self.framing, record, &mut self.frame);
        let timeout = self.timeouts.write;
        Ok(self.with(|connection, frame| {
            // A server that has closed would take this record, and lose it.
            connection.drain()?;
            let Connection { tls, stream } = connection;
            let mut timed = Timed::new(stream, timeout);
            let mut secured = rustls::Stream::new(tls, &mut timed);
            secured.write_all(frame)?;
            secured.flush()
        })?)
    }

    fn close(&mut self) {
        if let Some(Connection { mut tls, stream }) = self.connection.take() {
            tls.send_close_notify();
            // It may be gone already.
            let _ = tls.write_tls(&mut Timed::new(&stream, self.timeouts.write));
        }
    }
}

// === impl Connection ===

impl Connection {
    /// Takes in what the server said: new keys, and its leave. An error if it closed the connection.
    fn drain(&mut self) -> io::Result<()> {
        for _ in 0..MAX_READS {
            match self.tls.read_tls(&mut Present(&self.stream)) {
                Ok(0) => return Err(closed()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            let mut unasked = [0; 1024];
            while matches!(self.tls.reader().read(&mut unasked), Ok(1..)) {}
            if state.peer_has_closed() {
                return Err(closed());
            }
        }
        Ok(())
    }
}

fn config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    let TlsSettings { ca_file, cert_file, key_file, .. } = settings;
    client_config(ClientFiles {
        ca: ca_file.as_deref(),
        identity: cert_file.as_deref().zip(key_file.as_deref()),
    })
}
