//! The quarantine as who offers objects sees it, and as `age` does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod age;
mod folder;
mod setup;
