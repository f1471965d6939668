//! Records in order, more of them than memory should hold.

use crate::file::RECORD;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// So many are held and sorted in memory: 33 MiB.
const RUN: usize = 1 << 20;

/// Read or written at a time, in bytes.
const BUFFER: usize = 64 << 10;

/// What of a record makes two the same: all but the name at its end.
const SAME: usize = RECORD - 4;

type Record = [u8; RECORD];

/// Takes records in any order.
#[derive(Debug)]
pub(super) struct Sorter {
    folder: PathBuf,
    held: Vec<Record>,
    /// Sorted records, in files without names.
    runs: Vec<File>,
    /// As [`RUN`], less in tests.
    run: usize,
}

/// Gives records in order: of those with the same digest and size the first.
pub(super) struct Merge {
    runs: Vec<BufReader<File>>,
    /// The next record of each run that has one.
    next: BinaryHeap<Reverse<(Record, usize)>>,
    last: Option<Record>,
}

// === impl Sorter ===

impl Sorter {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), held: Vec::new(), runs: Vec::new(), run: RUN }
    }

    pub(super) fn push(&mut self, record: Record) -> io::Result<()> {
        self.held.push(record);
        if self.held.len() >= self.run { self.spill() } else { Ok(()) }
    }

    /// The records, in order.
    pub(super) fn merge(mut self) -> io::Result<Merge> {
        self.spill()?;
        drop(self.held);
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
        let mut run = BufWriter::with_capacity(BUFFER, tempfile::tempfile_in(&self.folder)?);
        for record in self.held.drain(..) {
            run.write_all(&record)?;
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
            if self.last.is_none_or(|last| last[..SAME] != record[..SAME]) {
                self.last = Some(record);
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    fn refill(&mut self, run: usize) -> io::Result<()> {
        let mut record = [0; RECORD];
        match self.runs[run].read_exact(&mut record) {
            Ok(()) => self.next.push(Reverse((record, run))),
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
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn what_comes_out_is_in_order_and_once_however_many_runs_there_are(
            records in prop::collection::vec((0_u8..40, 0_u8..3), 0..60),
            run in 1_usize..20,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter { run, ..Sorter::new(folder.path()) };
            let mut expected = BTreeMap::new();
            for (key, name) in records {
                let mut record = [0; RECORD];
                (record[5], record[RECORD - 1]) = (key, name);
                sorter.push(record).unwrap();
                let first = expected.entry(key).or_insert(name);
                *first = name.min(*first);
            }
            let mut merge = sorter.merge().unwrap();
            let found: BTreeMap<_, _> = std::iter::from_fn(|| merge.next().unwrap())
                .map(|record| (record[5], record[RECORD - 1]))
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
