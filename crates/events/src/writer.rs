//! The thread of a sink. It alone makes records of events, and waits for the sink.

use crate::backoff::Backoff;
use crate::encode::Encoder;
use crate::metrics::{Cause, EventMetrics, Place, Type};
use crate::queue::{Next, Queue};
use crate::sink::{Sink, WriteError};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// How long a sink is left alone when there is nothing to write. A server that has closed is noticed then,
/// and not by the event that it would lose.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// After a time of service as long as this, what comes is a new failure and not the old one.
const SETTLED: Duration = Duration::from_secs(5);

/// Everything that the thread has.
pub(crate) struct Writer {
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) encoder: Encoder,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: EventMetrics,
    pub(crate) place: Place,
    pub(crate) kind: Type,
}

/// How it stands with the sink.
struct Line {
    /// Since when it is open.
    up: Option<Instant>,
    backoff: Backoff,
    /// The log says that it is down.
    is_told: bool,
}

// === impl Writer ===

impl Writer {
    /// Starts the thread. It ends when the queue is stopped.
    pub(crate) fn start(self) -> io::Result<()> {
        // The kernel keeps 15 bytes of a name.
        let name = format!("icapstan-event{}", self.place.as_str());
        std::thread::Builder::new().name(name).spawn(move || self.run())?;
        Ok(())
    }

    fn run(mut self) {
        let mut line = Line { up: None, backoff: Backoff::new(), is_told: false };
        let mut record = Vec::new();
        loop {
            if line.up.is_none() && !self.open(&mut line) {
                if self.queue.pause(line.backoff.next()) {
                    continue;
                }
                break;
            }
            if record.is_empty() {
                match self.queue.next(CHECK_INTERVAL) {
                    Next::Event(event) => {
                        if !self.encoder.encode(&event, &mut record) {
                            self.metrics.dropped.inc((self.place, Cause::TooLarge));
                            record.clear();
                            continue;
                        }
                    }
                    Next::Nothing => {
                        match self.sink.check() {
                            Ok(()) => self.works(&mut line),
                            Err(error) => self.failed(&mut line, &error),
                        }
                        continue;
                    }
                    Next::End => break,
                }
            }
            match self.sink.write(&record) {
                Ok(()) => {
                    self.metrics.sent.inc(self.place);
                    self.works(&mut line);
                }
                Err(WriteError::TooLarge) => self.metrics.dropped.inc((self.place, Cause::TooLarge)),
                Err(WriteError::Down(error)) => {
                    self.failed(&mut line, &error);
                    if self.queue.pause(line.backoff.next()) {
                        continue;
                    }
                    break;
                }
            }
            record.clear();
        }
        if line.up.is_some() {
            self.metrics.connected.dec(self.kind);
            self.sink.close();
        }
        self.queue.end();
    }

    fn open(&mut self, line: &mut Line) -> bool {
        match self.sink.open() {
            Ok(()) => {
                line.up = Some(Instant::now());
                self.queue.is_up();
                self.metrics.connected.inc(self.kind);
                true
            }
            Err(error) => {
                self.failed(line, &error);
                false
            }
        }
    }

    /// It took something, or nothing is wrong with it.
    fn works(&self, line: &mut Line) {
        if line.is_told {
            line.is_told = false;
            info!(sink = self.place.as_str(), r#type = self.kind.as_str(), "Security events are sent again.");
        }
    }

    fn failed(&self, line: &mut Line, error: &io::Error) {
        if let Some(since) = line.up.take() {
            self.metrics.connected.dec(self.kind);
            if since.elapsed() >= SETTLED {
                line.backoff.reset();
            }
        }
        if !line.is_told {
            line.is_told = true;
            warn!(
                sink = self.place.as_str(),
                r#type = self.kind.as_str(),
                error = chain(error),
                "Security events cannot be sent. They wait; those that find no room are dropped."
            );
        }
    }
}

/// An error and its causes.
fn chain(error: &io::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
