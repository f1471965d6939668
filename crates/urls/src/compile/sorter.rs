//! Digests in order, more of them than memory should hold.

use crate::file::{Digest, RECORD, record, record_parts};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// So many are held and sorted in memory: 32 MiB.
const RUN: usize = 1 << 20;

/// Read or written at a time, in bytes.
const BUFFER: usize = 64 << 10;

/// A digest and the id of who has it.
pub(super) type Record = (Digest, u16);

/// Takes records in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    folder: PathBuf,
    held: Vec<Record>,
    /// Sorted records, in files without names.
    runs: Vec<File>,
    count: u64,
    /// As [`RUN`], less in tests.
    run: usize,
}

/// Gives records in order, each once.
pub(super) struct Merge {
    runs: Vec<BufReader<File>>,
    /// The next record of each run that has one.
    next: BinaryHeap<Reverse<(Record, usize)>>,
    last: Option<Record>,
}

// === impl Sorter ===

impl Sorter {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), held: Vec::new(), runs: Vec::new(), count: 0, run: RUN }
    }

    /// How many records came, repetitions included.
    pub(super) const fn len(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, record: Record) -> io::Result<()> {
        if self.held.capacity() == 0 {
            // At once: a vector that grows takes twice as much while it does.
            self.held.reserve_exact(self.run);
        }
        self.held.push(record);
        self.count += 1;
        if self.held.len() == self.run { self.spill() } else { Ok(()) }
    }

    /// The records, in order.
    pub(super) fn merge(mut self) -> io::Result<Merge> {
        self.spill()?;
        let mut merge = Merge { runs: Vec::new(), next: BinaryHeap::new(), last: None };
        for (nth, mut run) in self.runs.into_iter().enumerate() {
            run.rewind()?;
            merge.runs.push(BufReader::with_capacity(BUFFER, run));
            merge.refill(nth)?;
        }
        Ok(merge)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        self.held.dedup();
        let mut run = BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(&self.folder)?);
        for (digest, id) in self.held.drain(..) {
            run.write_all(&record(digest, id))?;
        }
        self.runs.push(run.into_inner().map_err(io::IntoInnerError::into_error)?);
        Ok(())
    }
}

// === impl Merge ===

impl Merge {
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        while let Some(Reverse((record, run))) = self.next.pop() {
            self.refill(run)?;
            if self.last.replace(record) != Some(record) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        let mut record = [0; RECORD];
        match self.runs[run].read_exact(&mut record) {
            Ok(()) => self.next.push(Reverse((record_parts(&record), run))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(records: &[Record], run: usize) -> Vec<Record> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter { run, ..Sorter::new(folder.path()) };
        for record in records {
            sorter.push(*record).unwrap();
        }
        assert_eq!(sorter.len(), records.len() as u64);
        let mut merge = sorter.merge().unwrap();
        std::iter::from_fn(|| merge.next().unwrap()).collect()
    }

    proptest! {
        #[test]
        fn what_comes_out_is_in_order_and_once_however_many_runs_there_are(
            records in prop::collection::vec((0_u128..40, 0_u16..3), 0..60),
            run in 1_usize..20,
        ) {
            let expected: std::collections::BTreeSet<_> = records.iter().copied().collect();
            prop_assert_eq!(sorted(&records, run), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
