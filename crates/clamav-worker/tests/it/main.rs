//! What the supervisor is promised, tried on the built program over its sockets.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod charsets;
#[allow(dead_code, reason = "the functions are compared by their prototypes, not called")]
#[path = "../../src/ffi.rs"]
mod ffi;
mod header;
mod heuristics;
mod life;
mod limits;
mod load;
mod numbers;
mod objects;
mod options;
mod rules;
mod scan;
mod support;
mod zips;
