//! Where a rule sends clients (`policies[].rules[].action.redirect`).

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use thiserror::Error;

/// An absolute URL with variables in braces, which stand in its query only: what a stranger chose can
/// never become the place that clients are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUrl {
    text: String,
}

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variable {
    /// `{url}`: the URL of the message.
    Url,
    /// `{threat}`: what was found.
    Threat,
    /// `{verdict}`: the verdict and its reason.
    Verdict,
    /// `{client}`: the user's machine.
    Client,
    /// `{user}`: the user.
    User,
    /// `{transaction}`: the id in the log.
    Transaction,
    /// `{service}`: the service.
    Service,
}

/// Why such a URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RedirectError {
    /// Relative, or of another scheme.
    #[error("is no absolute URL; begin with http:// or https:// and a host")]
    NotAbsolute,
    /// Longer than [`RedirectUrl::MAX`].
    #[error("is longer than 2048 bytes")]
    TooLong,
    /// A character that cannot stand in a URL.
    #[error("has {0:?}, which cannot stand in a URL")]
    Character(char),
    /// A variable in front of the query.
    #[error("has a variable in front of its query; those may stand behind the ? only")]
    Place,
    /// A variable that nobody knows.
    #[error("has the unknown variable {{{0}}}; there are: {names}", names = Variable::names())]
    Unknown(String),
    /// A brace without its other half.
    #[error("has a brace without its other half")]
    Brace,
}

// === impl RedirectUrl ===

impl RedirectUrl {
    /// No such URL is longer, in bytes.
    pub const MAX: usize = 2048;

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URL with percent-encoded values.
    pub fn fill<'v>(&self, value: impl Fn(Variable) -> &'v str) -> String {
        let mut filled = String::with_capacity(self.text.len() + 64);
        for part in parts(&self.text) {
            match part {
                Ok(Part::Text(text)) => filled.push_str(text),
                Ok(Part::Variable(name)) => {
                    if let Some(variable) = Variable::of(name) {
                        encode(&mut filled, value(variable));
                    }
                }
                Err(_) => {}
            }
        }
        filled
    }
}

impl TryFrom<String> for RedirectUrl {
    type Error = RedirectError;

    fn try_from(text: String) -> Result<Self, RedirectError> {
        if text.len() > Self::MAX {
            return Err(RedirectError::TooLong);
        }
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`|".contains(*c)) {
            return Err(RedirectError::Character(odd));
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or(RedirectError::NotAbsolute)?;
        if rest.is_empty() || rest.starts_with(['/', '?', '#', ':', '@']) {
            return Err(RedirectError::NotAbsolute);
        }
        let query = text.find('?').unwrap_or(text.len());
        if text.find(['{', '}']).is_some_and(|brace| brace < query) {
            return Err(RedirectError::Place);
        }
        for part in parts(&text) {
            if let Part::Variable(name) = part?
                && Variable::of(name).is_none()
            {
                return Err(RedirectError::Unknown(name.to_owned()));
            }
        }
        Ok(Self { text })
    }
}

impl From<RedirectUrl> for String {
    fn from(url: RedirectUrl) -> Self {
        url.text
    }
}

/// A piece of such a URL.
enum Part<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The URL in pieces; ends after the first fault.
fn parts(text: &str) -> impl Iterator<Item = Result<Part<'_>, RedirectError>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take().filter(|text| !text.is_empty())?;
        let Some(inner) = text.strip_prefix('{') else {
            let end = text.find(['{', '}']).unwrap_or(text.len());
            if end == 0 {
                return Some(Err(RedirectError::Brace));
            }
            rest = Some(&text[end..]);
            return Some(Ok(Part::Text(&text[..end])));
        };
        Some(match inner.split_once('}') {
            Some((name, behind)) if !name.contains('{') => {
                rest = Some(behind);
                Ok(Part::Variable(name))
            }
            _ => Err(RedirectError::Brace),
        })
    })
}

/// Appends `value` as part of a query (RFC 3986 section 2.3).
fn encode(url: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

// === impl Variable ===

impl Variable {
    /// Every variable.
    pub const ALL: [Self; 7] =
        [Self::Url, Self::Threat, Self::Verdict, Self::Client, Self::User, Self::Transaction, Self::Service];

    /// The word in braces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Threat => "threat",
            Self::Verdict => "verdict",
            Self::Client => "client",
            Self::User => "user",
            Self::Transaction => "transaction",
            Self::Service => "service",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variable| variable.as_str() == name)
    }

    fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Result<RedirectUrl, RedirectError> {
        RedirectUrl::try_from(text.to_owned())
    }

    #[test]
    fn values_are_filled_in_and_cannot_leave_the_query() {
        let portal = url("https://portal.test/blocked?u={url}&t={threat}#top").unwrap();
        let filled = portal.fill(|variable| match variable {
            Variable::Url => "http://h/?a&b=\r\n\"<\u{e9}",
            _ => "EICAR",
        });
        assert_eq!(
            filled,
            "https://portal.test/blocked?u=http%3A%2F%2Fh%2F%3Fa%26b%3D%0D%0A%22%3C%C3%A9&t=EICAR#top"
        );
    }

    #[test]
    fn what_could_send_clients_elsewhere_is_refused() {
        for (text, error) in [
            ("/blocked", RedirectError::NotAbsolute),
            ("https://", RedirectError::NotAbsolute),
            ("https:///x", RedirectError::NotAbsolute),
            ("javascript:alert(1)", RedirectError::NotAbsolute),
            ("https://{url}/", RedirectError::Place),
            ("https://h/{url}?x", RedirectError::Place),
            ("https://h/?{user", RedirectError::Brace),
            ("https://h/?user}", RedirectError::Brace),
            ("https://h/?{{url}}", RedirectError::Brace),
            ("https://h/?{password}", RedirectError::Unknown("password".to_owned())),
            ("https://h/ x", RedirectError::Character(' ')),
            ("https://h/\r\nSet-Cookie:x", RedirectError::Character('\r')),
        ] {
            assert_eq!(url(text), Err(error), "{text}");
        }
        assert_eq!(url(&format!("https://h/{}", "x".repeat(2048))), Err(RedirectError::TooLong));
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_chose_is_one_value(value in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let filled = url("https://portal.test/?u={url}&v=1").unwrap().fill(|_| &value);
            let inner = filled.strip_prefix("https://portal.test/?u=").and_then(|rest| rest.strip_suffix("&v=1"));
            let inner = inner.unwrap();
            prop_assert!(inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
        }
    }
}
