//! Fields that are put into an encapsulated head, in place of those that a peer has put there.

use crate::http_head::has_lone_breaks;
use std::borrow::Borrow;
use std::ops::Range;

/// `head` with these fields, and with no others of their names.
///
/// Whoever reads the head next may be more tolerant than we are, and nobody may make that reader believe in a
/// field that we have not set. So a field goes under any reading: its name in any case, with `_` for `-` (which
/// gateways to programs take for the same), with white space around it, with lines that end by a lone CR or LF,
/// or folded into the field before it. Where line ends are a matter of opinion, ours come first, in front of
/// what some readers may take for the end of the head.
///
/// Names and values have to be good: tokens, and text without line breaks.
///
/// ```
/// use icapstan_icap_proto::set_fields;
///
/// let head = b"HTTP/1.1 200 OK\r\nx_scanned : forged\r\nA: b\r\n\r\n";
/// let set = set_fields(head, &[("X-Scanned", "clean")]);
/// assert_eq!(set, b"HTTP/1.1 200 OK\r\nA: b\r\nX-Scanned: clean\r\n\r\n");
/// ```
pub fn set_fields<S: Borrow<str>>(head: &[u8], fields: &[(S, S)]) -> Vec<u8> {
    let goes = |name: &[u8]| fields.iter().any(|(own, _)| is_same(name, own.borrow()));
    let mut set = without(head, Ends::Any, goes);
    if has_lone_breaks(&set) {
        // A name that has a break in it for one reader has none for another.
        for ends in [Ends::Lf, Ends::CrLf] {
            set = without(&set, ends, goes);
        }
    }
    let tail = set.split_off(place(&set));
    end_line(&mut set);
    // One that has no value is only taken away.
    for (name, value) in fields.iter().filter(|(_, value)| !value.borrow().is_empty()) {
        for part in [name.borrow(), ": ", value.borrow(), "\r\n"] {
            set.extend_from_slice(part.as_bytes());
        }
    }
    set.extend_from_slice(&tail);
    set
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// CR LF, and nothing else.
    CrLf,
    /// LF, with a CR in front of it or not.
    Lf,
    /// CR too.
    Any,
}

/// The head without the fields whose name `goes`, for those to whom lines end so.
fn without(head: &[u8], ends: Ends, goes: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(head.len() + 256);
    let mut lines = pieces(head, ends);
    kept.extend_from_slice(&head[lines.next().unwrap_or(0..0)]);
    // What is folded into the start line goes too (RFC 9112 section 2.2): it would be folded into ours.
    let mut goes_on = true;
    for range in lines {
        let piece = &head[range];
        let is_folded = matches!(piece, [b' ' | b'\t', ..]);
        goes_on = (goes_on && is_folded) || name(piece).is_some_and(&goes);
        if !goes_on {
            kept.extend_from_slice(piece);
        } else if piece.ends_with(b"\n") {
            // What is in front of it still ends, as it did for those to whom a lone break ends nothing.
            end_line(&mut kept);
        }
    }
    kept
}

/// Makes a lone break at the end a whole one.
fn end_line(head: &mut Vec<u8>) {
    match head.as_slice() {
        [.., b'\r'] => head.push(b'\n'),
        [.., b'\r', b'\n'] => {}
        [.., b'\n'] => {
            head.pop();
            head.extend_from_slice(b"\r\n");
        }
        _ => {}
    }
}

/// The lines, each with its end.
fn pieces(head: &[u8], ends: Ends) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = head.get(start..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr2_iter(b'\r', b'\n', rest).find_map(|at| match rest[at] {
            b'\n' if ends != Ends::CrLf || rest[..at].ends_with(b"\r") => Some(at + 1),
            b'\r' if ends == Ends::Any && rest.get(at + 1) != Some(&b'\n') => Some(at + 1),
            _ => None,
        });
        let len = end.unwrap_or(rest.len());
        start += len;
        Some(start - len..start)
    })
}

/// The name of a field, if the piece is one, without anything around it that a reader may skip.
fn name(piece: &[u8]) -> Option<&[u8]> {
    let name = &piece[..memchr::memchr(b':', piece)?];
    let is_text = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    let start = name.iter().position(is_text)?;
    let end = name.iter().rposition(is_text)?;
    Some(&name[start..=end])
}

fn is_same(name: &[u8], own: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == own.len() && name.iter().zip(own.bytes()).all(|(a, b)| plain(*a) == plain(b))
}

