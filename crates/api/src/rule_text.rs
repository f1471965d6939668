//! Texts with variables, as rules and hooks have them (`{verdict}`).

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Printable ASCII with variables in braces. Whatever a variable stands for is inert where it is filled in.
///
/// ```
/// use icapstan_api::{RuleText, RuleVariable};
///
/// let text = RuleText::try_from("found {threat}".to_owned())?;
/// let filled = text.fill(100, |variable| match variable {
///     RuleVariable::Threat => "Worm\r\nX: y",
///     _ => "",
/// });
/// assert_eq!(filled, "found Worm%0D%0AX: y");
/// # Ok::<(), icapstan_api::RuleTextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleText(String);

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RuleVariable {
    /// `{verdict}`: the finding that the rule is about.
    Verdict,
    /// `{reason}`: why it was not scanned, or why that failed.
    Reason,
    /// `{threat}`: what was found.
    Threat,
    /// `{rule}`: the rule's name, else its place.
    Rule,
    /// `{transaction}`: the id in the log.
    Transaction,
    /// `{service}`: the service.
    Service,
    /// `{url}`: the URL of the message.
    Url,
    /// `{client}`: the user's machine.
    Client,
    /// `{user}`: the user.
    User,
}

/// Why such a text cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleTextError {
    /// Longer than [`RuleText::MAX`].
    #[error("is longer than 512 bytes")]
    TooLong,
    /// A character that is not printable ASCII.
    #[error("has {0:?}; use printable ASCII")]
    Character(char),
    /// A variable that nobody knows.
    #[error("has the unknown variable {{{0}}}; there are: {names}", names = RuleVariable::names(&RuleVariable::ALL))]
    Unknown(String),
    /// A brace without its other half.
    #[error("has a brace without its other half")]
    Brace,
}

/// A piece of such a text.
enum Part<'a> {
    Text(&'a str),
    Variable(RuleVariable),
}

// === impl RuleText ===

impl RuleText {
    /// No such text is longer, in bytes.
    pub const MAX: usize = 512;

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its variables in their order.
    pub fn variables(&self) -> impl Iterator<Item = RuleVariable> {
        parts(&self.0).filter_map(|part| match part {
            Ok(Part::Variable(variable)) => Some(variable),
            _ => None,
        })
    }

    /// The text with values, cut at `most` bytes. What is not printable ASCII stands percent-encoded.
    pub fn fill<'v>(&self, most: usize, value: impl Fn(RuleVariable) -> &'v str) -> String {
        self.fill_with(most, value, false)
    }

    /// As [`RuleText::fill`], for an argument of a program: no value begins with `-`, which would make it an
    /// option, or with `@`, which to some programs is a file.
    pub fn fill_argument<'v>(&self, most: usize, value: impl Fn(RuleVariable) -> &'v str) -> String {
        self.fill_with(most, value, true)
    }

    fn fill_with<'v>(
        &self,
        most: usize,
        value: impl Fn(RuleVariable) -> &'v str,
        is_argument: bool,
    ) -> String {
        let mut filled = String::with_capacity(self.0.len().min(most) + 64);
        for part in parts(&self.0).filter_map(Result::ok) {
            match part {
                Part::Text(text) => {
                    let room = most.saturating_sub(filled.len()).min(text.len());
                    // It is ASCII.
                    filled.push_str(&text[..room]);
                }
                Part::Variable(variable) => push_inert(&mut filled, value(variable), most, is_argument),
            }
        }
        filled
    }
}

/// Appends `value`, percent-encoded where it could do something; a character that does not fit ends it.
fn push_inert(filled: &mut String, value: &str, most: usize, is_argument: bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for (at, byte) in value.bytes().enumerate() {
        let is_special = is_argument && at == 0 && matches!(byte, b'-' | b'@');
        let is_plain = matches!(byte, b' '..=b'~') && !is_special;
        if filled.len() + if is_plain { 1 } else { 3 } > most {
            return;
        }
        if is_plain {
            filled.push(char::from(byte));
        } else {
            filled.push('%');
            filled.push(char::from(DIGITS[usize::from(byte >> 4)]));
            filled.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The text in pieces; ends after the first fault.
fn parts(text: &str) -> impl Iterator<Item = Result<Part<'_>, RuleTextError>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take().filter(|text| !text.is_empty())?;
        let Some(inner) = text.strip_prefix('{') else {
            let end = text.find(['{', '}']).unwrap_or(text.len());
            if end == 0 {
                return Some(Err(RuleTextError::Brace));
            }
            rest = Some(&text[end..]);
            return Some(Ok(Part::Text(&text[..end])));
        };
        Some(match inner.split_once(['{', '}']) {
            Some((name, after)) if inner.as_bytes()[name.len()] == b'}' => {
                rest = Some(after);
                RuleVariable::of(name)
                    .map(Part::Variable)
                    .ok_or_else(|| RuleTextError::Unknown(name.to_owned()))
            }
            _ => Err(RuleTextError::Brace),
        })
    })
}

