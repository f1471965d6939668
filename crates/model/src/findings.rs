//! All that a scan established, strongest first.

use crate::{FailedReason, NonScannedReason, Verdict, VerdictKind};

/// One or more verdicts on one object.
///
/// An object may be infected in one part, encrypted in another and too deep in a third. Policy
/// looks at each of them, so that a rule which lets one pass cannot hide another.
///
/// Never empty; clean only alone. Bounded: of each kind of threat the first [`Findings::MAX_THREATS`]
/// names are kept, and every reason, of which there are few. So nothing that a rule may act on is
/// pushed out by whatever else was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings(Vec<Verdict>);

// === impl Findings ===

impl Findings {
    /// How many names of each kind of threat are kept.
    pub const MAX_THREATS: usize = 8;

    /// No object has more verdicts.
    pub const MAX: usize = 3 * Self::MAX_THREATS + NonScannedReason::ALL.len() + FailedReason::ALL.len();

    /// A complete scan that found nothing.
    pub fn clean() -> Self {
        Self(vec![Verdict::Clean])
    }

    /// Adds what was found in another part or by another engine.
    pub fn add(&mut self, verdict: Verdict) {
        if verdict == Verdict::Clean || self.0.contains(&verdict) {
            return;
        }
        let alike = self.0.iter().filter(|known| known.kind() == verdict.kind()).count();
        if verdict.threat().is_some() && alike >= Self::MAX_THREATS {
            return;
        }
        self.0.retain(|known| *known != Verdict::Clean);
        let at = self.0.partition_point(|known| known.kind() >= verdict.kind());
        self.0.insert(at, verdict);
    }

    /// Adds all that another scan found.
    pub fn merge(&mut self, other: Self) {
        for verdict in other.0 {
            self.add(verdict);
        }
    }

    /// The verdict of the highest rank.
    pub fn strongest(&self) -> &Verdict {
        self.0.first().expect("findings are never empty")
    }

    /// The kind of the strongest verdict.
    pub fn kind(&self) -> VerdictKind {
        self.strongest().kind()
    }

    /// Strongest first.
    pub fn iter(&self) -> std::slice::Iter<'_, Verdict> {
        self.0.iter()
    }

    /// A complete scan that found nothing.
    pub fn is_clean(&self) -> bool {
        *self.strongest() == Verdict::Clean
    }
}

impl From<Verdict> for Findings {
    fn from(verdict: Verdict) -> Self {
        Self(vec![verdict])
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Verdict;
    type IntoIter = std::slice::Iter<'a, Verdict>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ThreatName;
    use proptest::prelude::*;

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Clean),
            (0..NonScannedReason::ALL.len()).prop_map(|i| Verdict::NonScanned(NonScannedReason::ALL[i])),
            (0..FailedReason::ALL.len()).prop_map(|i| Verdict::Failed(FailedReason::ALL[i])),
            (0..40u8).prop_map(|i| Verdict::Infected(ThreatName::new(&[b'A' + i]))),
            (0..40u8).prop_map(|i| Verdict::Macro(ThreatName::new(&[b'A' + i]))),
        ]
    }

    proptest! {
        #[test]
        fn clean_stands_only_alone_and_rank_falls(verdicts in proptest::collection::vec(any_verdict(), 0..60)) {
            let mut findings = Findings::clean();
            for verdict in &verdicts {
                findings.add(verdict.clone());
            }
            let kept: Vec<_> = findings.iter().collect();
            prop_assert!(!kept.is_empty() && kept.len() <= Findings::MAX);
            prop_assert!(kept.windows(2).all(|pair| pair[0].kind() >= pair[1].kind()));
            prop_assert_eq!(findings.is_clean(), verdicts.iter().all(|v| *v == Verdict::Clean));
            prop_assert!(findings.is_clean() || !kept.contains(&&Verdict::Clean));
            for verdict in verdicts.iter().filter(|verdict| verdict.reason().is_some()) {
                prop_assert!(kept.contains(&verdict), "a reason was pushed out");
            }
            for verdict in &verdicts {
                prop_assert!(kept.iter().any(|known| known.kind() >= verdict.kind()));
            }
        }
    }
}
