//! Which keys are certainly not in a file.
//!
//! A Bloom filter of which each key uses one block of 512 bits, a cache line, and in it one bit of each of
//! eight words (as in [Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007] and,
//! with blocks of 256 bits, in Apache Parquet). With 12 bits for each key it errs for 4 to 5 keys in
//! 1000, as a binary fuse filter of 8 bits does, which needs a quarter less space. But that one reads three
//! cache lines instead of one, takes some 24 bytes for each key to build, and can fail to be built. A block
//! also answers several questions about a host at the price of one, which is why most URLs need no look at
//! any of their paths.

/// Bytes of a block.
pub(crate) const BLOCK: usize = 64;

/// Bits that the filter has for each thing that is in it.
const BITS: u64 = 12;

/// What a hash is looked up as. The values are odd factors without a pattern, one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Mark {
    /// A key, by its own hash.
    Key = 0x9e37_79b9_7f4a_7c15,
    /// `host/`, by the hash of the host.
    Host = 0xbf58_476d_1ce4_e5b9,
    /// The host without those below it, by its hash.
    Alone = 0x94d0_49bb_1331_11eb,
    /// Some key with a path, by the hash of the host.
    Below = 0xd6e8_feb8_6659_fd93,
}

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

    /// Whether certainly nothing is in it.
    pub(crate) const fn is_empty(self) -> bool {
        self.blocks.is_empty()
    }

    /// Reads the place where a hash would be, so that it is at hand when it is looked up.
    #[inline]
    pub(crate) fn touch(self, hash: u64) -> u8 {
        self.blocks.get(place(hash, self.blocks.len())).map_or(0, |block| block[0])
    }

    /// False only if that was never inserted.
    #[inline]
    pub(crate) fn contains(self, hash: u64, mark: Mark) -> bool {
        let Some(block) = self.blocks.get(place(hash, self.blocks.len())) else { return false };
        let bits = bits(hash, mark);
        let (words, _) = block.as_chunks::<8>();
        // All words, whatever the first ones say: a jump that is foreseen wrongly costs more.
        let found =
            words.iter().zip(bits).fold(1, |found, (word, bit)| found & (u64::from_le_bytes(*word) >> bit));
        found & 1 == 1
    }
}

// === impl FilterBuilder ===

impl FilterBuilder {
    /// For so many things; none needs no space.
    pub(crate) fn new(things: u64) -> Self {
        let blocks = things.saturating_mul(BITS).div_ceil(8 * BLOCK as u64);
        Self { blocks: vec![[0; 8]; usize::try_from(blocks).unwrap_or(usize::MAX)] }
    }

    pub(crate) fn insert(&mut self, hash: u64, mark: Mark) {
        let place = place(hash, self.blocks.len());
        if let Some(block) = self.blocks.get_mut(place) {
            block.iter_mut().zip(bits(hash, mark)).for_each(|(word, bit)| *word |= 1 << bit);
        }
    }

    /// The bytes of the filter, a word at a time.
    pub(crate) fn words(&self) -> impl Iterator<Item = [u8; 8]> {
        self.blocks.iter().flatten().map(|word| word.to_le_bytes())
    }
}

/// The block for a hash: below `blocks`, unless that is 0.
#[expect(clippy::cast_possible_truncation, reason = "less than a usize before it is cast")]
fn place(hash: u64, blocks: usize) -> usize {
    ((u128::from(hash) * blocks as u128) >> 64) as usize
}

/// Which bit of each word: six bits each of a product whose high bits depend on all bits of the hash.
fn bits(hash: u64, mark: Mark) -> impl Iterator<Item = u32> {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(mark as u64);
    (0..8).map(move |word| ((mixed >> (16 + 6 * word)) & 63) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes as good as random ones.
    fn hash(number: u64) -> u64 {
        u64::from_le_bytes(*blake3::hash(&number.to_le_bytes()).as_bytes().first_chunk().unwrap())
    }

    #[test]
    fn nothing_that_went_in_is_denied_and_little_else_is_confirmed() {
        const THINGS: u64 = 20_000;
        let mut builder = FilterBuilder::new(2 * THINGS);
        for number in 0..THINGS {
            builder.insert(hash(number), Mark::Key);
            builder.insert(hash(number), Mark::Host);
        }
        let bytes: Vec<u8> = builder.words().flatten().collect();
        let filter = Filter::of(&bytes).unwrap();
        assert!((0..THINGS).all(|number| filter.contains(hash(number), Mark::Key)));
        assert!((0..THINGS).all(|number| filter.contains(hash(number), Mark::Host)));
        let wrong = |numbers: std::ops::Range<u64>, mark| {
            numbers.filter(|number| filter.contains(hash(*number), mark)).count()
        };
        // At most 8 in 1000, of others and of these under another mark.
        assert!(wrong(THINGS..11 * THINGS, Mark::Key) < 1600);
        assert!(wrong(THINGS..11 * THINGS, Mark::Below) < 1600);
        assert!(wrong(0..THINGS, Mark::Below) < 160);
        assert!(wrong(0..THINGS, Mark::Alone) < 160);
    }

    #[test]
    fn a_filter_without_blocks_has_nothing_and_half_a_block_is_none() {
        assert!(!Filter::of(&[]).unwrap().contains(7, Mark::Key));
        assert!(Filter::of(&[0xff; 65]).is_none());
        assert_eq!(FilterBuilder::new(0).words().count(), 0);
        FilterBuilder::new(0).insert(7, Mark::Key);
    }

    #[test]
    fn every_hash_has_a_place() {
        assert_eq!(place(u64::MAX, 3), 2);
        assert_eq!(place(0, 3), 0);
    }
}
