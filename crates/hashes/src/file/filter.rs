//! Which digests are certainly not in a file.
//!
//! A Bloom filter of which each digest uses one block of 512 bits, a cache line, and in it one bit of each of
//! eight words (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007). With 12 bits
//! for each entry it errs for 4 to 5 objects in 1000. Digests are as good as random, so that nothing needs to
//! be hashed again: eight bytes choose the block and eight others the bits.

use crate::digest::Digest;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Bits that the filter has for each entry.
const BITS: u64 = 12;

/// Odd factors without a pattern, one for each algorithm.
const FACTORS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// A filter to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filter<'a> {
    blocks: &'a [[u8; BLOCK]],
}

/// A filter to be filled.
#[derive(Debug)]
pub(crate) struct FilterBuilder {
    blocks: Vec<[u64; 8]>,
}

// === impl Filter ===

impl<'a> Filter<'a> {
    /// The filter in these bytes, unless they are no whole number of blocks. No block: nothing is in it.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks();
        rest.is_empty().then_some(Self { blocks })
    }

    /// False only if that was never inserted.
    pub(crate) fn contains(self, digest: &Digest) -> bool {
        let Some(block) = self.blocks.get(place(digest, self.blocks.len())) else { return false };
        let (words, _) = block.as_chunks::<8>();
        // All words, whatever the first ones say: a jump that is foreseen wrongly costs more.
        let found = words.iter().zip(bits(digest));
        found.fold(1, |found, (word, bit)| found & (u64::from_le_bytes(*word) >> bit)) & 1 == 1
    }
}

// === impl FilterBuilder ===

impl FilterBuilder {
    /// For so many entries; none needs no space.
    pub(crate) fn new(entries: u64) -> Self {
        let blocks = entries.saturating_mul(BITS).div_ceil(8 * BLOCK as u64);
        Self { blocks: vec![[0; 8]; usize::try_from(blocks).unwrap_or(usize::MAX)] }
    }

    pub(crate) fn insert(&mut self, digest: &Digest) {
        let place = place(digest, self.blocks.len());
        if let Some(block) = self.blocks.get_mut(place) {
            block.iter_mut().zip(bits(digest)).for_each(|(word, bit)| *word |= 1 << bit);
        }
    }

    /// The bytes of the filter, a word at a time.
    pub(crate) fn words(&self) -> impl Iterator<Item = [u8; 8]> {
        self.blocks.iter().flatten().map(|word| word.to_le_bytes())
    }
}

/// The block for a digest: below `blocks`, unless that is 0.
#[expect(clippy::cast_possible_truncation, reason = "less than a usize before it is cast")]
fn place(digest: &Digest, blocks: usize) -> usize {
    ((u128::from(number(digest, 0)) * blocks as u128) >> 64) as usize
}

/// Which bit of each word: six bits each.
fn bits(digest: &Digest) -> impl Iterator<Item = u32> {
    let mixed = number(digest, 8).wrapping_mul(FACTORS[digest.algorithm() as usize]);
    (0..8).map(move |word| ((mixed >> (16 + 6 * word)) & 63) as u32)
}

/// Eight bytes of a digest; the shortest have sixteen.
fn number(digest: &Digest, from: usize) -> u64 {
    digest.as_bytes().get(from..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Hasher};

    fn digests(number: u32) -> Vec<Digest> {
        let mut hasher = Hasher::new(Algorithm::ALL);
        hasher.update(&number.to_le_bytes());
        hasher.finish().iter().copied().collect()
    }

    #[test]
    fn nothing_that_went_in_is_denied_and_little_else_is_confirmed() {
        const THINGS: u32 = 6_000;
        let mut builder = FilterBuilder::new(3 * u64::from(THINGS));
        (0..THINGS).flat_map(digests).for_each(|digest| builder.insert(&digest));
        let bytes: Vec<u8> = builder.words().flatten().collect();
        let filter = Filter::of(&bytes).unwrap();
        assert!((0..THINGS).flat_map(digests).all(|digest| filter.contains(&digest)));
        let others = (THINGS..11 * THINGS).flat_map(digests);
        // At most 8 in 1000.
        assert!(others.filter(|digest| filter.contains(digest)).count() < 1440);
    }

    #[test]
    fn a_filter_without_blocks_has_nothing_and_half_a_block_is_none() {
        assert!(!digests(1).iter().any(|digest| Filter::of(&[]).unwrap().contains(digest)));
        assert!(Filter::of(&[0xff; 65]).is_none());
        assert_eq!(FilterBuilder::new(0).words().count(), 0);
        FilterBuilder::new(0).insert(&digests(1)[0]);
    }
}
