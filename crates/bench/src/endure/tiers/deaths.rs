//! Who died when, and which failures that explains.

use super::clients::{Fault, What};
use super::fleet::Tier;
use std::collections::BTreeMap;
use std::time::Duration;

/// A member that was killed. Times are since the clients began.
#[derive(Clone, Debug)]
pub(in crate::endure) struct Death {
    pub(in crate::endure) tier: Tier,
    pub(in crate::endure) who: usize,
    /// Just before the signal.
    pub(in crate::endure) at: Duration,
    /// When it had ended.
    pub(in crate::endure) gone: Duration,
    /// When the one in its place was ready.
    pub(in crate::endure) back: Option<Duration>,
}

/// What came of the failures.
#[derive(Debug, Default)]
pub(super) struct Explained<'a> {
    /// Infected objects that passed.
    pub(super) passed: u64,
    /// Clean ones that did not, or not as they were.
    pub(super) blocked: u64,
    /// All others, by what they were and what explains them.
    pub(super) counts: BTreeMap<String, u64>,
    /// Those that nothing explains.
    pub(super) unexplained: Vec<&'a Fault>,
}

/// A gateway learns of a scanner's death at once, and of its silence within this time.
const SILENCE: Duration = Duration::from_secs(1);
/// So long it may take a client to see the end of its connection.
const SEEN_WITHIN: Duration = Duration::from_millis(250);

// === impl Explained ===

impl<'a> Explained<'a> {
    pub(super) fn of(faults: &'a [Fault], deaths: &[Death]) -> Self {
        let mut explained = Self::default();
        for fault in faults {
            match &fault.what {
                What::Passed => explained.passed += 1,
                What::Blocked => explained.blocked += 1,
                what => {
                    let cause = cause(fault, deaths);
                    let key = format!("{what}, {}", cause.unwrap_or("unexplained"));
                    *explained.counts.entry(key).or_default() += 1;
                    if cause.is_none() {
                        explained.unexplained.push(fault);
                    }
                }
            }
        }
        explained
    }
}

/// Which death explains a failure: of the gateway whose connection broke, or of two scanners that had the object.
fn cause(fault: &Fault, deaths: &[Death]) -> Option<&'static str> {
    let met =
        |death: &&Death, within: Duration| fault.begun <= death.gone + within && fault.ended >= death.at;
    match &fault.what {
        What::Broken(_) => deaths
            .iter()
            .any(|death| {
                death.tier == Tier::Gateway && Some(death.who) == fault.gateway && met(&death, SEEN_WITHIN)
            })
            .then_some("its gateway was killed"),
        What::Reason(reason) if reason == "failed/no-scanner" => {
            let dead =
                deaths.iter().filter(|death| death.tier == Tier::Scanner && met(death, SILENCE)).count();
            (dead >= 2).then_some("two scanners were killed")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn death(tier: Tier, who: usize, at: u64) -> Death {
        let at = Duration::from_millis(at);
        Death { tier, who, at, gone: at + Duration::from_millis(20), back: None }
    }

    fn fault(what: What, begun: u64, ended: u64) -> Fault {
        let (begun, ended) = (Duration::from_millis(begun), Duration::from_millis(ended));
        Fault { begun, ended, gateway: Some(1), sample: "sample", what }
    }

    fn unexplained(fault: &Fault, deaths: &[Death]) -> usize {
        Explained::of(std::slice::from_ref(fault), deaths).unexplained.len()
    }

    #[test]
    fn a_broken_connection_is_explained_by_the_death_of_its_own_gateway_alone() {
        let broken = |begun, ended| fault(What::Broken("reset".to_owned()), begun, ended);
        let deaths = [death(Tier::Gateway, 1, 5000)];
        assert_eq!(unexplained(&broken(4990, 5010), &deaths), 0);
        assert_eq!(unexplained(&broken(5200, 5201), &deaths), 0, "it was sent to somebody who had just died");
        assert_eq!(unexplained(&broken(4000, 4999), &deaths), 1, "before");
        assert_eq!(unexplained(&broken(5300, 5400), &deaths), 1, "long after");
        for other in [death(Tier::Gateway, 0, 5000), death(Tier::Scanner, 1, 5000)] {
            assert_eq!(unexplained(&broken(4990, 5010), &[other]), 1);
        }
    }

    #[test]
    fn an_object_without_a_scanner_is_explained_by_two_deaths_alone() {
        let without = fault(What::Reason("failed/no-scanner".to_owned()), 4000, 5100);
        let (one, two) = (death(Tier::Scanner, 0, 4500), death(Tier::Scanner, 2, 5000));
        assert_eq!(unexplained(&without, &[one.clone(), two]), 0);
        assert_eq!(unexplained(&without, std::slice::from_ref(&one)), 1);
        assert_eq!(unexplained(&without, &[one.clone(), death(Tier::Scanner, 2, 9000)]), 1);
        assert_eq!(unexplained(&without, &[one.clone(), death(Tier::Gateway, 1, 5000)]), 1);
        let late = fault(What::Reason("failed/time".to_owned()), 4000, 5100);
        assert_eq!(unexplained(&late, &[one, death(Tier::Scanner, 2, 5000)]), 1, "no death explains that");
    }

    #[test]
    fn no_death_explains_a_status_or_a_wrong_verdict() {
        let deaths =
            [death(Tier::Gateway, 1, 5000), death(Tier::Scanner, 0, 5000), death(Tier::Scanner, 1, 5000)];
        assert_eq!(unexplained(&fault(What::Status(500), 4990, 5010), &deaths), 1);
        let faults = [fault(What::Passed, 4990, 5010), fault(What::Blocked, 4990, 5010)];
        let explained = Explained::of(&faults, &deaths);
        assert_eq!((explained.passed, explained.blocked), (1, 1));
    }
}
