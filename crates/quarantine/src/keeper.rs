//! The thread that writes.

use crate::age::{Recipient, sealed_len};
use crate::candidate::{Candidate, ObjectReader};
use crate::metrics::{Failure, QuarantineMetrics};
use crate::queue::{Next, Queue, Waiting};
use crate::record::{Metadata, front, write_record};
use crate::store::{Failed, Store};
use crate::voice::Voice;
use icapstan_telemetry::timestamp;
use sha2::{Digest as _, Sha256};
use std::io::{self, Read as _, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How often what is too old is looked for, and what others have removed.
const INTERVAL: Duration = Duration::from_mins(1);
/// Between the first try and the second. Twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// But never longer.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Writes what waits.
pub(crate) struct Keeper {
    pub(crate) queue: Arc<Queue>,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) store: Box<dyn Store>,
    pub(crate) metrics: QuarantineMetrics,
    pub(crate) voice: Voice,
}

/// An object as it is to be written.
pub(crate) struct Record<'r> {
    pub(crate) recipients: &'r [Recipient],
    pub(crate) metadata: Metadata,
    pub(crate) candidate: &'r Candidate,
    /// Bytes, sealed.
    pub(crate) len: u64,
}

// === impl Keeper ===

impl Keeper {
    /// Writes until it is told to end.
    pub(crate) fn run(self) {
        // Told when the place has been given up too: what is declared last is dropped first, and arguments after that.
        let _ended = End(Arc::clone(&self.queue));
        let mut keeper = self;
        let mut tended = Instant::now();
        loop {
            match keeper.queue.next(INTERVAL.saturating_sub(tended.elapsed())) {
                Next::Object(waiting) => keeper.keep(&waiting),
                Next::Nothing => {}
                Next::End => return,
            }
            if tended.elapsed() >= INTERVAL {
                tended = Instant::now();
                if let Err(failed) = keeper.store.tend() {
                    keeper.tell(&failed);
                }
            }
        }
    }

    fn keep(&mut self, waiting: &Waiting) {
        match self.write(waiting) {
            Ok(len) => {
                self.metrics.stored.inc();
                self.metrics.stored_bytes.inc_by(len);
                self.voice.succeeded();
            }
            Err(failed) => {
                self.metrics.failed.inc(failed.cause);
                self.tell(&failed);
            }
        }
    }

    /// Tries until it is written, or another try is not worth it, or there is no time for it.
    fn write(&mut self, waiting: &Waiting) -> Result<u64, Failed> {
        let record = Record::new(&self.recipients, waiting)?;
        let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let written = self.store.put(&waiting.id, &record);
            let is_over = written.as_ref().err().is_none_or(|failed| {
                !failed.may_pass || begin.elapsed().saturating_add(pause) > self.store.patience()
            });
            if is_over || !self.queue.pause(pause) {
                return written;
            }
            pause = (pause * 2).min(MAX_PAUSE);
            self.metrics.retries.inc();
        }
    }

    fn tell(&mut self, failed: &Failed) {
        self.voice.failed(failed.cause.as_str(), &failed.error);
    }
}

/// Says so when the thread ends, also by a fault of the program.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

// === impl Record ===

impl<'r> Record<'r> {
    pub(crate) fn new(recipients: &'r [Recipient], waiting: &'r Waiting) -> io::Result<Self> {
        let candidate = &waiting.candidate;
        let mut metadata = candidate.metadata.clone();
        waiting.id.as_str().clone_into(&mut metadata.id);
        metadata.length = candidate.object.len;
        if metadata.time.is_empty() {
            metadata.time = timestamp(SystemTime::now());
        }
        if metadata.sha256.is_empty() {
            metadata.sha256 = digest(candidate)?;
        }
        let len = front(&metadata)?.len() as u64 + candidate.object.len;
        Ok(Self { recipients, metadata, candidate, len: sealed_len(len, recipients.len()) })
    }

    /// May be called again: it is sealed with another key, then.
    pub(crate) fn write(&self, out: impl Write) -> io::Result<()> {
        let mut content = ObjectReader::new(&self.candidate.object);
        write_record(self.recipients, &self.metadata, &mut content, out).map(drop)
    }
}

fn digest(candidate: &Candidate) -> io::Result<String> {
    let (mut reader, mut block) = (ObjectReader::new(&candidate.object), vec![0; 64 * 1024]);
    let mut hasher = Sha256::new();
    loop {
        match reader.read(&mut block)? {
            0 => return Ok(icapstan_model::Sha256(hasher.finalize().into()).to_string()),
            count => hasher.update(&block[..count]),
        }
    }
}

// === impl Failed ===

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        let is_full = matches!(error.kind(), StorageFull | QuotaExceeded);
        let cause = if is_full { Failure::NoSpace } else { Failure::Io };
        Self { cause, error: error.to_string(), may_pass: false }
    }
}

#[cfg(test)]
mod tests;
