//! What a service answers, made harmless.

use crate::error::Outcome;
use icapstan_model::ThreatName;
use serde::Deserialize;
use std::time::Duration;
use thiserror::Error;

/// No answer is larger, in bytes.
pub const MAX_ANSWER: usize = 16 << 10;

/// No more categories are kept.
pub const MAX_CATEGORIES: usize = 16;

/// The longest category, in bytes: as in the configuration.
const MAX_CATEGORY: usize = 63;

/// What is known of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In one word.
    pub opinion: Opinion,
    /// What the service calls it; for threats.
    pub name: ThreatName,
    /// What rules may ask for: letters, digits and `- _ .`, in lower case.
    pub categories: Vec<Box<str>>,
    /// How long it holds, as the service says.
    pub ttl: Option<Duration>,
}

/// What is known of a URL, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Opinion {
    /// Nothing is known against it.
    Clean,
    /// Nothing is known.
    Unknown,
    /// It deceives.
    Phishing,
    /// Malware comes from it.
    Detect,
}

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It is larger than [`MAX_ANSWER`].
    #[error("more than {MAX_ANSWER} bytes")]
    TooLarge,
    /// It is no JSON, or not what was asked for.
    #[error("not the expected JSON at line {line}, column {column}")]
    Json {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    verdict: Opinion,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    categories: Option<Vec<String>>,
    #[serde(default)]
    ttl_seconds: Option<u64>,
}

// === impl Answer ===

impl Answer {
    /// Reads what the service sent.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        if body.len() > MAX_ANSWER {
            return Err(Unreadable::TooLarge);
        }
        let wire: Wire = serde_json::from_slice(body)
            .map_err(|error| Unreadable::Json { line: error.line(), column: error.column() })?;
        let name = wire.name.filter(|name| !name.is_empty());
        Ok(Self {
            opinion: wire.verdict,
            name: ThreatName::new(format!("Reputation.{}", name.as_deref().unwrap_or("url")).as_bytes()),
            categories: categories(wire.categories.unwrap_or_default()),
            ttl: wire.ttl_seconds.map(Duration::from_secs),
        })
    }

    pub(crate) const fn outcome(&self) -> Outcome {
        match self.opinion {
            Opinion::Clean => Outcome::Clean,
            Opinion::Unknown => Outcome::Unknown,
            Opinion::Phishing => Outcome::Phishing,
            Opinion::Detect => Outcome::Detect,
        }
    }
}

/// The first of those that are words, each once.
fn categories(all: Vec<String>) -> Vec<Box<str>> {
    let is_word = |category: &String| {
        (1..=MAX_CATEGORY).contains(&category.len())
            && category.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let mut kept: Vec<Box<str>> = Vec::new();
    for category in all.into_iter().filter(is_word).take(MAX_CATEGORIES) {
        let category = category.to_ascii_lowercase().into_boxed_str();
        if !kept.contains(&category) {
            kept.push(category);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_answer_has_a_verdict_and_what_else_there_is() {
        let body = br#"{"verdict":"phishing","name":"Bank.A","categories":["Finance","scam","scam"],
            "ttlSeconds":60,"later":[1,{"x":null}]}"#;
        let answer = Answer::parse(body).unwrap();
        assert_eq!((answer.opinion, answer.name.as_str()), (Opinion::Phishing, "Reputation.Bank.A"));
        assert_eq!(answer.categories, ["finance".into(), "scam".into()]);
        assert_eq!(answer.ttl, Some(Duration::from_mins(1)));
        let answer = Answer::parse(br#"{"verdict":"detect","name":""}"#).unwrap();
        assert_eq!((answer.name.as_str(), answer.ttl), ("Reputation.url", None));
    }

    #[test]
    fn what_is_no_answer_is_an_error_that_repeats_nothing_of_it() {
        for body in [
            &b""[..],
            b"<html>\x1b[31mevil",
            b"[]",
            b"{}",
            br#"{"verdict":"evil\u001b[31m"}"#,
            br#"{"verdict":"clean","ttlSeconds":-1}"#,
            br#"{"verdict":"clean","categories":"x"}"#,
            br#"{"verdict":"clean"} x"#,
            br#"{"verdict":"clean","verdict":"detect"}"#,
        ] {
            let error = Answer::parse(body).unwrap_err();
            assert!(!error.to_string().contains("evil"), "{error}");
        }
        assert_eq!(Answer::parse(&vec![b' '; MAX_ANSWER + 1]), Err(Unreadable::TooLarge));
    }

    proptest! {
        #[test]
        fn whatever_a_service_says_is_small_and_inert(
            name in ".{0,300}",
            words in proptest::collection::vec(".{0,80}", 0..40),
            raw in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let body = serde_json::json!({ "verdict": "detect", "name": name, "categories": words });
            if let Ok(answer) = Answer::parse(body.to_string().as_bytes()) {
                prop_assert!(answer.name.as_str().len() <= ThreatName::MAX_LEN);
                prop_assert!(answer.name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(answer.categories.len() <= MAX_CATEGORIES);
                for category in &answer.categories {
                    prop_assert!(category.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
                }
            }
            let _ = Answer::parse(&raw);
        }
    }
}
