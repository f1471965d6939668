//! OpenDocument: how the manifest says that a part is encrypted (OpenDocument 1.3, part 2, 3.4.1 and 4.4).

use super::find;

/// The name without what stands for its namespace, which is for the writer to choose.
const ELEMENT: &[u8] = b"encryption-data";
/// What the manifest's namespace is called in OpenDocument, and was called before.
const NAMESPACES: [&[u8]; 2] =
    [b"urn:oasis:names:tc:opendocument:xmlns:manifest:", b"http://openoffice.org/2001/manifest"];
/// The manifest is looked at so far.
const WITHIN: usize = 256 << 10;
/// And what stands for the namespace is no longer than that.
const MAX_PREFIX: usize = 64;

/// Whether this is a manifest that says so. In UTF-16 every other byte counts: the rest are zeros.
pub(super) fn is_encrypted_manifest(bytes: &[u8]) -> bool {
    let bytes = &bytes[..bytes.len().min(WITHIN)];
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'<', 0, ..] | [0, b'<', ..] => {
            let narrow: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != 0).collect();
            says_so(&narrow)
        }
        _ => says_so(bytes),
    }
}

fn says_so(text: &[u8]) -> bool {
    let begins = text.iter().take(16).any(|&byte| byte == b'<');
    begins
        && NAMESPACES.iter().any(|namespace| find(text, namespace, 0).is_some())
        && elements(text).any(|at| begins_element(&text[..at]))
}

fn elements(text: &[u8]) -> impl Iterator<Item = usize> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = find(text, ELEMENT, from)?;
        from = at + 1;
        Some(at)
    })
}

/// Whether `<`, or `<` with a prefix and a colon, is what stands before.
fn begins_element(before: &[u8]) -> bool {
    let Some(rest) = before.strip_suffix(b":") else { return before.ends_with(b"<") };
    let prefix = &rest[rest.len().saturating_sub(MAX_PREFIX)..];
    prefix.iter().rposition(|&byte| byte == b'<').is_some_and(|at| {
        prefix[at + 1..]
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(byte) || !byte.is_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(head: &str, prefix: &str, element: &str) -> String {
        let namespace = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0";
        format!(
            "{head}<{prefix}manifest xmlns:{prefix}=\"{namespace}\"><{prefix}{element}/></{prefix}manifest>"
        )
    }

    #[test]
    fn an_encrypted_part_is_seen_whatever_its_prefix_is_and_in_whatever_unicode() {
        for (head, prefix, element, expected) in [
            ("<?xml version=\"1.0\"?>\n", "manifest:", "encryption-data a=\"b\"", true),
            ("", "m:", "encryption-data", true),
            ("\u{feff}", "", "encryption-data", true),
            ("<?xml version=\"1.0\"?>", "manifest:", "file-entry", false),
            ("<?xml version=\"1.0\"?>", "manifest:", "x a=\"encryption-data\"", false),
            ("<?xml version=\"1.0\"?><!-- manifest:encryption-data -->", "m:", "file-entry", false),
            ("a text about it, which begins with no mark: ", "manifest:", "encryption-data", false),
        ] {
            let text = manifest(head, prefix, element);
            let wide = |units: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(units).collect::<Vec<_>>();
            for bytes in [text.as_bytes(), &wide(u16::to_le_bytes), &wide(u16::to_be_bytes)] {
                assert_eq!(is_encrypted_manifest(bytes), expected, "{text}");
            }
        }
        assert!(!is_encrypted_manifest(b"<?xml?><manifest:encryption-data/>"), "of something else");
        assert!(!is_encrypted_manifest(b""));
    }
}
