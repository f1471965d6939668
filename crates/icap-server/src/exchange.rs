//! One request and its answer, as a service sees them.

use crate::alarm::Deadline;
use crate::connection::{Connection, Pieces, Traffic};
use crate::fence::Ending;
use crate::{Caller, Io, Refusals};
use icapstan_icap_proto::{
    Answer, CONTINUE, ChunkHead, DecodeError, Event, LAST_CHUNK, Parts, RequestHead, Rights, Status,
    last_chunk_with_original, put_field,
};
use icapstan_model::IsTag;
use std::net::SocketAddr;
use std::ops::Range;
use thiserror::Error;
use tokio::time::Instant;

/// The body of a request as it comes in, and the answer as it goes out.
#[derive(Debug)]
pub struct Exchange<'c, I> {
    connection: &'c mut Connection<I>,
    rights: Rights,
    after_continue: Rights,
    body: BodyState,
    answer: AnswerState,
    close: bool,
    ending: Ending<'c>,
    body_started: Option<Instant>,
    body_bytes: u64,
    /// Since when the client sends nothing.
    silent: Option<Instant>,
    /// Fields behind the body of the answer, with an empty line.
    trailer: Vec<u8>,
}

/// A piece of a request's body.
#[derive(Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// Bytes, in order.
    Data(&'a [u8]),
    /// The client waits: answer, or [`Exchange::proceed`].
    PreviewEnd,
    /// That was all.
    End,
}

/// An answer without its body.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status line.
    pub status: Status,
    /// The tag of the epoch that the transaction runs under.
    pub istag: &'a IsTag,
    /// Further ICAP fields.
    pub fields: &'a [(&'a str, &'a str)],
    /// What is encapsulated.
    pub parts: Parts<'a>,
}

