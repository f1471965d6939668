//! Keeps infected objects, encrypted, so that somebody can look into them later.
//!
//! ```text
//!  who found it ──offer──▶ Quarantine ──bounded queue──▶ thread ──▶ age ──▶ Place: a folder, or a bucket (S3)
//!                 └ an id, or it is counted: nobody waits              (sealed: metadata, content)
//!  command line ──list, show, get, remove──▶ Place ──▶ age, with a key that the program itself has not
//! ```
//!
//! Refuses to do: ICAP, HTTP messages, verdicts; reading what it keeps.
//!
//! Invariants
//! 1. Whoever offers an object waits for nothing: no file, no network, no lock that is held while either is used.
//! 2. What is kept is sealed for public keys. The program that keeps it cannot read it, nor can who steals its disk.
//! 3. Beside what is sealed there is nothing to read but the time and a random number.
//! 4. An object is there whole, or not at all: also after a crash, also on a full disk, also when a connection breaks.
//! 5. Everything is bounded: what waits, in number and bytes; the folder, in number, bytes and age; each try to write
//!    to a store, and all tries of an object, in time. What a bucket holds is for its own rules to bound.
//!
//! ```
//! use icapstan_quarantine::{Identity, Metadata, read_record, write_record};
//!
//! let identity = Identity::generate()?;
//! let metadata = Metadata { threats: vec!["Eicar".to_owned()], ..Metadata::default() };
//! let mut sealed = Vec::new();
//! write_record(&[identity.recipient()], &metadata, &mut &b"content"[..], &mut sealed)?;
//! let (known, mut content) = read_record(&sealed[..], &[identity])?;
//! assert_eq!(known, metadata);
//! assert_eq!(std::io::read_to_string(&mut content)?, "content");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod age;
mod bounded;
mod candidate;
mod folder;
mod id;
mod keeper;
mod metrics;
mod place;
mod quarantine;
mod queue;
mod record;
mod s3;
mod store;
mod voice;

pub use age::{HeaderError, Identity, KeyError, Opener, Recipient, read_identities, read_recipients};
pub use candidate::Candidate;
pub use folder::{Folder, FolderError};
pub use id::Id;
pub use metrics::QuarantineMetrics;
pub use place::{Entries, Entry, Place, PlaceError};
pub use quarantine::{Quarantine, QuarantineError, QuarantineGuard};
pub use record::{Content, Metadata, RecordError, read_record, write_record};
pub use s3::{Bucket, CredentialsError, S3Error};
