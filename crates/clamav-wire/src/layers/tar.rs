//! Tar archives in which extended headers say how long members are (POSIX.1-2017, pax). libclamav 1.4 goes by
//! the members' own headers alone.

const BLOCK: usize = 512;
const SIZE: std::ops::Range<usize> = 124..136;
const KIND: usize = 156;

/// In place of what is no number.
const NONE: u64 = u64::MAX;

/// Whether a member is said to be of another size than its own header says.
pub(super) fn has_sizes_elsewhere(bytes: &[u8]) -> bool {
    let (mut for_all, mut for_next) = (None, None);
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + BLOCK) {
        at += BLOCK;
        // The end, or padding behind it.
        if header[0] == 0 {
            continue;
        }
        let Some(size) = number(&header[SIZE]) else { return false };
        let body = bytes.get(at..).unwrap_or_default();
        let len = usize::try_from(size).unwrap_or(usize::MAX);
        let body = &body[..len.min(body.len())];
        match header[KIND] {
            b'x' | b'X' => for_next = told(body).or(for_next),
            b'g' => for_all = told(body).or(for_all),
            // Long names stand between an extended header and its member.
            b'L' | b'K' => {}
            _ => {
                if for_next.take().or(for_all).is_some_and(|told| told != size) {
                    return true;
                }
            }
        }
        at = at.saturating_add(len.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    false
}

/// Octal digits between blanks, or a number to the base of 256.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        return rest.iter().try_fold(0_u64, |number, &byte| Some(number.checked_mul(256)? | u64::from(byte)));
    }
    let digits = field.split(|&byte| byte == 0).next().unwrap_or_default().trim_ascii();
    digits.iter().try_fold(0_u64, |number, &digit| match digit {
        b'0'..=b'7' => Some(number.checked_mul(8)? | u64::from(digit - b'0')),
        _ => None,
    })
}

/// The last `size` among records such as `20 size=12345\n`.
fn told(body: &[u8]) -> Option<u64> {
    let (mut rest, mut found) = (body, None);
    while let Some(blank) = rest.iter().take(20).position(|&byte| byte == b' ') {
        let digits = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
        let Some(len) = digits(&rest[..blank]).and_then(|len| usize::try_from(len).ok()) else { break };
        let Some(record) = rest.get(blank + 1..len) else { break };
        if let Some(value) = record.strip_prefix(b"size=") {
            found = Some(digits(value.strip_suffix(b"\n").unwrap_or(value)).unwrap_or(NONE));
        }
        rest = &rest[len..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(kind: u8, size: &str, body: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[0] = b'm';
        block[SIZE][..size.len()].copy_from_slice(size.as_bytes());
        block[KIND] = kind;
        block.extend_from_slice(body);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    #[test]
    fn a_size_that_stands_elsewhere_is_seen_and_one_that_is_the_same_is_not() {
        let plain = member(b'0', "00000000005 ", b"short");
        for (kind, record, name, expected) in [
            (b'x', &b"10 size=5\n"[..], false, false),
            (b'x', b"10 size=6\n", false, true),
            (b'x', b"10 size=6\n", true, true),
            (b'g', b"10 size=6\n", false, true),
            (b'x', b"9 path=a\n10 size=6\n", false, true),
            (b'x', b"10 size=x\n", false, true),
            (b'x', b"9 path=a\n", false, false),
            (b'0', b"10 size=6\n", false, false),
        ] {
            let size = format!("{:011o} ", record.len());
            let name = if name { member(b'L', "00000000004 ", b"long") } else { Vec::new() };
            let whole = [member(kind, &size, record), name, plain.clone(), vec![0; 1024]].concat();
            assert_eq!(has_sizes_elsewhere(&whole), expected, "{}", String::from_utf8_lossy(record));
            for end in 0..whole.len() {
                let _ = has_sizes_elsewhere(&whole[..end]);
            }
        }
    }

    #[test]
    fn records_that_are_none_end_and_numbers_do_not_run_over() {
        for body in [&b"0 size=5\n"[..], b"3 s", b"99999999999999999999 size=1\n", b" size=1\n", b"\xff"] {
            assert_eq!(told(body), None);
        }
        assert_eq!(number(b"77777777777777777777777777"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Some(256));
    }
}
