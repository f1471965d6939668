//! Redis, as far as it is needed here.
//!
//! All keys of one kind have one tag, so that they are in one slot of a cluster: whatever the mode, there is one server to
//! talk to, and this finds it. Connections are made here, not by the crate `redis`, which speaks the protocol
//! on them: so TLS is that of all other connections, and no answer is larger than it may be.

mod bounded;
mod error;
mod find;
mod link;
mod scripts;
mod store;

pub use error::{Failure, RedisError};
pub use find::Finder;
pub(crate) use find::Servers;
pub(crate) use link::Link;
pub use store::Put;
pub(crate) use store::{BATCH, Follower, Found, Place, Stored, changes, is_master};
