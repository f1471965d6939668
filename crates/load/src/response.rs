//! ICAP answers off a stream, in whatever pieces they come.
//!
//! Written for this crate alone: what measures a server does not share its reader of bytes.

mod chunks;
mod head;

use chunks::{Chunk, Chunks};
pub(crate) use head::{Head, Malformed, Message};

/// No ICAP head is longer.
const MAX_HEAD: usize = 64 * 1024;

/// Reads one answer after the other. Allocates only while a head comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct ResponseReader {
    state: State,
    /// The beginning of a head of which the rest has not come.
    partial: Vec<u8>,
}

/// A piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// The ICAP head, and the encapsulated head behind it, are complete.
    Head(Head),
    /// Body bytes.
    Data(&'a [u8]),
    /// The answer is complete.
    End,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Head,
    Http(Http),
    Body(Chunks),
    End,
}

/// How much of the encapsulated head is there.
#[derive(Debug)]
struct Http {
    head: Head,
    seen: usize,
    /// `HTTP/1.1 200`
    start: [u8; 12],
    /// The last four bytes.
    tail: u32,
}

// === impl ResponseReader ===

impl ResponseReader {
    /// Reads from the front of `input`: how many bytes are done with, and what they were. `None`: there
    /// is nothing to tell yet; with bytes left, ask again. After [`Event::End`] the next answer begins.
    pub(crate) fn step<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Option<Event<'a>>), Malformed> {
        match &mut self.state {
            State::Head => {
                let Some((used, head)) = self.icap_head(input)? else { return Ok((input.len(), None)) };
                let event = self.enter(head);
                Ok((used, event))
            }
            State::Http(http) => {
                let used = http.take(input);
                if http.seen < http.head.http_len {
                    return Ok((used, None));
                }
                let head = http.finish()?;
                self.state = Self::after(&head);
                Ok((used, Some(Event::Head(head))))
            }
            State::Body(chunks) => {
                let (used, chunk) = chunks.step(input)?;
                Ok((
                    used,
                    match chunk {
                        Chunk::Pending => None,
                        Chunk::Data(data) => Some(Event::Data(data)),
                        Chunk::End => {
                            self.state = State::Head;
                            Some(Event::End)
                        }
                    },
                ))
            }
            State::End => {
                self.state = State::Head;
                Ok((0, Some(Event::End)))
            }
        }
    }

    /// Ready for a new connection. Keeps its buffer.
    pub(crate) fn reset(&mut self) {
        self.state = State::Head;
        self.partial.clear();
    }

    fn enter(&mut self, head: Head) -> Option<Event<'static>> {
        if head.http_len > 0 {
            self.state = State::Http(Http { head, seen: 0, start: [0; 12], tail: 0 });
            // The caller asks again with what is behind the ICAP head.
            return None;
        }
        self.state = Self::after(&head);
        Some(Event::Head(head))
    }

    fn after(head: &Head) -> State {
        if head.has_body { State::Body(Chunks::default()) } else { State::End }
    }

    /// The ICAP head and how much of `input` belongs to it, if it is complete.
    fn icap_head(&mut self, input: &[u8]) -> Result<Option<(usize, Head)>, Malformed> {
        if self.partial.is_empty()
            && let Some(end) = memchr::memmem::find(input, b"\r\n\r\n")
        {
            return Ok(Some((end + 4, Head::parse(&input[..end + 2])?)));
        }
        let before = self.partial.len();
        let room = (MAX_HEAD + 1).saturating_sub(before);
        self.partial.extend_from_slice(&input[..input.len().min(room)]);
        let from = before.saturating_sub(3);
        if let Some(end) = memchr::memmem::find(&self.partial[from..], b"\r\n\r\n") {
            let end = from + end;
            let head = Head::parse(&self.partial[..end + 2])?;
            self.partial.clear();
            return Ok(Some((end + 4 - before, head)));
        }
        if self.partial.len() > MAX_HEAD { Err(Malformed::HeadTooLong) } else { Ok(None) }
    }
}

// === impl Http ===

impl Http {
    fn take(&mut self, input: &[u8]) -> usize {
        let used = input.len().min(self.head.http_len - self.seen);
        let input = &input[..used];
        if let Some(start) = self.start.get_mut(self.seen..) {
            let len = start.len().min(used);
            start[..len].copy_from_slice(&input[..len]);
        }
        for &byte in &input[used.saturating_sub(4)..] {
            self.tail = self.tail << 8 | u32::from(byte);
        }
        self.seen += used;
        used
    }

    fn finish(&self) -> Result<Head, Malformed> {
        if self.tail.to_be_bytes() != *b"\r\n\r\n" {
            return Err(Malformed::HttpHead);
        }
        let mut head = self.head;
        if head.message == Some(Message::Response) {
            let digits = self.start.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
            head.http_status = Some(digits.and_then(head::status_code).ok_or(Malformed::HttpHead)?);
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests;
