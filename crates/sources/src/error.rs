//! Why a source gave nothing.

use crate::verify::{CvdHeaderError, KeyError};
use icapstan_api::fleet::ContentDigest;
use icapstan_artifacts::{PourError, StoreError};
use jiff::Timestamp;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// The word for conditions, events and metrics: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// New bytes have come and were verified.
    Fetched,
    /// The source has nothing new.
    NotModified,
    /// Nothing came, or not all of it.
    FetchFailed,
    /// The other side wants other credentials.
    AuthenticationFailed,
    /// The bytes are not those of a digest or of a list of digests.
    ChecksumMismatch,
    /// No key has signed the bytes.
    SignatureInvalid,
    /// There is no signature, or no key, where one has to be.
    SignatureMissing,
    /// More bytes or files than there may be.
    TooLarge,
    /// The bytes are not what they are said to be.
    UnsupportedFormat,
    /// Older than what was accepted before.
    DowngradeRefused,
    /// An address, a path or a redirect that sources may not have.
    AddressRefused,
    /// There is no room for it here.
    StoreFull,
    /// What was written as the source cannot be one.
    Invalid,
}

/// Why a source gave nothing.
#[derive(Debug, Error)]
pub enum SourceError {
    /// What was written as the source cannot be one.
    #[error("{0}")]
    Invalid(String),
    /// A key that is none.
    #[error("a public key cannot be used")]
    Key(#[source] KeyError),
    /// The name of the host leads nowhere.
    #[error("the address of {host} is not known")]
    Resolve {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An address that sources may not have.
    #[error("{host} is {address}, which a source may not be")]
    Address {
        /// The host.
        host: String,
        /// Where it leads.
        address: IpAddr,
    },
    /// A path that sources may not have.
    #[error("{0} is not below a folder that sources may have")]
    Path(PathBuf),
    /// A redirect that is not followed.
    #[error("a redirect to {to} is not followed: {why}")]
    Redirect {
        /// Scheme and host.
        to: String,
        /// Why.
        why: &'static str,
    },
    /// Nobody answers there.
    #[error("no connection to {host}")]
    Connect {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not who it should be.
    #[error("no secured connection to {host}")]
    Secure {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No certificate could be believed.
    #[error("no authority is known to believe")]
    Authorities(#[source] icapstan_tls::TlsError),
    /// The proxy does not let through.
    #[error("the proxy answers {0}")]
    Proxy(String),
    /// No HTTP comes back.
    #[error("no answer from {host}")]
    Http {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// Another status.
    #[error("{host} answers {status}")]
    Status {
        /// The host.
        host: String,
        /// What.
        status: u16,
    },
    /// The other side wants to know who asks.
    #[error("{host} answers {status}: it does not accept these credentials, or wants some")]
    Authentication {
        /// The host.
        host: String,
        /// What.
        status: u16,
    },
    /// An answer that makes no sense.
    #[error("{host} gives an answer that cannot be used: {what}")]
    Answer {
        /// The host.
        host: String,
        /// What is wrong with it.
        what: String,
    },
    /// It took too long.
    #[error("no {what} within {after:?}")]
    Timeout {
        /// What for.
        what: &'static str,
        /// That long.
        after: Duration,
    },
    /// The bytes did not come, or cannot be kept.
    #[error("{name} did not come")]
    Body {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: PourError,
    },
    /// A file of this machine.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is written at this moment.
    #[error("{0} changed while it was read")]
    Changing(PathBuf),
    /// The bytes cannot be kept.
    #[error("{name} cannot be kept")]
    Store {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// More than there may be.
    #[error("{name} has more than {limit} bytes")]
    TooLarge {
        /// What.
        name: String,
        /// What is left of the limit.
        limit: u64,
    },
    /// More than there may be.
    #[error("there are {count} files, and {limit} may be")]
    TooMany {
        /// How many.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// There is nothing.
    #[error("there is no file in it")]
    Empty,
    /// The other side has no such file.
    #[error("there is no {0}")]
    Missing(String),
    /// It is not what it is said to be.
    #[error("{name}: {what}")]
    Format {
        /// The file.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// It is no CVD.
    #[error("{name} is no CVD")]
    Cvd {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: CvdHeaderError,
    },
    /// Other bytes.
    #[error("{name} is {found} and not {expected}")]
    Digest {
        /// The file.
        name: String,
        /// What it should be.
        expected: ContentDigest,
        /// What it is.
        found: ContentDigest,
    },
    /// Other bytes than its own head says.
    #[error("{0} is damaged: it has not the MD5 that its head names")]
    Md5(String),
    /// Nobody says what it should be.
    #[error("{name} is not in {manifest}")]
    Unlisted {
        /// The file.
        name: String,
        /// The list of digests.
        manifest: String,
    },
    /// The spec asks for signatures and has no key.
    #[error("no public key is given; what is not signed has to say so")]
    NoKey,
    /// There is none.
    #[error("{0} is not signed: there is no signature of it")]
    Unsigned(String),
    /// None that counts.
    #[error("none of the given keys has signed {0}")]
    Signature(String),
    /// Something that cannot be a signature.
    #[error("the signature of {name} cannot be used: {what}")]
    SignatureFormat {
        /// The file.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Older than before.
    #[error("{name} is older than what was accepted before: {new} comes before {old}")]
    Older {
        /// The file, or the list of digests.
        name: String,
        /// What came.
        new: String,
        /// What there was.
        old: String,
    },
    /// This program ends.
    #[error("the program ends")]
    Stopped,
}

// === impl Reason ===

impl Reason {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Fetched,
        Self::NotModified,
        Self::FetchFailed,
        Self::AuthenticationFailed,
        Self::ChecksumMismatch,
        Self::SignatureInvalid,
        Self::SignatureMissing,
        Self::TooLarge,
        Self::UnsupportedFormat,
        Self::DowngradeRefused,
        Self::AddressRefused,
        Self::StoreFull,
        Self::Invalid,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "Fetched",
            Self::NotModified => "NotModified",
            Self::FetchFailed => "FetchFailed",
            Self::AuthenticationFailed => "AuthenticationFailed",
            Self::ChecksumMismatch => "ChecksumMismatch",
            Self::SignatureInvalid => "SignatureInvalid",
            Self::SignatureMissing => "SignatureMissing",
            Self::TooLarge => "TooLarge",
            Self::UnsupportedFormat => "UnsupportedFormat",
            Self::DowngradeRefused => "DowngradeRefused",
            Self::AddressRefused => "AddressRefused",
            Self::StoreFull => "StoreFull",
            Self::Invalid => "Invalid",
        }
    }
}

// === impl SourceError ===

impl SourceError {
    /// The word for it.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Invalid(_) | Self::Key(_) => Reason::Invalid,
            Self::Address { .. } | Self::Path(_) | Self::Redirect { .. } => Reason::AddressRefused,
            Self::Authentication { .. } => Reason::AuthenticationFailed,
            Self::Store { source, .. } | Self::Body { source: PourError::Store(source), .. } => {
                match source {
                    source if source.is_full() => Reason::StoreFull,
                    StoreError::TooLarge(_) => Reason::TooLarge,
                    StoreError::WrongBytes { .. } => Reason::ChecksumMismatch,
                    _ => Reason::FetchFailed,
                }
            }
            Self::TooLarge { .. } | Self::TooMany { .. } => Reason::TooLarge,
            Self::Format { .. } | Self::Cvd { .. } | Self::Empty => Reason::UnsupportedFormat,
            Self::Digest { .. } | Self::Md5(_) | Self::Unlisted { .. } => Reason::ChecksumMismatch,
            Self::NoKey | Self::Unsigned(_) => Reason::SignatureMissing,
            Self::Signature(_) | Self::SignatureFormat { .. } => Reason::SignatureInvalid,
            Self::Older { .. } => Reason::DowngradeRefused,
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Secure { .. }
            | Self::Authorities(_)
            | Self::Proxy(_)
            | Self::Http { .. }
            | Self::Status { .. }
            | Self::Answer { .. }
            | Self::Timeout { .. }
            | Self::Body { .. }
            | Self::Read { .. }
            | Self::Changing(_)
            | Self::Missing(_)
            | Self::Stopped => Reason::FetchFailed,
        }
    }

    /// Whether the same may well work in a while, although nobody changes anything. The rest is tried again too, when
    /// the source is looked at the next time, but a pause that grows is of no use for it.
    pub fn is_transient(&self) -> bool {
        match self.reason() {
            Reason::FetchFailed => {
                !matches!(self, Self::Status { status: 400..=407 | 410..=424 | 426..=428 | 431..=499, .. })
            }
            Reason::StoreFull => true,
            _ => false,
        }
    }

    pub(crate) fn older(name: &str, new: &impl ToString, old: &impl ToString) -> Self {
        Self::Older { name: name.to_owned(), new: new.to_string(), old: old.to_string() }
    }

    pub(crate) fn older_time(name: &str, new: Timestamp, old: Timestamp) -> Self {
        Self::older(name, &new, &old)
    }
}
