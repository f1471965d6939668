//! RFC 3507 on the wire. Each name begins with the section that the promise comes from.

mod chunks;
mod codings;
mod encapsulated;
mod fields;
mod hostile;
mod identity;
mod istag;
mod options;
mod partial;
mod persistence;
mod preview;
mod semantics;
mod transport;
