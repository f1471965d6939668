//! RFC 3507 without I/O: bytes in, events out; answers in, bytes out.
//!
//! ```text
//!  socket bytes ──▶ Decoder::step ──▶ Head(RequestHead) · Data(&[u8]) · PreviewEnd · End
//!  Answer, chunks ──▶ encode ──▶ socket bytes
//! ```
//!
//! Refuses to do: sockets, clocks, services, verdicts.
//!
//! Invariants
//! 1. Bytes may arrive in any segmentation; the events are the same, except that one run of body
//!    data may be reported in several pieces.
//! 2. Nothing is allocated by a size that a peer claims; every length has a limit in [`Limits`].
//! 3. Framing is decided by the ICAP head and by chunk lines alone: no field of an encapsulated
//!    head, no trailer and no extension but `ieof` in a preview has a part in it.
//! 4. Where peers could disagree on where a message ends, it is an error and the connection ends.
//!
//! ```
//! use icapstan_icap_proto::{Decoder, Event, Limits};
//!
//! let mut decoder = Decoder::new(Limits::default());
//! let bytes = b"OPTIONS icap://h/respmod ICAP/1.0\r\nHost: h\r\n\r\n";
//! let step = decoder.step(bytes).unwrap();
//! assert!(matches!(step.event, Some(Event::Head(head)) if head.uri().service() == "respmod"));
//! ```

mod answer;
mod chunk;
mod client;
mod decoder;
mod encapsulated;
mod error;
mod fields;
mod head;
mod http_head;
mod limits;
mod options;
mod proxy;
mod rights;
mod set_fields;
mod start_line;
mod status;

pub use answer::{Answer, CONTINUE, ChunkHead, LAST_CHUNK, Parts, last_chunk_with_original, put_field};
pub use client::{ClientError, ResponseDecoder, ResponseEvent, ResponseHead};
pub use decoder::{Decoder, Event, Step};
pub use encapsulated::{BodyKind, Encapsulated};
pub use error::DecodeError;
pub use head::{Allow, RequestHead};
pub use http_head::{Field, HttpHead, without_hop_by_hop};
pub use limits::Limits;
pub use options::OptionsAnswer;
pub use proxy::{ProxyError, ProxyHeader, ProxyStep};
pub use rights::Rights;
pub use set_fields::set_fields;
pub use start_line::{IcapUri, Method};
pub use status::Status;
