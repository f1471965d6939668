//! Files that are named by what they are: kept, served, and fetched.
//!
//! ```text
//!  source ──Writer──▶ Store (operator) ◀──▶ Server ──HTTP, Range──▶ Fetcher ──Writer──▶ Store (scanner, gateway)
//!                       │ sha256/HEX                                                      │ path(&digest)
//!                       │ partial/HEX   goes on after a cut, also after a restart         ▼
//!                       └ partial/tmp-N goes with its writer                          who loads it
//! ```
//!
//! Refuses to do: decide what is kept, redirects, trust in who sends (the digest comes from elsewhere), content
//! codings.
//!
//! Invariants
//! 1. What [`Store::path`] names was wholly read by this process and has that SHA-256. It is renamed into place, after
//!    its bytes are on the disk; what a crash leaves behind is hashed again or gone.
//! 2. The store never has more bytes than its limit, those that are being written included. A full store or disk is
//!    an error that says so.
//! 3. A digest is fetched once at a time, however many ask for it, and no longer than somebody does.
//! 4. Every wait has a deadline, and who sends or takes bytes too slowly is left: [`Pace`].
//! 5. Nothing of a file is in memory but some chunks of 256 KiB.

mod fetch;
mod pace;
mod pour;
mod serve;
mod store;

pub use fetch::{AttemptError, FetchError, FetchOptions, Fetcher, content_range};
pub use pace::{Meter, Pace, TooSlow};
pub use pour::{PourError, blocking, pour, pour_into};
pub use serve::{ServeOptions, Server};
pub use store::{Store, StoreError, Writer};
