//! One connection from its first request to its last.

mod access;

use crate::alarm::Deadline;
use crate::caps::Caps;
use crate::clients::Guest;
use crate::connection::{Connection, Traffic};
use crate::exchange::{AnswerState, ExchangeError};
use crate::idle::{BUSY, BUSY_WHEN_NEARLY_FULL, Room};
use crate::metrics::{Cause, ClientLimit, State};
use crate::refusal::Shortage;
use crate::server::Shared;
use crate::{Body, Caller, Exchange, Io, Reply, Service};
use icapstan_icap_proto::{Answer, DecodeError, Event, Method, Parts, RequestHead, Status};
use icapstan_metrics::Gauges;
use tokio::time::Instant;
use tracing::debug;

/// Serves the requests of one connection.
pub(crate) struct Session<'s, S: Service, I> {
    shared: &'s Shared<S>,
    connection: Connection<I>,
    room: Room,
    /// The client, where what it takes is limited.
    guest: Option<Guest>,
    caps: Caps,
    requests: u64,
    /// When the last request was done, or else the connection began.
    quiet_since: Instant,
    standing: Standing<'s>,
    /// Who the client has said it is, and what it said.
    proven: Option<access::Proven>,
}

/// Counts a connection among those of its state as long as it lives.
struct Standing<'s> {
    states: &'s Gauges<State>,
    state: State,
}

/// What nobody reads of a body of OPTIONS, in bytes; more ends the connection.
const OPTIONS_BODY: usize = 64 * 1024;

/// What follows an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// The next request.
    Next,
    /// The end, when the client has had time to read the answer.
    Linger,
    /// The end.
    End,
}

/// What came instead of a request head.
enum NoHead {
    /// Nothing: the connection may be closed without a word.
    Idle,
    /// Part of a head, or something else.
    Failed(ExchangeError),
}

// === impl Session ===

impl<'s, S: Service, I: Io> Session<'s, S, I> {
    pub(crate) fn new(
        shared: &'s Shared<S>,
        io: I,
        caller: Caller,
        room: Room,
        guest: Option<Guest>,
    ) -> Self {
        let connection = Connection::new(io, caller, &shared.config, &shared.memory);
        let caps = Caps::new(&shared.config);
        let standing = Standing::new(&shared.metrics.states);
        let quiet_since = Instant::now();
        Self { shared, connection, room, guest, caps, requests: 0, quiet_since, standing, proven: None }
    }

    pub(crate) async fn run(mut self) {
        self.serve().await;
        self.count_traffic();
    }

    fn count_traffic(&mut self) {
        let Traffic { received, sent } = std::mem::take(&mut self.connection.traffic);
        self.shared.metrics.received.inc_by(received);
        self.shared.metrics.sent.inc_by(sent);
    }

    async fn serve(&mut self) {
        loop {
            let head = match self.read_head().await {
                // Nobody knows what an answer would have to say.
                _ if self.shared.fence.is_up() => return self.connection.say_goodbye().await,
                Ok(head) => head,
                Err(NoHead::Idle) => return self.connection.say_goodbye().await,
                Err(NoHead::Failed(error)) => return self.give_up(None, error, false).await,
            };
            self.standing.enter(State::Request);
            let method = head.method();
            let started = Instant::now();
            self.requests += 1;
            let after = if let Some(refused) = self.refuse_stranger(&head).await {
                refused
            } else if method == Method::Options {
                self.serve_options(&head).await
            } else {
                self.serve_modification(&head).await
            };
            self.quiet_since = Instant::now();
            self.shared.metrics.took(method, self.quiet_since - started);
            self.count_traffic();
            self.connection.decoder.recycle(head);
            self.standing.enter(State::Idle);
            match after {
                After::Next => {}
                After::Linger => return self.connection.linger().await,
                After::End => return,
            }
        }
    }

    /// Whether the connection is to end after the answer to this request.
    fn closes(&self, head: &RequestHead) -> bool {
        self.caps.end_with(head, self.requests) || self.shared.ending().is_near()
    }

