//! Objects in RTF, whose bytes stand there as pairs of digits. libclamav 1.4 opens those that are built well;
//! readers forgive more. Digits that are written as every writer does are also decoded by whoever asks, and those
//! that are not are told here.

use super::find;

const DATA: &[u8] = b"\\objdata";

/// Digits in a line. Writers put a few numbers at the beginning into lines of their own.
const LINE: usize = 32;
const MAX_SHORT_LINES: usize = 64;

/// Whether an object is written otherwise than as digits in lines: with blanks between them, with other things, in
/// very short lines.
pub(super) fn has_odd_object(bytes: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = find(bytes, DATA, from) {
        let data = &bytes[at + DATA.len()..];
        // Another word that begins so.
        if !data.first().is_some_and(u8::is_ascii_alphabetic) && is_odd(data) {
            return true;
        }
        from = at + DATA.len();
    }
    false
}

fn is_odd(data: &[u8]) -> bool {
    let (mut digits, mut short) = (0_usize, 0);
    let mut is_broken = false;
    for &byte in data {
        match byte {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' if is_broken => return true,
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => digits += 1,
            b'\r' | b'\n' | b' ' | b'\t' => {
                if digits > 0 {
                    short += usize::from(digits < LINE);
                    is_broken |= matches!(byte, b' ' | b'\t') || digits % 2 == 1 || short > MAX_SHORT_LINES;
                }
                digits = 0;
            }
            b'}' => return false,
            _ => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_as_writers_write_them_are_not_odd() {
        for (text, expected) in [
            (&b"{\\rtf1{\\*\\objdata 01050000\r\n02000000\r\n}}"[..], false),
            (b"{\\rtf1{\\*\\objdata\n01050000 }}", false),
            (b"{\\rtf1{\\*\\objdata\n0105 0000}}", true),
            (b"{\\rtf1{\\*\\objdata\n010\n50000}}", true),
            (b"{\\rtf1{\\*\\objdata 010 500 00}}", true),
            (b"{\\rtf1{\\*\\objdata 0105{\\*\\x 1}0000}}", true),
            (b"{\\rtf1{\\*\\objdata 0105\\bin2 ab0000}}", true),
            (b"{\\rtf1{\\*\\objdata 0105", false),
            (b"{\\rtf1 the word objdata, and \\objdatax zz}", false),
        ] {
            assert_eq!(has_odd_object(text), expected, "{}", String::from_utf8_lossy(text));
            for end in 0..text.len() {
                let _ = has_odd_object(&text[..end]);
            }
        }
        let lines =
            |count| [b"{\\rtf1{\\*\\objdata ".as_slice(), &b"01050000\r\n".repeat(count), b"00}}"].concat();
        assert!(!has_odd_object(&lines(MAX_SHORT_LINES)) && has_odd_object(&lines(MAX_SHORT_LINES + 1)));
    }
}
