//! The hostile objects.

use super::super::server::download;
use super::zip::zip;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icapstan_testkit::{eicar, gzip};
use std::fmt::Write;

/// One of them, ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) name: &'static str,
    /// Whether nobody can have looked at all of it.
    pub(super) never_clean: bool,
    /// Bytes of the body.
    pub(super) size: usize,
    /// The whole request.
    pub(super) message: Vec<u8>,
    /// Where in it a number may stand that makes each another one.
    pub(super) stamp: Option<usize>,
}

/// Digits that a number replaces.
const STAMP: &[u8; 16] = b"#icapstan-bench#";

/// Bytes behind the gzip bomb.
const ZEROS: usize = 100 << 20;

/// Bytes in each innermost file of the nested one.
const INNERMOST: usize = 8 << 20;

/// Parts of the mail.
const PARTS: usize = 200_000;

/// Layers of the deep mail.
const LAYERS: usize = 2000;

/// Bytes of the script.
const SCRIPT: usize = 6 << 20;

/// All of them.
pub(super) fn objects() -> Vec<Object> {
    let nested = nested();
    let (truncated, garbled) = (nested[..nested.len() / 2].to_vec(), garble(&nested));
    // Small, and nothing in their first bytes says that they are dear.
    let behind_text = [b"some text\n", &nested[..]].concat();
    let mailed = mailed(&nested);
    let octets = "Content-Type: application/octet-stream\r\n";
    let mail = "Content-Type: message/rfc822\r\n";
    let made = [
        (
            "gzip of 100 MiB of zeros",
            true,
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
            gzip(&vec![0; ZEROS]),
        ),
        ("zip, 16 in each of four layers", true, octets, nested),
        ("zip, truncated", false, octets, truncated),
        ("zip, garbled", false, octets, garbled),
        ("zip behind a line of text", false, "Content-Type: text/plain\r\n", behind_text),
        ("zip in a mail", false, mail, mailed),
        ("mail of 200,000 parts, the last a threat", true, mail, parts()),
        ("mail of 2,000 layers", false, mail, layers()),
        ("script of 6 MiB of concatenations", false, "Content-Type: application/javascript\r\n", script()),
        ("PDF, garbled", false, "Content-Type: application/pdf\r\n", pdf()),
    ];
    let finish = |(name, never_clean, fields, body): (_, _, &str, Vec<u8>)| {
        let message = download(fields, &body);
        let stamp = message.windows(STAMP.len()).position(|window| window == STAMP);
        Object { name, never_clean, size: body.len(), message, stamp }
    };
    made.map(finish).into()
}

/// As the one that is known as 42.zip: each layer holds the one below many times.
fn nested() -> Vec<u8> {
    let mut object = zip(&[("0".to_owned(), &vec![0; INNERMOST])]);
    for layer in 0..4 {
        let entries: Vec<_> = (0..16).map(|at| (format!("{layer}-{at}.zip"), &object[..])).collect();
        object = zip(&entries);
    }
    object
}

/// Every 97th byte is another one.
fn garble(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().enumerate().map(|(at, byte)| if at % 97 == 96 { byte ^ 0x5a } else { *byte }).collect()
}

fn parts() -> Vec<u8> {
    let mut mail = head("multipart/mixed; boundary=b");
    mail.push_str(&"--b\n\nx\n".repeat(PARTS));
    mail.push_str("--b\nContent-Type: application/octet-stream\n");
    mail.push_str("Content-Transfer-Encoding: quoted-printable\n\n");
    // Not as it is: it must be found by opening the mail.
    for line in eicar().chunks(24) {
        for byte in line {
            let _ = write!(mail, "={byte:02X}");
        }
        mail.push_str("=\n");
    }
    mail.push_str("\n--b--\n");
    mail.into_bytes()
}

fn mailed(object: &[u8]) -> Vec<u8> {
    let mut mail = head("application/octet-stream");
    mail.truncate(mail.trim_end().len());
    mail.push_str("\nContent-Transfer-Encoding: base64\n\n");
    for line in object.chunks(57) {
        mail.push_str(&STANDARD.encode(line));
        mail.push('\n');
    }
    mail.into_bytes()
}

fn layers() -> Vec<u8> {
    let mut mail = head("multipart/mixed; boundary=b0");
    for layer in 0..LAYERS {
        let next = layer + 1;
        let _ = write!(mail, "--b{layer}\nContent-Type: multipart/mixed; boundary=b{next}\n\n");
    }
    mail.push_str("text\n");
    mail.into_bytes()
}

fn head(kind: &str) -> String {
    let stamp = String::from_utf8_lossy(STAMP);
    format!(
        "From: a@bench.test\nTo: b@bench.test\nSubject: {stamp}\nMIME-Version: 1.0\nContent-Type: {kind}\n\n"
    )
}

fn script() -> Vec<u8> {
    let mut script = format!("// {}\nvar a=\"x\"", String::from_utf8_lossy(STAMP));
    script.push_str(&"+\"x\"".repeat(SCRIPT / 4));
    script.push_str(";\n");
    script.into_bytes()
}

/// Streams that are not what they say, without an end.
fn pdf() -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    for number in 1..2000 {
        let head =
            format!("{number} 0 obj\n<</Length 999999 /Filter [/FlateDecode /ASCIIHexDecode]>>\nstream\n");
        file.extend_from_slice(head.as_bytes());
        file.extend_from_slice(&garble(&gzip(head.repeat(4).as_bytes())));
        file.extend_from_slice(b"\nendobj\n");
    }
    file
}

// === impl Object ===

impl Object {
    /// Makes a copy of the message another one, where that is possible.
    pub(super) fn stamp(&self, message: &mut [u8], attacker: usize, turn: usize) {
        if let Some(at) = self.stamp {
            let number = format!("{:04}{:012}", attacker % 10_000, turn % 1_000_000_000_000);
            message[at..at + STAMP.len()].copy_from_slice(number.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_small_and_some_of_them_always_new() {
        let objects = objects();
        for object in &objects {
            // Larger ones would not be looked at at all.
            assert!((200..10_343 * 1024).contains(&object.size), "{}: {}", object.name, object.size);
        }
        let stamped: Vec<_> = objects.iter().filter(|object| object.stamp.is_some()).collect();
        assert_eq!(stamped.len(), 4);
        let mut message = stamped[0].message.clone();
        stamped[0].stamp(&mut message, 3, 77);
        assert_eq!(message.len(), stamped[0].message.len());
        assert!(message.windows(16).any(|window| window == b"0003000000000077"));
    }

    #[test]
    fn the_gzip_bomb_is_a_thousandth_of_what_it_holds() {
        let ratio = ZEROS / objects()[0].size;
        assert!((900..1200).contains(&ratio), "{ratio}");
    }
}
