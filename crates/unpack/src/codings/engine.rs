//! What a decoder is to a layer, and the decoders of gzip, deflate and brotli.

use crate::Defect;
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};

/// How much input the brotli decoder is given at a time. What it has decoded from a piece that turns
/// out to be broken is lost.
const BROTLI_PIECE: usize = 4 * 1024;

/// How much input is kept until it is clear whether `deflate` means zlib or the raw form.
const DEFLATE_TRIAL: usize = 64 * 1024;

/// Where the flags of a gzip member stand, and those for an extra field, a name and a comment.
const GZIP_FLAGS_AT: usize = 3;
const GZIP_SKIPPED: u8 = 0x04 | 0x08 | 0x10;

/// A decoder that is fed by hand.
pub(super) trait Engine {
    /// Takes some of `input` and fills some of `out`. No input means that none will come.
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step;

    /// Whether the data may end here, after a step without input made nothing.
    fn end(&self) -> Option<Defect>;

    /// After a fault: bytes that were decoded before, but not handed out yet.
    fn salvage(&mut self, _out: &mut [u8]) -> usize {
        0
    }

    /// Where the first of several streams ended, in bytes of output.
    fn first_len(&self) -> Option<u64> {
        None
    }

    /// Whether it has passed over bytes that are in no output, or may have.
    fn skipped(&self) -> bool {
        false
    }
}

/// What a step of an [`Engine`] did. It did that even where a fault is given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) taken: usize,
    pub(super) made: usize,
    pub(super) fault: Option<Defect>,
}

/// gzip members behind each other, and zeros to fill up, as tapes have them.
pub(super) struct Gzip {
    inflate: Decompress,
    phase: GzipPhase,
    /// How many bytes of the current member were read, as far as its flags.
    header: usize,
    skipped: bool,
    made: u64,
    first_len: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum GzipPhase {
    Start,
    /// In a member; whether it is the first, and whether it has made anything.
    Member {
        first: bool,
        silent: bool,
    },
    Between,
    Padding,
}

/// zlib, or raw deflate where zlib makes no sense of the data.
pub(super) struct Deflate {
    inflate: Decompress,
    form: DeflateForm,
    /// What was taken as zlib without any result, then what the raw form still has to read.
    replay: Vec<u8>,
    /// The input ended while zlib still waited for its first byte of output.
    ended_silent: bool,
    done: bool,
    started: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DeflateForm {
    Trial,
    Zlib,
    Raw,
}

/// One brotli stream, with the window of RFC 7932 at most: 16 MiB.
pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    started: bool,
    done: bool,
}

// === impl Step ===

impl Step {
    pub(super) fn made(made: usize) -> Self {
        Self { made, ..Self::default() }
    }

    pub(super) fn fault(fault: Defect) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }
}

/// A step of zlib's decoder, and whether its stream came to its end.
fn inflate(decoder: &mut Decompress, input: &[u8], out: &mut [u8]) -> (Step, bool) {
    let (taken, made) = (decoder.total_in(), decoder.total_out());
    let status = decoder.decompress(input, out, FlushDecompress::None);
    let step = Step {
        // Both are bounded by the slices, so that they fit.
        taken: usize::try_from(decoder.total_in() - taken).unwrap_or(usize::MAX),
        made: usize::try_from(decoder.total_out() - made).unwrap_or(usize::MAX),
        fault: status.is_err().then_some(Defect::Malformed),
    };
    (step, matches!(status, Ok(Status::StreamEnd)))
}

/// Where nothing may follow.
fn behind_end(input: &[u8]) -> Step {
    if input.is_empty() { Step::default() } else { Step::fault(Defect::TrailingData) }
}

// === impl Gzip ===

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            inflate: Decompress::new_gzip(15),
            phase: GzipPhase::Start,
            header: 0,
            skipped: false,
            made: 0,
            first_len: None,
        }
    }

    fn member(&mut self, first: bool, silent: bool, input: &[u8], out: &mut [u8]) -> Step {
        let (mut step, ended) = inflate(&mut self.inflate, input, out);
        self.look_at_flags(&input[..step.taken]);
        let silent = silent && step.made == 0;
        self.made += step.made as u64;
        self.phase = if ended { GzipPhase::Between } else { GzipPhase::Member { first, silent } };
        if step.fault.is_some() && silent && !first {
            // It only began like a member.
            step.fault = Some(Defect::TrailingData);
        }
        step
    }

    /// Whether a member has an extra field, a name or a comment (RFC 1952 section 2.3.1), given the bytes
    /// of it that come next.
    fn look_at_flags(&mut self, bytes: &[u8]) {
        if let Some(flags) = GZIP_FLAGS_AT.checked_sub(self.header).and_then(|at| bytes.get(at)) {
            self.skipped |= flags & GZIP_SKIPPED != 0;
        }
        self.header = self.header.saturating_add(bytes.len());
    }
}