impl TryFrom<String> for RuleText {
    type Error = RuleTextError;

    fn try_from(text: String) -> Result<Self, RuleTextError> {
        if text.len() > Self::MAX {
            return Err(RuleTextError::TooLong);
        }
        if let Some(odd) = text.chars().find(|c| !matches!(c, ' '..='~')) {
            return Err(RuleTextError::Character(odd));
        }
        parts(&text).try_for_each(|part| part.map(drop))?;
        Ok(Self(text))
    }
}

impl From<RuleText> for String {
    fn from(text: RuleText) -> Self {
        text.0
    }
}

// === impl RuleVariable ===

impl RuleVariable {
    /// Every variable.
    pub const ALL: [Self; 9] = [
        Self::Verdict,
        Self::Reason,
        Self::Threat,
        Self::Rule,
        Self::Transaction,
        Self::Service,
        Self::Url,
        Self::Client,
        Self::User,
    ];

    /// Those for header fields: what a user does, and who that is, does not go on to origins.
    pub const IN_HEADERS: [Self; 6] =
        [Self::Verdict, Self::Reason, Self::Threat, Self::Rule, Self::Transaction, Self::Service];

    /// The word in braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Reason => "reason",
            Self::Threat => "threat",
            Self::Rule => "rule",
            Self::Transaction => "transaction",
            Self::Service => "service",
            Self::Url => "url",
            Self::Client => "client",
            Self::User => "user",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.as_str() == name)
    }

    pub(crate) fn names(variables: &[Self]) -> String {
        variables.iter().map(|variable| variable.as_str()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Result<RuleText, RuleTextError> {
        RuleText::try_from(text.to_owned())
    }

    #[test]
    fn values_are_filled_in_and_cut() {
        let whole = text("{verdict}: {threat}, {threat}!").unwrap();
        let value = |variable| match variable {
            RuleVariable::Verdict => "detect",
            _ => "W\u{e9}rm",
        };
        assert_eq!(whole.fill(100, value), "detect: W%C3%A9rm, W%C3%A9rm!");
        assert_eq!(whole.fill(12, value), "detect: W%C3", "an escape is whole or not there");
        assert_eq!(whole.fill(3, value), "det");
        assert_eq!(whole.variables().count(), 3);
    }

    #[test]
    fn no_value_makes_an_argument_an_option_or_a_file() {
        let bare = text("{url}").unwrap();
        for (value, expected) in [("--help", "%2D-help"), ("@/etc/passwd", "%40/etc/passwd"), ("a-@", "a-@")]
        {
            assert_eq!(bare.fill_argument(99, |_| value), expected);
        }
        // The second is what the argument begins with.
        let two = text("{reason}{user}").unwrap();
        let value = |variable| if variable == RuleVariable::User { "-rf" } else { "" };
        assert_eq!(two.fill_argument(99, value), "%2Drf");
    }

    #[test]
    fn what_is_no_such_text_is_refused_with_its_fault() {
        for (wrong, error) in [
            ("{password}", RuleTextError::Unknown("password".to_owned())),
            ("{}", RuleTextError::Unknown(String::new())),
            ("{url", RuleTextError::Brace),
            ("url}", RuleTextError::Brace),
            ("{{url}}", RuleTextError::Brace),
            ("a\r\nb", RuleTextError::Character('\r')),
            ("\u{e9}", RuleTextError::Character('\u{e9}')),
        ] {
            assert_eq!(text(wrong), Err(error), "{wrong}");
        }
        assert_eq!(text(&"x".repeat(513)), Err(RuleTextError::TooLong));
        assert!(text("").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_chose_is_inert_and_bounded(
            value in "\\PC{0,40}[\r\n\0-@]{0,3}\\PC{0,10}",
            most in 0usize..120,
        ) {
            let whole = text("a{url}b{user}").unwrap();
            for filled in [whole.fill(most, |_| &value), whole.fill_argument(most, |_| &value)] {
                prop_assert!(filled.len() <= most);
                prop_assert!(filled.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
            let argument = text("{url}").unwrap().fill_argument(most, |_| &value);
            prop_assert!(!argument.starts_with(['-', '@']));
        }
    }
}
