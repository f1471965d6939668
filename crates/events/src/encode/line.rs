//! A line for people: `name=value`, as in the log.

use super::fields::{Value, details, front};
use super::{Room, Source, put, put_char};
use crate::event::Event;

/// Between the entries of a list.
pub(super) const SEPARATOR: &str = ";";

/// Adds the line, without its end.
pub(super) fn line(source: &Source, event: &Event, room: Room, out: &mut Vec<u8>) {
    let mut before = "";
    for (name, value) in front(source, event, room).into_iter().chain(details(event, room)) {
        put(out, format_args!("{before}{name}="));
        match value {
            Value::Number(number) => put(out, format_args!("{number}")),
            Value::Text(text) => shown(&text, out),
            Value::List(entries) => shown(&entries.join(SEPARATOR), out),
        }
        before = " ";
    }
}

fn shown(text: &str, out: &mut Vec<u8>) {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if !text.is_empty() && text.bytes().all(is_plain) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push(b'\\');
        }
        put_char(out, c);
    }
    out.push(b'"');
}