impl Engine for Gzip {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        match (self.phase, input.first()) {
            (GzipPhase::Member { first, silent }, _) => self.member(first, silent, input, out),
            (_, None) => Step::default(),
            (GzipPhase::Start, _) => self.member(true, true, input, out),
            (GzipPhase::Between, Some(0x1f)) => {
                self.first_len = self.first_len.or(Some(self.made));
                self.inflate.reset(true);
                self.header = 0;
                self.member(false, true, input, out)
            }
            (GzipPhase::Between | GzipPhase::Padding, _) => {
                self.phase = GzipPhase::Padding;
                let zeros = input.iter().take_while(|&&byte| byte == 0).count();
                let fault = (zeros < input.len()).then_some(Defect::TrailingData);
                Step { taken: zeros, made: 0, fault }
            }
        }
    }

    fn end(&self) -> Option<Defect> {
        matches!(self.phase, GzipPhase::Member { .. }).then_some(Defect::Truncated)
    }

    fn first_len(&self) -> Option<u64> {
        self.first_len
    }

    fn skipped(&self) -> bool {
        self.skipped
    }
}

// === impl Deflate ===

impl Deflate {
    pub(super) fn new() -> Self {
        Self {
            inflate: Decompress::new(true),
            form: DeflateForm::Trial,
            replay: Vec::new(),
            ended_silent: false,
            done: false,
            started: false,
        }
    }

    fn trial(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        let (step, ended) = inflate(&mut self.inflate, input, out);
        if step.made > 0 || ended {
            self.form = DeflateForm::Zlib;
            self.done = ended;
            self.replay = Vec::new();
            return step;
        }
        if step.fault.is_some() || input.is_empty() {
            // None of the input at hand is taken: it comes again, behind what is replayed.
            self.ended_silent = step.fault.is_none();
            self.form = DeflateForm::Raw;
            self.inflate.reset(false);
            return self.raw(input, out);
        }
        if self.replay.len() + step.taken > DEFLATE_TRIAL {
            self.form = DeflateForm::Zlib;
            self.replay = Vec::new();
        } else {
            self.replay.extend_from_slice(&input[..step.taken]);
        }
        step
    }

    fn raw(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        if !self.replay.is_empty() {
            let (step, ended) = inflate(&mut self.inflate, &self.replay, out);
            self.replay.drain(..step.taken);
            self.done = ended;
            let trailing = (ended && !self.replay.is_empty()).then_some(Defect::TrailingData);
            let fault = match step.fault {
                Some(_) if self.ended_silent => Some(Defect::Truncated),
                fault => fault.or(trailing),
            };
            if step.made > 0 || fault.is_some() {
                return Step { taken: 0, made: step.made, fault };
            }
            // Without output, all of it was taken.
        }
        if self.done {
            return behind_end(input);
        }
        let (step, ended) = inflate(&mut self.inflate, input, out);
        self.done = ended;
        step
    }
}

impl Engine for Deflate {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        if self.done && self.replay.is_empty() {
            return behind_end(input);
        }
        if !self.started && input.is_empty() {
            return Step::default();
        }
        self.started = true;
        match self.form {
            DeflateForm::Trial => self.trial(input, out),
            DeflateForm::Raw => self.raw(input, out),
            DeflateForm::Zlib => {
                let (step, ended) = inflate(&mut self.inflate, input, out);
                self.done = ended;
                step
            }
        }
    }

    fn end(&self) -> Option<Defect> {
        (self.started && !self.done).then_some(Defect::Truncated)
    }
}

// === impl Brotli ===

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        // Strict: no large-window streams, which RFC 7932 does not know.
        let state = Box::new(BrotliState::new_strict(alloc(), alloc(), alloc()));
        Self { state, started: false, done: false }
    }
}

impl Engine for Brotli {
    fn step(&mut self, input: &[u8], out: &mut [u8]) -> Step {
        if self.done || (input.is_empty() && !self.started) {
            return behind_end(input);
        }
        self.started = true;
        let piece = &input[..input.len().min(BROTLI_PIECE)];
        let (mut left, mut taken) = (piece.len(), 0);
        let (mut room, mut made, mut total) = (out.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            piece,
            &mut room,
            &mut made,
            out,
            &mut total,
            &mut self.state,
        );
        self.done = matches!(result, BrotliResult::ResultSuccess);
        let fault = matches!(result, BrotliResult::ResultFailure).then_some(Defect::Malformed);
        Step { taken, made, fault }
    }

    fn end(&self) -> Option<Defect> {
        (self.started && !self.done).then_some(Defect::Truncated)
    }
    /// The decoder does not tell metadata (RFC 7932 section 9.2), so every stream may hold some.
    fn skipped(&self) -> bool {
        self.started
    }
}
