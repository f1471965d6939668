//! What a service says of a URL that no list has a finding for.

use crate::transaction::Transaction;
use icapstan_model::{FailedReason, Findings, Verdict};
use icapstan_reputation::{Answer, Opinion};

/// Tells that nobody could say what is known of the URL, and why.
pub(crate) const FIELD: &str = "X-Icapstan-Reputation";

/// Adds what the service says to `of_url`, what the lists say.
pub(crate) async fn consult(transaction: &mut Transaction<'_>, of_url: &mut Findings) {
    let (Some(reputation), Some(looked)) = (&transaction.gateway.reputation, &mut transaction.looked) else {
        return;
    };
    let Some(url) = looked.unlisted() else { return };
    match reputation.ask(url).await {
        Ok(answer) => {
            if let Some(verdict) = verdict(&answer) {
                of_url.add(verdict);
            }
            looked.answer = Some(answer);
        }
        Err(error) => {
            transaction.unanswered = Some(error.as_str());
            if reputation.is_required() {
                of_url.add(Verdict::Failed(FailedReason::Reputation));
            }
        }
    }
}

/// The finding that an answer is, if it is one.
pub(crate) fn verdict(answer: &Answer) -> Option<Verdict> {
    match answer.opinion {
        Opinion::Detect => Some(Verdict::Infected(answer.name.clone())),
        Opinion::Phishing => Some(Verdict::Phishing(answer.name.clone())),
        Opinion::Clean | Opinion::Unknown => None,
    }
}
