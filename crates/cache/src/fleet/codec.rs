//! Verdicts as bytes.
//!
//! ```text
//!  1 has SHA-256 | [32 SHA-256] | 1 count, then of each verdict: 1 kind | 1 length, name or reason
//! ```
//!
//! Without any verdict it was clean. There is one way only to write what was found.

use icapstan_model::{FailedReason, Findings, NonScannedReason, Sha256, ThreatName, Verdict};

const DETECT: u8 = 1;
const PHISHING: u8 = 2;
const MACRO: u8 = 3;
const NON_SCANNED: u8 = 4;
const FAILED: u8 = 5;

/// Findings of threats only take no more, with a digest.
pub(super) const MAX_CERTAIN: usize = 33 + 1 + 3 * Findings::MAX_THREATS * (2 + ThreatName::MAX_LEN);
/// Any findings take no more: words of reasons are shorter than names may be.
pub(super) const MAX_ANY: usize = 33 + 1 + Findings::MAX * (2 + ThreatName::MAX_LEN);

/// Reads what was written.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

/// Appends what was found. `None`: it does not fit.
pub(super) fn write(out: &mut Vec<u8>, findings: &Findings, sha256: Option<Sha256>) -> Option<()> {
    out.push(sha256.is_some().into());
    if let Some(sha256) = sha256 {
        out.extend_from_slice(&sha256.0);
    }
    let verdicts = findings.iter().filter(|verdict| **verdict != Verdict::Clean);
    out.push(u8::try_from(verdicts.clone().count()).ok()?);
    for verdict in verdicts {
        let (kind, text) = match verdict {
            Verdict::Clean => continue,
            Verdict::Infected(name) => (DETECT, name.as_str()),
            Verdict::Phishing(name) => (PHISHING, name.as_str()),
            Verdict::Macro(name) => (MACRO, name.as_str()),
            Verdict::NonScanned(reason) => (NON_SCANNED, reason.as_str()),
            Verdict::Failed(reason) => (FAILED, reason.as_str()),
        };
        out.extend_from_slice(&[kind, u8::try_from(text.len()).ok()?]);
        out.extend_from_slice(text.as_bytes());
    }
    Some(())
}

// === impl Reader ===

impl Reader<'_> {
    pub(super) fn findings(&mut self) -> Option<(Findings, Option<Sha256>)> {
        let sha256 = match self.take()? {
            [0] => None,
            [1] => Some(Sha256(self.take()?)),
            [_] => return None,
        };
        let [count] = self.take()?;
        let verdicts = (0..count).map(|_| self.verdict()).collect::<Option<Vec<_>>>()?;
        let mut findings = Findings::clean();
        for verdict in &verdicts {
            findings.add(verdict.clone());
        }
        // In their order, none twice, not too many of a kind.
        let is_same = if verdicts.is_empty() { findings.is_clean() } else { findings.iter().eq(&verdicts) };
        is_same.then_some((findings, sha256))
    }

    fn verdict(&mut self) -> Option<Verdict> {
        let [kind, len] = self.take()?;
        let (text, rest) = self.0.split_at_checked(len.into())?;
        self.0 = rest;
        let name = || {
            let name = ThreatName::new(text);
            // Inert, as all names are.
            (name.as_str().as_bytes() == text).then_some(name)
        };
        match kind {
            DETECT => name().map(Verdict::Infected),
            PHISHING => name().map(Verdict::Phishing),
            MACRO => name().map(Verdict::Macro),
            NON_SCANNED => {
                let mut all = NonScannedReason::ALL.into_iter();
                all.find(|reason| reason.as_str().as_bytes() == text).map(Verdict::NonScanned)
            }
            FAILED => {
                let mut all = FailedReason::ALL.into_iter();
                all.find(|reason| reason.as_str().as_bytes() == text).map(Verdict::Failed)
            }
            _ => None,
        }
    }

    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*front)
    }
}
