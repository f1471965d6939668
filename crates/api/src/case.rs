//! Cases as they are written on a command line: `mode=REQ, verdict=MACRO user="Ann Smith"`.

use crate::load::{explain, printable};
use crate::{Given, Problem};
use serde_yaml::{Mapping, Value};

// === impl Given ===

impl Given {
    /// No case is longer, in bytes.
    pub const MAX_CASE: usize = 16 * 1024;
    /// What can be told several times, once for each entry.
    const LISTS: [&'static str; 3] = ["clientCertificates", "groups", "categories"];

    /// Reads pairs `key=value`, which commas or white space part. The keys are those of
    /// `policies[].tests[].given`. A value in double quotes may hold both; `\"` and `\\` in it stand
    /// for `"` and `\`. `clientCertificates`, `groups` and
    /// `categories` can be told several times.
    pub fn from_case(text: &str) -> Result<Self, Vec<Problem>> {
        let given = Self::read_case(text).map_err(|problem| vec![problem])?;
        given.check()?;
        Ok(given)
    }

    fn read_case(text: &str) -> Result<Self, Problem> {
        if text.len() > Self::MAX_CASE {
            return Err(Problem::new("", format!("is longer than {} bytes", Self::MAX_CASE)));
        }
        let mut mapping = Mapping::new();
        let mut rest = text;
        while let Some((key, value, behind)) = next_pair(rest)? {
            rest = behind;
            let (name, value) = (Value::from(key), Value::from(value));
            if Self::LISTS.contains(&key) {
                let list = mapping.entry(name).or_insert_with(|| Value::Sequence(Vec::new()));
                list.as_sequence_mut().expect("made so, here").push(value);
            } else if mapping.insert(name, value).is_some() {
                return Err(Problem::new(printable(key), "is told twice"));
            }
        }
        serde_path_to_error::deserialize(Value::Mapping(mapping)).map_err(|error| explain(&error))
    }
}

/// The first pair of `text`, and what is behind it.
fn next_pair(text: &str) -> Result<Option<(&str, String, &str)>, Problem> {
    let parts = |c: char| c == ',' || c.is_whitespace();
    let text = text.trim_start_matches(parts);
    if text.is_empty() {
        return Ok(None);
    }
    let end = text.find(|c: char| c == '=' || parts(c)).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    let Some(rest) = rest.strip_prefix('=').filter(|_| !key.is_empty()) else {
        let message = "is no pair; write key=value, such as verdict=MACRO";
        return Err(Problem::new(printable(if key.is_empty() { "=" } else { key }), message));
    };
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find(parts).unwrap_or(rest.len());
        return Ok(Some((key, rest[..end].to_owned(), &rest[end..])));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let behind = &quoted[at + 1..];
                return if behind.is_empty() || behind.starts_with(parts) {
                    Ok(Some((key, value, behind)))
                } else {
                    Err(Problem::new(printable(key), "has text right behind its second quote"))
                };
            }
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                other => {
                    value.push('\\');
                    value.extend(other.map(|(_, c)| c));
                }
            },
            _ => value.push(c),
        }
    }
    Err(Problem::new(printable(key), "has a quote without its second one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteSize, RuleMode, RuleVerdict};
    use proptest::prelude::*;

    fn wrong(text: &str) -> String {
        let problems = Given::from_case(text).unwrap_err();
        problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn commas_and_blanks_part_pairs_and_quotes_keep_them_together() {
        let given = Given::from_case(
            "mode=REQ, verdict=FAILED reason=time,,client=2001:db8::7\tuser=\"Smith, \\\"Ann\\\"\" groups=a groups=b \
             url=http://o.test/a=b?c size=2Ki method=PUT service=/reqmod categories=games",
        )
        .unwrap();
        assert_eq!((given.mode(), given.verdict()), (RuleMode::Req, RuleVerdict::Failed));
        assert_eq!(given.user.as_deref(), Some("Smith, \"Ann\""));
        assert_eq!((given.groups.len(), given.size), (2, Some(ByteSize::kib(2))));
        assert_eq!(given.url.as_deref(), Some("http://o.test/a=b?c"));
        assert_eq!(Given::from_case("user=DOM\\ann").unwrap().user.as_deref(), Some("DOM\\ann"));
        assert_eq!(Given::from_case(" , ").unwrap(), Given::default());
    }

    #[test]
    fn what_is_no_case_is_refused_with_the_cause() {
        for (text, expected) in [
            ("verdict", "verdict: is no pair"),
            ("=x", "=: is no pair"),
            ("verdikt=CLEAN", "unknown field \"verdikt\"; did you mean \"verdict\"?"),
            ("verdict=BAD", "unknown word \"BAD\""),
            ("mode=REQ mode=RESP", "mode: is told twice"),
            ("mode=ANY", "mode: "),
            ("verdict=ANY", "verdict: "),
            ("verdict=FAILED", "reason: "),
            ("verdict=MACRO reason=size", "reason: "),
            ("verdict=FAILED reason=size", "reason: "),
            ("client=home", "client: "),
            ("user=\"Ann", "user: has a quote without its second one"),
            ("user=\"Ann\"x", "user: has text right behind"),
            ("url=http://o.test/ host=o.test", "host: "),
            ("service=respmod", "service: "),
            ("method=get", "method: "),
            ("size=-1", "size: "),
        ] {
            let message = wrong(text);
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,60}|([a-z]{1,9}=(\"[^\"]{0,9}\"|[a-z]{0,4})[, ]){0,6}") {
            let _ = Given::from_case(&text);
        }

        #[test]
        fn a_quoted_user_is_read_as_it_was(user in "[^\\p{Cc}]{1,40}") {
            let quoted = user.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(Given::from_case(&format!("user=\"{quoted}\"")).unwrap().user, Some(user));
        }
    }
}
