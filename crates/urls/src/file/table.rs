//! Which lists have a digest: digests in order, and where each bucket of them begins.

use super::key::Digest;
use crate::lists::{ListIds, MAX_IDS};

/// Length of a record: 16 bytes of a digest, 2 of who has it.
pub(crate) const RECORD: usize = 18;

/// Records that a bucket is to have on average. A search within them reads two or three cache lines.
const PER_BUCKET: u64 = 8;

/// A table to be read. Its index is trusted for nothing but speed: whatever it says, a search ends within
/// the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    records: &'a [[u8; RECORD]],
    index: &'a [[u8; 4]],
    bits: u32,
}

/// The index of a table that is being written.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    /// How many records each bucket has; the first number stays 0.
    counts: Vec<u32>,
    bits: u32,
}

// === impl Table ===

impl<'a> Table<'a> {
    /// The table in these bytes, unless they do not fit each other.
    pub(crate) fn of(records: &'a [u8], index: &'a [u8], bits: u32) -> Option<Self> {
        let (records, rest) = records.as_chunks();
        let (index, rest_of_index) = index.as_chunks();
        let fits = rest.is_empty() && rest_of_index.is_empty() && index.len() == (1 << bits) + 1;
        fits.then_some(Self { records, index, bits })
    }

    /// How many records there are.
    pub(crate) const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether the index ends where the records do, as it is written.
    pub(crate) fn is_whole(&self) -> bool {
        self.index.last().is_some_and(|end| u32::from_le_bytes(*end) as usize == self.records.len())
    }

    /// The lists that have this digest.
    pub(crate) fn find(&self, digest: Digest) -> ListIds<'a> {
        let bucket = bucket(digest, self.bits);
        let start = self.index.get(bucket).copied().map_or(0, u32::from_le_bytes) as usize;
        let end = self.index.get(bucket + 1).copied().map_or(0, u32::from_le_bytes) as usize;
        let records = self.records.get(start..end).unwrap_or_default();
        let first = records.partition_point(|record| digest_of(record) < digest);
        let records = &records[first..];
        let count = records.iter().take(MAX_IDS).take_while(|record| digest_of(record) == digest).count();
        ListIds::of(&records[..count])
    }
}

// === impl IndexBuilder ===

impl IndexBuilder {
    /// For so many records or some fewer.
    pub(crate) fn new(records: u64) -> Self {
        let bits = (records / PER_BUCKET).max(2).ilog2().min(super::layout::MAX_INDEX_BITS);
        Self { counts: vec![0; (1 << bits) + 1], bits }
    }

    pub(crate) fn count(&mut self, digest: Digest) {
        self.counts[bucket(digest, self.bits) + 1] += 1;
    }

    pub(crate) const fn bits(&self) -> u32 {
        self.bits
    }

    /// The bytes of the index, a number at a time.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = [u8; 4]> {
        self.counts.iter().scan(0_u32, |sum, count| {
            *sum += count;
            Some(sum.to_le_bytes())
        })
    }
}

/// The bytes of a record, which sort as what they stand for.
pub(crate) fn record(digest: Digest, id: u16) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..16].copy_from_slice(&digest.to_be_bytes());
    record[16..].copy_from_slice(&id.to_be_bytes());
    record
}

/// What a record stands for.
pub(crate) fn parts(record: &[u8; RECORD]) -> (Digest, u16) {
    (digest_of(record), u16::from_be_bytes([record[16], record[17]]))
}

fn digest_of(record: &[u8; RECORD]) -> Digest {
    u128::from_be_bytes(*record.first_chunk().expect("16 of 18 bytes"))
}

const fn bucket(digest: Digest, bits: u32) -> usize {
    (digest >> (128 - bits)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(records: &[(Digest, u16)]) -> (Vec<u8>, Vec<u8>, u32) {
        let mut index = IndexBuilder::new(100);
        for (digest, _) in records {
            index.count(*digest);
        }
        let bytes = records.iter().flat_map(|(digest, id)| record(*digest, *id)).collect();
        (bytes, index.numbers().flatten().collect(), index.bits())
    }

    #[test]
    fn each_digest_is_found_with_all_its_lists_wherever_its_bucket_begins() {
        let digests = [0, 1, 1 << 127, (1 << 127) + 1, Digest::MAX - 1, Digest::MAX];
        let records: Vec<_> = digests.iter().flat_map(|digest| [(*digest, 3), (*digest, 9)]).collect();
        let (records, index, bits) = table(&records);
        let table = Table::of(&records, &index, bits).unwrap();
        for digest in digests {
            assert_eq!(table.find(digest).collect::<Vec<_>>(), [3, 9], "{digest:x}");
        }
        for digest in [2, (1 << 127) - 1, (1 << 127) + 2, Digest::MAX - 2] {
            assert_eq!(table.find(digest).count(), 0, "{digest:x}");
        }
    }

    #[test]
    fn an_index_that_lies_hides_records_and_does_nothing_worse() {
        let (records, index, bits) = table(&[(1, 3), (Digest::MAX, 9)]);
        for lie in [0, 1, 2, 3, u32::MAX] {
            let index: Vec<u8> = (0..index.len() / 4).flat_map(|_| lie.to_le_bytes()).collect();
            let table = Table::of(&records, &index, bits).unwrap();
            assert_eq!(table.find(1).count() + table.find(Digest::MAX).count(), 0);
        }
        let (mut backwards, index, bits) = table(&[(1, 3), (2, 3), (3, 3)]);
        backwards.as_chunks_mut::<RECORD>().0.reverse();
        assert!(Table::of(&backwards, &index, bits).unwrap().find(2).count() <= 1);
        let (same, index, bits) = table(&vec![(1, 3); 2 * MAX_IDS]);
        assert_eq!(Table::of(&same, &index, bits).unwrap().find(1).count(), MAX_IDS);
        assert!(Table::of(&backwards[1..], &index, bits).is_none());
        assert!(Table::of(&backwards, &index[4..], bits).is_none());
    }
}
