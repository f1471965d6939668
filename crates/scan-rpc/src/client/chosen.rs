//! Which signatures count.

use icapstan_model::{Epoch, GenerationId, SignatureSet};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Of those that scanners have in use, the signatures that most of them have; of several the newest. So all gateways
/// that see the same scanners decide alike, and none goes ahead before half of the scanners has followed.
///
/// `current` stays when there is nothing to go by.
pub(super) fn choose<'s>(
    in_use: impl Iterator<Item = &'s SignatureSet>,
    current: Option<&Arc<Epoch>>,
) -> Option<Arc<Epoch>> {
    let mut sets: HashMap<GenerationId, (usize, &SignatureSet)> = HashMap::new();
    for set in in_use {
        sets.entry(set.id).or_insert((0, set)).0 += 1;
    }
    let best = sets
        .into_values()
        .max_by_key(|(count, set)| (*count, !set.test_only, set.released, set.count, Reverse(set.id.0)));
    match (best, current) {
        (None, current) => current.cloned(),
        (Some((_, best)), Some(current)) if current.signatures.id == best.id => Some(Arc::clone(current)),
        (Some((_, best)), _) => Some(Arc::new(Epoch::new(best.clone(), None))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn set(id: u8, released: u64) -> SignatureSet {
        SignatureSet {
            id: GenerationId([id; 32]),
            count: 1,
            test_only: false,
            engine: "e".to_owned(),
            released: Some(UNIX_EPOCH + Duration::from_secs(released)),
        }
    }

    fn chosen(sets: &[SignatureSet], current: Option<&Arc<Epoch>>) -> Option<u8> {
        choose(sets.iter(), current).map(|epoch| epoch.signatures.id.0[0])
    }

    #[test]
    fn most_scanners_decide_and_of_equals_the_newest() {
        let (old, new) = (set(1, 10), set(2, 20));
        assert_eq!(chosen(&[], None), None);
        assert_eq!(chosen(&[old.clone(), old.clone(), new.clone()], None), Some(1));
        assert_eq!(chosen(&[old.clone(), new.clone()], None), Some(2));
        assert_eq!(chosen(&[new.clone(), old.clone()], None), Some(2), "whoever is asked first");
        assert_eq!(chosen(&[old.clone(), new.clone(), new.clone()], None), Some(2));
        let tests = SignatureSet { test_only: true, ..set(3, 99) };
        assert_eq!(chosen(&[tests, old], None), Some(1));
    }

    #[test]
    fn without_any_scanner_nothing_changes() {
        let current = Arc::new(Epoch::new(set(1, 10), None));
        assert_eq!(chosen(&[], Some(&current)), Some(1));
        let stays = choose([set(1, 10)].iter(), Some(&current)).unwrap();
        assert!(Arc::ptr_eq(&stays, &current), "whoever compares sees that it is the same");
    }
}
