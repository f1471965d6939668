//! One connection from its first byte to its last.

use crate::buffer::Buffer;
use crate::connection::{Connection, Io};
use crate::exchange::{AnswerState, ExchangeError};
use crate::server::{Shared, Slot};
use crate::{Body, Exchange, Reply, Service};
use icapstan_icap_proto::{Answer, DecodeError, Decoder, Event, Method, Parts, RequestHead, Status};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tracing::debug;

/// Serves the requests of one connection.
pub(crate) struct Session<S: Service, I> {
    shared: Arc<Shared<S>>,
    connection: Connection<I>,
    /// Empty while the server is over its session limit: then only OPTIONS is served.
    slot: Option<Slot>,
    requests: u64,
}

/// What nobody reads of a body of OPTIONS, in bytes; more ends the connection.
const OPTIONS_BODY: usize = 64 * 1024;

/// What came instead of a request head.
enum NoHead {
    /// Nothing: the connection may be closed without a word.
    Idle,
    /// Part of a head, or something else.
    Failed(ExchangeError),
}

// === impl Session ===

impl<S: Service, I: Io> Session<S, I> {
    pub(crate) fn new(shared: Arc<Shared<S>>, io: I, peer: SocketAddr, slot: Option<Slot>) -> Self {
        let connection = Connection {
            io,
            peer,
            input: Buffer::new(shared.config.limits.icap_head),
            decoder: Decoder::new(shared.config.limits),
            output: Vec::new(),
            timeouts: shared.config.timeouts,
            ended: false,
            received: 0,
            sent: 0,
        };
        Self { shared, connection, slot, requests: 0 }
    }

    pub(crate) async fn run(mut self) {
        self.serve().await;
        self.shared.metrics.received.inc_by(self.connection.received);
        self.shared.metrics.sent.inc_by(self.connection.sent);
    }

    async fn serve(&mut self) {
        loop {
            let head = match self.read_head().await {
                Ok(head) => head,
                Err(NoHead::Idle) => return,
                Err(NoHead::Failed(error)) => return self.give_up(None, error, false).await,
            };
            let method = head.method();
            let started = Instant::now();
            self.requests += 1;
            if self.slot.is_none() {
                self.slot = self.shared.take_slot();
            }
            let goes_on = if method == Method::Options {
                self.serve_options(&head).await
            } else {
                self.serve_modification(&head).await
            };
            self.shared.metrics.took(method, started.elapsed());
            self.connection.decoder.recycle(head);
            if !goes_on {
                return;
            }
        }
    }

