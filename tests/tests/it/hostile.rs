//! Bytes that were made to do harm, sent to the real process. For each input: an answer that is
//! defined or the end of the connection, long before any deadline; a counter that tells; nothing for
//! the requests before and behind it, nor for other connections; and never a clean pass of what is
//! infected.
//!
//! Names begin with the group of bad inputs: `abuse_6_…` is about chunk lines. `rfc3507/` has the
//! conformance tests, which look at the answers alone.

mod bodies;
mod bombs;
mod disclosure;
mod floods;
mod framing;
mod ground;
mod heads;
mod injection;
mod overload;
mod protocols;
mod resources;
mod verdicts;
