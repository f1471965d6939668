//! From the settings of Kaspersky Scan Engine's ICAP mode (`kavicapd.xml` and its rules file) to
//! `icapstan.yaml`.
//!
//! ```text
//!  kavicapd.xml ──document──▶ sections ──icap, sdk, update──▶ Config ──check──▶ Imported ──to_yaml──▶ text
//!  rules file ─────────────── lines ────rules──▶ policies[0].rules │
//!                                                                  └──▶ Vec<Note>: what is lost or differs
//! ```
//!
//! What the elements mean is told by the product's public help (support.kaspersky.com, "scanengine": pages
//! 179893, 192989, 200720 to 201208, 221159, 225528 among them). `docs/migrating-from-kse.md` has the table.
//!
//! Refuses to do: files, XML with a document type, settings that icapstan does not have.
//!
//! Invariants
//! 1. Each element of the input is mapped, or there is a note about it; nothing is lost in silence.
//! 2. What comes out passes [`Config::check`](icapstan_api::Config::check), and its text reads back as the same.
//! 3. No input makes it panic, and none larger than [`MAX_INPUT_LEN`] is read.
//! 4. Where the input says nothing, nothing is let pass that icapstan's own defaults would block.
//!
//! ```
//! let xml = b"<Configuration><ICAPSettings><MaxIcapSessionsCount>100</MaxIcapSessionsCount></ICAPSettings></Configuration>";
//! let imported = icapstan_kse::import(xml, Some("ANY DETECT SET_RESP=detect_res"))?;
//! assert_eq!(imported.config.limits.sessions, 100);
//! assert!(imported.to_yaml().contains("sessions: 100"));
//! # Ok::<(), icapstan_kse::ImportError>(())
//! ```

mod blocked_urls;
mod document;
mod draft;
mod headers;
mod icap;
mod import;
mod keep_alive;
mod note;
mod partial;
mod rules;
mod sdk;
mod update;
mod values;
mod yaml;

pub use import::{ImportError, Imported, MAX_INPUT_LEN, import};
pub use note::{MAX_NOTES, Note, Severity};