    /// Whether the connection is to end after the answer to this request.
    fn closes(&self, head: &RequestHead) -> bool {
        let config = &self.shared.config;
        !config.keep_alive
            || head.connection_has("close")
            || (config.max_requests > 0 && self.requests >= config.max_requests)
            || self.shared.is_stopping()
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
            match event {
                Some(Some(head)) => return Ok(head),
                // The end of the request before.
                Some(None) => continue,
                None => {}
            }
            if self.connection.decoder.is_idle() && self.connection.input.is_empty() {
                self.wait_for_request().await?;
            } else {
                let deadline =
                    *deadline.get_or_insert_with(|| Instant::now() + self.connection.timeouts.head);
                self.connection.fill(deadline).await.map_err(NoHead::Failed)?;
            }
        }
    }

    /// Waits for the first byte of a request. Ends with [`NoHead::Idle`] at the idle deadline, when
    /// the client closes, and soon after the server is told to stop.
    async fn wait_for_request(&mut self) -> Result<(), NoHead> {
        /// After this long without a request the read buffer is given back.
        const BUSY: Duration = Duration::from_secs(1);
        let timeouts = self.connection.timeouts;
        let deadline = Instant::now() + timeouts.idle;
        // A server that stops may have told the client so already, or never: what is on its way is
        // still answered.
        let stopping = async {
            self.shared.stopping().await;
            tokio::time::sleep(timeouts.stop_idle).await;
        };
        let connection = &mut self.connection;
        let wait = async {
            if let Ok(read) = timeout(BUSY, connection.fill(deadline)).await {
                return read;
            }
            connection.input.shrink();
            connection.output = Vec::new();
            connection.fill(deadline).await
        };
        tokio::select! {
            biased;
            read = wait => read.map_err(|_| NoHead::Idle),
            () = stopping => Err(NoHead::Idle),
        }
    }

    /// `false`: the connection is over.
    async fn serve_options(&mut self, head: &RequestHead) -> bool {
        let close = self.closes(head);
        let route = self.shared.service.route(head.uri());
        let shared = Arc::clone(&self.shared);
        let mut exchange = Exchange::new(&mut self.connection, head, close, self.shared.stop());
        let mut left = OPTIONS_BODY;
        loop {
            match exchange.next().await {
                Ok(Body::Data(data)) if data.len() <= left => left -= data.len(),
                Ok(Body::Data(_)) => return self.refuse(head, Status::TOO_LARGE, true).await,
                Ok(_) => break,
                Err(error) => {
                    self.give_up(Some(head), error, false).await;
                    return false;
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
        let flushed = self.connection.flush_with(&[]).await;
        if flushed.is_ok() {
            shared.metrics.answered(Method::Options, status);
        }
        if close {
            self.connection.linger().await;
        }
        flushed.is_ok() && !close
    }

    /// `false`: the connection is over.
    async fn serve_modification(&mut self, head: &RequestHead) -> bool {
        let shared = Arc::clone(&self.shared);
        let method = head.method();
        if self.slot.is_none() {
            shared.metrics.refused.inc();
            return self.refuse(head, Status::TOO_MANY_REQUESTS, true).await;
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
        let mut exchange = Exchange::new(&mut self.connection, head, close, self.shared.stop());
        let served = shared.service.serve(&route, head, &mut exchange).await;
        let (answer, close, sending) = exchange.end();
        match (served, answer) {
            (Ok(()), AnswerState::Done(status)) => {
                shared.metrics.answered(method, status);
                if close || sending {
                    self.connection.linger().await;
                }
                !(close || sending)
            }
            (Ok(()) | Err(ExchangeError::Aborted), AnswerState::None) => {
                self.refuse(head, Status::SERVER_ERROR, true).await
            }
            (served, answer) => {
                let error = served.err().unwrap_or(ExchangeError::Aborted);
                self.give_up(Some(head), error, answer != AnswerState::None).await;
                false
            }
        }
    }

    /// Answers with an error. The connection goes on if the next request can be found without
    /// reading a body that nobody wants. `false`: the connection is over.
    async fn refuse(&mut self, head: &RequestHead, status: Status, close: bool) -> bool {
        let close = close || head.has_body() || self.closes(head);
        let istag = self.shared.service.istag(self.shared.service.route(head.uri()).as_ref());
        let mut exchange = Exchange::new(&mut self.connection, head, close, self.shared.stop());
        let reply = Reply { status, istag: &istag, fields: &[], parts: Parts::Nothing };
        let answered = exchange.answer(reply, &[]).await.is_ok();
        if answered {
            self.shared.metrics.answered(head.method(), status);
        }
        if close {
            self.connection.linger().await;
        }
        answered && !close
    }

    /// Ends the connection after a failure, with a status if none was sent.
    async fn give_up(&mut self, head: Option<&RequestHead>, error: ExchangeError, answering: bool) {
        let cause = match error {
            ExchangeError::Decode(_) => "malformed",
            ExchangeError::ReadTimeout => "read-timeout",
            ExchangeError::WriteTimeout => "write-timeout",
            ExchangeError::Gone => "gone",
            ExchangeError::Aborted => "aborted",
        };
        self.shared.metrics.ended(cause);
        debug!(peer = %self.connection.peer, cause, %error, answering, "The session ended in the midst of a request.");
        let status = match error {
            ExchangeError::Decode(error) => {
                self.shared.metrics.malformed(error);
                error.status()
            }
            ExchangeError::ReadTimeout => Status::REQUEST_TIMEOUT,
            ExchangeError::WriteTimeout | ExchangeError::Gone | ExchangeError::Aborted => return,
        };
        if answering {
            // Part of an answer is out; a second one would be taken for its body.
            return;
        }
        self.connection.output.clear();
        self.put_error(status, true);
        if self.connection.flush_with(&[]).await.is_ok() {
            self.shared.metrics.answered(head.map_or(Method::Other, RequestHead::method), status);
            // Those who speak another protocol have nothing to wait for.
            if error != ExchangeError::Decode(DecodeError::NotIcap) {
                self.connection.linger().await;
            }
        }
    }

    fn put_error(&mut self, status: Status, close: bool) {
        let istag = self.shared.service.istag(None);
        let answer = Answer { status, istag: istag.as_str(), fields: &[], parts: Parts::Nothing, close };
        answer.write(&mut self.connection.output);
    }
}
