//! How streams of deflate begin (RFC 1951), and of zlib (RFC 1950). Neither has a mark.

/// The first byte that comes out, as far as it can be told without unpacking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Byte(u8),
    Any,
}

/// The order in which lengths of codes for lengths stand.
const LENGTHS: usize = 19;

/// So many bytes of text are one.
const TEXT: usize = 64;

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// `None` if no stream begins here.
pub(super) fn start(bytes: &[u8]) -> Option<Start> {
    let mut bits = Bits { bytes, at: 0 };
    bits.take(1)?;
    match bits.take(2)? {
        0 => {
            let &[l0, l1, n0, n1, first] = bytes.get(1..6)?.first_chunk()?;
            (l0 == !n0 && l1 == !n1 && (l0, l1) != (0, 0)).then_some(Start::Byte(first))
        }
        1 => fixed(&mut bits),
        2 => {
            let (literals, distances, count) = (bits.take(5)?, bits.take(5)?, bits.take(4)? as usize + 4);
            let mut sum = 0;
            for _ in 0..count.min(LENGTHS) {
                let len = bits.take(3)?;
                sum += if len == 0 { 0 } else { 128 >> len };
            }
            // The codes use up all that can be said.
            (literals < 30 && distances < 30 && sum == 128).then_some(Start::Any)
        }
        _ => None,
    }
}

/// The first symbol by the codes that are not told.
fn fixed(bits: &mut Bits<'_>) -> Option<Start> {
    let seven = bits.code(7)?;
    if seven < 0b001_1000 {
        // The end of an empty block, or a reach back to where nothing is.
        return (seven == 0).then_some(Start::Any);
    }
    let eight = seven << 1 | bits.take(1)?;
    let byte = match eight {
        0b0011_0000..=0b1011_1111 => eight - 0b0011_0000,
        0b1100_1000.. => (eight << 1 | bits.take(1)?) - 0b1_1001_0000 + 144,
        _ => return None,
    };
    u8::try_from(byte).ok().map(Start::Byte)
}

/// With the window that every writer uses, and without a dictionary. Text can begin so, too.
pub(super) fn is_zlib(bytes: &[u8]) -> bool {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    !bytes[..bytes.len().min(TEXT)].iter().all(is_text)
        && matches!(bytes, [0x78, 0x01 | 0x5e | 0x9c | 0xda, rest @ ..] if start(rest).is_some())
}

// === impl Bits ===

impl Bits<'_> {
    /// The lowest bit comes first.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut number = 0;
        for place in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            number |= u32::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(number)
    }

    /// The highest bit comes first.
    fn code(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |code, _| Some(code << 1 | self.take(1)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_known_by_its_first_block() {
        for (bytes, expected) in [
            // Stored, with the length and its complement.
            (&b"\x01\x05\x00\xfa\xffhello"[..], Some(Start::Byte(b'h'))),
            (b"\x01\x05\x00\xfa\xfehello", None),
            // Python's zlib.compress(b"hello", wbits=-15), and of a byte that takes nine bits.
            (b"\xcbH\xcd\xc9\xc9\x07\x00", Some(Start::Byte(b'h'))),
            (b"\x5b\xcb\xb4\x93\x28\x93", Some(Start::Byte(0xad))),
            // Codes of its own: the first bytes of a longer text.
            (b"\x25\x96\x01\x72\x03\x31\x08\x03\xdf\x0a\xb6", Some(Start::Any)),
            (b"\x25\x96\x01\x72\x13\x31\x08\x03\xdf\x0a\xb6", None),
            (b"\x07", None),
            (b"", None),
        ] {
            assert_eq!(start(bytes), expected, "{bytes:02x?}");
            for end in 0..bytes.len() {
                let _ = start(&bytes[..end]);
            }
        }
        assert!(is_zlib(b"\x78\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15"));
        assert!(!is_zlib(b"x^2 + y^2 = z^2") && !is_zlib(b"\x78\x9d\xcbH\xcd") && !is_zlib(b"x"));
    }
}
