//! Transfer encodings of mail (RFC 2045 section 6), decoded as mail readers do: whatever is wrong is
//! passed over, and told.

use crate::{Budget, Defect};

/// How many bytes of input lie between two looks at the clock.
const CHUNK: usize = 64 * 1024;

/// Digits of base64, and what else a byte may be.
const DIGITS: [u8; 256] = digits();
const SPACE: u8 = 64;
const PAD: u8 = 65;
const OTHER: u8 = 66;

/// What became of an encoded part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// What was decoded.
    pub output: Vec<u8>,
    /// The input breaks the rules of its encoding, so that readers may see something else.
    pub odd: bool,
    /// Why the input was not decoded to its end: a limit, or nothing.
    pub defect: Option<Defect>,
}

/// Decodes base64. White space is passed over, as is whatever is no digit (odd); data goes on behind
/// padding (odd); padding may be missing (odd).
pub fn base64(input: &[u8], budget: &Budget) -> Transferred {
    let mut result = Transferred { output: Vec::new(), odd: false, defect: None };
    // Digits of the current group of four, and how many there are.
    let (mut group, mut count) = (0u32, 0u8);
    // Padding since the last digit, and how much of it the last group asks for.
    let (mut pads, mut due) = (0u8, 0u8);
    for chunk in input.chunks(CHUNK) {
        if !result.goes_on(chunk.len(), budget) {
            return result;
        }
        for &byte in chunk {
            match DIGITS[usize::from(byte)] {
                SPACE => {}
                PAD => {
                    if count > 0 {
                        due = 4 - count;
                        result.flush(group, count);
                        (group, count) = (0, 0);
                    }
                    pads = pads.saturating_add(1);
                }
                OTHER => result.odd = true,
                digit => {
                    result.odd |= pads > 0;
                    group = (group << 6) | u32::from(digit);
                    count += 1;
                    if count == 4 {
                        let [_, bytes @ ..] = group.to_be_bytes();
                        result.output.extend_from_slice(&bytes);
                        (group, count) = (0, 0);
                    }
                }
            }
        }
    }
    result.odd |= count > 0 || pads != due;
    result.flush(group, count);
    result.cap(budget);
    result
}

/// Decodes quoted-printable. White space at the end of a line goes; an equals sign that begins no
/// code stands for itself (odd).
pub fn quoted_printable(input: &[u8], budget: &Budget) -> Transferred {
    let mut result = Transferred { output: Vec::new(), odd: false, defect: None };
    for (index, line) in input.split_inclusive(|&byte| byte == b'\n').enumerate() {
        // The clock is looked at before every long line, and now and then between short ones.
        if (index % 256 == 0 || line.len() > 256) && !result.goes_on(line.len(), budget) {
            return result;
        }
        let end = match line {
            [.., b'\r', b'\n'] => line.len() - 2,
            [.., b'\n'] => line.len() - 1,
            _ => line.len(),
        };
        let (content, line_end) = line.split_at(end);
        let blank = content.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let content = &content[..content.len() - blank];
        let (content, joined) = match content {
            [content @ .., b'='] => (content, true),
            content => (content, false),
        };
        result.quoted(content);
        if !joined {
            result.output.extend_from_slice(line_end);
        }
    }
    result.cap(budget);
    result
}

const fn digits() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [OTHER; 256];
    let mut value = 0u8;
    while value < 64 {
        table[alphabet[value as usize] as usize] = value;
        value += 1;
    }
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table[b'=' as usize] = PAD;
    table
}

// === impl Transferred ===

impl Transferred {
    /// Whether the budget allows another `ahead` bytes of input to be read. Output is never longer.
    fn goes_on(&mut self, ahead: usize, budget: &Budget) -> bool {
        if budget.is_over() {
            self.defect = Some(Defect::Deadline);
        } else {
            self.cap(budget);
        }
        if self.defect.is_none() {
            self.output.reserve(ahead.min(CHUNK));
        }
        self.defect.is_none()
    }

    fn cap(&mut self, budget: &Budget) {
        let limit = usize::try_from(budget.max_output).unwrap_or(usize::MAX);
        if self.output.len() > limit {
            self.output.truncate(limit);
            self.defect = Some(Defect::OutputLimit);
        }
    }

    /// The whole bytes in a group of base64 digits that is not full.
    fn flush(&mut self, group: u32, count: u8) {
        let (bytes, spare) = match count {
            2 => (group >> 4, group & 0xf),
            3 => (group >> 2, group & 0x3),
            _ => (0, u32::from(count)),
        };
        self.odd |= spare != 0;
        let [_, _, high, low] = bytes.to_be_bytes();
        match count {
            2 => self.output.push(low),
            3 => self.output.extend_from_slice(&[high, low]),
            _ => {}
        }
    }

    /// A line of quoted-printable, without its end.
    fn quoted(&mut self, mut content: &[u8]) {
        while let Some(at) = memchr::memchr(b'=', content) {
            self.output.extend_from_slice(&content[..at]);
            content = &content[at + 1..];
            match content {
                [high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    self.output.push((nibble(*high) << 4) | nibble(*low));
                    content = rest;
                }
                _ => {
                    self.output.push(b'=');
                    self.odd = true;
                }
            }
        }
        self.output.extend_from_slice(content);
    }
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn budget() -> Budget {
        let deadline = Instant::now() + Duration::from_mins(1);
        Budget { max_output: 1 << 30, max_ratio: 1, deadline, max_codings: 0, cancelled: Arc::default() }
    }

