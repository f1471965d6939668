//! What TLS needs from files, for all that speaks it: syslog, hooks, reputation, the ICAP port, the command line.
//!
//! ```text
//!  caFile ──▶ authorities ──▶ client_config ──▶ rustls::ClientConfig
//!  certFile, keyFile, clientCaFile ──▶ Loaded ──▶ Acceptor (swapped while connections go on)
//!  a client's certificate, verified ──▶ Names: what rules and logs know of it
//! ```
//!
//! Refuses to do: sockets, settings, clocks of its own.
//!
//! Invariants
//! 1. One provider of cryptography: aws-lc-rs. TLS 1.2 and 1.3, nothing older.
//! 2. What cannot be used is an error before it is in use: a key that is not the certificate's, a file
//!    without a certificate, an authority that nobody can read.
//! 3. What a certificate says is bounded, and inert where it is shown.

mod client;
mod error;
mod files;
mod names;
mod server;

pub use client::{ClientFiles, Mutual, MutualFiles, client_config, connector_config};
pub use error::TlsError;
pub use files::{authorities, certificates};
pub use names::{Names, NamesError, Validity};
pub use server::{Acceptor, ClientCertificates, Loaded, ServerFiles};
