//! Which part an answer is.

/// What `Content-Range` says: the first byte, the last one, and how many there are of all.
pub fn content_range(value: &str) -> Option<(u64, u64, u64)> {
    let (part, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let (first, last, total) = (number(first)?, number(last)?, number(total)?);
    (first <= last && last < total).then_some((first, last, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_within_the_whole() {
        assert_eq!(content_range("bytes 5-9/10"), Some((5, 9, 10)));
        let wrong =
            ["bytes 5-10/10", "bytes 9-5/10", "bytes */10", "bytes 5-9/*", "5-9/10", "bytes +5-9/10", ""];
        for wrong in wrong {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
