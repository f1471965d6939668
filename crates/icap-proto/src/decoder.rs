//! From bytes to the events of one request after another (RFC 3507 sections 4.3 to 4.5).

use crate::chunk::{Chunk, ChunkDecoder};
use crate::fields::is_token;
use crate::start_line::RequestLine;
use crate::{DecodeError, Limits, RequestHead};

/// Reads requests off one connection.
///
/// ```text
///  Idle ─▶ IcapHead ─▶ HttpHeads ─┬─(no body)────────────▶ End
///                                 ├─▶ Preview ─┬─(ieof)──▶ End
///                                 │            └─PreviewEnd─▶ Undecided ─proceed()─▶ Body
///                                 └─▶ Body ─────────────────────────────────────────▶ End
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    limits: Limits,
    state: State,
    /// How much of the waiting ICAP head has been searched for its end.
    searched: usize,
    empty_lines: u32,
    preview: u64,
    chunks: ChunkDecoder,
    /// The head while it comes in.
    head: Box<RequestHead>,
    /// A head that was given back.
    spare: Option<Box<RequestHead>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    IcapHead,
    HttpHeads,
    Preview,
    Undecided,
    Body,
    /// All parts were reported; `End` was not.
    Ended,
    Broken(DecodeError),
}

/// What [`Decoder::step`] found.
#[derive(Debug)]
pub struct Step<'a> {
    /// Bytes of the input that are done with.
    pub consumed: usize,
    /// `None`: more input is needed.
    pub event: Option<Event<'a>>,
}

/// A piece of a request.
#[derive(Debug)]
pub enum Event<'a> {
    /// Everything before the body. Give it back with [`Decoder::recycle`] to keep its buffers.
    Head(Box<RequestHead>),
    /// Body bytes: the last ones of what the step consumed.
    Data(&'a [u8]),
    /// The preview is over and the body is not: answer, or send 100 and call [`Decoder::proceed`].
    PreviewEnd,
    /// The request is over.
    End,
}

// === impl Decoder ===

impl Decoder {
    /// A decoder for a new connection.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Reads from the front of `input`, which begins with the first byte not yet consumed.
    ///
    /// After an error every further step returns the same error.
    pub fn step<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, DecodeError> {
        let step = self.advance(input);
        if let Err(error) = step {
            self.state = State::Broken(error);
        }
        step
    }

    /// Whether no byte of a request has been consumed, so that the connection may be closed without
    /// a word. Bytes that wait unconsumed are the caller's to look at.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether the client waits for 100 or for an answer, after its preview.
    pub fn is_undecided(&self) -> bool {
        self.state == State::Undecided
    }

    /// After 100 was sent: the rest of the body follows.
    pub fn proceed(&mut self) {
        debug_assert_eq!(self.state, State::Undecided);
        if self.state == State::Undecided {
            self.state = State::Body;
        }
    }

    /// After a final answer to a preview: the client sends no more of this body.
    pub fn settle(&mut self) {
        if self.state == State::Undecided {
            self.state = State::Idle;
        }
    }

    /// Bytes that heads take: the one that is coming in, and the buffers of one that was given back.
    pub fn held(&self) -> usize {
        self.head.held() + self.spare.as_ref().map_or(0, |spare| spare.held())
    }

    /// Takes the buffers of a head that is no longer needed.
    pub fn recycle(&mut self, head: Box<RequestHead>) {
        if head.is_small() {
            self.spare = Some(head);
        }
    }

    /// Gives back the buffers that are only kept for the next head.
    pub fn shrink(&mut self) {
        self.spare = None;
        if self.state == State::Idle {
            *self.head = RequestHead::default();
        }
    }

