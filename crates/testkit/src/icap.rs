//! A raw ICAP client: writes what it is told to, reads strictly.

mod client;
mod message;
mod response;

pub use client::{IcapClient, ReadError};
pub use message::Message;
pub use response::{Field, Head, IcapBody, IcapResponse, Kind};
