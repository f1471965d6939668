//! What shipped pages say. No text here comes from a peer, and none holds a character that HTML minds.

mod ar;
mod de;
mod en;
mod es;
mod fr;
mod it;
mod ja;
mod nl;
mod pl;
mod pt;
mod ru;
mod zh;

use crate::TemplateId;
use icapstan_model::{FailedReason, NonScannedReason, Reason, Verdict};

/// All that is said in one language.
pub(super) struct Words {
    /// The language (RFC 5646).
    pub(super) tag: &'static str,
    /// Whether it is written from right to left.
    pub(super) right_to_left: bool,
    detected: Told,
    macros: Told,
    phishing: Told,
    not_scanned: Told,
    failed: Told,
    refused: Told,
    causes: Causes,
    pub(super) labels: Labels,
    /// What to do about a mistake, with the reference and without it.
    pub(super) mistake: [&'static str; 2],
}

/// What happened.
struct Told {
    title: &'static str,
    text: &'static str,
}

/// A sentence for each reason.
struct Causes {
    size: &'static str,
    skipped: &'static str,
    excluded: &'static str,
    unsupported: &'static str,
    encrypted: &'static str,
    partial_content: &'static str,
    depth: &'static str,
    count: &'static str,
    ratio: &'static str,
    malformed: &'static str,
    time: &'static str,
    temp_space: &'static str,
    engine_error: &'static str,
    crash: &'static str,
    memory: &'static str,
    no_scanner: &'static str,
    reputation: &'static str,
}

/// What values are called.
pub(super) struct Labels {
    pub(super) url: &'static str,
    pub(super) threat: &'static str,
    pub(super) reason: &'static str,
    pub(super) user: &'static str,
    pub(super) client: &'static str,
    pub(super) service: &'static str,
    pub(super) time: &'static str,
    pub(super) transaction: &'static str,
}

/// The words of one page.
pub(super) struct Wording {
    /// Title and heading.
    pub(super) title: &'static str,
    /// What happened.
    pub(super) text: &'static str,
    /// Why; may be empty.
    pub(super) cause: &'static str,
}

// === impl Words ===

impl Words {
    /// Every language, the first for when nothing else is said.
    pub(super) const ALL: [&'static Self; 12] = [
        &en::WORDS,
        &de::WORDS,
        &fr::WORDS,
        &es::WORDS,
        &pt::WORDS,
        &it::WORDS,
        &nl::WORDS,
        &pl::WORDS,
        &ru::WORDS,
        &zh::WORDS,
        &ja::WORDS,
        &ar::WORDS,
    ];

    /// English.
    pub(super) const fn english() -> &'static Self {
        &en::WORDS
    }

    /// Whether sentences follow each other without a blank.
    pub(super) fn has_no_blanks(&self) -> bool {
        self.tag.starts_with("zh") || self.tag.starts_with("ja")
    }

    /// What is shown where an operator wrote nothing in a format or a language.
    const fn next_to(verdict: &Verdict) -> TemplateId {
        match verdict {
            Verdict::Infected(_) | Verdict::Macro(_) => TemplateId::Detected,
            Verdict::Phishing(_) => TemplateId::Phishing,
            Verdict::NonScanned(_) => TemplateId::NotScanned,
            Verdict::Failed(_) => TemplateId::Failed,
            Verdict::Clean => TemplateId::Refused,
        }
    }

    pub(super) fn wording(&self, template: TemplateId, verdict: &Verdict) -> Wording {
        let template = match template {
            TemplateId::Custom(_) => Self::next_to(verdict),
            shipped => shipped,
        };
        let Told { title, text } = match (template, verdict) {
            (TemplateId::Detected, Verdict::Macro(_)) => &self.macros,
            (TemplateId::Phishing, _) | (TemplateId::Detected, Verdict::Phishing(_)) => &self.phishing,
            (TemplateId::Detected, _) => &self.detected,
            (TemplateId::NotScanned, _) => &self.not_scanned,
            (TemplateId::Failed, _) => &self.failed,
            (TemplateId::Refused | TemplateId::Custom(_), _) => &self.refused,
        };
        Wording { title, text, cause: verdict.reason().map_or("", |reason| self.causes.of(reason)) }
    }
}

// === impl Causes ===

impl Causes {
    const fn of(&self, reason: Reason) -> &'static str {
        match reason {
            Reason::NonScanned(reason) => match reason {
                NonScannedReason::Size => self.size,
                NonScannedReason::Skipped => self.skipped,
                NonScannedReason::Excluded => self.excluded,
                NonScannedReason::Unsupported => self.unsupported,
                NonScannedReason::Encrypted => self.encrypted,
                NonScannedReason::PartialContent => self.partial_content,
                NonScannedReason::Depth => self.depth,
                NonScannedReason::Count => self.count,
                NonScannedReason::Ratio => self.ratio,
                NonScannedReason::Malformed => self.malformed,
            },
            Reason::Failed(reason) => match reason {
                FailedReason::Time => self.time,
                FailedReason::TempSpace => self.temp_space,
                FailedReason::EngineError => self.engine_error,
                FailedReason::Crash => self.crash,
                FailedReason::Memory => self.memory,
                FailedReason::NoScanner => self.no_scanner,
                FailedReason::Reputation => self.reputation,
            },
        }
    }
}
