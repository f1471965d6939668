//! The engine pool: libclamav in worker processes, database generations, their swap, and the proof
//! that what is in use detects.
//!
//! ```text
//!  ScanPort::scan ─▶ queue ─▶ views ─▶ hash lists ─▶ pool ─▶ worker (sealed memfd in, records out) ─▶ judge
//!                    refuse   decode   deny, allow   lease     │ killed, dead, worn out
//!                                                              ▼
//!  folders ─▶ loader thread ─▶ zygote ─fork─▶ crew thread: end, fork, prove
//!                └── swaps the epoch; the old one lives on in the transactions that hold it
//! ```
//!
//! With a plan the loader thread keeps several generations beside each other ([`Wanted`]), each tried before it can
//! be asked for by its name ([`Loads`]).
//!
//! Refuses to do: ICAP, policy, caching, the network. Nothing here links libclamav.
//!
//! Invariants
//! 1. A clean finding means: a worker that has proven that it detects answered, it looked at every view
//!    of the object, and nothing at all spoke against it; or every view of it is in a hash list that allows
//!    and none of it in one that denies. Everything else has a reason.
//! 2. A scan ends by its deadline. The worker that does not is killed by a handle that can mean no other
//!    process, and replaced within milliseconds.
//! 3. A worker is on the pool's stack, in one lease, in one grace task or with the crew thread: never
//!    lost, whatever is cancelled when. The right of a dear object to one of them goes with the worker until
//!    another one has its place, so that the one for cheap objects is never taken by dear ones.
//! 4. Signatures are in use only if they were loaded wholly, had the same digest before and after, and
//!    workers passed the self-test with them. Else the old ones stay.
//!    An epoch keeps its generation in memory, but not for ever: while it is one of too many and new
//!    signatures wait, it ends once no scan is using it. Later scans of that epoch have no scanner.
//! 5. What waits, what is decoded at once, what is written to disk and how many generations are in
//!    memory are bounded by settings.
//! 6. What is answered without a worker because an equal object took one's life or time is never clean, and has
//!    all that was found the first time.
//! 7. No thread of the async runtime waits for a process, a file system or a decoder of more than a few
//!    kilobytes.
//!
//! ```no_run
//! use icapstan_model::{Content, Mode, Object, ScanContext, ScanPort, ScanProfile};
//! use icapstan_scanner::{Scanner, ScannerConfig, SignatureSource, find_worker};
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let worker = find_worker().ok_or("icapstan-clamav-worker is not there")?;
//! let config = ScannerConfig::new(worker, SignatureSource::discover(None));
//! let scanner = Scanner::start(config, &prometheus::Registry::new()).await?;
//! let mut epochs = scanner.epochs();
//! let epoch = epochs.wait_for(Option::is_some).await?.clone().ok_or("just waited for")?;
//!
//! let profile = Arc::new(ScanProfile::default());
//! let deadline = Instant::now() + profile.timeout;
//! let context = ScanContext {
//!     mode: Mode::Reqmod,
//!     content_encoding: String::new(),
//!     content_types: vec!["text/plain".to_owned()],
//!     partial: false,
//!     profile,
//!     trace: None,
//! };
//! let object = Object { content: Content::Memory("some text".into()), len: 9 };
//! let report = scanner.scan(object, context, &epoch, deadline).await?;
//! println!("{:?}", report.findings);
//! scanner.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod archive;
mod breaker;
mod builtin;
mod canary;
mod clamd;
mod config;
mod crew;
mod engine;
mod folder;
mod forge;
mod hash_lists;
mod judge;
mod listed;
mod loader;
mod metrics;
mod obituary;
mod packet;
mod planned;
mod poison;
mod pool;
mod processes;
mod published;
mod queue;
mod scan;
mod scanner;
mod sealed;
mod shared;
mod sources;
mod temp;
mod unpacker;
mod views;
mod worker;
mod worker_log;
mod yara;
mod zygote;

pub use clamd::{ClamdAddress, ClamdConfig};
pub use config::{ScannerConfig, SignatureSource, StartError, YaraRules, find_worker};
pub use hash_lists::{
    BuiltHashLists, HashListError, HashListMetrics, HashListWatcher, HashLists, LoadedHashLists,
    WatchedHashLists, build_hash_lists,
};
pub use metrics::Metrics;
pub use planned::{
    Difference, LoadFailure, LoadState, Loads, Mirrored, PlannedSignatures, StagedFile, StagedFolder,
    StagedRevision, Wanted, WantedRevisions,
};
pub use scanner::Scanner;
pub use unpacker::UnpackWorkers;
pub use yara::{RulesError, check_rules};
