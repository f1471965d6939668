//! Encryption of PDF files that libclamav does not notice.
//!
//! libclamav 1.4 looks for the key `Encrypt` in the last 2 KiB of a file, as it is spelled there, and only
//! if an end mark stands behind a `startxref` there. What it finds it decrypts if the password is empty,
//! and reports otherwise. Readers go by the cross references instead: the key may stand in front of a
//! long cross-reference stream, or of anything else, and have escaped letters (ISO 32000-2, 7.3.5 and
//! 7.5.5). libclamav then takes what is encrypted for plain, and finds nothing in it. Nor does it look at all
//! that it decrypts: see [`streams`].

mod streams;

use super::{Kind, find};

pub(super) const MAGIC: &[u8] = b"%PDF-";

const KEY: &[u8] = b"Encrypt";
/// Readers find the beginning so far behind that of the file.
const BEGINS_WITHIN: usize = 1024;
/// So far from the end libclamav looks.
const SEEN_WITHIN: usize = 2048;
/// White space and comments between a key and its value. Nobody writes more, and looking for it has its price.
const MAX_BETWEEN: usize = 128;

/// What stands behind the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// The number of another object.
    Object(u64),
    /// A dictionary. libclamav does not read it, and says that it is encrypted.
    Here,
    /// Too far away to be looked for.
    Far,
}

pub(super) fn judge(bytes: &[u8]) -> Kind {
    let mut values = keys(bytes);
    let Some(first) = values.next() else { return Kind::Ok };
    // Whichever of several libclamav goes by, a reader may go by another one.
    let is_one = |value| value == first && value != Value::Far;
    let is_decrypted =
        is_seen(bytes) && is_one(first) && values.all(is_one) && !streams::any_is_closed(bytes);
    if is_decrypted { Kind::Ok } else { Kind::Encrypted }
}

/// Whether readers of PDF find one behind the beginning of another format.
pub(super) fn stands_behind(bytes: &[u8]) -> bool {
    find(&bytes[..bytes.len().min(BEGINS_WITHIN)], MAGIC, 0).is_some()
}

/// Whether libclamav finds the key.
fn is_seen(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(SEEN_WITHIN)..];
    let rfind = |upto: usize, needle: &[u8]| {
        tail[..upto].windows(needle.len()).rposition(|window| window == needle).filter(|&at| at > 0)
    };
    rfind(tail.len(), b"%%EOF").and_then(|end| rfind(end, b"startxref")).is_some()
        && find(tail, b"/Encrypt", 0).is_some()
}

/// The values of all keys of that name. Where there is no value there is no encryption.
fn keys(bytes: &[u8]) -> impl Iterator<Item = Value> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(at) = find(bytes, b"/", from) {
            from = at + 1;
            if let Some(value) = behind_key(&bytes[from..]).and_then(value) {
                return Some(value);
            }
        }
        None
    })
}

/// What follows the name, if it is that name: letters may be written as `#` and two digits.
fn behind_key(mut rest: &[u8]) -> Option<&[u8]> {
    for expected in KEY {
        let (letter, len) = match rest {
            [b'#', high, low, ..] => (hex(*high)? << 4 | hex(*low)?, 3),
            [letter, ..] => (*letter, 1),
            [] => return None,
        };
        if letter != *expected {
            return None;
        }
        rest = &rest[len..];
    }
    // A longer name is another one.
    rest.first().is_some_and(|&byte| is_space(byte) || b"<%/()[]>".contains(&byte)).then_some(rest)
}

fn value(rest: &[u8]) -> Option<Value> {
    let Some(rest) = behind_space(rest) else { return Some(Value::Far) };
    if rest.starts_with(b"<<") {
        return Some(Value::Here);
    }
    let (object, rest) = number(rest)?;
    let (_, rest) = number(behind_space(rest)?)?;
    behind_space(rest)?.starts_with(b"R").then_some(Value::Object(object))
}

fn number(rest: &[u8]) -> Option<(u64, &[u8])> {
    let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = rest[..len]
        .iter()
        .fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    (len > 0).then_some((digits, &rest[len..]))
}

/// Behind white space and comments; `None` if there is no end of them.
fn behind_space(rest: &[u8]) -> Option<&[u8]> {
    let mut in_comment = false;
    for (at, &byte) in rest.iter().enumerate().take(MAX_BETWEEN) {
        match byte {
            b'\n' | b'\r' => in_comment = false,
            _ if in_comment => {}
            b'%' => in_comment = true,
            _ if is_space(byte) => {}
            _ => return Some(&rest[at..]),
        }
    }
    None
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pdf(before: &str, key: &str, padding: usize) -> Vec<u8> {
        let end = "startxref\n9\n%%EOF\n";
        format!("%PDF-1.5\n{before}\ntrailer\n<</Root 1 0 R {key} >>\n{}\n{end}", "%".repeat(padding)).into()
    }

    #[test]
    fn what_libclamav_sees_is_left_to_it_and_what_it_does_not_see_is_told() {
        for (name, bytes, kind) in [
            ("none", pdf("", "", 5000), Kind::Ok),
            ("at the end", pdf("", "/Encrypt 5 0 R", 0), Kind::Ok),
            ("far from the end", pdf("", "/Encrypt 5 0 R", 2048), Kind::Encrypted),
            ("far from the end, a dictionary", pdf("", "/Encrypt<</V 4>>", 2048), Kind::Encrypted),
            ("in escapes", pdf("", "/#45ncr#79pt 5 0 R", 0), Kind::Encrypted),
            ("with a comment between", pdf("", "/Encrypt% 1\r\n 5\t0\0R", 2048), Kind::Encrypted),
            ("two times the same", pdf("/Encrypt 5 0 R", "/Encrypt 5 0 R", 0), Kind::Ok),
            ("two that differ", pdf("/Encrypt 5 0 R", "/Encrypt 6 0 R", 0), Kind::Encrypted),
            (
                "too far from its value",
                pdf("", &format!("/Encrypt%{}\n 5 0 R", "x".repeat(200)), 0),
                Kind::Encrypted,
            ),
            ("another name", pdf("", "/EncryptMetadata 5 0 R /Encrypts 5 0 R", 2048), Kind::Ok),
            ("no value", pdf("", "/Encrypt null", 2048), Kind::Ok),
            ("in prose", pdf("", "(the key /Encrypt is 5 0 R)", 2048), Kind::Ok),
        ] {
            assert_eq!(judge(&bytes), kind, "{name}");
        }
        let no_end = pdf("", "/Encrypt 5 0 R", 0);
        assert_eq!(judge(&no_end[..no_end.len() - 6]), Kind::Encrypted, "without the mark of the end");
    }

    #[test]
    fn a_file_behind_a_picture_is_one_too() {
        let encrypted = pdf("", "/Encrypt 5 0 R", 2048);
        let behind = |len: usize| [b"GIF89a".as_slice(), &vec![0; len], &encrypted].concat();
        assert_eq!(super::super::classify(b"CL_TYPE_GIF", &behind(1000)), Kind::Encrypted);
        assert_eq!(super::super::classify(b"CL_TYPE_GIF", &behind(1100)), Kind::Ok);
    }

    #[test]
    fn every_cut_is_harmless() {
        let whole = pdf("/Encrypt 7 0 R", "/#45ncrypt%\n 5 0 R", 30);
        for end in 0..whole.len() {
            let _ = judge(&whole[..end]);
        }
    }
}
