//! Runs of digits in lines that are long enough to be told from words.

use super::{MIN_DIGITS, MIN_LINE, drawn, front, is_digit, joints};
use std::ops::Range;

/// Between two lines there may be so many blanks, empty lines, and marks of a quotation or a comment.
const MAX_GAP: usize = 512;

/// Finds runs of digits.
pub(super) struct Runs<'a> {
    text: &'a [u8],
    /// No digits begin before this and end behind it.
    at: usize,
}

// === impl Runs ===

impl<'a> Runs<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next digits begin that are so many that they may go on in another line. No other ones
    /// begin a run, and few bytes have to be looked at to find these.
    fn line_start(&mut self) -> Option<usize> {
        loop {
            // Whatever of that length begins before this place reaches it.
            let probe = self.at + MIN_LINE - 1;
            if !is_digit(*self.text.get(probe)?) {
                self.at = probe + 1;
                continue;
            }
            let front = self.text[self.at..probe].iter().rev().take_while(|byte| is_digit(**byte)).count();
            let start = probe - front;
            let end = self.line_end(probe);
            if end - start >= MIN_LINE {
                return Some(start);
            }
            self.at = end;
        }
    }

    /// Where the digits from `at` on end.
    fn line_end(&self, at: usize) -> usize {
        let digits = self.text[at..].iter().take_while(|byte| is_digit(**byte));
        at + digits.count()
    }

    /// Where the next line begins, or the next string, if the line that ends at `end` goes on there.
    fn next_line(&self, end: usize) -> Option<usize> {
        let rest = &self.text[end..];
        let gap = joints::joint(rest).or_else(|| line_gap(rest))?;
        let rest = &rest[gap..];
        // A boundary, or the end of an armour.
        let goes_on = rest.first().is_some_and(|byte| is_digit(*byte)) && !rest.starts_with(b"--");
        goes_on.then_some(end + gap)
    }
}

/// How many bytes there are from the end of a line to what the next one says.
fn line_gap(text: &[u8]) -> Option<usize> {
    let blank = |byte: &&u8| matches!(**byte, b' ' | b'\t');
    let trailing = text.iter().take(MAX_GAP).take_while(blank).count();
    if !matches!(text.get(trailing), Some(b'\r' | b'\n')) {
        return None;
    }
    let in_gap =
        |byte: &&u8| byte.is_ascii_whitespace() || matches!(**byte, b'>' | b'#' | b'*' | b'|' | b'%' | b';');
    Some(text.iter().take(MAX_GAP).take_while(in_gap).count())
}

impl Iterator for Runs<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let start = self.line_start()?;
            let mut end = self.line_end(start);
            let (mut line, mut digits) = (end - start, end - start);
            while line >= MIN_LINE
                && let Some(next) = self.next_line(end)
            {
                end = self.line_end(next);
                line = end - next;
                digits += line;
            }
            self.at = end;
            let run = &self.text[start..end];
            let front = front(run);
            let behind = drawn(run.iter().rev());
            if digits >= MIN_DIGITS + front + behind {
                return Some(start + front..end - behind);
            }
        }
    }
}
