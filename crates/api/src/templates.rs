//! Pages that are shown in place of what was blocked (`templates`).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Where pages come from and which language they speak by default (`templates`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateSettings {
    /// The folder with pages that replace the shipped ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The language of pages for readers who ask for none that there is.
    pub language: LanguageTag,
}

/// The name of a language (RFC 5646) in the usual case, such as `de` or `zh-Hans`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LanguageTag(Box<str>);

/// What an operator calls a page that is not one of the shipped ones: letters, digits, `-` and `_`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TemplateName {
    /// Zeroes behind the name.
    bytes: [u8; Self::MAX],
}

/// A text that no page can be called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "\"{}\" is no name of a page; use up to {} letters, digits, - and _, beginning with a letter",
    .0.chars().take(64).collect::<String>(), TemplateName::MAX
)]
pub struct TemplateNameError(String);

/// A text that is no name of a language.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{}\" is no language tag, such as en, pt-BR or zh-Hans", .0.chars().take(64).collect::<String>())]
pub struct LanguageTagError(String);

// === impl LanguageTag ===

impl LanguageTag {
    /// No tag is longer, in bytes (RFC 5646 section 4.4.1).
    pub const MAX: usize = 35;

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LanguageTag {
    /// English.
    fn default() -> Self {
        Self("en".into())
    }
}

impl TryFrom<String> for LanguageTag {
    type Error = LanguageTagError;

    fn try_from(text: String) -> Result<Self, LanguageTagError> {
        let mut tag = String::with_capacity(text.len().min(Self::MAX));
        for (place, part) in text.split('-').enumerate() {
            let is_tag = match place {
                0 => (2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic()),
                _ => (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()),
            };
            if !is_tag || text.len() > Self::MAX {
                return Err(LanguageTagError(text));
            }
            // RFC 5646 section 2.1.1.
            let mut part = part.to_ascii_lowercase();
            match (place, part.len()) {
                (1.., 2) => part.make_ascii_uppercase(),
                (1.., 4) => part[..1].make_ascii_uppercase(),
                _ => {}
            }
            if place > 0 {
                tag.push('-');
            }
            tag.push_str(&part);
        }
        Ok(Self(tag.into_boxed_str()))
    }
}

impl From<LanguageTag> for String {
    fn from(tag: LanguageTag) -> Self {
        tag.0.into()
    }
}

impl fmt::Display for LanguageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl TemplateName ===

impl TemplateName {
    /// No name is longer, in bytes.
    pub const MAX: usize = 32;

    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|&b| b == 0).unwrap_or(Self::MAX);
        std::str::from_utf8(&self.bytes[..end]).expect("a name is ASCII")
    }
}

impl TryFrom<&str> for TemplateName {
    type Error = TemplateNameError;

    fn try_from(name: &str) -> Result<Self, TemplateNameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let fits = name.len() <= Self::MAX && name.bytes().all(allowed);
        if !fits || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(TemplateNameError(name.to_owned()));
        }
        let mut bytes = [0; Self::MAX];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        Ok(Self { bytes })
    }
}

impl fmt::Debug for TemplateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, RuleAction, Template};

    fn tag(text: &str) -> Option<String> {
        LanguageTag::try_from(text.to_owned()).ok().map(String::from)
    }

    #[test]
    fn tags_are_brought_into_the_usual_case() {
        for (text, expected) in
            [("EN", "en"), ("pt-br", "pt-BR"), ("ZH-hans", "zh-Hans"), ("zh-HANT-tw", "zh-Hant-TW")]
        {
            assert_eq!(tag(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn names_of_pages_are_short_and_plain() {
        for name in ["x", "hr-policy_2", &"x".repeat(TemplateName::MAX)] {
            assert_eq!(TemplateName::try_from(name).unwrap().as_str(), name);
        }
        for name in
            ["", "2x", "-x", "a b", "a.b", "../x", "\u{e4}", "a\0", &"x".repeat(TemplateName::MAX + 1)]
        {
            assert!(TemplateName::try_from(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn rules_may_name_pages_of_a_folder_and_only_then_others_than_the_shipped_ones() {
        let rule = "policies: [{name: default, rules: [{verdict: DETECT, action: {block: hr-policy}}]}]";
        let parse = |text: &str| Config::parse(text, "x").map_err(|error| error.to_string());
        let with = parse(&format!("templates: {{folder: /x}}\n{rule}")).unwrap();
        let action = &with.policies[0].rules[0].action;
        assert!(matches!(action, RuleAction::Block(Template::Custom(name)) if name.as_str() == "hr-policy"));
        let again = serde_json::to_value(&with).unwrap();
        assert_eq!(serde_json::from_value::<Config>(again).unwrap(), with);
        assert_eq!(
            parse(rule).unwrap_err(),
            "x: policies[0].rules[0].action.block: there is no page \"hr-policy\"; there are: detected, failed, \
             notScanned, phishing, refused. Others are files in `templates.folder`"
        );
        let odd = parse(&rule.replace("hr-policy", "'../x'")).unwrap_err();
        assert!(odd.contains("\"../x\" is no name of a page"), "{odd}");
        let relative = parse("templates: {folder: x}").unwrap_err();
        assert_eq!(relative, "x: templates.folder: is not an absolute path");
    }

    #[test]
    fn what_is_no_tag_is_refused() {
        for text in ["", "e", "engl", "en-", "-en", "en--US", "en_US", "*", "de-ä", "../x", "en-\r\nX"] {
            assert_eq!(tag(text), None, "{text}");
        }
        assert_eq!(tag(&format!("en{}", "-abcdefgh".repeat(4))), None);
    }
}
