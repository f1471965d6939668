//! What nobody here can read.

use crate::input::Input;
use icapstan_clamav_wire::layers::{Kind, classify};

/// Types of libclamav whose encryption is told by what stands in them.
const TYPES: &[&[u8]] = &[b"", b"PDF", b"GIF", b"MSOLE2", b"BINARY_DATA", b"TEXT_ASCII"];

/// Judges any bytes; or builds what is encrypted, and judges that.
///
/// - A PDF is encrypted if its key stands too far from its end, or has escapes; and is left to libclamav otherwise.
/// - A manifest of OpenDocument says what it says whatever stands for its namespace, in UTF-16 too.
/// - What is in front of an OpenPGP message decides about it, and nothing that follows.
pub fn encrypted(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => pdf(&mut input),
        1 => manifest(&mut input),
        2 => {
            let start = [0x8c, 13, 4, 9, 3, 10, 1, 2, 3, 4, 5, 6, 7, 8, 0xff, 0xd2, 0xff, 0, 0, 1, 0];
            let message = [&start[..], input.rest()].concat();
            // What is sought anywhere goes before.
            let kind = classify(b"BINARY_DATA", &message);
            assert!(kind == Kind::Encrypted || kind == Kind::Unsupported);
            let without_start = [&[0], &message[1..]].concat();
            assert_eq!(
                kind == Kind::Encrypted,
                classify(b"BINARY_DATA", &without_start) != Kind::Unsupported
            );
        }
        _ => {
            let name = input.pick(TYPES);
            let _ = classify(name, input.rest());
        }
    }
}

fn pdf(input: &mut Input<'_>) {
    let (escapes, padding, object) = (input.byte() & 0x7f, usize::from(input.word() % 4000), input.byte());
    let before: Vec<u8> =
        input.clone().rest().iter().copied().filter(|byte| !b"/Rsobj".contains(byte)).collect();
    let name: String =
        "Encrypt"
            .bytes()
            .enumerate()
            .map(|(at, letter)| {
                if escapes >> at & 1 == 1 { format!("#{letter:02x}") } else { char::from(letter).to_string() }
            })
            .collect();
    let end = "\nstartxref\n0\n%%EOF\n";
    let behind = format!("/{name} {object} 0 R>>\n{}{end}", "%".repeat(padding));
    let file = [b"%PDF-1.5\n", &before[..], b"\ntrailer\n<<", behind.as_bytes()].concat();
    let is_seen = escapes == 0 && behind.len() <= 2048;
    let expected = if is_seen { Kind::Ok } else { Kind::Encrypted };
    assert_eq!((classify(b"PDF", &file), classify(b"", &file)), (expected, expected));
}

fn manifest(input: &mut Input<'_>) {
    let (says_so, order) = (input.bit(), input.byte() % 3);
    let prefix: String = input
        .clone()
        .rest()
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .take(60)
        .map(|byte| char::from(*byte))
        .collect();
    let colon = if prefix.is_empty() { "" } else { ":" };
    let element = if says_so { "encryption-data" } else { "encryption-date" };
    let text = format!(
        "<?xml version='1.0'?><{prefix}{colon}manifest xmlns{colon}{prefix}='urn:oasis:names:tc:opendocument:xmlns:manifest:1.0'>\
         <{prefix}{colon}{element}/></{prefix}{colon}manifest>"
    );
    let bytes: Vec<u8> = match order {
        0 => text.into_bytes(),
        1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        _ => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    };
    let expected = if says_so { Kind::Encrypted } else { Kind::Ok };
    assert_eq!(classify(b"TEXT_ASCII", &bytes), expected);
}
