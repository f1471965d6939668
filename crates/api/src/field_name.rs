//! Names of header fields.

/// Whether it can stand in front of a field's colon: a token (RFC 9110 section 5.6.2), which is not empty.
pub fn is_field_name(name: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_ends_a_name_is_in_one() {
        for name in ["X-Virus-ID", "a", "!#$%&'*+-.^_`|~09"] {
            assert!(is_field_name(name), "{name}");
        }
        for odd in ["", "X Y", "X:", "X\r\nY", "X\0", "(X)", "\u{e4}", "X\u{7f}"] {
            assert!(!is_field_name(odd), "{odd:?}");
        }
    }
}
