//! Lists of files by their digests: SHA-256, SHA-1 and MD5, with or without size, to deny and to allow.
//!
//! ```text
//!  list ──▶ import: lines of a Format ──▶ Entry, name ──▶ compile ──▶ list file ──▶ Lists
//!  bytes ──▶ Hasher: only the digests that are listed ──▶ Digests ──▶ Lists::lookup ──▶ Match
//! ```
//!
//! Refuses to do: downloads, unpacking, and what a match means for an object that has several layers.
//!
//! Invariants
//! 1. No bytes of a list cause a panic, unbounded memory or more than linear time.
//! 2. What denies wins over what allows, in whatever list and by whatever digest.
//! 3. Only SHA-256 allows: whoever can make two files with one MD5 or SHA-1, which anybody can, would have
//!    one of them allowed and send the other.
//! 4. Entries of equal lists in equal order give equal files, and so an equal identity.
//!
//! ```
//! use icapstan_hashes::import::{Format, import};
//! use icapstan_hashes::{Compiler, Kind, ListFile, ListInfo, Lists};
//! use std::ops::ControlFlow;
//! use std::time::SystemTime;
//!
//! let folder = tempfile::TempDir::new()?;
//! let path = folder.path().join("hashes");
//! let bad = ListInfo { name: "bad".into(), kind: Kind::Deny, source: "by hand".into() };
//! let mut compiler = Compiler::new(&path, vec![bad])?;
//! let list = &b"5d41402abc4b2a76b9719d911017c592 Greeting\nno digest\n"[..];
//! let report = import(Format::Plain, Kind::Deny, list, |imported| {
//!     compiler.add(0, &imported.entry, imported.name).expect("there is room");
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!((report.entries, report.left_out), (1, 1));
//! compiler.finish()?;
//!
//! let lists = Lists::new(ListFile::open(&path)?, SystemTime::now());
//! let mut hasher = lists.hasher();
//! hasher.update(b"hello");
//! let found = lists.lookup(&hasher.finish()).expect("listed");
//! assert_eq!((&*found.list.info.name, &*found.name), ("bad", "Greeting"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compile;
mod digest;
mod file;
pub mod import;
mod lists;

pub use compile::{CompileError, Compiled, Compiler, MAX_ENTRIES, MAX_NAMES};
pub use digest::{Algorithm, Digest, Digests, Entry, Hasher};
pub use file::{Identity, ListFile, MAX_LISTS, MAX_NAME, OpenError};
pub use lists::{Kind, List, ListInfo, Lists, MAX_ENTRY_NAME, Match, UnknownKind};
