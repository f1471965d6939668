//! What proves that bytes are the right ones.

mod checksums;
mod cvd;
mod keys;
mod read;
mod signature;

pub use checksums::{Checksums, ChecksumsError};
pub use cvd::{CvdHeader, CvdHeaderError};
pub use keys::{KeyError, PublicKey};
pub(crate) use read::{cvd_of, signed_by};
pub use signature::Signature;
pub(crate) use signature::Signed;
