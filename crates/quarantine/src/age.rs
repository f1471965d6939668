//! The age format, version 1, for X25519 keys (<https://c2sp.org/age>): what the program `age` reads and writes.
//!
//! ```text
//!  age-encryption.org/v1
//!  -> X25519 <ephemeral public key>          once for each recipient: the file's key, wrapped
//!  <wrapped key>
//!  --- <HMAC of all that stands above>
//!  <nonce> <64 KiB, sealed> <64 KiB, sealed> ... <the last, which says that it is>
//! ```
//!
//! All cryptography is that of aws-lc-rs. The format is small enough to be written down here; the crate that has all
//! of it brings sixty others, and a second provider.

mod header;
mod keys;
mod primitives;
mod stream;

pub use header::HeaderError;
pub use keys::{Identity, KeyError, Recipient, read_identities, read_recipients};
pub(crate) use primitives::random;
pub use stream::Opener;
pub(crate) use stream::{Seal, Sealer, sealed_len};

#[cfg(test)]
mod tests;
