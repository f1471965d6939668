//! Header fields that go with each call.

use crate::OtlpError;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

/// The largest file.
const MAX_LEN: u64 = 16 * 1024;
/// The most fields.
const MAX_FIELDS: usize = 16;
/// What calls have by themselves.
const TAKEN: [&str; 3] = ["content-type", "te", "user-agent"];

/// Reads a file of lines `name: value`. Empty lines, and those that begin with `#`, are nothing.
pub(crate) fn read(path: &Path) -> Result<MetadataMap, OtlpError> {
    let unreadable = |source| OtlpError::Headers { path: path.to_owned(), source };
    let wrong = |line, cause| OtlpError::Header { path: path.to_owned(), line, cause };
    let mut text = Vec::new();
    File::open(path).map_err(unreadable)?.take(MAX_LEN + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_LEN {
        return Err(wrong(0, "the file has more than 16 KiB"));
    }
    let text = String::from_utf8(text).map_err(|_| wrong(0, "the file is not UTF-8"))?;
    let mut fields = MetadataMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = field(line).map_err(|cause| wrong(index + 1, cause))?;
        if fields.len() == MAX_FIELDS {
            return Err(wrong(index + 1, "there are 16 already"));
        }
        fields.append(name, value);
    }
    Ok(fields)
}

fn field(line: &str) -> Result<(MetadataKey<Ascii>, MetadataValue<Ascii>), &'static str> {
    let (name, value) = line.split_once(':').ok_or("there is no colon")?;
    let name = name.trim().to_ascii_lowercase();
    if TAKEN.contains(&name.as_str()) || name.starts_with("grpc-") {
        return Err("calls have this field by themselves");
    }
    let name = MetadataKey::from_bytes(name.as_bytes()).map_err(|_| "the name is none of a text")?;
    let mut value = MetadataValue::try_from(value.trim()).map_err(|_| "the value is not printable ASCII")?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_testkit::tempdir;

    #[test]
    fn lines_are_fields_and_what_is_none_is_told_without_being_shown() {
        let dir = tempdir();
        let path = dir.path().join("headers");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read(&path).map_err(|error| error.to_string())
        };
        let fields = read("# key\n\nAuthorization: Bearer a:b\r\nx-scope: 1\n").unwrap();
        assert_eq!(fields.get("authorization").unwrap(), "Bearer a:b");
        assert_eq!(fields.len(), 2);
        for (text, told) in [
            ("secret", "no colon"),
            ("x: secret\u{7}", "printable"),
            ("x y: secret", "name"),
            ("x-bin: secret", "name"),
            ("te: secret", "by themselves"),
            ("grpc-timeout: secret", "by themselves"),
        ] {
            let error = read(text).unwrap_err();
            assert!(
                error.contains("line 1 of") && error.contains(told) && !error.contains("secret"),
                "{error}"
            );
        }
        assert!(read(&"x: y\n".repeat(17)).unwrap_err().contains("line 17 of"));
        assert!(read(&"#".repeat(20_000)).unwrap_err().contains("16 KiB"));
    }
}
