//! Characters that would do more to a reader than be seen.

use icapstan_model::is_deceptive;
use std::io::Write;

/// Appends a character, or the escape for it that JSON, and most languages, read as the same.
pub(crate) fn push(c: char, out: &mut Vec<u8>) {
    match c {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        c if is_deceptive(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("memory takes everything");
            }
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}
