//! Messages of syslog (RFC 5424).

use super::fields::{Value, details, shortened};
use super::line::SEPARATOR;
use super::{Room, Source, put, put_char};
use crate::Facility;
use crate::event::Event;
use crate::kind;
use icapstan_telemetry::timestamp;

/// The name of the structured data. A name of one's own carries the number of an enterprise; this is
/// the one that stands for any in documents (RFC 5612), as the project has none.
const DATA: &str = "icapstan@32473";

/// Begins a text in UTF-8 (RFC 5424 section 6.4).
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Adds everything before the structured data.
pub(super) fn head(source: &Source, facility: Facility, event: &Event, out: &mut Vec<u8>) {
    let priority = number(facility) * 8 + kind::syslog(event.severity());
    put(out, format_args!("<{priority}>1 {} ", timestamp(event.time)));
    word(source.host.as_str(), 255, out);
    put(out, format_args!(" icapstan {} {} ", source.process, event.kind.as_str()));
}

/// Adds that there is no structured data.
pub(super) fn without_data(out: &mut Vec<u8>) {
    out.extend_from_slice(b"- ");
}

/// Adds the details as structured data, and the message. What is not ASCII begins with a byte order
/// mark; for ASCII there is nothing to tell.
pub(super) fn data_and_text(event: &Event, room: Room, out: &mut Vec<u8>) {
    put(out, format_args!("[{DATA} severity=\"{}\"", event.severity().as_str()));
    for (name, value) in details(event, room) {
        put(out, format_args!(" {name}=\""));
        match value {
            Value::Number(number) => put(out, format_args!("{number}")),
            Value::Text(text) => escape(&text, out),
            Value::List(entries) => escape(&entries.join(SEPARATOR), out),
        }
        out.push(b'"');
    }
    out.extend_from_slice(b"] ");
    let message = shortened(event.message.as_str(), room.text);
    if !message.is_ascii() {
        put_char(out, BYTE_ORDER_MARK);
    }
    out.extend_from_slice(message.as_bytes());
}

/// The number of a facility (section 6.2.1).
const fn number(facility: Facility) -> u8 {
    match facility {
        Facility::User => 1,
        Facility::Daemon => 3,
        Facility::Auth => 4,
        Facility::AuthPriv => 10,
        Facility::Local0 => 16,
        Facility::Local1 => 17,
        Facility::Local2 => 18,
        Facility::Local3 => 19,
        Facility::Local4 => 20,
        Facility::Local5 => 21,
        Facility::Local6 => 22,
        Facility::Local7 => 23,
    }
}

/// Section 6.3.3: only these three are escaped.
fn escape(text: &str, out: &mut Vec<u8>) {
    for c in text.chars() {
        if matches!(c, '"' | '\\' | ']') {
            out.push(b'\\');
        }
        put_char(out, c);
    }
}

/// A word of the head: printable ASCII without blanks, and something.
fn word(text: &str, most: usize, out: &mut Vec<u8>) {
    let before = out.len();
    out.extend(text.bytes().filter(u8::is_ascii_graphic).take(most));
    if out.len() == before {
        out.push(b'-');
    }
}
