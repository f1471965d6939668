//! Which part is asked for.

/// What part of `len` bytes a `Range` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All: nothing is asked for that we give, so that it does not count (RFC 9110 section 14.2).
    Whole,
    /// From the first byte to before the second.
    Bytes(u64, u64),
    /// Nothing of it is there.
    None,
}

/// Reads a `Range`. Of several parts, all is given.
pub(super) fn part(value: &str, len: u64) -> Part {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() && first < len => Part::Bytes(first, len),
        (Some(first), Some(last)) if first <= last && first < len => {
            Part::Bytes(first, len.min(last.saturating_add(1)))
        }
        (None, Some(count)) if first.is_empty() && count > 0 && len > 0 => {
            Part::Bytes(len.saturating_sub(count), len)
        }
        (Some(_), None) if last.is_empty() => Part::None,
        (Some(first), Some(last)) if first <= last => Part::None,
        (None, Some(_)) if first.is_empty() => Part::None,
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_rfc_9110() {
        for (value, expected) in [
            ("bytes=0-", Part::Bytes(0, 10)),
            ("bytes=3-", Part::Bytes(3, 10)),
            ("bytes=3-4", Part::Bytes(3, 5)),
            ("bytes=3-99", Part::Bytes(3, 10)),
            ("bytes=-3", Part::Bytes(7, 10)),
            ("bytes=-99", Part::Bytes(0, 10)),
            ("bytes=10-", Part::None),
            ("bytes=99999999999999999999-", Part::None),
            ("bytes=10-12", Part::None),
            ("bytes=-0", Part::None),
            ("bytes=4-3", Part::Whole),
            ("bytes=1-2,4-5", Part::Whole),
            ("bytes=a-", Part::Whole),
            ("bytes=-", Part::Whole),
            ("lines=1-2", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(value, 10), expected, "{value}");
        }
        assert_eq!(part("bytes=0-", 0), Part::None);
    }
}
