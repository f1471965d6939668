//! Why there can be no TLS.

use crate::NamesError;
use rustls::pki_types::pem;
use rustls::server::VerifierBuilderError;
use std::path::PathBuf;
use thiserror::Error;

/// Why files do not make up one side of a secured connection.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file is not there, or is no PEM.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The file has no certificate that can be used.
    #[error("no certificate of an authority in {0}")]
    NoAuthority(PathBuf),
    /// The system believes nobody.
    #[error("no file with the certificates that this system believes; name a caFile")]
    NoSystem,
    /// No certificate can be for that.
    #[error("neither a host's name nor an IP address: {0}")]
    Name(String),
    /// What is to be shown.
    #[error("the certificate and its key cannot be used")]
    Own(#[source] rustls::Error),
    /// The same, more closely.
    #[error("no certificate in {0}")]
    NoCertificate(PathBuf),
    /// The same.
    #[error("the certificate in {path} cannot be read")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: NamesError,
    },
    /// Clients cannot be told from each other.
    #[error("the authorities in {path} cannot be used for clients")]
    Clients {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifierBuilderError,
    },
    /// No randomness for session tickets.
    #[error("no keys for session tickets can be had")]
    Tickets(#[source] rustls::Error),
}
