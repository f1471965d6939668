//! Archives that are not told by a mark at their beginning alone.

use super::find;

/// A RAR archive behind a program that unpacks it: the mark, and what its first header begins with.
/// The mark alone also stands in every program that can read RAR.
const RAR: &[u8] = b"Rar!\x1a\x07";

/// A slice of a dar archive: its number, a label of ten bytes, whether it is the last one, and what follows.
pub(super) fn is_dar(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0, 0, 123])
        && matches!(bytes.get(14..16), Some([b'T' | b'N' | b'E', b'T' | b'N' | b'S']))
}

/// Whether a RAR file stands anywhere.
pub(super) fn has_rar(bytes: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = find(bytes, RAR, from) {
        // 1.5 to 4: a zero, two bytes of checksum, the kind of the archive's header.
        // 5: a one and a zero, four bytes of checksum, a short length, the kind: archive or encryption.
        let header = &bytes[at + RAR.len()..];
        if matches!(header, [0, _, _, 0x73, ..] | [1, 0, _, _, _, _, 1..=0x7f, 1 | 4, ..]) {
            return true;
        }
        from = at + 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_dar_is_known_by_its_header_and_not_by_its_number() {
        let slice = b"\0\0\0\x7b\xc6\xd3\x04\x6b\0\0\0\0\x91\x2bTT\x80";
        assert!(is_dar(slice));
        assert!(!is_dar(&slice[..15]) && !is_dar(&[0; 16]) && !is_dar(b"\0\0\0\x7b 123 in some other file"));
    }
}