    fn advance<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, DecodeError> {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            match self.state {
                State::Idle => {
                    consumed += self.skip_empty_lines(rest)?;
                    let rest = &input[consumed..];
                    if rest.is_empty() || rest == b"\r" {
                        return Ok(Step { consumed, event: None });
                    }
                    self.state = State::IcapHead;
                    self.searched = 0;
                }
                State::IcapHead => {
                    let Some(len) = self.find_head_end(rest)? else {
                        return Ok(Step { consumed, event: None });
                    };
                    self.empty_lines = 0;
                    self.head.parse(&rest[..len], &self.limits)?;
                    consumed += len + 4;
                    self.state = State::HttpHeads;
                }
                State::HttpHeads => {
                    let missing = self.head.encapsulated().heads_len() - self.head.http.len();
                    let taken = missing.min(rest.len());
                    self.head.http.extend_from_slice(&rest[..taken]);
                    consumed += taken;
                    if taken < missing {
                        return Ok(Step { consumed, event: None });
                    }
                    self.head.check_http()?;
                    self.state = match (self.head.has_body(), self.head.preview()) {
                        (false, _) => State::Ended,
                        (true, Some(_)) => State::Preview,
                        (true, None) => State::Body,
                    };
                    self.preview = 0;
                    self.chunks.reset();
                    let next = self.spare.take().unwrap_or_default();
                    let head = std::mem::replace(&mut self.head, next);
                    return Ok(Step { consumed, event: Some(Event::Head(head)) });
                }
                State::Preview | State::Body => return self.body(input, consumed),
                State::Undecided => return Ok(Step { consumed, event: None }),
                State::Ended => {
                    self.state = State::Idle;
                    return Ok(Step { consumed, event: Some(Event::End) });
                }
                State::Broken(error) => return Err(error),
            }
        }
    }

    fn body<'a>(&mut self, input: &'a [u8], from: usize) -> Result<Step<'a>, DecodeError> {
        let (used, chunk) = self.chunks.step(&input[from..], &self.limits)?;
        let previewing = self.state == State::Preview;
        let event = match chunk {
            Chunk::Pending => None,
            Chunk::Data(data) => {
                if previewing {
                    self.preview += data.len() as u64;
                    if self.preview > self.limits.preview {
                        return Err(DecodeError::PreviewTooLarge);
                    }
                }
                Some(Event::Data(data))
            }
            Chunk::End { ieof: true, .. } if !previewing => return Err(DecodeError::Ieof),
            Chunk::End { ieof: false, .. } if previewing => {
                self.state = State::Undecided;
                Some(Event::PreviewEnd)
            }
            Chunk::End { .. } => {
                self.state = State::Idle;
                Some(Event::End)
            }
        };
        Ok(Step { consumed: from + used, event })
    }

    /// RFC 9112 section 2.2: robust servers ignore an empty line before a request.
    fn skip_empty_lines(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let mut skipped = 0;
        while input[skipped..].starts_with(b"\r\n") {
            self.empty_lines += 1;
            if self.empty_lines > self.limits.leading_empty_lines {
                return Err(DecodeError::EmptyLines);
            }
            skipped += 2;
        }
        Ok(skipped)
    }

    /// The length of the ICAP head without the empty line that ends it, once all of it is here.
    fn find_head_end(&mut self, input: &[u8]) -> Result<Option<usize>, DecodeError> {
        let from = self.searched.saturating_sub(3);
        let end = crate::head::head_end(input, from);
        self.searched = input.len();
        if end.is_none() {
            self.check_unfinished(input)?;
        }
        // Of a head that is not over, the last bytes may be the beginning of its end.
        let least = end.unwrap_or_else(|| input.len().saturating_sub(3));
        if least > self.limits.icap_head {
            return Err(DecodeError::IcapHeadTooLarge);
        }
        Ok(end)
    }

    /// What can be said before the head is complete, so that other protocols and endless lines are
    /// not waited for.
    fn check_unfinished(&self, input: &[u8]) -> Result<(), DecodeError> {
        let method = memchr::memchr(b' ', input).unwrap_or(input.len());
        if !(1..=RequestLine::LONGEST_METHOD).contains(&method)
            || !input[..method].iter().all(|&b| is_token(b))
        {
            return Err(DecodeError::NotIcap);
        }
        match memchr::memchr(b'\n', &input[..input.len().min(self.limits.request_line + 2)]) {
            None if input.len() > self.limits.request_line + 1 => Err(DecodeError::RequestLineTooLong),
            None => Ok(()),
            // A line of another protocol ends the connection now, not when its head is over.
            Some(end) => {
                let line = input[..end].strip_suffix(b"\r").ok_or(DecodeError::RequestLine)?;
                RequestLine::parse(line).map(|_| ())
            }
        }
    }
}

#[cfg(test)]
mod tests;
