//! Answers as bytes.

use crate::Status;
use std::io::Write;

/// An answer's head: the ICAP head and at most one encapsulated head.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status line.
    pub status: Status,
    /// The service tag without quotes; stands in every answer (RFC 3507 section 4.7).
    pub istag: &'a str,
    /// Further ICAP fields. Values are made safe by [`put_field`].
    pub fields: &'a [(&'a str, &'a str)],
    /// What follows.
    pub parts: Parts<'a>,
    /// Whether the connection ends after this answer (RFC 3507 section 4.1).
    pub close: bool,
}

/// What an answer encapsulates.
#[derive(Clone, Copy, Debug)]
pub enum Parts<'a> {
    /// Nothing: `null-body=0`.
    Nothing,
    /// An HTTP request head, and a chunked body or none.
    Request {
        /// Ends with an empty line.
        head: &'a [u8],
        /// Whether chunks follow.
        body: bool,
    },
    /// An HTTP response head, and a chunked body or none.
    Response {
        /// Ends with an empty line.
        head: &'a [u8],
        /// Whether chunks follow.
        body: bool,
    },
    /// A chunked body without any head, for clients that sent none. Of a request or a response.
    Body {
        /// Of a response.
        response: bool,
    },
}

/// A chunk line, written without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; 18],
    start: u8,
}

/// The interim answer to a preview (RFC 3507 section 4.5).
pub const CONTINUE: &[u8] = b"ICAP/1.0 100 Continue\r\n\r\n";

/// What ends a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

// === impl Answer ===

impl Answer<'_> {
    /// Appends the ICAP head and the encapsulated head to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let status = self.status;
        // Writing to memory cannot fail.
        let _ = write!(out, "ICAP/1.0 {} {}\r\nISTag: \"{}\"\r\n", status.0, status.phrase(), self.istag);
        for (name, value) in self.fields {
            put_field(out, name, value);
        }
        if self.close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        let (hdr, head, body) = match self.parts {
            Parts::Nothing => ("", &[][..], "null-body"),
            Parts::Request { head, body } => {
                ("req-hdr=0, ", head, if body { "req-body" } else { "null-body" })
            }
            Parts::Response { head, body } => {
                ("res-hdr=0, ", head, if body { "res-body" } else { "null-body" })
            }
            Parts::Body { response } => ("", &[][..], if response { "res-body" } else { "req-body" }),
        };
        let _ = write!(out, "Encapsulated: {hdr}{body}={}\r\n\r\n", head.len());
        out.extend_from_slice(head);
    }
}

/// Appends one field line. What may not stand in a value that any peer can read (control
/// characters, anything but ASCII) is percent-encoded: names of threats and files end up here.
pub fn put_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    for &byte in value.as_bytes() {
        if matches!(byte, b' '..=b'~') {
            out.push(byte);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The end of a 206 body: the client goes on with its own copy from `offset`
/// (draft-icap-ext-partial-content-07).
pub fn last_chunk_with_original(offset: u64) -> Vec<u8> {
    format!("0; use-original-body={offset}\r\n\r\n").into_bytes()
}

// === impl ChunkHead ===

impl ChunkHead {
    /// The line in front of `len` bytes of data; `len` is not 0.
    pub fn new(len: usize) -> Self {
        debug_assert_ne!(len, 0, "an empty chunk would end the body");
        let mut bytes = [0; 18];
        bytes[16] = b'\r';
        bytes[17] = b'\n';
        let mut start = 16u8;
        let mut rest = len;
        loop {
            start -= 1;
            bytes[usize::from(start)] = b"0123456789abcdef"[rest & 15];
            rest >>= 4;
            if rest == 0 {
                return Self { bytes, start };
            }
        }
    }

    /// The line with its CRLF.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(answer: &Answer<'_>) -> String {
        let mut out = Vec::new();
        answer.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_no_content_answer_has_nothing_behind_its_head() {
        let answer = Answer {
            status: Status::NO_CONTENT,
            istag: "T-1",
            fields: &[],
            parts: Parts::Nothing,
            close: true,
        };
        assert_eq!(
            text(&answer),
            "ICAP/1.0 204 No Content\r\nISTag: \"T-1\"\r\nConnection: close\r\nEncapsulated: null-body=0\r\n\r\n"
        );
    }

    #[test]
    fn rfc3507_4_4_1_offsets_are_those_of_the_bytes() {
        let head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 16\r\n\r\n";
        for (parts, list) in [
            (Parts::Response { head, body: true }, "res-hdr=0, res-body=46"),
            (Parts::Response { head, body: false }, "res-hdr=0, null-body=46"),
            (Parts::Request { head, body: true }, "req-hdr=0, req-body=46"),
            (Parts::Request { head, body: false }, "req-hdr=0, null-body=46"),
            (Parts::Body { response: true }, "res-body=0"),
            (Parts::Body { response: false }, "req-body=0"),
        ] {
            let answer = Answer {
                status: Status::OK,
                istag: "T",
                fields: &[("X-Virus-ID", "Eicar")],
                parts,
                close: false,
            };
            let text = text(&answer);
            assert!(text.contains(&format!("X-Virus-ID: Eicar\r\nEncapsulated: {list}\r\n\r\n")), "{text}");
        }
    }

    #[test]
    fn chunk_lines_are_lower_case_without_padding() {
        for len in [1, 9, 10, 255, 4096, 65_536, usize::MAX] {
            assert_eq!(ChunkHead::new(len).as_bytes(), format!("{len:x}\r\n").as_bytes());
        }
    }

    proptest! {
        #[test]
        fn no_value_breaks_out_of_its_line(value in "\\PC{0,40}[\r\n\0]{0,3}\\PC{0,10}") {
            let mut out = Vec::new();
            put_field(&mut out, "X-Virus-ID", &value);
            let line = out.strip_suffix(b"\r\n").unwrap();
            prop_assert!(line.iter().all(|b| (b' '..=b'~').contains(b)));
        }
    }
}