/// Why an exchange did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// The client sent what is no ICAP.
    #[error("the request is malformed")]
    Decode(#[from] DecodeError),
    /// The client did not go on sending.
    #[error("the request did not arrive in time")]
    ReadTimeout,
    /// The client did not go on reading.
    #[error("the client does not read the answer")]
    WriteTimeout,
    /// The client is gone.
    #[error("the client is gone")]
    Gone,
    /// The request needs more memory than all connections together may still take.
    #[error("there is no memory for the request")]
    Spent,
    /// The service gave up after it began to answer: the connection is aborted.
    #[error("the answer was given up")]
    Aborted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyState {
    Coming,
    Undecided,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerState {
    None,
    Begun,
    Done(Status),
}

// === impl ExchangeError ===

impl ExchangeError {
    /// What is answered to it where no answer was begun; `None`: nothing.
    pub(crate) fn status(self, refusals: Refusals) -> Option<Status> {
        match self {
            Self::Decode(error) => Some(error.status()),
            Self::ReadTimeout => Some(Status::REQUEST_TIMEOUT),
            Self::Spent => Some(refusals.memory),
            Self::WriteTimeout | Self::Gone | Self::Aborted => None,
        }
    }
}

// === impl Exchange ===

impl<'c, I: Io> Exchange<'c, I> {
    pub(crate) fn new(
        connection: &'c mut Connection<I>,
        head: &RequestHead,
        close: bool,
        ending: Ending<'c>,
    ) -> Self {
        let body = if head.has_body() { BodyState::Coming } else { BodyState::Ended };
        connection.restart_pace();
        Self {
            connection,
            rights: Rights::of(head, false),
            after_continue: Rights::of(head, true),
            body,
            answer: AnswerState::None,
            close,
            ending,
            body_started: None,
            body_bytes: 0,
            silent: None,
            trailer: Vec::new(),
        }
    }

    /// Who sent the request.
    pub fn peer(&self) -> SocketAddr {
        self.connection.caller.address
    }

    /// The same, with what else is known of it.
    pub fn caller(&self) -> &Caller {
        &self.connection.caller
    }

    /// The status that the client gets when the service has `served` it so: what was answered, or what
    /// the server answers then. `None`: no whole answer.
    pub fn status(&self, served: Result<(), ExchangeError>) -> Option<Status> {
        match (self.answer, served) {
            (AnswerState::Done(status), _) => Some(status),
            (AnswerState::Begun, _) => None,
            (AnswerState::None, Ok(()) | Err(ExchangeError::Aborted)) => Some(Status::SERVER_ERROR),
            (AnswerState::None, Err(error)) => error.status(self.connection.refusals),
        }
    }

    /// Bytes of this request and of its answer so far. What a client sends ahead of its next request
    /// counts as well.
    pub fn traffic(&self) -> Traffic {
        self.connection.traffic
    }

    /// What is answered where there is no room.
    pub fn refusals(&self) -> Refusals {
        self.connection.refusals
    }

    /// Which answers the client can take now.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Whether the whole body is here.
    pub fn body_ended(&self) -> bool {
        self.body == BodyState::Ended
    }

    /// Whether the client waits for 100 or for the answer.
    pub fn is_undecided(&self) -> bool {
        self.body == BodyState::Undecided
    }

    /// The next piece of the body. After [`Body::PreviewEnd`] and [`Body::End`], the same again.
    pub async fn next(&mut self) -> Result<Body<'_>, ExchangeError> {
        match self.body {
            BodyState::Ended => return Ok(Body::End),
            BodyState::Undecided => return Ok(Body::PreviewEnd),
            BodyState::Coming => {}
        }
        loop {
            if let Some(range) = self.step()? {
                return Ok(Body::Data(self.connection.input.at(range)));
            }
            match self.body {
                BodyState::Ended => return Ok(Body::End),
                BodyState::Undecided => return Ok(Body::PreviewEnd),
                BodyState::Coming => self.fill().await?,
            }
        }
    }

    /// As [`Exchange::next`]; `None`: nothing has come by `at`.
    pub async fn next_by(&mut self, at: std::time::Instant) -> Result<Option<Body<'_>>, ExchangeError> {
        while self.body == BodyState::Coming {
            if let Some(range) = self.step()? {
                return Ok(Some(Body::Data(self.connection.input.at(range))));
            }
            if self.body == BodyState::Coming && !self.fill_by(at.into()).await? {
                return Ok(None);
            }
        }
        self.next().await.map(Some)
    }

    /// Where in the input the next body bytes lie. `None`: there are none for now, and the state says
    /// why.
    fn step(&mut self) -> Result<Option<Range<usize>>, ExchangeError> {
        let start = self.connection.input.position();
        let step = self.connection.decoder.step(self.connection.input.filled())?;
        let consumed = step.consumed;
        let data = match step.event {
            Some(Event::Data(data)) => Some(data.len()),
            Some(Event::PreviewEnd) => {
                self.body = BodyState::Undecided;
                None
            }
            Some(Event::End) => {
                self.body = BodyState::Ended;
                None
            }
            Some(Event::Head(_)) | None => None,
        };
        self.connection.input.consume(consumed);
        let end = start + consumed;
        Ok(data.map(|len| {
            self.body_bytes += len as u64;
            end - len..end
        }))
    }

    /// Sends 100, so that the client sends the rest of the body.
    pub async fn proceed(&mut self) -> Result<(), ExchangeError> {
        debug_assert!(self.is_undecided());
        self.connection.output.extend_from_slice(CONTINUE);
        self.connection.flush_with(&[]).await?;
        self.connection.decoder.proceed();
        self.body = BodyState::Coming;
        self.rights = self.after_continue;
        // What the client made of its time before 100 does not count against the rest.
        (self.body_started, self.body_bytes, self.silent) = (None, 0, None);
        Ok(())
    }

    /// Ends when the client is gone. To be raced against work that is done for it.
    pub async fn gone(&mut self) {
        self.connection.gone().await;
    }

    /// Answers with a body that is at hand, or with none (`body` is empty and `reply.parts` has none).
    ///
    /// If the client is still sending its body, the connection ends after this answer.
    pub async fn answer(&mut self, reply: Reply<'_>, body: &[u8]) -> Result<(), ExchangeError> {
        self.close |= self.body == BodyState::Coming;
        self.write_head(reply);
        let chunked = match reply.parts {
            Parts::Nothing => false,
            Parts::Request { body, .. } | Parts::Response { body, .. } => body,
            Parts::Body { .. } => true,
        };
        if !chunked {
            debug_assert!(body.is_empty());
            self.connection.flush_with(&[]).await?;
        } else if body.is_empty() {
            self.connection.flush_with(&[LAST_CHUNK]).await?;
        } else {
            self.connection.flush_chunked(body).await?;
        }
        self.answer = AnswerState::Done(reply.status);
        Ok(())
    }

    /// Begins an answer whose body is sent piece by piece, with the first of them. If the client is
    /// still sending its own, the caller reads that to its end before it finishes.
    pub fn begin(&mut self, reply: Reply<'_>) {
        self.write_head(reply);
        self.answer = AnswerState::Begun;
    }

    /// Sends a piece of the answer's body.
    pub async fn chunk(&mut self, data: &[u8]) -> Result<(), ExchangeError> {
        debug_assert_eq!(self.answer, AnswerState::Begun);
        if data.is_empty() {
            return Ok(());
        }
        let head = ChunkHead::new(data.len());
        self.connection.flush_with(&[head.as_bytes(), data, b"\r\n"]).await
    }

    /// Puts these fields behind the body of the answer that was begun; its head has announced them
    /// (draft-rousskov-icap-trailers-01).
    pub fn set_trailer(&mut self, fields: &[(&str, &str)]) {
        debug_assert_eq!(self.answer, AnswerState::Begun);
        self.trailer.clear();
        for (name, value) in fields {
            put_field(&mut self.trailer, name, value);
        }
        self.trailer.extend_from_slice(b"\r\n");
    }

    /// Sends what was begun so far.
    pub async fn flush(&mut self) -> Result<(), ExchangeError> {
        self.connection.flush_with(&[]).await
    }

    /// Passes what is left of the request's body on as that of the answer, without a copy, and ends
    /// the answer.
    pub async fn relay(&mut self, status: Status) -> Result<(), ExchangeError> {
        self.relay_at_least(status, 0).await
    }

    /// As [`Exchange::relay`], for a body of which at least `left` bytes have to come yet. If there are
    /// fewer, the answer is given up before its end.
    pub async fn relay_at_least(&mut self, status: Status, left: u64) -> Result<(), ExchangeError> {
        debug_assert_eq!(self.answer, AnswerState::Begun);
        let before = self.body_bytes;
        loop {
            let pieces = self.pieces()?;
            if self.body == BodyState::Ended && self.body_bytes - before < left {
                return Err(ExchangeError::Aborted);
            }
            match self.body {
                // Nobody can send 100 in the midst of an answer.
                BodyState::Undecided => return Err(ExchangeError::Aborted),
                BodyState::Ended => {
                    let is_last = self.trailer.is_empty();
                    self.connection.flush_pieces(&pieces, is_last).await?;
                    if !is_last {
                        return self.finish(status, None).await;
                    }
                    self.answer = AnswerState::Done(status);
                    return Ok(());
                }
                BodyState::Coming => {
                    self.connection.flush_pieces(&pieces, false).await?;
                    if self.connection.input.is_empty() || pieces.is_empty() {
                        self.fill().await?;
                    }
                }
            }
        }
    }

    /// What of the body is here.
    fn pieces(&mut self) -> Result<Pieces, ExchangeError> {
        let mut pieces = Pieces::new();
        let mut room = true;
        while room && self.body == BodyState::Coming {
            match self.step()? {
                Some(range) => room = pieces.push(&mut self.connection.input, range),
                None => break,
            }
        }
        Ok(pieces)
    }

    /// Ends an answer that was begun; a 206 names the `offset` from which the client goes on with
    /// its own copy of the body.
    pub async fn finish(&mut self, status: Status, offset: Option<u64>) -> Result<(), ExchangeError> {
        debug_assert_eq!(self.answer, AnswerState::Begun);
        match offset {
            Some(offset) => self.connection.output.extend_from_slice(&last_chunk_with_original(offset)),
            None => self.connection.output.extend_from_slice(LAST_CHUNK),
        }
        self.connection.flush_with(&[&std::mem::take(&mut self.trailer)]).await?;
        self.answer = AnswerState::Done(status);
        Ok(())
    }

    /// Where the answer stands, whether the connection ends, and whether the client is still sending.
    pub(crate) fn end(&mut self) -> (AnswerState, bool, bool) {
        if self.body == BodyState::Undecided {
            self.connection.decoder.settle();
            self.body = BodyState::Ended;
        }
        (self.answer, self.close, self.body == BodyState::Coming)
    }

    fn write_head(&mut self, reply: Reply<'_>) {
        debug_assert_eq!(self.answer, AnswerState::None);
        // The server may have been told to stop since the request came.
        self.close |= self.ending.is_near();
        let Reply { status, istag, fields, parts } = reply;
        let answer = Answer { status, istag: istag.as_str(), fields, parts, close: self.close };
        answer.write(&mut self.connection.output);
    }

    /// Reads more of the body, which must keep coming.
    async fn fill(&mut self) -> Result<(), ExchangeError> {
        let deadline = self.body_deadline()?;
        self.connection.fill(Deadline::At(deadline)).await?;
        self.silent = None;
        Ok(())
    }

    /// The same; false if nothing has come by `at`.
    async fn fill_by(&mut self, at: Instant) -> Result<bool, ExchangeError> {
        let deadline = self.body_deadline()?;
        match self.connection.fill(Deadline::At(deadline.min(at))).await {
            Err(ExchangeError::ReadTimeout) if at < deadline => return Ok(false),
            filled => filled?,
        }
        self.silent = None;
        Ok(true)
    }

    /// When more of the body has to be here.
    fn body_deadline(&mut self) -> Result<Instant, ExchangeError> {
        let now = Instant::now();
        let started = *self.body_started.get_or_insert(now);
        let timeouts = &self.connection.timeouts;
        let elapsed = now - started;
        if elapsed > timeouts.body_idle && self.body_bytes < timeouts.body_rate * elapsed.as_secs() {
            return Err(ExchangeError::ReadTimeout);
        }
        Ok(*self.silent.get_or_insert(now) + timeouts.body_idle)
    }
}
