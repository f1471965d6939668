//! URLs in one canonical form, the expressions they are listed under, and the lists themselves.
//!
//! ```text
//!  request ──▶ CanonicalUrl ──▶ expressions: host suffixes x path prefixes ──▶ keys to look up
//!                           └─▶ ip: the address, for networks
//!  list ──▶ import: lines of a Format ──▶ Entry + Action ──▶ compile ──▶ list file
//! ```
//!
//! Refuses to do: HTTP, downloads, and what a match means.
//!
//! Invariants
//! 1. No bytes, of a request or of a list, cause a panic, unbounded memory or more than linear time.
//! 2. Every spelling of a URL that leads a browser to the same place has the same keys.
//! 3. Whatever an importer yields is in canonical form: there are URLs that have its key. What it does not
//!    take is reported.
//!
//! Nothing of this does I/O but the list file and [`import::categories`]; fuzzers drive
//! [`CanonicalUrl::parse`], [`CanonicalUrl::of_request`] and [`import::import`] with slices.
//!
//! ```
//! use icapstan_urls::import::{Format, import};
//! use icapstan_urls::{CanonicalUrl, expressions};
//! use std::collections::HashSet;
//! use std::ops::ControlFlow;
//!
//! let mut listed = HashSet::new();
//! let report = import(Format::Adblock, &b"||bad.test/dir^\n"[..], |imported| {
//!     listed.extend(imported.entry.hash());
//!     ControlFlow::Continue(())
//! })?;
//! assert_eq!(report.left_out, 0);
//!
//! let url = CanonicalUrl::of_request(b"GET", b"/x/..//%64ir/page?q", Some(b"WWW.Bad.test:8080"))?;
//! assert_eq!(url.as_str(), "www.bad.test/dir/page?q");
//! let found = expressions(&url, |key| {
//!     let is_listed = listed.contains(&icapstan_urls::hash_key(key));
//!     if is_listed { ControlFlow::Break(key.to_vec()) } else { ControlFlow::Continue(()) }
//! });
//! assert_eq!(found.as_deref(), Some(&b"bad.test/dir/"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod compile;
mod entry;
mod expressions;
mod file;
pub mod import;
mod lists;
mod networks;

pub use canonical::{CanonicalUrl, MAX_URL, UrlError};
pub use compile::{CompileError, Compiled, Compiler, MAX_ENTRIES, MAX_NETWORKS};
pub use entry::{Action, Entry, HOST_PREFIX, hash_key};
pub use expressions::{MAX_EXPRESSIONS, expressions};
pub use file::{Identity, Keep, ListFile, MAX_LISTS, MAX_NAME, OpenError};
pub use lists::{Kind, List, ListInfo, Lists, Match, UnknownKind};
