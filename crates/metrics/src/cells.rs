//! Numbers that many threads add to without waiting for each other.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More shards than this cost memory and time at each scrape, and gain little.
const MAX_SHARDS: usize = 16;

/// How many numbers share a line.
const PER_LINE: usize = 16;

/// Two cache lines, as processors fetch them in pairs: what one thread writes, no other waits for.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Line([AtomicU64; PER_LINE]);

/// Numbers, each the sum over shards. A thread always adds to the same shard.
#[derive(Debug)]
pub(crate) struct Cells {
    lines: Box<[Line]>,
    /// How many lines each shard has.
    per_shard: usize,
    /// One less than the number of shards, which is a power of two.
    mask: usize,
}

/// One thread's part of the numbers.
#[derive(Debug)]
pub(crate) struct Shard<'a>(&'a [Line]);

/// How many threads have counted anything.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread; the largest until it first counts.
    static THREAD: Cell<usize> = const { Cell::new(usize::MAX) };
}

// === impl Cells ===

impl Cells {
    /// `count` numbers, all 0.
    pub(crate) fn new(count: usize) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = threads.next_power_of_two().min(MAX_SHARDS);
        let per_shard = count.div_ceil(PER_LINE).max(1);
        let lines = (0..shards * per_shard).map(|_| Line::default()).collect();
        Self { lines, per_shard, mask: shards - 1 }
    }

    /// Where this thread adds.
    pub(crate) fn mine(&self) -> Shard<'_> {
        let start = (thread() & self.mask) * self.per_shard;
        Shard(&self.lines[start..start + self.per_shard])
    }

    /// The sum over all shards.
    pub(crate) fn sum(&self, cell: usize) -> u64 {
        let shards = self.lines.chunks_exact(self.per_shard);
        shards.fold(0, |sum, shard| sum.wrapping_add(Shard(shard).cell(cell).load(Ordering::Relaxed)))
    }
}

fn thread() -> usize {
    THREAD.with(|thread| {
        if thread.get() == usize::MAX {
            thread.set(THREADS.fetch_add(1, Ordering::Relaxed));
        }
        thread.get()
    })
}

// === impl Shard ===

impl<'a> Shard<'a> {
    pub(crate) fn add(&self, cell: usize, amount: u64) {
        self.cell(cell).fetch_add(amount, Ordering::Relaxed);
    }

    fn cell(&self, cell: usize) -> &'a AtomicU64 {
        &self.0[cell / PER_LINE].0[cell % PER_LINE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_shards_share_a_cache_line() {
        let cells = Cells::new(17);
        assert_eq!(cells.per_shard, 2);
        let lines: HashSet<_> =
            cells.lines.iter().map(|line| std::ptr::from_ref(line).addr() / 128).collect();
        assert_eq!(lines.len(), 2 * (cells.mask + 1));
        assert!(cells.mask < MAX_SHARDS);
    }

    #[test]
    fn sums_are_exact_under_many_threads() {
        let cells = Cells::new(40);
        std::thread::scope(|scope| {
            for _ in 0..24 {
                scope.spawn(|| {
                    for round in 0..5000 {
                        cells.mine().add(round % 40, 3);
                    }
                });
            }
        });
        for cell in 0..40 {
            assert_eq!(cells.sum(cell), 24 * 125 * 3, "{cell}");
        }
    }
}
