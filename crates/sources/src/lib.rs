//! Signatures and lists from elsewhere: fetched within limits, verified, and put into a store by their digests.
//!
//! ```text
//!  SourceSpec ─▶ Place ── HTTP(S) ─┐  every hop: URL, address, TLS, redirect, credentials   (web)
//!                  │      OCI ─────┤  manifest, token, blobs
//!                  │      volume ──┤  only below the roots that are allowed
//!                  │      inline ──┘
//!                  ▼
//!               Writer ─▶ Store ─▶ checksums, signatures, CVD heads, no older than before ─▶ Fetched
//! ```
//!
//! Refuses to do: Kubernetes, schedules, decompression (bytes are kept as they are), the RSA signature within a CVD
//! (see [`CvdHeader`]), and any decision about what was fetched.
//!
//! Invariants
//! 1. What is not verified as the spec says is an error: a [`Fetched`] was. Nothing is unsigned by oversight, only
//!    where [`Format::None`] is written.
//! 2. An address is checked when it is resolved, at every hop, and that very address is connected to.
//! 3. What is secret goes to the hosts that it is for, over TLS unless the spec says otherwise, and nowhere else: not
//!    behind a redirect, not into an error, not into `Debug`.
//! 4. Whatever comes is bounded in bytes, in time, in rate, and in number; too much is refused where it is too much.
//! 5. Nothing older than what was accepted before is accepted, unless it is pinned by its digest.

mod address;
mod backoff;
mod credentials;
mod error;
mod fetched;
mod inline;
mod limits;
mod names;
mod oci;
mod place;
mod sources;
mod spec;
mod verify;
mod volume;
mod web;

pub use address::AddressRules;
pub use backoff::{MAX_BACKOFF, backoff};
pub use credentials::{Credential, DockerConfigError, Secret};
pub use error::{Reason, SourceError};
pub use fetched::{Evidence, Fetched, FetchedFile, Outcome};
pub use limits::Limits;
pub use names::is_file_name;
pub use oci::{Challenge, Layer, Manifest, ManifestError, Reference, ReferenceError};
pub use sources::Sources;
pub use spec::{Format, HttpFile, HttpPlace, Location, OciPlace, SourceSpec, Verification};
pub use verify::{Checksums, ChecksumsError, CvdHeader, CvdHeaderError, KeyError, PublicKey, Signature};
pub use web::{Network, Proxy};
