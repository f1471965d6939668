//! Why bytes are no ICAP request.

use crate::Status;
use thiserror::Error;

/// The peer's fault in every case; after most of them nobody knows where the next request begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum DecodeError {
    /// The first bytes are of another protocol.
    #[error("this is not ICAP")]
    NotIcap,
    /// More empty lines than allowed in front of a request.
    #[error("too many empty lines before the request")]
    EmptyLines,
    /// Longer than allowed.
    #[error("the request line is too long")]
    RequestLineTooLong,
    /// Not `METHOD icap://authority/path ICAP/1.0`.
    #[error("the request line is malformed")]
    RequestLine,
    /// Any version but 1.0.
    #[error("the ICAP version is not 1.0")]
    Version,
    /// The ICAP head is longer than allowed, or has more fields.
    #[error("the ICAP head is too large")]
    IcapHeadTooLarge,
    /// A field line that is none: no colon, spaces or control characters where they may not be, folded.
    #[error("an ICAP header field is malformed")]
    Field,
    /// A field that may stand once, twice with different values.
    #[error("an ICAP header field contradicts itself")]
    Contradiction,
    /// `Preview` is no number.
    #[error("the Preview field is malformed")]
    PreviewField,
    /// No `Encapsulated` in REQMOD or RESPMOD.
    #[error("the Encapsulated field is missing")]
    EncapsulatedMissing,
    /// Not a list of parts and offsets that this method allows.
    #[error("the Encapsulated field is malformed")]
    Encapsulated,
    /// An encapsulated head is longer than allowed.
    #[error("an encapsulated head is too large")]
    HttpHeadTooLarge,
    /// An encapsulated head does not end at its offset, or its first line is no HTTP start line.
    #[error("an encapsulated head is malformed")]
    HttpHead,
    /// A chunk line that is none, or chunk data not followed by CRLF.
    #[error("the chunked body is malformed")]
    Chunk,
    /// A chunk line longer than allowed.
    #[error("a chunk line is too long")]
    ChunkLineTooLong,
    /// `ieof` outside a preview, or on a chunk with data.
    #[error("ieof is out of place")]
    Ieof,
    /// More bytes in a preview than allowed.
    #[error("the preview is too large")]
    PreviewTooLarge,
    /// A trailer line that is none.
    #[error("a trailer field is malformed")]
    Trailer,
    /// More trailer bytes than allowed.
    #[error("the trailer is too large")]
    TrailerTooLarge,
}

// === impl DecodeError ===

impl DecodeError {
    /// The status to answer with before the connection is closed.
    pub const fn status(self) -> Status {
        match self {
            Self::RequestLineTooLong => Status::URI_TOO_LONG,
            Self::Version => Status::VERSION,
            _ => Status::BAD_REQUEST,
        }
    }

    /// The word in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotIcap => "not-icap",
            Self::EmptyLines => "empty-lines",
            Self::RequestLineTooLong => "request-line-too-long",
            Self::RequestLine => "request-line",
            Self::Version => "version",
            Self::IcapHeadTooLarge => "icap-head-too-large",
            Self::Field => "field",
            Self::Contradiction => "contradiction",
            Self::PreviewField => "preview-field",
            Self::EncapsulatedMissing => "encapsulated-missing",
            Self::Encapsulated => "encapsulated",
            Self::HttpHeadTooLarge => "http-head-too-large",
            Self::HttpHead => "http-head",
            Self::Chunk => "chunk",
            Self::ChunkLineTooLong => "chunk-line-too-long",
            Self::Ieof => "ieof",
            Self::PreviewTooLarge => "preview-too-large",
            Self::Trailer => "trailer",
            Self::TrailerTooLarge => "trailer-too-large",
        }
    }
}
