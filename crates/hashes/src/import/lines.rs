//! Lines of bounded length.

use std::io::{self, BufRead, Read};

/// Longer lines are left out.
pub const MAX_LINE: usize = 16 * 1024;

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than [`MAX_LINE`].
    TooLong,
}

/// The lines of an input; never more than one is kept.
pub(super) struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

// === impl Lines ===

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: Vec::with_capacity(MAX_LINE) }
    }

    /// The next line, if there is one.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        // One byte more than a line may have, and its end.
        let most = MAX_LINE as u64 + 2;
        if self.input.by_ref().take(most).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        let is_ended = self.line.last() == Some(&b'\n');
        self.line.truncate(self.line.len() - usize::from(is_ended));
        if self.line.len() <= MAX_LINE {
            return Ok(Some(Line::Whole(&self.line)));
        }
        if !is_ended {
            self.input.skip_until(b'\n')?;
        }
        Ok(Some(Line::TooLong))
    }
}
