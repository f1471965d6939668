//! The access log: one line for each transaction, written by a thread of its own.

mod format;
mod records;
mod target;
mod writer;

use crate::log::LogFormat;
use crate::queue::Queue;
use prometheus::IntCounter;
use records::Records;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use std::{fmt, io};
use target::Output;
use thiserror::Error;

/// How long the writer waits for more lines once there is one. Within that time one write and one
/// waking of the writer serve all of them.
const LINGER: Duration = Duration::from_millis(100);

/// How long the end of the process waits for lines that are not written yet.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// No URL is kept longer, in bytes.
const MAX_URL: usize = 1024;

/// There is one access log in a process, so there is one count.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::new(
        "icapstan_access_log_lines_dropped_total",
        "Access log lines that its file or standard output took too slowly or not at all.",
    )
    .expect("the name is a valid one")
});

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTarget {
    /// Standard output.
    StandardOutput,
    /// A file that is made if there is none, and appended to. When its path leads to another file or
    /// to none, because it was renamed or removed, it is opened anew within a second of the next line.
    File(PathBuf),
}

/// Takes the access log's lines. Clones write to the same log.
#[derive(Clone)]
pub struct AccessLog {
    queue: Arc<Queue<Records>>,
}

/// To be kept until the process ends. When it is dropped it waits until all lines that came before are
/// written, but no longer than two seconds.
#[must_use = "the last lines of the access log are lost unless this is dropped at the very end"]
pub struct AccessLogGuard {
    queue: Arc<Queue<Records>>,
}

/// One transaction. The words are of closed sets; an empty one is left out.
#[derive(Clone, Debug)]
pub struct AccessRecord {
    /// When its heads were complete.
    pub time: SystemTime,
    /// Its number, shown as 16 hexadecimal digits as in the log.
    pub transaction: u64,
    /// The trace that it belongs to, if it does to one, shown as 32 hexadecimal digits.
    pub trace: Option<[u8; 16]>,
    /// The ICAP client.
    pub peer: SocketAddr,
    /// What its certificate calls it.
    pub peer_certificate: Box<str>,
    /// The name by which it authenticated.
    pub peer_user: Box<str>,
    /// Whom the ICAP client acts for, as far as it is believed.
    pub client: Option<IpAddr>,
    /// The ICAP method.
    pub method: &'static str,
    /// The service's id.
    pub service: Arc<str>,
    /// The ICAP status; 0 if none was sent.
    pub status: u16,
    /// The strongest verdict.
    pub verdict: &'static str,
    /// Why the verdict is no statement about the content.
    pub reason: &'static str,
    /// What policy did.
    pub action: &'static str,
    /// Whose scan it was, if not its own.
    pub cache: &'static str,
    /// Bytes of the request.
    pub received: u64,
    /// Bytes of the answer.
    pub sent: u64,
    /// From the end of the heads to the end of the answer.
    pub duration: Duration,
    /// What the message is about.
    pub url: Option<AccessUrl>,
}

/// A URL without what nobody should read in a log: user, password, query and fragment. No longer than
/// 1,024 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUrl(Box<str>);

/// Why there is no access log.
#[derive(Debug, Error)]
pub enum AccessLogError {
    /// The file can neither be opened for appending nor made.
    #[error("cannot open {path} for the access log")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No thread could be had.
    #[error("cannot start the thread that writes the access log")]
    Thread(#[source] io::Error),
}

/// Registers `icapstan_access_log_lines_dropped_total`, which counts from the start of the process.
pub(crate) fn register(registry: &prometheus::Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(DROPPED.clone()))
}

// === impl AccessLog ===

impl AccessLog {
    /// Opens `target` and starts the thread `icapstan-access` that writes to it. A file that cannot be
    /// opened is an error now; one that cannot be written later loses lines, which are counted.
    ///
    /// At most 4,096 lines wait, and as many may be on their way. Further ones are dropped and counted.
    pub fn start(target: &AccessTarget, format: LogFormat) -> Result<(Self, AccessLogGuard), AccessLogError> {
        let output = Output::open(target)?;
        let queue = Arc::new(Queue::new(LINGER, DROPPED.clone()));
        writer::start(Arc::clone(&queue), format, output).map_err(AccessLogError::Thread)?;
        Ok((Self { queue: Arc::clone(&queue) }, AccessLogGuard { queue }))
    }

    /// Adds a line, or drops it. Takes a lock for as long as it takes to move `record`, and waits
    /// neither for the writer nor for what it writes to.
    pub fn write(&self, record: AccessRecord) {
        self.queue.push(record);
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").finish_non_exhaustive()
    }
}

// === impl AccessLogGuard ===

impl AccessLogGuard {
    /// Waits until all lines that came before are written or lost. False if that takes longer than
    /// `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.queue.flush(timeout)
    }
}

impl Drop for AccessLogGuard {
    fn drop(&mut self) {
        self.flush(LAST_FLUSH);
    }
}

impl fmt::Debug for AccessLogGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLogGuard").finish_non_exhaustive()
    }
}

// === impl AccessUrl ===

impl AccessUrl {
    /// What may be shown of `url`.
    pub fn of(url: &str) -> Self {
        let shown = url.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = match shown.find("://") {
            Some(end) => shown.split_at(end + 3),
            None => ("", shown),
        };
        let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
        let rest = &rest[authority.rfind('@').map_or(0, |at| at + 1)..];
        let room = MAX_URL.saturating_sub(scheme.len());
        let mut kept = String::with_capacity(scheme.len().min(MAX_URL) + rest.len().min(room));
        kept.push_str(&scheme[..scheme.floor_char_boundary(MAX_URL)]);
        kept.push_str(&rest[..rest.floor_char_boundary(room)]);
        Self(kept.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets_and_cut() {
        for (url, shown) in [
            ("http://o.test/x", "http://o.test/x"),
            ("http://ann:secret@o.test:8080/x?token=1#top", "http://o.test:8080/x"),
            ("http://ann:s@cret@o.test", "http://o.test"),
            ("http://o.test/@x", "http://o.test/@x"),
            ("http://o.test?q=a@b/c", "http://o.test"),
            ("ann@o.test:443", "o.test:443"),
            ("/x?y", "/x"),
            ("", ""),
        ] {
            assert_eq!(&*AccessUrl::of(url).0, shown, "{url}");
        }
        assert_eq!(AccessUrl::of(&format!("http://o.test/{}", "ä".repeat(5000))).0.len(), MAX_URL);
        assert_eq!(AccessUrl::of(&format!("{}://o.test/", "a".repeat(5000))).0.len(), MAX_URL);
    }
}
