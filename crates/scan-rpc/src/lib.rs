//! Scans over gRPC.
mod convert;
mod framing;
mod request;
pub use convert::Invalid;
pub use framing::Malformed;
pub use request::RequestReader;
