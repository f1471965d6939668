//! What an object that is kept is called.

use crate::age::random;
use icapstan_telemetry::timestamp;
use std::fmt;
use std::io;
use std::time::SystemTime;

/// When it was found, and a random number: `20260131T235959.123456Z-0123456789abcdef`. In the order of their texts ids
/// are in that of time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Box<str>);

const TIME: usize = "20260131T235959.123456Z".len();
const LEN: usize = TIME + 1 + 16;
/// What names of objects end with.
const SUFFIX: &str = ".age";

// === impl Id ===

impl Id {
    /// A new one.
    pub fn new(time: SystemTime) -> io::Result<Self> {
        let number = u64::from_le_bytes(random()?);
        // From 2026-01-31T23:59:59.123456Z
        let time: String = timestamp(time).chars().filter(|c| !matches!(c, '-' | ':')).collect();
        Ok(Self(format!("{time}-{number:016x}").into()))
    }

    /// From its text; nothing else than what [`Id::new`] makes. So it can be a part of a path.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == LEN
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'.',
                at if at == TIME - 1 => byte == b'Z',
                TIME => byte == b'-',
                0..TIME => byte.is_ascii_digit(),
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        fits.then(|| Self(text.into()))
    }

    /// The one of an object of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::parse(name.strip_suffix(SUFFIX)?)
    }

    /// What the object is called in its place.
    pub(crate) fn name(&self) -> String {
        format!("{self}{SUFFIX}")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The least id of what was found at `time`: all that are less are older.
    pub(crate) fn least(time: SystemTime) -> Option<Self> {
        let mut id = Self::new(time).ok()?;
        id.0 = format!("{}-{:016x}", &id.0[..TIME], 0).into();
        Some(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn ids_are_read_back_and_nothing_else_is_one() {
        let time = UNIX_EPOCH + Duration::from_micros(1_709_210_096_000_042);
        let id = Id::new(time).unwrap();
        assert!(id.as_str().starts_with("20240229T123456.000042Z-"), "{id}");
        assert_eq!(Id::parse(id.as_str()), Some(id.clone()));
        assert_eq!(Id::of_name(&id.name()), Some(id.clone()));
        assert_ne!(Id::new(time).unwrap(), id);
        let least = Id::least(time).unwrap();
        assert!(least <= id && Id::new(time - Duration::from_micros(1)).unwrap() < least);
        for wrong in [
            "",
            "../x",
            "20240229T123456.000042Z-0123456789abcdeF",
            "20240229T123456.000042Z-0123456789abcde/",
            "20240229T123456Z-0123456789abcdef",
        ] {
            assert_eq!(Id::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Id::of_name(&format!(".{id}.part")), None);
        let at = |time| Id::new(time).unwrap().as_str()[..TIME].to_owned();
        assert_eq!(at(UNIX_EPOCH), "19700101T000000.000000Z");
    }
}
