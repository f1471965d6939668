//! Why traces cannot be sent.

use icapstan_tls::TlsError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no exporter.
#[derive(Debug, Error)]
pub enum OtlpError {
    /// `endpoint` is none.
    #[error("{0:?} is no address of a collector")]
    Endpoint(String),
    /// The certificates, one of which is to have signed the collector's.
    #[error("no certificate of a collector can be believed")]
    Tls(#[from] TlsError),
    /// The file with header fields is not there.
    #[error("cannot read {path} for tracing.headersFile")]
    Headers {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line of it is none. The line is not shown: it may hold a key.
    #[error("line {line} of {path} is no header field that can go with a call: {cause}")]
    Header {
        /// The file.
        path: PathBuf,
        /// Counted from 1; 0 is the file as a whole.
        line: usize,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// No thread or no runtime could be had.
    #[error("cannot start the thread that exports traces")]
    Thread(#[source] io::Error),
}