/// Where fields go: in front of the empty line, or behind the start line where that may be taken to be elsewhere.
fn place(head: &[u8]) -> usize {
    if !has_lone_breaks(head) && head.ends_with(b"\r\n\r\n") {
        return head.len() - 2;
    }
    memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OURS: [(&str, &str); 1] = [("X-Scanned", "clean")];

    fn set(head: &str) -> String {
        String::from_utf8(set_fields(head.as_bytes(), &OURS)).unwrap()
    }

    #[test]
    fn a_field_is_put_behind_all_others_and_replaces_its_like() {
        assert_eq!(
            set("GET / HTTP/1.1\r\nHost: a\r\nx-scanned: 1\r\n folded\r\nX-Scanned:2\r\nB: c\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: a\r\nB: c\r\nX-Scanned: clean\r\n\r\n"
        );
        assert_eq!(set("HTTP/1.1 200 OK\r\n\r\n"), "HTTP/1.1 200 OK\r\nX-Scanned: clean\r\n\r\n");
        let kept = "HTTP/1.1 200 OK\r\nX-Scanned-By: a\r\nno colon\r\nX-Scan: b\r\n\r\n";
        assert!(set(kept).starts_with(kept.strip_suffix("\r\n").unwrap()));
    }

    #[test]
    fn a_field_without_a_value_is_only_taken_away() {
        let head = b"GET / HTTP/1.1\r\nX-Threat: none\r\nA: b\r\n\r\n";
        assert_eq!(set_fields(head, &[("X-Threat", "")]), b"GET / HTTP/1.1\r\nA: b\r\n\r\n");
    }

    #[test]
    fn no_form_of_a_forged_field_is_left_for_any_reader() {
        for (forged, expected) in [
            ("X-Scanned : f\r\n", ""),
            (" X-Scanned: f\r\n", ""),
            ("X_SCANNED: f\r\n", ""),
            ("X-Scanned\0: f\r\n", ""),
            ("A: b\nX-Scanned: f\r\n", "A: b\r\n"),
            ("A: b\rX-Scanned: f\r\n", "A: b\r\n"),
            ("A: b\rX-Scanned: f\rB: c\r\n", "A: b\rB: c\r\n"),
            ("A: b\r\n X-Scanned: f\r\n", "A: b\r\n"),
            ("A: b\rX-Scanned: f\r\n more\r\n", "A: b\r\n"),
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{forged}Z: z\r\n\r\n");
            let result = set(&head);
            let ours = "X-Scanned: clean\r\n";
            assert_eq!(result.matches(ours).count(), 1, "{forged:?}: {result:?}");
            assert_eq!(
                result.replacen(ours, "", 1),
                format!("HTTP/1.1 200 OK\r\n{expected}Z: z\r\n\r\n"),
                "{forged:?}"
            );
        }
    }

    #[test]
    fn where_line_ends_are_a_matter_of_opinion_ours_come_first() {
        assert_eq!(
            set("HTTP/1.1 200 OK\r\nA: b\n\nB: c\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nX-Scanned: clean\r\nA: b\n\nB: c\r\n\r\n"
        );
        // What is folded into the start line is not folded into our value.
        assert_eq!(
            set("HTTP/1.1 200 OK\n x\nA: b\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nA: b\r\nX-Scanned: clean\r\n\r\n"
        );
    }

    /// What a reader makes of lines that end so.
    fn values(head: &[u8], ends: &[&str], wanted: &str) -> Vec<String> {
        let mut text = String::from_utf8_lossy(head).into_owned();
        for end in ends {
            text = text.replace(end, "\u{1}");
        }
        let lines = text.split('\u{1}').skip(1);
        let fields = lines.filter_map(|line| line.split_once(':'));
        let is_ours = |name: &str| name.trim().replace('_', "-").eq_ignore_ascii_case(wanted);
        fields.filter(|(name, _)| is_ours(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    proptest! {
        #[test]
        fn every_reader_sees_the_field_once_and_as_it_was_set(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "X-Scanned", "x_scanned", ":", " ", "\t", "\r\n", "\n", "\r", "A: b", "f", "\r\nX-Scanned: f",
                ]),
                0..24,
            ),
        ) {
            let head = format!("HTTP/1.1 200 OK\r\n{}\r\nLength: 5\r\n\r\n", words.concat());
            let set = set_fields(head.as_bytes(), &OURS);
            for ends in [&["\r\n"][..], &["\r\n", "\n"], &["\r\n", "\n", "\r"]] {
                let seen = values(&set, ends, "x-scanned");
                prop_assert_eq!(values(&set, ends, "length"), ["5"], "{:?} by {:?}", set, ends);
                prop_assert_eq!(&seen, &["clean"], "{:?} by {:?}", String::from_utf8_lossy(&set), ends);
            }
            // The same fields again change nothing.
            prop_assert_eq!(set_fields(&set, &OURS).len(), set.len());
        }
    }
}
