//! Keeps libclamav's warnings and errors instead of letting it print them.
//!
//! libclamav has one message callback for the whole process. All its calls are made by the only
//! thread there is, so what it says between two [`take`]s belongs to what was called in between.

#![allow(unsafe_code, reason = "C strings come in through the callback")]

use crate::ffi::{self, MSG_WARN};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_uint, c_void};
use std::fmt::Write as _;

/// More messages of one call are counted, not kept.
const MAX_KEPT: usize = 8;
/// Longer messages are cut.
const MAX_LEN: usize = 400;

/// Begin messages about a damaged or contradictory object. Error 1 of the LZMA library is damaged
/// data; its others are not about the object.
const COMPLAINTS: [&str; 16] = [
    "GIF: ",
    "JPEG: ",
    "PNG: ",
    "TIFF: ",
    "SWF: declared ",
    "SWF: Can't read file header",
    "SWF: Invalid tag length",
    "SWF: Not a SWF file",
    "SWF: Tag length too large",
    "TNEF - unknown ",
    "TNEF - unsupported ",
    "TNEF: Incorrect length field",
    "HWPOLE2: Mismatched ",
    "cli_egg_",
    "cli_scanxz: decompress error: 1",
    "cli_scanxz: premature end of compressed stream",
];
/// Never about the object.
const MEANS: [&str; 4] = ["alloc", "memory", "tempor", "nit failed"];

thread_local! {
    static KEPT: RefCell<Messages> = const { RefCell::new(Messages { kept: Vec::new(), dropped: 0 }) };
}

/// Warnings and errors, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    kept: Vec<String>,
    dropped: usize,
}

/// From now on libclamav prints no warning and no error. To be called before anything else of it.
pub(crate) fn install() {
    ffi::cl_set_clcb_msg(on_message);
}

/// What libclamav said since the last call.
pub(crate) fn take() -> Messages {
    KEPT.with(|kept| kept.try_borrow_mut().map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default())
}

// === impl Messages ===

impl Messages {
    /// Whether anything was said that is neither a notice nor about the object.
    pub(crate) fn has_fault(&self) -> bool {
        self.dropped > 0 || self.kept.iter().any(|text| !is_notice(text) && !is_complaint(text))
    }

    /// Whether something was said about the object.
    pub(crate) fn has_complaint(&self) -> bool {
        self.kept.iter().any(|text| is_complaint(text))
    }

    pub(crate) fn first(&self) -> &str {
        self.kept.first().map_or("", String::as_str)
    }

    /// All of them in one line.
    pub(crate) fn joined(&self) -> String {
        let mut line = self.kept.join("; ");
        if self.dropped > 0 {
            let _ = write!(line, "; and {} more", self.dropped);
        }
        line
    }

    fn push(&mut self, text: &[u8]) {
        if self.kept.len() == MAX_KEPT {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let text = String::from_utf8_lossy(&text[..text.len().min(MAX_LEN)]);
        self.kept.push(text.trim().replace(|c: char| c.is_control(), " "));
    }
}

/// Notices: boxed in asterisks, about databases older than seven days or made for a newer engine;
/// and what is said besides a name for a limit, which is reported for itself.
fn is_notice(text: &str) -> bool {
    text.starts_with("**") || text.contains("exceeds limits - only scanning")
}

fn is_complaint(text: &str) -> bool {
    COMPLAINTS.iter().any(|start| text.starts_with(start)) && !MEANS.iter().any(|word| text.contains(word))
}

extern "C" fn on_message(severity: c_uint, _: *const c_char, text: *const c_char, _: *mut c_void) {
    if severity < MSG_WARN || text.is_null() {
        return;
    }
    // SAFETY: libclamav passes a string that ends with a zero byte and lives during the call.
    let text = unsafe { CStr::from_ptr(text) };
    KEPT.with(|kept| {
        if let Ok(mut kept) = kept.try_borrow_mut() {
            kept.push(text.to_bytes());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_long_messages_stays_small() {
        let mut messages = Messages::default();
        for _ in 0..1000 {
            messages.push(&[b'x'; 10_000]);
        }
        assert!(messages.joined().len() < MAX_KEPT * (MAX_LEN + 2) + 32);
        assert!(messages.joined().ends_with("and 992 more"));
    }

    #[test]
    fn complaints_notices_and_faults_are_told_apart() {
        for (text, fault, complaint) in [
            ("Can't create temporary directory for scan: /x", true, false),
            ("cli_scanxz: decompress error: 1", false, true),
            ("cli_scanxz: decompress error: 2", true, false),
            ("cli_egg_open: Failed to parse archive headers!", false, true),
            ("cli_egg_open: Failed to allocate memory", true, false),
            ("GIF: EOF in the middle of an image data sub-block, file truncated?", false, true),
            ("** The virus database is older than 7 days!  **", false, false),
            ("cli_scanxz: decompress file size exceeds limits - only scanning 1 bytes", false, false),
        ] {
            let mut messages = Messages::default();
            messages.push(text.as_bytes());
            assert_eq!((messages.has_fault(), messages.has_complaint()), (fault, complaint), "{text}");
        }
    }

    #[test]
    fn a_message_becomes_one_line() {
        let mut messages = Messages::default();
        messages.push(b"cannot open\nx.ndb\r\n");
        assert_eq!(messages.first(), "cannot open x.ndb");
    }
}
