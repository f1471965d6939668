//! Entries by digest: in order, and where each bucket of them begins.
//!
//! ```text
//!  16, 20 or 24  the digest; of a SHA-256 its first 192 bits
//!             4  the size of the file; all ones: any
//!             4  where its name stands, and in the highest bit whether it allows
//! ```
//!
//! Of a SHA-256 192 bits are kept, since to find two files that have them in common takes 2^96 tries.

use crate::digest::{Algorithm, Digest};

/// Entries that a bucket is to have on average. A search within them reads three or four cache lines.
const PER_BUCKET: u64 = 8;

/// No more entries with one digest are looked at. There are as many as sizes that lists give it: more than a
/// few are only in files that were made to take time.
const MAX_ROWS: usize = 1 << 16;

/// Bytes of an entry on its way through the compiler: the algorithm, and all of its longest record.
pub(crate) const RECORD: usize = 1 + MAX_KEY + REST;

const MAX_KEY: usize = 24;
const REST: usize = 8;
const ANY_SIZE: u32 = u32::MAX;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// [`u32::MAX`] for any.
    size: u32,
    /// Where its name stands.
    pub(crate) name: u32,
}

/// A table to be read. Its index is trusted for nothing but speed: whatever it says, a search ends within
/// the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    records: &'a [u8],
    index: &'a [[u8; 4]],
    bits: u32,
    key: usize,
}

/// The index of a table that is being written.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    /// How many records each bucket has; the first number stays 0.
    counts: Vec<u32>,
    bits: u32,
}

/// Bytes of a record in the table of this algorithm.
pub(crate) const fn width(algorithm: Algorithm) -> usize {
    key(algorithm) + REST
}

/// How much of a digest is kept.
const fn key(algorithm: Algorithm) -> usize {
    let len = algorithm.bytes();
    if len < MAX_KEY { len } else { MAX_KEY }
}

// === impl Row ===

impl Row {
    pub(crate) fn new(size: Option<u32>, name: u32) -> Self {
        Self { size: size.unwrap_or(ANY_SIZE), name }
    }

    /// The size of the file, if that matters.
    pub(crate) const fn size(self) -> Option<u32> {
        if self.size == ANY_SIZE { None } else { Some(self.size) }
    }

    /// The bytes of an entry on its way, which sort as they are to stand in the tables.
    pub(crate) fn record(self, digest: &Digest) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        let key = key(digest.algorithm());
        record[0] = digest.algorithm() as u8;
        record[1..=key].copy_from_slice(&digest.as_bytes()[..key]);
        record[1 + MAX_KEY..5 + MAX_KEY].copy_from_slice(&self.size.to_be_bytes());
        record[5 + MAX_KEY..].copy_from_slice(&self.name.to_be_bytes());
        record
    }
}

// === impl Table ===

impl<'a> Table<'a> {
    /// The table in these bytes, unless they do not fit each other.
    pub(crate) fn of(algorithm: Algorithm, records: &'a [u8], index: &'a [u8], bits: u32) -> Option<Self> {
        let (index, rest_of_index) = index.as_chunks();
        let is_whole = records.len().is_multiple_of(width(algorithm)) && rest_of_index.is_empty();
        let fits = is_whole && (1..32).contains(&bits) && index.len() == (1 << bits) + 1;
        fits.then_some(Self { records, index, bits, key: key(algorithm) })
    }

    /// How many records there are.
    pub(crate) const fn len(&self) -> usize {
        self.records.len() / (self.key + REST)
    }

    /// All that is said of this digest.
    pub(crate) fn find(self, digest: &Digest) -> impl Iterator<Item = Row> {
        let key = &digest.as_bytes()[..self.key.min(digest.as_bytes().len())];
        let bucket = bucket(key, self.bits);
        let border = |at| self.index.get(at).copied().map_or(0, u32::from_le_bytes) as usize;
        let (mut low, mut high) = (border(bucket), border(bucket + 1).min(self.len()));
        let end = high;
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle) < key { low = middle + 1 } else { high = middle }
        }
        (low..end).take(MAX_ROWS).take_while(move |at| self.key(*at) == key).map(move |at| self.row(at))
    }

    fn key(&self, at: usize) -> &'a [u8] {
        let start = at * (self.key + REST);
        &self.records[start..start + self.key]
    }

    fn row(&self, at: usize) -> Row {
        let start = at * (self.key + REST) + self.key;
        let number = |at: usize| self.records[at..].first_chunk().copied().map_or(0, u32::from_be_bytes);
        Row { size: number(start), name: number(start + 4) }
    }
}

