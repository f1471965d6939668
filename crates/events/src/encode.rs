//! From an event to one record: a line, or what a datagram holds.

mod cef;
mod fields;
mod json;
mod line;
mod syslog;

use crate::event::Event;
use crate::text::Text;
use crate::{EventFormat, Facility};
use std::sync::Arc;

/// What sends the events, as records name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The machine, or the pod.
    pub host: Text,
    /// The version of the program.
    pub version: Text,
    /// The number of the process.
    pub process: u32,
}

/// Makes records of one format.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    pub(crate) source: Arc<Source>,
    pub(crate) format: EventFormat,
    /// Of syslog messages; none for lines.
    pub(crate) facility: Option<Facility>,
    /// The most bytes of a record.
    pub(crate) most: usize,
}

/// How much of an event goes into a record.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// Of each text, in bytes.
    text: usize,
    /// Of each list, in entries.
    entries: usize,
}

/// Tried one after the other until a record is short enough: what is cut is cut in every field a little
/// rather than at the end, where a record would be torn.
const ROOMS: [Room; 6] = [
    Room { text: Text::MAX_URL, entries: 16 },
    Room { text: 1024, entries: 8 },
    Room { text: 512, entries: 4 },
    Room { text: 128, entries: 2 },
    Room { text: 48, entries: 1 },
    Room { text: 16, entries: 1 },
];

// === impl Source ===

impl Source {
    /// This process on this machine.
    pub fn this() -> Self {
        let system = rustix::system::uname();
        Self {
            host: Text::name(system.nodename().to_bytes()),
            version: Text::name(env!("CARGO_PKG_VERSION")),
            process: std::process::id(),
        }
    }
}

/// The event as one JSON object of at most `most` bytes, as sinks of that format get it. Empty if `most` is less
/// than any event needs.
pub fn json(source: &Arc<Source>, event: &Event, most: usize) -> Vec<u8> {
    let encoder = Encoder { source: Arc::clone(source), format: EventFormat::Json, facility: None, most };
    let mut record = Vec::new();
    if !encoder.encode(event, &mut record) {
        record.clear();
    }
    record
}

// === impl Encoder ===

impl Encoder {
    /// Makes `record` the record of `event`. False if none is short enough.
    pub(crate) fn encode(&self, event: &Event, record: &mut Vec<u8>) -> bool {
        ROOMS.iter().any(|room| {
            record.clear();
            self.body(event, *room, record);
            record.len() <= self.most
        })
    }

    fn body(&self, event: &Event, room: Room, record: &mut Vec<u8>) {
        let mut charset = json::Charset::Utf8;
        if let Some(facility) = self.facility {
            syslog::head(&self.source, facility, event, record);
            if self.format == EventFormat::Text {
                return syslog::data_and_text(event, room, record);
            }
            syslog::without_data(record);
            charset = json::Charset::Ascii;
        }
        match self.format {
            EventFormat::Json => json::object(&self.source, event, room, charset, record),
            EventFormat::Cef => cef::message(&self.source, event, room, record),
            EventFormat::Text => line::line(&self.source, event, room, record),
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    out.write_fmt(text).expect("memory takes everything");
}

fn put_char(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests;
