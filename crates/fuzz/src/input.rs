//! Choices and pieces out of the bytes that a fuzzer makes.

use std::ops::Range;

/// Takes choices from the front of an input. An input that is over gives zeros.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

/// Cuts a text into pieces whose lengths follow from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Pieces {
    state: u64,
    most: usize,
    at: usize,
    len: usize,
}

// === impl Input ===

impl<'a> Input<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub(crate) fn bit(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    pub(crate) fn long(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// One of `choices`, which are not none.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// So many bytes, or as many as there are.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The bytes up to the next NUL, which goes too; or all.
    pub(crate) fn text(&mut self) -> &'a [u8] {
        let len = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        let taken = self.take(len);
        self.take(1);
        taken
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

// === impl Pieces ===

impl Pieces {
    /// Seed 0: all in one piece. Seed 1: byte by byte. Others: ever longer pieces on average.
    pub(crate) fn new(seed: u8, len: usize) -> Self {
        let most = match seed {
            0 => len.max(1),
            1 => 1,
            _ => 2usize << (seed % 12),
        };
        Self { state: u64::from(seed), most, at: 0, len }
    }
}

impl Iterator for Pieces {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.at == self.len {
            return None;
        }
        // Knuth's MMIX generator; the high bits are the good ones.
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = usize::try_from(self.state >> 33).unwrap_or(0);
        let len = if self.most == self.len { self.len } else { 1 + random % self.most };
        let start = self.at;
        self.at = (start + len).min(self.len);
        Some(start..self.at)
    }
}
