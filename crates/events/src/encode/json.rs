//! One JSON object (RFC 8259) on one line.

use super::fields::{Value, details, front};
use super::{Room, Source, put, put_char};
use crate::event::Event;

/// Which characters stand as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// All.
    Utf8,
    /// Those of ASCII only. Needs no mark for its encoding where syslog asks for one.
    Ascii,
}

/// Adds the object.
pub(super) fn object(source: &Source, event: &Event, room: Room, charset: Charset, out: &mut Vec<u8>) {
    let mut before = '{';
    for (name, value) in front(source, event, room).into_iter().chain(details(event, room)) {
        put(out, format_args!("{before}\"{name}\":"));
        match value {
            Value::Number(number) => put(out, format_args!("{number}")),
            Value::Text(text) => string(&text, charset, out),
            Value::List(entries) => {
                for (index, entry) in entries.iter().enumerate() {
                    out.push(if index == 0 { b'[' } else { b',' });
                    string(entry, charset, out);
                }
                out.push(b']');
            }
        }
        before = ',';
    }
    out.push(b'}');
}

/// Markup is escaped too, as records end up inside of pages.
fn string(text: &str, charset: Charset, out: &mut Vec<u8>) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' | '\\' => put(out, format_args!("\\{c}")),
            c if c.is_control()
                || matches!(c, '<' | '>' | '&')
                || (charset == Charset::Ascii && !c.is_ascii()) =>
            {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    put(out, format_args!("\\u{unit:04x}"));
                }
            }
            c => put_char(out, c),
        }
    }
    out.push(b'"');
}
