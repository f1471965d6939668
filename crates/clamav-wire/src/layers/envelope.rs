//! Encrypted messages that are told by their structure: OpenPGP (RFC 9580) and CMS (RFC 5652), as in S/MIME.

use super::deflate::{self, Start};

/// Recipients and passwords in front of what is encrypted.
const MAX_KEYS: usize = 64;

/// Whether the packets of an OpenPGP message begin here: keys that are encrypted, and what they open.
pub(super) fn is_openpgp(bytes: &[u8]) -> bool {
    let (mut rest, mut is_keyed) = (bytes, false);
    for _ in 0..MAX_KEYS {
        let Some((tag, len, body)) = packet(rest) else { return false };
        match (tag, body) {
            // Encrypted for a key: version 3 with what kind of key it is, version 6.
            // By a password: version, and in version 4 the cipher and how the key is made.
            (1, [3, _, _, _, _, _, _, _, _, 1 | 2 | 16 | 18 | 25 | 26, ..] | [6, ..])
            | (3, [4, 1..=13, 0 | 1 | 3 | 4, ..] | [5 | 6, ..]) => {}
            (9 | 18 | 20, _) => return is_keyed,
            _ if is_filler(tag, body) => {}
            _ => return false,
        }
        is_keyed |= matches!(tag, 1 | 3);
        let Some(behind) = len.and_then(|len| body.get(len..)) else { return false };
        rest = behind;
    }
    false
}

/// Whether the packets of an OpenPGP message begin here that is not encrypted: its content, as it stands or
/// packed, and signatures in front of it. What is signed elsewhere is none.
pub(super) fn is_open_openpgp(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    for _ in 0..MAX_KEYS {
        let Some((tag, len, body)) = packet(rest) else { return false };
        match (tag, body) {
            (8, _) => return is_packed(body),
            (11, _) => return is_literal(len, body),
            (2, [3..=6, ..]) | (4, [3 | 6, ..]) => {}
            _ if is_filler(tag, body) => {}
            _ => return false,
        }
        let Some(behind) = len.and_then(|len| body.get(len..)) else { return false };
        rest = behind;
    }
    false
}

/// What readers pass over: a marker, and padding.
fn is_filler(tag: u8, body: &[u8]) -> bool {
    tag == 10 && body.starts_with(b"PGP") || tag == 21
}

/// By the way of packing, and what begins so.
fn is_packed(body: &[u8]) -> bool {
    let is_start = |start| match start {
        Some(Start::Byte(byte)) => {
            let tag = if byte & 0x40 == 0 { byte >> 2 & 0xf } else { byte & 0x3f };
            byte & 0x80 != 0 && matches!(tag, 2 | 4 | 8 | 10 | 11 | 21)
        }
        Some(Start::Any) => true,
        None => false,
    };
    match body {
        [0, first, ..] => is_start(Some(Start::Byte(*first))),
        [1, stream @ ..] => is_start(deflate::start(stream)),
        [2, stream @ ..] => deflate::is_zlib(stream),
        [3, stream @ ..] => stream.starts_with(b"BZh"),
        _ => false,
    }
}

/// A kind, a name, a date. It is as long as all that is left, or comes in pieces.
fn is_literal(len: Option<usize>, body: &[u8]) -> bool {
    let [b'b' | b't' | b'u' | b'l' | b'm' | b'1', name_len, rest @ ..] = body else { return false };
    let name = rest.get(..usize::from(*name_len));
    // An empty message has no more than that.
    name.is_some_and(|name| rest.len() > name.len() + 4 && !name.iter().any(|&byte| byte < 0x20))
        && len.is_none_or(|len| len <= body.len() && len > usize::from(*name_len) + 6)
}

/// Tag, length and all that follows the header. Without a length the packet goes on to the end, or in pieces.
fn packet(bytes: &[u8]) -> Option<(u8, Option<usize>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let number = |len: usize| {
        let (digits, body) = rest.split_at_checked(len)?;
        let number = digits.iter().fold(0usize, |number, &digit| number << 8 | usize::from(digit));
        Some((Some(number), body))
    };
    let (tag, (len, body)) = match first {
        0x80..=0xbf => {
            let len = match first & 3 {
                3 => (None, rest),
                kind => number(1 << kind)?,
            };
            (first >> 2 & 0xf, len)
        }
        0xc0.. => {
            let len = match rest.first()? {
                0..=191 => number(1)?,
                &one @ 192..=223 => {
                    let two = usize::from(*rest.get(1)?);
                    (Some(((usize::from(one) - 192) << 8) + two + 192), &rest[2..])
                }
                224..=254 => (None, &rest[1..]),
                255 => {
                    let (len, body) = rest[1..].split_first_chunk::<4>()?;
                    (usize::try_from(u32::from_be_bytes(*len)).ok(), body)
                }
            };
            (first & 0x3f, len)
        }
        _ => return None,
    };
    Some((tag, len, body))
}

