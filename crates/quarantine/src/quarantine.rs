//! What the program offers objects to.

use crate::age::{KeyError, read_recipients};
use crate::bounded::Bounded;
use crate::candidate::Candidate;
use crate::folder::FolderError;
use crate::id::Id;
use crate::keeper::Keeper;
use crate::metrics::{Loss as Cause, QuarantineMetrics};
use crate::queue::{Queue, Waiting};
use crate::s3::{Bucket, S3Error};
use crate::store::Store;
use crate::voice::Voice;
use icapstan_api::{QuarantineSettings, RuleVerdict};
use icapstan_model::{Findings, VerdictKind};
use icapstan_telemetry::timestamp;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use thiserror::Error;

/// How long the end of the process waits for objects to be written.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// Takes objects. Clones are the same one. By default there is none, and nothing is wanted.
#[derive(Clone, Debug, Default)]
pub struct Quarantine(Option<Arc<Inner>>);

/// To be kept until the process ends. When it is dropped, further objects are refused, and those that came before have
/// two seconds.
#[must_use = "objects that still wait are lost unless this is dropped at the very end"]
#[derive(Debug)]
pub struct QuarantineGuard(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    wanted: [bool; VerdictKind::ALL.len()],
    max_object_size: u64,
    queue: Arc<Queue>,
    metrics: QuarantineMetrics,
}

/// Why there is no quarantine.
#[derive(Debug, Error)]
pub enum QuarantineError {
    /// There is nobody to encrypt for.
    #[error("quarantine.recipientFile cannot be used")]
    Recipients(#[from] KeyError),
    /// It is missing.
    #[error("quarantine.recipientFile is missing")]
    NoRecipients,
    /// Nothing can be written there.
    #[error("quarantine.folder cannot be used")]
    Folder(#[from] FolderError),
    /// Nor there.
    #[error("quarantine.s3 cannot be used")]
    S3(#[from] S3Error),
    /// No thread could be had.
    #[error("the thread of the quarantine cannot be started")]
    Thread(#[source] io::Error),
}

// === impl Quarantine ===

impl Quarantine {
    /// Reads the keys, takes the place for oneself and starts the thread. Without a place there is none. What waits has
    /// at most `most_held` bytes, whatever the settings say.
    pub fn start(
        settings: &QuarantineSettings,
        most_held: u64,
        metrics: &QuarantineMetrics,
    ) -> Result<(Self, QuarantineGuard), QuarantineError> {
        let store: Box<dyn Store> = match (&settings.folder, &settings.s3) {
            (Some(folder), _) => Box::new(Bounded::open(folder, metrics)?),
            (None, Some(s3)) => Box::new(Bucket::open(s3)?),
            (None, None) => return Ok((Self::default(), QuarantineGuard(None))),
        };
        let file = settings.recipient_file.as_deref().ok_or(QuarantineError::NoRecipients)?;
        let recipients = read_recipients(file)?;
        let most = usize::try_from(settings.queue).unwrap_or(usize::MAX);
        let held = settings.queue_size.bytes().min(most_held);
        let queue = Arc::new(Queue::new(most, held, metrics.clone()));
        let keeper = Keeper {
            queue: Arc::clone(&queue),
            recipients,
            store,
            metrics: metrics.clone(),
            voice: Voice::default(),
        };
        std::thread::Builder::new()
            .name("icapstan-keeper".to_owned())
            .spawn(move || keeper.run())
            .map_err(QuarantineError::Thread)?;
        let inner = Arc::new(Inner {
            wanted: VerdictKind::ALL
                .map(|kind| settings.verdicts.iter().any(|verdict| is_of(*verdict, kind))),
            max_object_size: settings.max_object_size.bytes(),
            queue,
            metrics: metrics.clone(),
        });
        Ok((Self(Some(Arc::clone(&inner))), QuarantineGuard(Some(inner))))
    }

    /// Whether the files of these settings can be used.
    pub fn check(settings: &QuarantineSettings) -> Result<(), QuarantineError> {
        if settings.is_on() {
            let file = settings.recipient_file.as_deref().ok_or(QuarantineError::NoRecipients)?;
            read_recipients(file)?;
        }
        if let Some(s3) = &settings.s3 {
            Bucket::check(s3)?;
        }
        Ok(())
    }

    /// Whether an object of which this was found is to be offered.
    pub fn wants(&self, findings: &Findings) -> bool {
        let Some(inner) = &self.0 else { return false };
        findings.iter().any(|finding| inner.wanted[finding.kind() as usize])
    }

    /// Hands an object over; what it will be called, unless it is dropped and counted. Waits for nothing.
    pub fn offer(&self, candidate: Candidate) -> Option<Id> {
        let inner = self.0.as_ref()?;
        inner.take(candidate).map_err(|cause| inner.metrics.dropped.inc(cause)).ok()
    }

    /// Counts an object that would have been offered if it could have been read.
    pub fn unreadable(&self) {
        if let Some(inner) = &self.0 {
            inner.metrics.dropped.inc(Cause::NoObject);
        }
    }
}

const fn is_of(verdict: RuleVerdict, kind: VerdictKind) -> bool {
    matches!(
        (verdict, kind),
        (RuleVerdict::Detect, VerdictKind::Detect)
            | (RuleVerdict::Phishing, VerdictKind::Phishing)
            | (RuleVerdict::Macro, VerdictKind::Macro)
            | (RuleVerdict::Failed, VerdictKind::Failed)
    )
}

// === impl Inner ===

impl Inner {
    fn take(&self, mut candidate: Candidate) -> Result<Id, Cause> {
        if candidate.object.len > self.max_object_size {
            return Err(Cause::TooLarge);
        }
        let now = SystemTime::now();
        let id = Id::new(now).map_err(|_| Cause::NoObject)?;
        candidate.metadata.time = timestamp(now);
        self.queue.push(Waiting { id: id.clone(), candidate })?;
        Ok(id)
    }
}

// === impl QuarantineGuard ===

impl QuarantineGuard {
    /// Refuses further objects, and gives those that came before `timeout`. What is not written then is counted as
    /// dropped. False if anything was.
    pub fn stop(mut self, timeout: Duration) -> bool {
        self.stop_within(timeout)
    }

    fn stop_within(&mut self, timeout: Duration) -> bool {
        /// For what is being written to be given up.
        const SLACK: Duration = Duration::from_millis(500);
        let Some(inner) = self.0.take() else { return true };
        let by = Instant::now() + timeout;
        inner.queue.stop(by);
        let left = inner.queue.join(by + SLACK);
        inner.metrics.dropped.inc_by(Cause::Stopped, left as u64);
        left == 0
    }
}

impl Drop for QuarantineGuard {
    fn drop(&mut self) {
        self.stop_within(LAST_FLUSH);
    }
}
