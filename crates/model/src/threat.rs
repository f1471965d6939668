//! The name of a threat, made safe once for every place it is shown in.

use std::fmt;

/// Printable ASCII without quotes, commas, semicolons and angle brackets, 1 to 128 characters.
///
/// Engines take names from signature files, and those from anywhere; a name ends up in ICAP
/// headers (where `;` and `,` separate), HTML, logs and metrics. What may not stand is replaced by `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ThreatName(Box<str>);

// === impl ThreatName ===

impl ThreatName {
    /// The longest name kept, in characters.
    pub const MAX_LEN: usize = 128;

    /// Makes a name from whatever an engine said.
    pub fn new(raw: &[u8]) -> Self {
        let name: String = raw
            .iter()
            .take(Self::MAX_LEN)
            .map(|&b| match b {
                b'"' | b'\'' | b'`' | b',' | b';' | b'<' | b'>' | b'&' | b'\\' => '_',
                0x21..=0x7e => char::from(b),
                _ => '_',
            })
            .collect();
        if name.is_empty() { Self("unnamed".into()) } else { Self(name.into_boxed_str()) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ThreatName {
    fn from(raw: &str) -> Self {
        Self::new(raw.as_bytes())
    }
}

impl fmt::Display for ThreatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn line_breaks_quotes_and_separators_never_survive() {
        assert_eq!(ThreatName::from("A\r\nX: y; <b>,\"q\"").as_str(), "A__X:_y___b___q_");
        assert_eq!(ThreatName::from("").as_str(), "unnamed");
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_name_that_every_sink_can_take(raw in proptest::collection::vec(any::<u8>(), 0..400)) {
            let name = ThreatName::new(&raw);
            prop_assert!((1..=ThreatName::MAX_LEN).contains(&name.as_str().len()));
            let safe = name.as_str().bytes().all(|b| b.is_ascii_graphic() && !b"\"'`,;<>&\\".contains(&b));
            prop_assert!(safe);
        }
    }
}
