//! Streams of an encrypted PDF file that libclamav decrypts and then does not look at.
//!
//! libclamav 1.4 hands on what it decrypted only if it undid a filter, too. A stream without a filter, or with
//! one that it does not know (pictures), it scans as it stands: encrypted.

use super::{behind_space, find, is_space};

/// The filters that it undoes, with their short names.
const UNDONE: [&[u8]; 10] = [
    b"FlateDecode",
    b"Fl",
    b"ASCIIHexDecode",
    b"AHx",
    b"ASCII85Decode",
    b"A85",
    b"LZWDecode",
    b"LZW",
    b"RunLengthDecode",
    b"RL",
];

/// Of a stream, what its dictionary says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stream<'a> {
    filter: &'a [u8],
    kind: &'a [u8],
}

/// Whether one of the streams stays closed. Takes time in proportion to the bytes: each belongs to one dictionary.
pub(super) fn any_is_closed(bytes: &[u8]) -> bool {
    let metadata_is_plain = find(bytes, b"/EncryptMetadata false", 0).is_some();
    let (mut from, mut object, mut next_object) = (0, None, find(bytes, b"obj", 0));
    while let Some(at) = find(bytes, b"stream", from) {
        from = at + 1;
        if bytes[..at].ends_with(b"end") || !matches!(bytes.get(at + 6), Some(b'\r' | b'\n')) {
            continue;
        }
        while let Some(begin) = next_object.filter(|&begin| begin < at) {
            object = Some(begin + 3);
            next_object = find(bytes, b"obj", begin + 3);
        }
        // Two streams in one object: that is none, and who knows what it is to a reader.
        let Some(begin) = object.take() else { return true };
        let dictionary = &bytes[begin..at];
        let stream = Stream::of(dictionary);
        // Cross references are never encrypted. Metadata that is not can be read as it stands if nothing is
        // done to it; else libclamav makes nonsense of it.
        let is_as_it_stands = stream.filter.is_empty() && !dictionary.contains(&b'#');
        let is_plain =
            stream.kind == b"XRef" || metadata_is_plain && stream.kind == b"Metadata" && is_as_it_stands;
        let is_metadata = metadata_is_plain && stream.kind == b"Metadata";
        if !is_plain && (is_metadata || !UNDONE.contains(&stream.filter)) {
            return true;
        }
    }
    false
}

// === impl Stream ===

impl<'a> Stream<'a> {
    /// Reads the keys of the outermost dictionary. Names with escapes are not what they stand for to libclamav.
    fn of(bytes: &'a [u8]) -> Self {
        let (mut stream, mut depth, mut at) = (Self::default(), 0u32, 0);
        while let Some(&byte) = bytes.get(at) {
            let rest = &bytes[at + 1..];
            at += match byte {
                b'(' => 1 + string_len(rest),
                b'%' => 1 + rest.iter().take_while(|byte| !matches!(byte, b'\r' | b'\n')).count(),
                b'<' if rest.starts_with(b"<") => {
                    depth += 1;
                    2
                }
                b'>' if rest.starts_with(b">") => {
                    depth = depth.saturating_sub(1);
                    2
                }
                b'/' => {
                    let key = name(rest);
                    if depth == 1 && key == b"Filter" && stream.filter.is_empty() {
                        stream.filter = value(&rest[key.len()..]);
                    } else if depth == 1 && key == b"Type" && stream.kind.is_empty() {
                        stream.kind = value(&rest[key.len()..]);
                    }
                    1 + key.len()
                }
                _ => 1,
            };
        }
        stream
    }
}

/// The name that is a value, or the first one of an array.
fn value(rest: &[u8]) -> &[u8] {
    let Some(rest) = behind_space(rest) else { return b"" };
    let first = rest.strip_prefix(b"[").map_or(Some(rest), behind_space);
    first.and_then(|rest| rest.strip_prefix(b"/")).map_or(b"", name)
}

fn name(rest: &[u8]) -> &[u8] {
    let len = rest.iter().take_while(|&&byte| !is_space(byte) && !b"<>()[]{}/%".contains(&byte)).count();
    &rest[..len]
}

/// Up to the end of a string in parentheses, which may be nested or escaped.
fn string_len(rest: &[u8]) -> usize {
    let (mut depth, mut is_escaped) = (1u32, false);
    for (at, &byte) in rest.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_open_if_libclamav_undoes_its_first_filter() {
        for (dictionary, is_closed) in [
            ("<</Length 9/Filter/FlateDecode>>", false),
            ("<< /Filter [ /ASCII85Decode /FlateDecode ] /Length 9 >>", false),
            ("<</Type/XRef/Length 9>>", false),
            ("<</Length 9>>", true),
            ("<</Length 9/Filter/DCTDecode>>", true),
            ("<</Length 9/Filter[]>>", true),
            ("<</Length 9/Filter null>>", true),
            ("<</Filter[/Crypt/FlateDecode]>>", true),
            ("<</#46ilter/FlateDecode>>", true),
            ("<</A<</Filter/FlateDecode>>/Length 9>>", true),
            ("<</A(\\) >> /Filter/FlateDecode ( ) )/Length 9>>", true),
            ("<</Length 9%/Filter/FlateDecode\n>>", true),
            ("<</Type/Metadata/Length 9>>", true),
        ] {
            let object = format!("4 0 obj\n{dictionary}\nstream\nxxxxxxxxx\nendstream\nendobj\n");
            assert_eq!(any_is_closed(object.as_bytes()), is_closed, "{dictionary}");
            for end in 0..object.len() {
                let _ = any_is_closed(&object.as_bytes()[..end]);
            }
        }
        assert!(!any_is_closed(b"a text of streams\nand a stream of objects"));
        assert!(any_is_closed(b"1 0 obj<</Filter/Fl>>stream\n endstream stream\n endstream"));
        for (filter, is_closed) in
            [("", false), ("/Filter/FlateDecode", true), ("/#46ilter/FlateDecode", true)]
        {
            let metadata = format!("/EncryptMetadata false 4 0 obj<</Type/Metadata{filter}>>stream\nx");
            assert_eq!(any_is_closed(metadata.as_bytes()), is_closed, "{filter}");
        }
    }
}
