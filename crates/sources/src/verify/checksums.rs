//! A list of digests, such as `SHA256SUMS`.

use crate::is_file_name;
use icapstan_api::fleet::ContentDigest;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::str::FromStr;
use thiserror::Error;

/// What files should be, as `sha256sum` writes it, with or without `--tag`. Its comments may say which of two lists is
/// the newer one, `# serial: 7`, and of when it is, `# released: 2026-11-24T02:00:00Z`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// The digests by the names of the files. Files in folders are left out: no source has any.
    pub files: BTreeMap<String, ContentDigest>,
    /// The number of the list.
    pub serial: Option<u64>,
    /// Its time.
    pub released: Option<Timestamp>,
}

/// Why a text is no list of digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChecksumsError {
    /// A line that is none.
    #[error("line {0} has no digest and name")]
    Line(usize),
    /// Two digests of one file.
    #[error("line {0} has another digest of a file that was before")]
    Twice(usize),
    /// A comment that should say something and does not.
    #[error("line {0} has a serial or a time that is none, or a second one")]
    Comment(usize),
    /// Nobody needs as many.
    #[error("it has more than {0} lines")]
    Lines(usize),
}

// === impl Checksums ===

impl Checksums {
    /// The most bytes of a list.
    pub const MAX_BYTES: u64 = 1 << 20;
    const MAX_LINES: usize = 10_000;
}

impl FromStr for Checksums {
    type Err = ChecksumsError;

    fn from_str(text: &str) -> Result<Self, ChecksumsError> {
        let mut list = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            if number > Self::MAX_LINES {
                return Err(ChecksumsError::Lines(Self::MAX_LINES));
            }
            if let Some(comment) = line.strip_prefix('#') {
                list.comment(comment).ok_or(ChecksumsError::Comment(number))?;
                continue;
            }
            if line.trim().is_empty() {
                continue;
            }
            let (digest, name) = entry(line).ok_or(ChecksumsError::Line(number))?;
            let name = name.strip_prefix("./").unwrap_or(name);
            if is_file_name(name)
                && let Some(before) = list.files.insert(name.to_owned(), digest)
                && before != digest
            {
                return Err(ChecksumsError::Twice(number));
            }
        }
        Ok(list)
    }
}

impl Checksums {
    /// `None` if it says something that cannot be.
    fn comment(&mut self, comment: &str) -> Option<()> {
        let Some((name, value)) = comment.split_once(':') else { return Some(()) };
        let value = value.trim();
        match name.trim() {
            "serial" => {
                let serial =
                    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok())??;
                self.serial.replace(serial).is_none().then_some(())
            }
            "released" => self.released.replace(value.parse().ok()?).is_none().then_some(()),
            _ => Some(()),
        }
    }
}

fn entry(line: &str) -> Option<(ContentDigest, &str)> {
    let digest = |hex: &str| format!("sha256:{}", hex.to_ascii_lowercase()).parse().ok();
    if let Some(rest) = line.strip_prefix("SHA256 (") {
        let (name, hex) = rest.rsplit_once(") = ")?;
        return Some((digest(hex)?, name));
    }
    let (hex, name) = line.split_once(' ')?;
    // A space for text, an asterisk for bytes; both are the same here.
    let name = name.strip_prefix([' ', '*'])?;
    (!name.is_empty()).then_some((digest(hex)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sha256sum_writes_is_read() {
        let [a, b] = [b"a", b"b"].map(|bytes| ContentDigest::of(bytes));
        let text = format!(
            "# serial: 7\n# released: 2026-11-24T02:00:00Z\n# by hand: no\n#\n\n{}  a.ndb\n{} *./b.yar\nSHA256 (c) = {}\n{}  sub/d\n",
            a.hex(),
            b.hex().to_uppercase(),
            a.hex(),
            b.hex()
        );
        let list: Checksums = text.parse().unwrap();
        let expected = [("a.ndb", a), ("b.yar", b), ("c", a)].map(|(name, digest)| (name.to_owned(), digest));
        assert_eq!(list.files, BTreeMap::from(expected));
        assert_eq!((list.serial, list.released), (Some(7), Some("2026-11-24T02:00:00Z".parse().unwrap())));
        assert_eq!("".parse(), Ok(Checksums::default()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let hex = ContentDigest::of(b"").hex();
        let other = ContentDigest::of(b"x").hex();
        for (text, expected) in [
            ("<html>".to_owned(), ChecksumsError::Line(1)),
            (format!("{hex}  "), ChecksumsError::Line(1)),
            (hex.clone(), ChecksumsError::Line(1)),
            (format!("\\{hex}  a"), ChecksumsError::Line(1)),
            (format!("{}  a", &hex[1..]), ChecksumsError::Line(1)),
            (format!("\n{hex}  a\n{other}  a"), ChecksumsError::Twice(3)),
            ("# serial: x".to_owned(), ChecksumsError::Comment(1)),
            ("# serial: 1\n# serial: 1".to_owned(), ChecksumsError::Comment(2)),
            ("# released: today".to_owned(), ChecksumsError::Comment(1)),
            ("\n".repeat(10_001), ChecksumsError::Lines(10_000)),
        ] {
            assert_eq!(text.parse::<Checksums>(), Err(expected), "{text}");
        }
        assert!(format!("{hex}  a\n{hex}  a").parse::<Checksums>().is_ok());
    }
}
