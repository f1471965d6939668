//! What is to be called, and what it is told.

use icapstan_api::{RuleHook, RuleText, RuleVariable};
use icapstan_events::{Event, Text};
use icapstan_model::{Reason, ThreatName, Verdict};
use std::sync::Arc;

/// One call of one hook.
#[derive(Clone, Debug)]
pub struct Call {
    /// The hook.
    pub hook: RuleHook,
    /// What happened; shared by all calls for one message.
    pub event: Arc<Event>,
    /// The finding that the rule decided about.
    pub verdict: Verdict,
    /// The rule.
    pub rule: Text,
}

/// No argument is longer, in bytes, whatever its variables stand for.
const MAX_ARGUMENT: usize = 8 * 1024;

// === impl Call ===

impl Call {
    /// An argument with what its variables stand for. What is not known is empty.
    pub(crate) fn argument(&self, text: &RuleText) -> String {
        let shown = |number: Option<u64>| number.map(|number| format!("{number:016x}")).unwrap_or_default();
        let event = &self.event;
        let transaction = shown(event.transaction);
        let client = event.client.or_else(|| event.peer.map(|peer| peer.ip()));
        let client = client.map(|client| client.to_string()).unwrap_or_default();
        text.fill_argument(MAX_ARGUMENT, |variable| match variable {
            RuleVariable::Verdict => self.verdict.kind().as_str(),
            RuleVariable::Reason => self.verdict.reason().map_or("", Reason::as_str),
            RuleVariable::Threat => self.verdict.threat().map_or("", ThreatName::as_str),
            RuleVariable::Rule => self.rule.as_str(),
            RuleVariable::Transaction => &transaction,
            RuleVariable::Service => known(event.service.as_ref()),
            RuleVariable::Url => known(event.url.as_ref()),
            RuleVariable::Client => &client,
            RuleVariable::User => known(event.user.as_ref()),
        })
    }

    /// About how many bytes of memory it takes. What several calls share counts for each.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.event.weight()
    }
}

fn known(text: Option<&Text>) -> &str {
    text.map_or("", Text::as_str)
}
