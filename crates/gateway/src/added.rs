//! Header fields that rules add to an answer.

use crate::record;
use crate::transaction::Transaction;
use icapstan_api::{HeaderTarget, RuleHeader, RuleVariable};
use icapstan_icap_server::proto::set_fields;
use icapstan_model::{Reason, ThreatName};
use icapstan_policy::{DecidedBy, Met};

/// What is added; names are those of the settings.
#[derive(Debug, Default)]
pub(crate) struct Added {
    icap: Vec<(String, String)>,
    http: Vec<(String, String)>,
}

/// Bytes of ICAP fields that are added to one answer: clients have room for a few KiB of head.
const MAX_ICAP: usize = 4 * 1024;
/// Bytes of HTTP fields.
const MAX_HTTP: usize = 16 * 1024;

// === impl Added ===

impl Added {
    /// The fields of the rules that were `met`. Of those of one name the first counts.
    pub(crate) fn new(transaction: &Transaction<'_>, met: &[Met<'_>]) -> Self {
        let mut added = Self::default();
        for met in met.iter().filter(|met| !met.rule.headers.is_empty()) {
            let transaction_id = record::id(transaction);
            let rule = record::rule(transaction, DecidedBy::Rule(met.index));
            let value = |variable| match variable {
                RuleVariable::Verdict => met.verdict.kind().as_str(),
                RuleVariable::Reason => met.verdict.reason().map_or("", Reason::as_str),
                RuleVariable::Threat => met.verdict.threat().map_or("", ThreatName::as_str),
                RuleVariable::Rule => &rule,
                RuleVariable::Transaction => &transaction_id,
                RuleVariable::Service => &*transaction.service.id,
                // Settings do not have these here.
                RuleVariable::Url | RuleVariable::Client | RuleVariable::User => "",
            };
            for header in &met.rule.headers {
                added.add(header, header.value.fill(RuleHeader::MAX_VALUE, value).trim());
            }
        }
        added
    }

    fn add(&mut self, header: &RuleHeader, value: &str) {
        let (fields, most) = match header.to {
            HeaderTarget::Icap => (&mut self.icap, MAX_ICAP),
            HeaderTarget::Http => (&mut self.http, MAX_HTTP),
        };
        let is_known = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(&header.name));
        let len = |name: &str, value: &str| name.len() + value.len() + ": \r\n".len();
        let taken: usize = fields.iter().map(|(name, value)| len(name, value)).sum();
        if !is_known && taken + len(&header.name, value) <= most {
            fields.push((header.name.clone(), value.to_owned()));
        }
    }

    /// Takes HTTP fields away, whatever their values.
    pub(crate) fn without(&mut self, names: &[&str]) {
        self.http.extend(names.iter().map(|name| ((*name).to_owned(), String::new())));
    }

    /// The ICAP fields that have a value.
    pub(crate) fn icap(&self) -> impl Iterator<Item = (&str, &str)> {
        self.icap.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (&**name, &**value))
    }

    /// Whether HTTP heads are to be changed.
    pub(crate) fn changes_http(&self) -> bool {
        !self.http.is_empty()
    }

    /// The HTTP head with its fields, in place of any of their names.
    pub(crate) fn put(&self, head: &[u8]) -> Vec<u8> {
        set_fields(head, &self.http)
    }

    /// The head of a page with those fields that it does not have.
    pub(crate) fn complete(&self, head: Vec<u8>) -> Vec<u8> {
        if !self.changes_http() {
            return head;
        }
        let has = |name: &str| {
            let lines = head.split(|byte| *byte == b'\n');
            lines.into_iter().any(|line| {
                line.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
                    && line.get(name.len()) == Some(&b':')
            })
        };
        let own = self.http.iter().filter(|(name, _)| !has(name));
        let own: Vec<(&str, &str)> = own.map(|(name, value)| (&**name, &**value)).collect();
        set_fields(&head, &own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_api::RuleText;
    use proptest::prelude::*;

    fn header(name: &str, to: HeaderTarget) -> RuleHeader {
        let value = RuleText::try_from("{threat}".to_owned()).unwrap();
        RuleHeader { name: name.to_owned(), value, to }
    }

    fn icap(added: &Added) -> Vec<(&str, &str)> {
        added.icap().collect()
    }

    #[test]
    fn the_first_of_a_name_counts_and_what_has_no_value_is_not_told() {
        let mut added = Added::default();
        added.add(&header("X-A", HeaderTarget::Icap), "1");
        added.add(&header("x-a", HeaderTarget::Icap), "2");
        added.add(&header("X-B", HeaderTarget::Icap), "");
        assert_eq!(icap(&added), [("X-A", "1")]);
        assert!(!added.changes_http());
        added.add(&header("X-Forged", HeaderTarget::Http), "");
        assert!(added.changes_http(), "what a peer has put there is taken away");
    }

    #[test]
    fn no_answer_gets_more_than_clients_have_room_for() {
        let mut added = Added::default();
        for n in 0..100 {
            added.add(&header(&format!("X-{n}"), HeaderTarget::Icap), &"y".repeat(1000));
        }
        assert_eq!(added.icap().count(), 4);
        added.add(&header("X-Short", HeaderTarget::Icap), "z");
        assert_eq!(added.icap().count(), 5, "a short one still fits");
    }

    #[test]
    fn a_page_keeps_its_own_fields() {
        let mut added = Added::default();
        added.add(&header("cache-control", HeaderTarget::Http), "public");
        added.add(&header("Cache", HeaderTarget::Http), "x");
        let head = b"HTTP/1.1 403 Forbidden\r\nCache-Control: no-store\r\n\r\n".to_vec();
        let expected = b"HTTP/1.1 403 Forbidden\r\nCache-Control: no-store\r\nCache: x\r\n\r\n";
        assert_eq!(added.complete(head), expected);
    }

    proptest! {
        #[test]
        fn no_value_breaks_out_of_its_line(threat in "\\PC{0,40}[\r\n\0:]{0,4}\\PC{0,10}") {
            let header = header("X-Threat", HeaderTarget::Http);
            let mut added = Added::default();
            // A line break is told as `%0A`, so that only what is filled in can be empty.
            let filled = header.value.fill(RuleHeader::MAX_VALUE, |_| &threat);
            added.add(&header, filled.trim());
            let set = added.put(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
            let set = String::from_utf8(set).unwrap();
            prop_assert!(set.starts_with("HTTP/1.1 200 OK\r\nA: b\r\n") && set.ends_with("\r\n\r\n"));
            let lines = set.trim_end_matches("\r\n").split("\r\n").count();
            prop_assert_eq!(lines, 2 + usize::from(!filled.trim().is_empty()), "{:?}", set);
            prop_assert!(set.chars().all(|c| matches!(c, ' '..='~' | '\r' | '\n')));
        }
    }
}
