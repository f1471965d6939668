//! Sizes as Kubernetes writes quantities: `10343Ki`, `2Gi`, `1M`, `5000`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The units, with the binary ones first and the largest of each kind first.
const UNITS: [(&str, u64); 12] = [
    ("Ei", 1 << 60),
    ("Pi", 1 << 50),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

/// A number of bytes.
///
/// Read from a whole number, or from a text with an optional fraction and one of the units `Ki`,
/// `Mi`, `Gi`, `Ti`, `Pi`, `Ei` (powers of 1024) and `k`, `M`, `G`, `T`, `P`, `E` (powers of 1000).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(u64);

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ByteSizeError {
    /// There is no number in front.
    #[error("a size begins with a number, such as 5000, 64Ki or 2Gi")]
    NoNumber,
    /// The number is followed by something else.
    #[error("unknown unit \"{0}\"; use Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000)")]
    Unit(String),
    /// A fraction of a byte.
    #[error("not a whole number of bytes")]
    Fraction,
    /// More than fits.
    #[error("too large")]
    TooLarge,
}

// === impl ByteSize ===

impl ByteSize {
    /// From a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// From a multiple of 1024 bytes.
    pub const fn kib(count: u64) -> Self {
        Self(count * (1 << 10))
    }

    /// From a multiple of 1024 x 1024 bytes.
    pub const fn mib(count: u64) -> Self {
        Self(count * (1 << 20))
    }

    /// From a multiple of 1024 x 1024 x 1024 bytes.
    pub const fn gib(count: u64) -> Self {
        Self(count * (1 << 30))
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes, or the most that this machine can count.
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(ByteSizeError::NoNumber);
        }
        let factor = match unit {
            "" => 1,
            _ => UNITS
                .iter()
                .find_map(|(name, factor)| (*name == unit).then_some(*factor))
                .ok_or_else(|| ByteSizeError::Unit(unit.chars().take(16).collect()))?,
        };
        let fraction = fraction.trim_end_matches('0');
        let scale = u32::try_from(fraction.len())
            .ok()
            .and_then(|digits| 10u128.checked_pow(digits))
            .ok_or(ByteSizeError::Fraction)?;
        let parse = |digits: &str| match digits {
            "" => Ok(0),
            _ => digits.parse::<u128>().map_err(|_| ByteSizeError::TooLarge),
        };
        let scaled = parse(whole)?
            .checked_mul(scale)
            .and_then(|value| value.checked_add(parse(fraction).ok()?))
            .and_then(|value| value.checked_mul(u128::from(factor)))
            .ok_or(ByteSizeError::TooLarge)?;
        if !scaled.is_multiple_of(scale) {
            return Err(ByteSizeError::Fraction);
        }
        u64::try_from(scaled / scale).map(Self).map_err(|_| ByteSizeError::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    /// With the largest binary unit that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().take(6);
        match binary.into_iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByteSizeVisitor)
    }
}

struct ByteSizeVisitor;

impl de::Visitor<'_> for ByteSizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 5000, 64Ki or 2Gi")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize).map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Result<u64, ByteSizeError> {
        text.parse().map(ByteSize::bytes)
    }

    #[test]
    fn quantities_mean_what_kubernetes_says_they_mean() {
        assert_eq!(bytes("10343Ki"), Ok(10343 * 1024));
        assert_eq!(bytes("2Gi"), Ok(2 << 30));
        assert_eq!(bytes("5000"), Ok(5000));
        assert_eq!(bytes("1M"), Ok(1_000_000));
        assert_eq!(bytes("1.5Gi"), Ok(3 << 29));
        assert_eq!(bytes("0.5k"), Ok(500));
        assert_eq!(bytes("1.0"), Ok(1));
        assert_eq!(bytes("15Ei"), Ok(15 << 60));
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_cause() {
        assert_eq!(bytes(""), Err(ByteSizeError::NoNumber));
        assert_eq!(bytes("."), Err(ByteSizeError::NoNumber));
        assert_eq!(bytes("Ki"), Err(ByteSizeError::NoNumber));
        assert_eq!(bytes("-1"), Err(ByteSizeError::NoNumber));
        assert_eq!(bytes("1.2.3"), Err(ByteSizeError::NoNumber));
        assert_eq!(bytes("10KB"), Err(ByteSizeError::Unit("KB".into())));
        assert_eq!(bytes("10 Ki"), Err(ByteSizeError::Unit(" Ki".into())));
        assert_eq!(bytes("0.5"), Err(ByteSizeError::Fraction));
        assert_eq!(bytes("16Ei"), Err(ByteSizeError::TooLarge));
        assert_eq!(bytes(&"9".repeat(60)), Err(ByteSizeError::TooLarge));
        assert_eq!(bytes(&format!("0.{}", "1".repeat(60))), Err(ByteSizeError::Fraction));
    }

    proptest! {
        #[test]
        fn a_size_that_is_written_reads_back_the_same(value in any::<u64>(), shift in 0u32..64) {
            let size = ByteSize::new(value >> shift << (shift / 2));
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}|[0-9.]{0,60}[A-Za-z]{0,3}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
