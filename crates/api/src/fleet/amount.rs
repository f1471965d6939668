//! How many of so many.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A number, or a part of a whole in percent: `3` or `25%`, as Kubernetes writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Amount {
    /// So many.
    Number(u32),
    /// So many of a hundred; not more than 100.
    Percent(u8),
}

/// Why a text is no [`Amount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is no amount; write a whole number such as 3, or a percentage from 0% to 100%")]
pub struct AmountError;

// === impl Amount ===

impl Amount {
    /// How many that are of `whole`, with what is no whole one counted as one. May be more than `whole`.
    pub fn of(self, whole: u64) -> u64 {
        match self {
            Self::Number(number) => number.into(),
            Self::Percent(percent) => {
                let parts = u128::from(whole) * u128::from(percent);
                u64::try_from(parts.div_ceil(100)).unwrap_or(u64::MAX)
            }
        }
    }

    /// Whether it is none of whatever.
    pub const fn is_zero(self) -> bool {
        matches!(self, Self::Number(0) | Self::Percent(0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.strip_suffix('%') {
            Some(percent) if is_number(percent) => match percent.parse() {
                Ok(percent @ 0..=100) => Ok(Self::Percent(percent)),
                _ => Err(AmountError),
            },
            None if is_number(text) => text.parse().map(Self::Number).map_err(|_| AmountError),
            _ => Err(AmountError),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl de::Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number such as 3, or a percentage such as 25%")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
        u32::try_from(number)
            .map(Amount::Number)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
        u32::try_from(number)
            .map(Amount::Number)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_something_is_never_nothing_of_it() {
        for (amount, whole, expected) in [
            (Amount::Number(3), 10, 3),
            (Amount::Number(3), 1, 3),
            (Amount::Percent(25), 8, 2),
            (Amount::Percent(1), 3, 1),
            (Amount::Percent(0), 3, 0),
            (Amount::Percent(100), u64::MAX, u64::MAX),
            (Amount::Percent(50), 0, 0),
        ] {
            assert_eq!(amount.of(whole), expected, "{amount} of {whole}");
        }
    }

    #[test]
    fn an_amount_is_a_number_or_a_percentage() {
        for (text, amount) in [
            ("3", Amount::Number(3)),
            ("\"3\"", Amount::Number(3)),
            ("\"25%\"", Amount::Percent(25)),
            ("\"100%\"", Amount::Percent(100)),
        ] {
            assert_eq!(serde_json::from_str::<Amount>(text).unwrap(), amount, "{text}");
        }
        for wrong in ["-1", "4294967296", "\"101%\"", "\"%\"", "\"+5\"", "\"5 %\"", "1.5", "\"\"", "true"] {
            assert!(serde_json::from_str::<Amount>(wrong).is_err(), "{wrong}");
        }
        for amount in [Amount::Number(7), Amount::Percent(7)] {
            let text = serde_json::to_string(&amount).unwrap();
            assert_eq!(serde_json::from_str::<Amount>(&text).unwrap(), amount);
        }
    }
}
