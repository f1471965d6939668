//! A chain of decoders that pull from each other: nothing but small buffers lies between them.

use super::engine::{Engine, Step};
use crate::{Budget, Defect, FREE_OUTPUT, Input};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many bytes are handed on at a time. The deadline is looked at once for each.
pub(super) const CHUNK: usize = 64 * 1024;

/// Bytes, a chunk at a time.
pub(super) trait Stream {
    /// The bytes that come next, [`CHUNK`] at most; none at the end.
    fn fill(&mut self) -> io::Result<&[u8]>;

    /// Passes over the first `count` bytes of what [`Self::fill`] gave.
    fn consume(&mut self, count: usize);

    /// Why the end is not the end of the data. Meaningful once [`Self::fill`] gave nothing.
    fn defect(&self) -> Option<Defect>;

    /// The length of the first of several streams that lie behind each other, if there are several.
    fn first_len(&self) -> Option<u64>;

    /// Whether bytes were passed over on the way that are in no output.
    fn skipped(&self) -> bool;

    /// The length of the whole, if that is known beforehand.
    fn total(&self) -> Option<u64>;
}

/// The bytes of a slice.
struct MemorySource<'a> {
    rest: &'a [u8],
    total: u64,
}

/// The bytes of a file.
struct FileSource<'a> {
    file: &'a File,
    position: u64,
    total: u64,
    buffer: Vec<u8>,
    used: usize,
}

/// A coding that is undone over another stream.
pub(super) struct Layer<'a> {
    inner: Box<dyn Stream + 'a>,
    engine: Box<dyn Engine>,
    budget: Budget,
    out: Vec<u8>,
    /// What of `out` is filled and not yet consumed.
    ready: std::ops::Range<usize>,
    taken: u64,
    made: u64,
    phase: Phase,
    defect: Option<Defect>,
}

enum Phase {
    Running,
    /// Broken off; what the engine still holds comes out.
    Salvaging,
    Ended,
}

/// A stream over all of the input.
pub(super) fn source(input: Input<'_>) -> Box<dyn Stream + '_> {
    match input {
        Input::Memory(bytes) => Box::new(MemorySource { rest: bytes, total: bytes.len() as u64 }),
        Input::File { file, len } => {
            Box::new(FileSource { file, position: 0, total: len, buffer: Vec::new(), used: 0 })
        }
    }
}

// === impl MemorySource ===

impl Stream for MemorySource<'_> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        Ok(&self.rest[..self.rest.len().min(CHUNK)])
    }

    fn consume(&mut self, count: usize) {
        self.rest = &self.rest[count..];
    }

    fn defect(&self) -> Option<Defect> {
        None
    }

    fn first_len(&self) -> Option<u64> {
        None
    }

    fn skipped(&self) -> bool {
        false
    }

    fn total(&self) -> Option<u64> {
        Some(self.total)
    }
}

// === impl FileSource ===

impl Stream for FileSource<'_> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.used == self.buffer.len() && self.position < self.total {
            let wanted = (self.total - self.position).min(CHUNK as u64);
            self.buffer.resize(usize::try_from(wanted).unwrap_or(CHUNK), 0);
            self.used = 0;
            self.file.read_exact_at(&mut self.buffer, self.position)?;
            self.position += wanted;
        }
        Ok(&self.buffer[self.used..])
    }

    fn consume(&mut self, count: usize) {
        self.used += count;
    }

    fn defect(&self) -> Option<Defect> {
        None
    }

    fn first_len(&self) -> Option<u64> {
        None
    }

    fn skipped(&self) -> bool {
        false
    }

    fn total(&self) -> Option<u64> {
        Some(self.total)
    }
}

// === impl Layer ===

impl<'a> Layer<'a> {
    pub(super) fn new(inner: Box<dyn Stream + 'a>, engine: Box<dyn Engine>, budget: &Budget) -> Self {
        Self {
            inner,
            engine,
            budget: budget.clone(),
            out: vec![0; CHUNK],
            ready: 0..0,
            taken: 0,
            made: 0,
            phase: Phase::Running,
            defect: None,
        }
    }

    /// One round: some input in, some output out, or an end.
    fn advance(&mut self) -> io::Result<()> {
        if self.budget.is_over() {
            self.stop(Defect::Deadline);
            return Ok(());
        }
        let salvaging = matches!(self.phase, Phase::Salvaging);
        let input = if salvaging { &[][..] } else { self.inner.fill()? };
        let at_end = input.is_empty();
        let engine = &mut self.engine;
        let out = &mut self.out;
        // The decoders are other people's code over hostile bytes. An engine that panicked is never
        // asked again.
        let step = catch_unwind(AssertUnwindSafe(|| {
            if salvaging { Step::made(engine.salvage(out)) } else { engine.step(input, out) }
        }));
        let Ok(step) = step else {
            self.stop(Defect::Malformed);
            return Ok(());
        };
        if step.taken > 0 {
            self.inner.consume(step.taken);
            self.taken += step.taken as u64;
        }
        if let Some(fault) = step.fault {
            self.defect = Some(fault);
            self.phase = Phase::Salvaging;
        } else if salvaging {
            if step.made == 0 {
                self.phase = Phase::Ended;
            }
        } else if step.made == 0 && at_end {
            self.defect = self.engine.end();
            self.phase = if self.defect.is_some() { Phase::Salvaging } else { Phase::Ended };
        } else if step.made == 0 && step.taken == 0 {
            // No engine should do this; without this line it would be an endless loop.
            self.stop(Defect::Malformed);
        }
        self.account(step.made);
        Ok(())
    }

    /// Lets `made` bytes out as far as the limits allow.
    fn account(&mut self, made: usize) {
        let basis = self.inner.total().unwrap_or(self.taken);
        let by_ratio = basis.saturating_mul(u64::from(self.budget.max_ratio)).max(FREE_OUTPUT);
        let (limit, defect) = if by_ratio < self.budget.max_output {
            (by_ratio, Defect::RatioLimit)
        } else {
            (self.budget.max_output, Defect::OutputLimit)
        };
        let room = limit.saturating_sub(self.made);
        let kept = made.min(usize::try_from(room).unwrap_or(usize::MAX));
        self.ready = 0..kept;
        self.made += kept as u64;
        if kept < made {
            self.stop(defect);
        }
    }

    /// The first thing that went wrong is the one that is told.
    fn stop(&mut self, defect: Defect) {
        self.defect.get_or_insert(defect);
        self.phase = Phase::Ended;
    }
}

impl Stream for Layer<'_> {
    fn fill(&mut self) -> io::Result<&[u8]> {
        while self.ready.is_empty() && !matches!(self.phase, Phase::Ended) {
            self.advance()?;
        }
        Ok(&self.out[self.ready.clone()])
    }

    fn consume(&mut self, count: usize) {
        self.ready.start += count;
    }

    fn defect(&self) -> Option<Defect> {
        // The layer nearest to the input is the cause. Where it consists of several streams, readers
        // that stop after the first hand something else to the layers above.
        let parts = || self.inner.first_len().map(|_| Defect::Malformed);
        self.inner.defect().or_else(parts).or(self.defect)
    }

    fn first_len(&self) -> Option<u64> {
        self.engine.first_len().filter(|&first| 0 < first && first < self.made)
    }

    fn skipped(&self) -> bool {
        self.inner.skipped() || self.engine.skipped()
    }

    fn total(&self) -> Option<u64> {
        None
    }
}