    async fn read_head(&mut self) -> Result<Box<RequestHead>, NoHead> {
        let mut deadline = None;
        loop {
            let step = self
                .connection
                .decoder
                .step(self.connection.input.filled())
                .map_err(|error| NoHead::Failed(error.into()))?;
            let consumed = step.consumed;
            let event = step.event.map(|event| if let Event::Head(head) = event { Some(head) } else { None });
            self.connection.input.consume(consumed);
            let done = event.as_ref().and_then(Option::as_ref).map_or(0, |head| head.held());
            let heads = self.connection.decoder.held() + done;
            self.connection.charge_heads(heads).map_err(NoHead::Failed)?;
            match event {
                Some(Some(head)) => return Ok(head),
                // The end of the request before.
                Some(None) => continue,
                None => {}
            }
            if self.connection.decoder.is_idle() && self.connection.input.is_empty() {
                self.wait_for_request().await?;
            } else {
                self.standing.enter(State::Head);
                let deadline =
                    *deadline.get_or_insert_with(|| Instant::now() + self.connection.timeouts.head);
                self.connection.fill(Deadline::At(deadline)).await.map_err(NoHead::Failed)?;
            }
        }
    }

    /// Waits for the first byte of a request. Ends with [`NoHead::Idle`] at the idle deadline, when
    /// the client closes, when its place is needed, and soon after the server is told to stop.
    async fn wait_for_request(&mut self) -> Result<(), NoHead> {
        let Self { connection, shared, room, quiet_since, .. } = self;
        let idle = connection.timeouts.idle;
        let busy = if shared.is_nearly_full() { BUSY_WHEN_NEARLY_FULL } else { BUSY };
        match connection.fill(Deadline::In(busy.min(idle))).await {
            Err(ExchangeError::ReadTimeout) if idle > busy => {}
            read => return read.map_err(|_| NoHead::Idle),
        }
        connection.shrink();
        let stop_idle = connection.timeouts.stop_idle;
        // A server that stops may have told the client so already, or never: what is on its way is
        // still answered.
        let stopping = async {
            shared.stopping().await;
            tokio::time::sleep(stop_idle).await;
        };
        let mut resting = shared.idle.rest(room, *quiet_since);
        let read = tokio::select! {
            biased;
            read = connection.fill(Deadline::In(idle.saturating_sub(busy))) => read.map_err(|_| NoHead::Idle),
            () = resting.replaced() => Err(NoHead::Idle),
            () = stopping => Err(NoHead::Idle),
            () = shared.fence.is(true) => Err(NoHead::Idle),
        };
        *room = resting.end();
        // The place may have been taken while the next request came.
        room.seat = room.seat.take().or_else(|| shared.take_seat());
        if room.seat.is_some() { read } else { Err(NoHead::Idle) }
    }

    async fn serve_options(&mut self, head: &RequestHead) -> After {
        let close = self.closes(head);
        let route = self.shared.service.route(head.uri());
        let shared = self.shared;
        let mut exchange = Exchange::new(&mut self.connection, head, close, self.shared.ending());
        let mut left = OPTIONS_BODY;
        loop {
            match exchange.next().await {
                Ok(Body::Data(data)) if data.len() <= left => left -= data.len(),
                Ok(Body::Data(_)) => return self.refuse(head, Status::TOO_LARGE, true).await,
                Ok(_) => break,
                Err(error) => {
                    self.give_up(Some(head), error, false).await;
                    return After::End;
                }
            }
        }
        exchange.end();
        let status = if let Some(route) = &route {
            shared.service.options(route, close, &mut self.connection.output);
            Status::OK
        } else {
            self.put_error(Status::NOT_FOUND, close);
            Status::NOT_FOUND
        };
        if let Err(error) = self.connection.flush_with(&[]).await {
            self.give_up(Some(head), error, true).await;
            return After::End;
        }
        shared.metrics.answered(Method::Options, status);
        if close { After::Linger } else { After::Next }
    }

    async fn serve_modification(&mut self, head: &RequestHead) -> After {
        let shared = self.shared;
        let method = head.method();
        if let Err(shortage) = self.claim_room() {
            let reason = [("X-Icapstan-Reason", shortage.as_str())];
            let status = shared.config.refusals.sessions;
            return self.refuse_with(head, status, &reason, shortage.ends_connection()).await;
        }
        if method == Method::Other {
            return self.refuse(head, Status::NOT_IMPLEMENTED, false).await;
        }
        let Some(route) = shared.service.route(head.uri()) else {
            return self.refuse(head, Status::NOT_FOUND, false).await;
        };
        if !shared.service.methods(&route).contains(&method) {
            return self.refuse(head, Status::METHOD_NOT_ALLOWED, false).await;
        }
        let close = self.closes(head);
        let mut exchange = Exchange::new(&mut self.connection, head, close, self.shared.ending());
        let served = shared.service.serve(&route, head, &mut exchange).await;
        let (answer, close, sending) = exchange.end();
        match (served, answer) {
            (Ok(()), AnswerState::Done(status)) => {
                shared.metrics.answered(method, status);
                if close || sending { After::Linger } else { After::Next }
            }
            (Ok(()) | Err(ExchangeError::Aborted), AnswerState::None) => {
                shared.metrics.faults.inc();
                self.refuse(head, Status::SERVER_ERROR, true).await
            }
            (served, answer) => {
                let error = served.err().unwrap_or(ExchangeError::Aborted);
                self.give_up(Some(head), error, answer != AnswerState::None).await;
                After::End
            }
        }
    }