/// Whether a `ContentInfo` begins here whose content is enveloped, encrypted, or both with authentication.
pub(super) fn is_cms(bytes: &[u8]) -> bool {
    const PKCS7: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
    const AUTHENTICATED: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17";
    let [0x30, len, rest @ ..] = bytes else { return false };
    // The length has so many bytes of its own, or none if it is not told.
    let own = if *len > 0x80 { usize::from(len & 0x7f) } else { 0 };
    if own > 8 {
        return false;
    }
    let content_type = rest.get(own..).unwrap_or_default();
    matches!(content_type.strip_prefix(PKCS7), Some([3 | 6, ..])) || content_type.starts_with(AUTHENTICATED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key for an elliptic curve, one by a password, and what is encrypted.
    fn message() -> Vec<u8> {
        let public = [[0x84, 94, 3].as_slice(), &[7; 8], &[18], &[0x55; 84]].concat();
        let password = [0x8c, 13, 4, 9, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0xff];
        [&public[..], &password, &[0xd2, 0xff, 0, 0, 1, 0, 1], &[0xa5; 90]].concat()
    }

    #[test]
    fn a_message_is_known_by_the_row_of_its_packets() {
        let whole = message();
        assert!(is_openpgp(&whole));
        assert!(is_openpgp(&whole[96..]), "by a password alone");
        assert!(!is_openpgp(&whole[111..]), "no key");
        let (keys, sealed) = whole.split_at(96);
        assert!(!is_openpgp(keys), "nothing that is encrypted");
        assert!(!is_openpgp(&[keys, b"text", sealed].concat()));
        // A key as such, something signed, and packed.
        for other in [&[0x99, 1, 0x0d, 4][..], &[0xa3, 1, 1], &[0x90, 13, 3, 0, 10, 1], b"text", b""] {
            assert!(!is_openpgp(other), "{other:02x?}");
        }
        for end in 0..whole.len() {
            let _ = is_openpgp(&whole[..end]);
        }
        // As long as a computer can count.
        assert!(!is_openpgp(&[0xc1, 0xff, 0xff, 0xff, 0xff, 0xff, 3, 1]));
    }

    #[test]
    fn a_message_that_is_open_is_known_by_its_first_packets() {
        let literal = [&[0xcb, 14, b'b', 1, b'n', 1, 2, 3, 4][..], b"content"].concat();
        let marker = [0xca, 3, b'P', b'G', b'P'];
        let one_pass = [&[0x90, 13, 3, 0, 10, 1][..], &[0; 8], &[1]].concat();
        for (message, expected) in [
            (literal.clone(), true),
            ([&marker[..], &literal].concat(), true),
            ([&one_pass[..], &literal, &[0x88, 2, 4, 0]].concat(), true),
            ([&one_pass[..], b"text"].concat(), false),
            (b"\xcb\xe4b\0\0\0\0\0content".to_vec(), true),
            (b"\xcb\x40b\0\0\0\0\0content".to_vec(), false),
            (b"\xcb\x0dx\0\0\0\0\0content".to_vec(), false),
            (b"\xa3\x01\x5b\xcb\xb4\x93\x28\x93".to_vec(), true),
            (b"\xa3\x01\xcbH\xcd\xc9\xc9\x07\x00".to_vec(), false),
            (b"\xa3\x02\x78\x9c\x5b\xcb\xb4\x93".to_vec(), true),
            (b"\xa3\x03BZh91AY&SY".to_vec(), true),
            (b"\xa3\x03bytes".to_vec(), false),
            (b"\x88\x02\x04\0".to_vec(), false),
            (b"\x99\x01\x0d\x04 a key".to_vec(), false),
        ] {
            assert_eq!(is_open_openpgp(&message), expected, "{message:02x?}");
            assert!(!is_openpgp(&message));
            for end in 0..message.len() {
                let _ = is_open_openpgp(&message[..end]);
            }
        }
        assert!(is_openpgp(&[&marker[..], &message()].concat()));
    }

    #[test]
    fn an_envelope_is_known_by_its_type() {
        let of = |len: &[u8], kind: &[u8]| [b"\x30", len, b"\x06", kind, b"\xa0\x80\x30\x80"].concat();
        let pkcs7 = |kind: u8| [b"\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07".as_slice(), &[kind]].concat();
        for (len, kind, expected) in [
            (&b"\x80"[..], pkcs7(3), true),
            (b"\x82\x01\xa7", pkcs7(3), true),
            (b"\x70", pkcs7(6), true),
            (b"\x80", pkcs7(2), false),
            (b"\x80", b"\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17".to_vec(), true),
            (b"\xff\x01\xa7", pkcs7(3), false),
        ] {
            let whole = of(len, &kind);
            assert_eq!(is_cms(&whole), expected, "{len:02x?} {kind:02x?}");
            for end in 0..whole.len() {
                let _ = is_cms(&whole[..end]);
            }
        }
    }
}
