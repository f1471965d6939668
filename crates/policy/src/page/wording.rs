//! What pages say. No text here comes from a peer, and none holds a character that HTML minds.

use crate::TemplateId;
use icapstan_model::{FailedReason, NonScannedReason, Reason, Verdict};

/// The words of one page.
pub(super) struct Wording {
    /// Title and heading.
    pub(super) title: &'static str,
    /// What happened.
    pub(super) text: &'static str,
    /// Why; may be empty.
    pub(super) cause: &'static str,
}

// === impl Wording ===

impl Wording {
    pub(super) fn of(template: TemplateId, verdict: &Verdict) -> Self {
        let (title, text) = match (template, verdict) {
            (TemplateId::Detected, Verdict::Macro(_)) => (
                "Document with macros blocked",
                "This document contains macros: small programs that run when it is opened. \
                 They are not allowed here, so it was not delivered.",
            ),
            (TemplateId::Phishing, _) | (TemplateId::Detected, Verdict::Phishing(_)) => (
                "Deceptive content blocked",
                "This content pretends to be something that it is not, often to get hold of passwords \
                 or money. It was not delivered.",
            ),
            (TemplateId::Detected, _) => (
                "Threat blocked",
                "This content was scanned and found to be dangerous. It was not delivered.",
            ),
            (TemplateId::NotScanned, _) => (
                "Blocked: could not be checked",
                "This content could not be checked for threats completely, so it was not delivered.",
            ),
            (TemplateId::Failed, _) => (
                "Blocked: check not completed",
                "The check for threats did not come to an end, so this content was not delivered. \
                 Trying again later may help.",
            ),
            (TemplateId::Refused, _) => {
                ("Not allowed", "The rules of this network do not allow this content. It was not delivered.")
            }
        };
        Self { title, text, cause: verdict.reason().map_or("", cause) }
    }
}

const fn cause(reason: Reason) -> &'static str {
    match reason {
        Reason::NonScanned(reason) => match reason {
            NonScannedReason::Size => "It is larger than what is checked here.",
            NonScannedReason::Skipped => "It was left out of the check by a rule.",
            NonScannedReason::Unsupported => "Its format cannot be opened for a check.",
            NonScannedReason::Encrypted => "It is encrypted, so that nobody without the key can look inside.",
            NonScannedReason::PartialContent => {
                "It is a piece of something larger that cannot be judged alone."
            }
            NonScannedReason::Depth => "It holds archives within archives, nested deeper than is checked.",
            NonScannedReason::Count => "It holds more files than are checked.",
            NonScannedReason::Ratio => "It unpacks to far more data than is reasonable.",
            NonScannedReason::Malformed => {
                "It is damaged, or built so that programs disagree about what it holds."
            }
        },
        Reason::Failed(reason) => match reason {
            FailedReason::Time => "The check took longer than it may.",
            FailedReason::TempSpace => "The scanner had no room for temporary files.",
            FailedReason::EngineError => "The scanner reported an error.",
            FailedReason::Crash => "The scanner stopped while it looked at this content.",
            FailedReason::Memory => "The scanner ran out of memory.",
            FailedReason::NoScanner => "No scanner could be reached.",
        },
    }
}