    /// Sees to it that the request has its share of the room. That of idle connections is taken before it
    /// is refused; a client that has its own share already takes nothing of others.
    fn claim_room(&mut self) -> Result<(), Shortage> {
        let metrics = &self.shared.metrics;
        if let Some(guest) = &mut self.guest {
            if !guest.is_served() {
                metrics.client_refused(ClientLimit::Sessions);
                return Err(Shortage::ClientSessions);
            }
            if !guest.take() {
                metrics.client_refused(ClientLimit::Rate);
                return Err(Shortage::ClientRate);
            }
        }
        if self.room.slot.is_none() {
            self.room.slot = self.shared.take_slot().or_else(|| self.shared.replace_slot());
        }
        if self.room.slot.is_none() {
            metrics.refused.inc();
            return Err(Shortage::Sessions);
        }
        Ok(())
    }

    /// Answers with an error. The connection goes on if the next request can be found without
    /// reading a body that nobody wants.
    async fn refuse(&mut self, head: &RequestHead, status: Status, close: bool) -> After {
        self.refuse_with(head, status, &[], close).await
    }

    /// The same, with more fields.
    async fn refuse_with(
        &mut self,
        head: &RequestHead,
        status: Status,
        fields: &[(&str, &str)],
        close: bool,
    ) -> After {
        let close = close || head.has_body() || self.closes(head);
        let istag = self.shared.service.istag(self.shared.service.route(head.uri()).as_ref());
        let mut exchange = Exchange::new(&mut self.connection, head, close, self.shared.ending());
        let reply = Reply { status, istag: &istag, fields, parts: Parts::Nothing };
        if let Err(error) = exchange.answer(reply, &[]).await {
            self.give_up(Some(head), error, true).await;
            return After::End;
        }
        self.shared.metrics.answered(head.method(), status);
        if close { After::Linger } else { After::Next }
    }

    /// Ends the connection after a failure, with a status if none was sent.
    async fn give_up(&mut self, head: Option<&RequestHead>, error: ExchangeError, answering: bool) {
        let cause = match error {
            ExchangeError::Decode(_) => Cause::Malformed,
            ExchangeError::ReadTimeout => Cause::ReadTimeout,
            ExchangeError::WriteTimeout => Cause::WriteTimeout,
            ExchangeError::Gone => Cause::Gone,
            ExchangeError::Spent => Cause::Memory,
            ExchangeError::Aborted => Cause::Aborted,
        };
        self.shared.metrics.ended(cause);
        debug!(peer = %self.connection.caller.address, cause = cause.as_str(), %error, answering, "The session ended in the midst of a request.");
        match error {
            ExchangeError::Decode(error) => {
                self.shared.metrics.malformed(error);
                self.note_tls(error);
            }
            // Its queue would be kept by the system until the peer takes it, or for minutes.
            ExchangeError::WriteTimeout => return self.connection.forget(),
            _ => {}
        }
        // Where part of an answer is out, a second one would be taken for its body.
        let refusals = self.shared.config.refusals;
        let Some(status) = error.status(refusals).filter(|_| !answering) else { return };
        self.connection.output.clear();
        self.put_error(status, true);
        match self.connection.flush_with(&[]).await {
            Ok(()) => {
                self.shared.metrics.answered(head.map_or(Method::Other, RequestHead::method), status);
                // Those who speak another protocol have nothing to wait for.
                if error != ExchangeError::Decode(DecodeError::NotIcap) {
                    self.connection.linger().await;
                }
            }
            Err(ExchangeError::WriteTimeout) => self.connection.forget(),
            Err(_) => {}
        }
    }

    fn put_error(&mut self, status: Status, close: bool) {
        let istag = self.shared.service.istag(None);
        let answer = Answer { status, istag: istag.as_str(), fields: &[], parts: Parts::Nothing, close };
        answer.write(&mut self.connection.output);
    }
}

// === impl Standing ===

impl<'s> Standing<'s> {
    fn new(states: &'s Gauges<State>) -> Self {
        states.inc(State::Idle);
        Self { states, state: State::Idle }
    }

    fn enter(&mut self, state: State) {
        if self.state != state {
            self.states.dec(self.state);
            self.states.inc(state);
            self.state = state;
        }
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.states.dec(self.state);
    }
}