    fn encode(data: &[u8]) -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for group in data.chunks(3) {
            let bits = group.iter().fold(0u32, |bits, &byte| (bits << 8) | u32::from(byte));
            let bits = bits << (8 * (3 - group.len()));
            for index in 0..4 {
                let digit = (bits >> (18 - 6 * index)) & 63;
                out.push(if index > group.len() { '=' } else { char::from(alphabet[digit as usize]) });
            }
        }
        out
    }

    #[test]
    fn base64_is_read_as_mail_readers_do() {
        // The vectors of RFC 4648 section 10, then input that breaks the rules.
        let cases: [(&str, &str, bool); 22] = [
            ("", "", false),
            ("Zg==", "f", false),
            ("Zm8=", "fo", false),
            ("Zm9v", "foo", false),
            ("Zm9vYg==", "foob", false),
            ("Zm9vYmE=", "fooba", false),
            ("Zm9vYmFy", "foobar", false),
            (" Zm9v\r\n\tYmFy\n", "foobar", false),
            ("Z\r\nm\r\n9 v", "foo", false),
            ("Zg=\r\n=\r\n", "f", false),
            // Padding missing, too much, in front, or in the middle.
            ("Zg", "f", true),
            ("Zm8", "fo", true),
            ("Zg=", "f", true),
            ("Zm9v=", "foo", true),
            ("=Zm9v", "foo", true),
            ("Zg==Zm9v", "ffoo", true),
            // What is no digit.
            ("Zm!9v", "foo", true),
            ("Zm\09v\u{e9}", "foo", true),
            ("Zm9v-_", "foo", true),
            // Half a byte, alone or with bits that belong to nothing.
            ("Zm9vY", "foo", true),
            ("Zh==", "f", true),
            ("====", "", true),
        ];
        for (input, output, odd) in cases {
            let result = base64(input.as_bytes(), &budget());
            assert_eq!(String::from_utf8_lossy(&result.output), output, "{input:?}");
            assert_eq!((result.odd, result.defect), (odd, None), "{input:?}");
        }
    }

    #[test]
    fn quoted_printable_is_read_as_mail_readers_do() {
        let cases: [(&str, &str, bool); 14] = [
            ("", "", false),
            ("plain\r\ntext", "plain\r\ntext", false),
            ("=4D=5A=0d=0A", "MZ\r\n", false),
            ("a=\r\nb=\nc", "abc", false),
            ("soft= \t\r\nbreak", "softbreak", false),
            ("trailing \t\r\nblank ", "trailing\r\nblank", false),
            ("=20\r\n", " \r\n", false),
            ("=3D3D", "=3D", false),
            ("end=", "end", false),
            ("=", "", false),
            ("a=zz", "a=zz", true),
            ("a=4", "a=4", true),
            ("==4D", "=M", true),
            ("=4=4D", "=4M", true),
        ];
        for (input, output, odd) in cases {
            let result = quoted_printable(input.as_bytes(), &budget());
            assert_eq!(String::from_utf8_lossy(&result.output), output, "{input:?}");
            assert_eq!((result.odd, result.defect), (odd, None), "{input:?}");
        }
    }

    #[test]
    fn limits_stop_both() {
        let input = b"QUFB\n".repeat(100_000);
        for decoder in [base64, quoted_printable] {
            let result = decoder(&input, &Budget { max_output: 1000, ..budget() });
            assert_eq!((result.output.len(), result.defect), (1000, Some(Defect::OutputLimit)));
            let result = decoder(&input, &Budget { deadline: Instant::now(), ..budget() });
            assert_eq!((result.output.len(), result.defect), (0, Some(Defect::Deadline)));
            let result = decoder(&input, &Budget { cancelled: Arc::new(true.into()), ..budget() });
            assert_eq!((result.output.len(), result.defect), (0, Some(Defect::Deadline)));
        }
        let exact = base64(&input, &Budget { max_output: 300_000, ..budget() });
        assert_eq!((exact.output.len(), exact.defect), (300_000, None));
    }

    proptest! {
        #[test]
        fn decoding_inverts_encoding(data in proptest::collection::vec(any::<u8>(), 0..500)) {
            let result = base64(encode(&data).as_bytes(), &budget());
            prop_assert_eq!(&result.output, &data);
            prop_assert!(!result.odd);
            let quoted = data.iter().map(|byte| format!("={byte:02X}")).collect::<Vec<_>>().concat();
            let result = quoted_printable(quoted.as_bytes(), &budget());
            prop_assert_eq!(&result.output, &data);
            prop_assert!(!result.odd);
        }

        #[test]
        fn output_is_never_longer_than_input(data in proptest::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(base64(&data, &budget()).output.len() <= data.len());
            prop_assert!(quoted_printable(&data, &budget()).output.len() <= data.len());
        }
    }
}
