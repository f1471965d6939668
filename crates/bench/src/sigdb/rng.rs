//! Numbers that look random and never change: no library promises the same sequence for ever.

/// `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

// === impl Rng ===

impl Rng {
    /// A sequence of its own for each seed and purpose, so that more signatures of one kind leave
    /// the others as they are.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        // FNV-1a.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        let mut rng = Self(hash ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // Parts near seeds.
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// At least `low`, at most `high`.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        let range = u64::from(high - low) + 1;
        // The high half of the product: uniform but for one part in 2^32.
        let offset = ((self.next() >> 32) * range) >> 32;
        low + u32::try_from(offset).expect("less than the range")
    }

    /// An index below `len`, which is not 0.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        let last = u32::try_from(len - 1).expect("lists here are short");
        self.between(0, last) as usize
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, share: u32) -> bool {
        self.between(1, 100) <= share
    }

    pub(crate) fn choose<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// One of the items, as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, items: &[(T, u32)]) -> T {
        let total: u32 = items.iter().map(|(_, weight)| weight).sum();
        let mut at = self.between(0, total - 1);
        for (item, weight) in items {
            if at < *weight {
                return *item;
            }
            at -= weight;
        }
        unreachable!("the number was below the sum of the weights")
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // The first outputs for the state 1234567, as in the Java and Rust reference implementations.
        let mut rng = Rng(1_234_567);
        let first: Vec<_> = (0..3).map(|_| rng.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_reach_them() {
        let mut rng = Rng::new(1, "bounds");
        let seen: Vec<_> = (0..1000).map(|_| rng.between(3, 6)).collect();
        assert!(seen.iter().all(|n| (3..=6).contains(n)));
        assert!((3..=6).all(|n| seen.contains(&n)));
        assert_eq!(rng.between(9, 9), 9);
    }

    #[test]
    fn weights_are_kept() {
        let mut rng = Rng::new(1, "weights");
        let heavy = (0..10_000).filter(|_| rng.weighted(&[('a', 90), ('b', 10), ('c', 0)]) == 'a').count();
        assert!((8_800..9_200).contains(&heavy), "{heavy}");
        assert!((0..1000).all(|_| rng.weighted(&[('a', 1), ('c', 0)]) == 'a'));
    }

    #[test]
    fn seeds_and_purposes_have_sequences_of_their_own() {
        let first = |seed, purpose| Rng::new(seed, purpose).next();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
    }
}
