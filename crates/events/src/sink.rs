//! Where records go.

mod dial;
mod file;
mod lines;
mod stdout;
mod tcp;
mod tls;
mod udp;

use crate::{SyslogSettings, Target, Transport};
use icapstan_tls::TlsError;
use std::io;
use thiserror::Error;

/// What takes records. All of it waits, but no longer than its settings say; none of it is called by who
/// sends events.
pub(crate) trait Sink: Send {
    /// Makes it ready to take records. Nothing happens if it is.
    fn open(&mut self) -> io::Result<()>;

    /// Whether it still is.
    fn check(&mut self) -> io::Result<()>;

    /// Hands over a whole record. One that failed may be handed over again after the sink was opened
    /// anew.
    fn write(&mut self, record: &[u8]) -> Result<(), WriteError>;

    /// Takes leave. What is written after that opens it anew.
    fn close(&mut self);
}

/// Why a record was not taken.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    /// Nothing can be written until it is opened anew.
    #[error("the sink is down")]
    Down(#[from] io::Error),
    /// This record can never be written.
    #[error("the record is too large")]
    TooLarge,
}

/// Why a sink cannot be.
#[derive(Debug, Error)]
pub(crate) enum SinkError {
    #[error("cannot open the file")]
    Open(#[source] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the address is none")]
    Address,
}

/// The sink of `target`. Errors of files and certificates are told at once; whether a server answers is
/// seen later.
pub(crate) fn of(target: Target<'_>) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match target {
        Target::File(path) => Box::new(file::FileSink::open(path).map_err(SinkError::Open)?),
        Target::Stdout => Box::new(stdout::StdoutSink::new()),
        Target::Syslog(server) => of_syslog(server)?,
    })
}

fn of_syslog(server: &SyslogSettings) -> Result<Box<dyn Sink>, SinkError> {
    let peer = crate::Peer::parse(&server.address).ok_or(SinkError::Address)?;
    let framing = server.framing.unwrap_or_default();
    let timeouts = dial::Timeouts { connect: server.connect_timeout, write: server.write_timeout };
    Ok(match server.transport {
        Transport::Udp => Box::new(udp::UdpSink::new(peer)),
        Transport::Tcp => Box::new(tcp::TcpSink::new(peer, framing, timeouts)),
        Transport::Tls => {
            Box::new(tls::TlsSink::new(peer, framing, timeouts, server.tls.clone().unwrap_or_default())?)
        }
    })
}
