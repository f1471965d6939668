//! Messages that stand in a text behind a greeting.

use super::{Kind, find};

const ARMOUR: &[u8] = b"-----BEGIN PGP MESSAGE-----";
/// Lines between that and the message, such as `Comment: ...`.
const MAX_LINES: usize = 16;
/// Beyond so many places none is looked at: it is a list of them.
const MAX_PLACES: usize = 1000;

const UUENCODED: &[u8] = b"begin ";
/// Bytes in a line.
const UU_LINE: u8 = 45;
const UU_NAME: usize = 255;

/// What an `OpenPGP` message in armour is (RFC 9580, 6.2), if there is one: encrypted, or packed.
pub(super) fn openpgp(bytes: &[u8]) -> Option<Kind> {
    let mut found = None;
    for at in at_lines(bytes, ARMOUR) {
        match armoured(&bytes[at + ARMOUR.len()..]) {
            Some(Kind::Encrypted) => return Some(Kind::Encrypted),
            kind => found = found.or(kind),
        }
    }
    found
}

fn armoured(behind: &[u8]) -> Option<Kind> {
    let mut lines = behind.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    if !lines.next()?.is_empty() {
        return None;
    }
    let mut line = lines.next()?;
    for _ in 0..MAX_LINES {
        if line.is_empty() {
            break;
        }
        line = lines.next()?;
    }
    if !line.is_empty() {
        return None;
    }
    let digits = lines.find(|line| !line.is_empty())?;
    let [first, second] = [0, 1].map(|at| digits.get(at).copied().and_then(digit));
    let first = first? << 2 | second? >> 4;
    let tag = match first {
        0x80..=0xbf => first >> 2 & 0xf,
        0xc0.. => first & 0x3f,
        _ => return None,
    };
    match tag {
        // Keys, what they open, and what some writers put in front.
        1 | 3 | 9 | 10 | 18 | 20 | 21 => Some(Kind::Encrypted),
        2 | 4 | 8 | 11 => Some(Kind::Unsupported),
        _ => None,
    }
}

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Whether uuencoded lines follow on a line that begins them.
pub(super) fn has_uuencoded(bytes: &[u8]) -> bool {
    at_lines(bytes, UUENCODED).any(|at| {
        let rest = &bytes[at + UUENCODED.len()..];
        let digits = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'7')).count();
        if !matches!(digits, 3 | 4) || rest.get(digits) != Some(&b' ') {
            return false;
        }
        let name = &rest[digits + 1..];
        let Some(len) = name.iter().take(UU_NAME + 2).position(|&byte| byte == b'\n') else { return false };
        if name[..len].trim_ascii().is_empty() {
            return false;
        }
        is_uu_line(&name[len + 1..])
    })
}

/// A count, and as many digits as it takes. Blanks at the end may be lost.
fn is_uu_line(rest: &[u8]) -> bool {
    let Some(&count) = rest.first() else { return false };
    let bytes = count.wrapping_sub(b' ') & 63;
    if !matches!(count, b'!'..=b'`') || !(1..=UU_LINE).contains(&bytes) {
        return false;
    }
    let digits = usize::from(bytes).div_ceil(3) * 4;
    let line = rest[1..].split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Some writers add a sum.
    line.iter().all(|byte| matches!(byte, b' '..=b'`'))
        && (digits.saturating_sub(4)..=digits + 2).contains(&line.len())
}

/// Each place where a line begins so.
fn at_lines<'a>(bytes: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = find(bytes, mark, from)?;
        from = at + 1;
        Some(at)
    })
    .filter(|&at| at == 0 || matches!(bytes[at - 1], b'\n' | b'\r'))
    .take(MAX_PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_behind_a_greeting_is_told_by_its_first_packet() {
        for (body, expected) in [
            (&b"\n\nhQEMA\n"[..], Some(Kind::Encrypted)),
            (b"\r\nComment: a\r\n\r\nhQEMA\r\n", Some(Kind::Encrypted)),
            (b"\n\njA0EC\n", Some(Kind::Encrypted)),
            (b"\n\nowEBW8u0\n", Some(Kind::Unsupported)),
            (b"\n\n... and so on", None),
            (b" is how it begins\n\nhQEMA", None),
            (b"\nhQEMA\n", None),
            (b"\n\nmQINB", None),
            (b"", None),
        ] {
            let text = |front: &[u8]| [front, ARMOUR, body].concat();
            for front in [&b"Dear all,\n"[..], b"a\r\n\r\n"] {
                let whole = text(front);
                assert_eq!(openpgp(&whole), expected, "{}", String::from_utf8_lossy(&whole));
                for end in 0..whole.len() {
                    let _ = openpgp(&whole[..end]);
                }
            }
            assert_eq!(openpgp(&text(b"It begins with ")), None);
        }
    }

    #[test]
    fn uuencoded_lines_are_known_and_words_are_not() {
        for (text, expected) in [
            (&b"Hello,\nbegin 644 a.com\n#0V%T\n`\nend\n"[..], true),
            (b"Hello,\r\nbegin 0755 a b\r\n#0V%T\r\n`\r\nend\r\n", true),
            (b"Hello, begin 644 a.com\n#0V%T\n", false),
            (b"\nbegin 644 lines of text\nwhich are none of that\n", false),
            (b"\nbegin 644 \n#0V%T\n", false),
            (b"\nbegin 64 a\n#0V%T\n", false),
            (b"\nbegin 644 a\n#0V%T and more of it\n", false),
            (b"\nbegin 644 a\n", false),
        ] {
            assert_eq!(has_uuencoded(text), expected, "{}", String::from_utf8_lossy(text));
            for end in 0..text.len() {
                let _ = has_uuencoded(&text[..end]);
            }
        }
    }
}
