//! The bytes that were read and not yet used.

use crate::{Budget, Share};
use std::io;
use std::ops::Range;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A read buffer that grows with the traffic and shrinks when there is none, so that thousands of
/// idle connections cost little.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// It is full when it holds this much.
    most: usize,
    /// What it takes beyond [`SMALL`], which every connection may have.
    share: Share,
}

const SMALL: usize = 4 * 1024;
/// Each read and write has a price of its own: half of this takes a sixth more time for large bodies,
/// twice this hardly less.
const LARGE: usize = 128 * 1024;

// === impl Buffer ===

impl Buffer {
    /// For connections whose largest ICAP head has `head` bytes: that fits, with bytes of a body
    /// behind it. What it grows by is taken from `memory`.
    pub(crate) fn new(head: usize, memory: &Arc<Budget>) -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0, most: head + LARGE, share: Share::new(memory) }
    }

    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The bytes at `range` of what [`Buffer::filled`] returned before the last `consume`, which
    /// stay in place until the next read.
    pub(crate) fn at(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Moves the bytes at `range`, which were consumed, down to `to`, which lies in front of them.
    pub(crate) fn move_down(&mut self, range: Range<usize>, to: usize) {
        debug_assert!(to <= range.start && range.end <= self.start);
        self.bytes.copy_within(range, to);
    }

    pub(crate) fn position(&self) -> usize {
        self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// Whether it holds as much as it ever may.
    pub(crate) fn is_full(&self) -> bool {
        self.end - self.start >= self.most
    }

    /// Gives memory back while nothing is buffered.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            (self.bytes, self.start, self.end) = (Vec::new(), 0, 0);
            self.share.release();
        }
    }

    /// Reads once; 0 bytes mean that the peer sends no more. [`io::ErrorKind::OutOfMemory`]: what
    /// is here needs more room to be understood, and there is none.
    pub(crate) async fn read(&mut self, io: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        self.make_room();
        // Reading into nothing would look like the peer's end.
        if self.end == self.bytes.len() {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        }
        let count = io.read(&mut self.bytes[self.end..]).await?;
        self.end += count;
        Ok(count)
    }

    fn make_room(&mut self) {
        if self.is_empty() {
            // A read that filled the buffer says that more is coming.
            let grow = self.end == self.bytes.len() && self.bytes.len() < LARGE;
            (self.start, self.end) = (0, 0);
            if grow {
                // Without room a small buffer does as well, only slower.
                let len = if self.bytes.is_empty() { SMALL } else { LARGE };
                if self.share.grow_for_comfort((len - SMALL) as u64) {
                    self.resize(len);
                }
            }
        } else if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if self.bytes.len() - self.end < SMALL {
                let len = (self.bytes.len() * 2).clamp(LARGE, self.most + SMALL);
                let more = (len - SMALL) as u64;
                // As long as anything can be read, more room is only convenient.
                let is_needed = self.end == self.bytes.len();
                let grows =
                    if is_needed { self.share.grow_to(more) } else { self.share.grow_for_comfort(more) };
                if grows {
                    self.resize(len);
                }
            }
        }
    }

    fn resize(&mut self, len: usize) {
        self.bytes.reserve_exact(len.saturating_sub(self.bytes.len()));
        self.bytes.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_out_as_they_went_in_however_they_are_consumed() {
        let sent: Vec<u8> = (0..300_000u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let mut io = &sent[..];
        let (mut buffer, mut seen) = (Buffer::new(LARGE, &Budget::unwatched(u64::MAX)), Vec::new());
        let mut take = 1;
        loop {
            while !buffer.is_full() && buffer.read(&mut io).await.unwrap() > 0 {}
            if buffer.is_empty() {
                break;
            }
            let count = take.min(buffer.filled().len());
            seen.extend_from_slice(&buffer.filled()[..count]);
            buffer.consume(count);
            take = take * 7 % 9973 + 1;
        }
        assert_eq!(seen.len(), sent.len());
        assert!(seen == sent);
    }

    #[test]
    fn it_never_holds_more_than_its_bound_and_gives_memory_back() {
        let mut buffer = Buffer::new(LARGE, &Budget::unwatched(u64::MAX));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut endless = tokio::io::repeat(7);
            while !buffer.is_full() {
                buffer.read(&mut endless).await.unwrap();
            }
        });
        assert!(buffer.filled().len() <= 2 * LARGE + SMALL);
        buffer.consume(buffer.filled().len());
        buffer.shrink();
        assert_eq!(buffer.bytes.capacity(), 0);
    }

    #[test]
    fn without_memory_it_goes_on_small_and_fails_only_if_it_cannot() {
        let memory = Budget::unwatched(1000);
        let mut buffer = Buffer::new(LARGE, &memory);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut endless = tokio::io::repeat(7);
            for _ in 0..5 {
                assert_eq!(buffer.read(&mut endless).await.unwrap(), SMALL);
                buffer.consume(SMALL);
            }
            buffer.read(&mut endless).await.unwrap();
            let error = buffer.read(&mut endless).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        });
        assert_eq!(memory.taken(), 0);
    }

    #[test]
    fn a_rest_in_a_small_buffer_takes_nothing_of_what_bodies_need() {
        let memory = Budget::unwatched(1 << 20);
        let mut bodies = Share::new(&memory);
        assert!(bodies.grow_to(600_000));
        let mut buffer = Buffer::new(LARGE, &memory);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut endless = tokio::io::repeat(7);
            for rest in [3, 2000, SMALL - 1] {
                buffer.read(&mut endless).await.unwrap();
                buffer.consume(buffer.filled().len() - rest);
                buffer.read(&mut endless).await.unwrap();
                assert_eq!((memory.taken(), buffer.filled().len()), (600_000, SMALL), "{rest}");
                buffer.consume(SMALL);
            }
        });
    }

    #[test]
    fn what_it_grows_by_is_taken_from_the_budget_and_given_back() {
        let memory = Budget::unwatched(10 << 20);
        let mut buffer = Buffer::new(LARGE, &memory);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut endless = tokio::io::repeat(7);
            while !buffer.is_full() {
                buffer.read(&mut endless).await.unwrap();
            }
        });
        assert_eq!(memory.taken(), (buffer.bytes.capacity() - SMALL) as u64);
        buffer.consume(buffer.filled().len());
        buffer.shrink();
        assert_eq!(memory.taken(), 0);
    }
}