// === impl IndexBuilder ===

impl IndexBuilder {
    /// For so many records or some fewer.
    pub(crate) fn new(records: u64) -> Self {
        let bits = (records / PER_BUCKET).max(2).ilog2().min(super::layout::MAX_INDEX_BITS);
        Self { counts: vec![0; (1 << bits) + 1], bits }
    }

    /// Takes note of a record, which begins with the digest.
    pub(crate) fn count(&mut self, record: &[u8]) {
        self.counts[bucket(record, self.bits) + 1] += 1;
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

/// By the first bits of a digest, of which there are at least four bytes.
fn bucket(key: &[u8], bits: u32) -> usize {
    let first = key.first_chunk().copied().map_or(0, u32::from_be_bytes);
    (first >> (32 - bits)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(first: u8, last: u8) -> Digest {
        let mut bytes = [first; 16];
        bytes[15] = last;
        Digest::new(Algorithm::Md5, &bytes).unwrap()
    }

    fn table(rows: &[(Digest, Row)]) -> (Vec<u8>, Vec<u8>, u32) {
        let mut index = IndexBuilder::new(100);
        let mut bytes = Vec::new();
        for (digest, row) in rows {
            let record = row.record(digest);
            index.count(&record[1..]);
            bytes.extend_from_slice(&record[1..17]);
            bytes.extend_from_slice(&record[25..]);
        }
        (bytes, index.numbers().flatten().collect(), index.bits())
    }

    #[test]
    fn each_digest_is_found_with_all_its_rows_wherever_its_bucket_begins() {
        let digests = [digest(0, 0), digest(0, 1), digest(0x80, 0), digest(0xff, 0xfe), digest(0xff, 0xff)];
        let both = [Row::new(Some(7), 1), Row::new(None, 2)];
        let rows: Vec<_> = digests.iter().flat_map(|digest| both.map(|row| (*digest, row))).collect();
        let (records, index, bits) = table(&rows);
        let table = Table::of(Algorithm::Md5, &records, &index, bits).unwrap();
        assert_eq!(table.len(), 10);
        for digest in digests {
            assert_eq!(table.find(&digest).collect::<Vec<_>>(), both, "{digest}");
        }
        for digest in [digest(0, 2), digest(0x7f, 0), digest(0x80, 1), digest(0xff, 0xfd)] {
            assert_eq!(table.find(&digest).count(), 0, "{digest}");
        }
    }

    #[test]
    fn an_index_that_lies_hides_rows_and_does_nothing_worse() {
        let row = Row::new(None, 3);
        let (records, index, bits) = table(&[(digest(0, 1), row), (digest(0xff, 0xff), row)]);
        for lie in [0, 1, 2, 3, u32::MAX] {
            let index: Vec<u8> = (0..index.len() / 4).flat_map(|_| lie.to_le_bytes()).collect();
            let table = Table::of(Algorithm::Md5, &records, &index, bits).unwrap();
            assert!(table.find(&digest(0, 1)).count() + table.find(&digest(0xff, 0xff)).count() <= 1);
        }
        let (same, index, bits) = table(&vec![(digest(1, 1), row); MAX_ROWS + 1]);
        assert_eq!(
            Table::of(Algorithm::Md5, &same, &index, bits).unwrap().find(&digest(1, 1)).count(),
            MAX_ROWS
        );
        assert!(Table::of(Algorithm::Md5, &records[1..], &index, bits).is_none());
        assert!(Table::of(Algorithm::Md5, &records, &index[4..], bits).is_none());
        assert!(Table::of(Algorithm::Md5, &records, &index, 0).is_none());
    }
}
