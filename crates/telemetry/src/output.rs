//! Where lines go, and how many of them are lost on the way.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::os::fd::AsFd;

/// Up to this much goes into a pipe undivided (`PIPE_BUF` in pipe(7)), so that lines of other writers
/// to the same pipe are not torn apart, and neither are ours if the process ends meanwhile.
const UNDIVIDED: usize = 4096;

/// Writes whole lines to a descriptor. Only the descriptor is used: the writes of the standard streams
/// are under a lock, for which whoever panics meanwhile or prints an error would wait.
pub(crate) struct Output<F> {
    to: F,
    /// The last line broke off in the middle.
    is_torn: bool,
}

// === impl Output ===

impl<F: AsFd> Output<F> {
    pub(crate) fn new(to: F) -> Self {
        Self { to, is_torn: false }
    }

    /// What is written to.
    pub(crate) fn get(&self) -> &F {
        &self.to
    }

    /// Writes whole lines, for as long as that takes. Returns how many of them are lost.
    pub(crate) fn write(&mut self, lines: &[u8]) -> u64 {
        let mut lost = 0;
        let mut rest = lines;
        while !rest.is_empty() {
            let (piece, others) = rest.split_at(piece(rest));
            lost += self.write_piece(piece);
            rest = others;
        }
        lost
    }

    fn write_piece(&mut self, lines: &[u8]) -> u64 {
        if self.is_torn && self.put(b"\n") == 1 {
            self.is_torn = false;
        }
        let written = if self.is_torn { 0 } else { self.put(lines) };
        let (before, rest) = lines.split_at(written);
        if let Some(last) = before.last() {
            self.is_torn = *last != b'\n';
        }
        rest.iter().map(|byte| u64::from(*byte == b'\n')).sum()
    }

    /// Writes as much as can be written. Returns how much that is.
    fn put(&self, bytes: &[u8]) -> usize {
        let fd = self.to.as_fd();
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::write(fd, &bytes[written..]) {
                Ok(0) => break,
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                // Whether writing blocks is a property of the pipe, which others may share and set.
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(_) => break,
                },
                Err(_) => break,
            }
        }
        written
    }
}

/// How much of `lines` is written at once: as many lines as stay undivided, or else one.
fn piece(lines: &[u8]) -> usize {
    let is_end = |byte: &u8| *byte == b'\n';
    let undivided = &lines[..lines.len().min(UNDIVIDED)];
    let end = undivided.iter().rposition(is_end).or_else(|| lines.iter().position(is_end));
    end.map_or(lines.len(), |end| end + 1)
}
