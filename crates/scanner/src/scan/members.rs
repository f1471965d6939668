//! What is in containers that libclamav does not open: another process takes it out, and it is scanned like what
//! came by itself.
//!
//! ```text
//!  view ─▶ libclamav ─▶ "unsupported", and a container that we know?
//!                          no ─▶ that was it
//!                          yes ─▶ unpacker ─ member ─▶ hash lists, libclamav ─▶ "unsupported"? ─▶ once more, one deeper
//!                                     └─ what was left out ─▶ its reasons, instead of "unsupported"
//! ```
//!
//! Which member libclamav did not open is not known, so that all of a container is taken out and scanned again.

use super::{HEAD, Halt, MAX_DEATHS, Session, for_worker, is_late, listed, unreadable};
use crate::engine::Wanted;
use crate::judge;
use crate::listed::Question;
use crate::obituary::Obituary;
use crate::queue::Lane;
use crate::sealed::Source;
use crate::unpacker::{Step, Unpacker};
use icapstan_model::{FailedReason, Findings, NonScannedReason, ScanProfile, Verdict};
use icapstan_unpack::{Container, Gap, MemberLimits};
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A worker is kept so long for the next member. Most of them are ready by then.
const KEEP: Duration = Duration::from_millis(2);

/// Members of up to this size are read at once.
const SMALL: u64 = 64 << 10;

/// The path to a member is cut to this length where it is told.
const MAX_PATH: usize = 256;

/// A container that libclamav did not open wholly.
struct Closed {
    source: Source,
    container: Container,
    /// How many containers it lies in.
    depth: u32,
    path: String,
    /// What libclamav found in it all the same.
    findings: Findings,
}

/// What one try to take a container apart led to.
enum Opened {
    /// All that came of it is known.
    Done,
    /// The process died while it had it.
    Died(Obituary),
}

/// All that is still to be opened, and what was found.
struct Work {
    closed: Vec<Closed>,
    findings: Findings,
    max_depth: u32,
    /// Bytes that members may still have together.
    bytes_left: u64,
}

// === impl Session ===

impl Session<'_> {
    /// Scans one view and all that is in it. A refusal only as long as nothing was begun.
    pub(super) async fn whole(&mut self, view: Source) -> Result<Findings, Halt> {
        let first = self.view(view.clone()).await?;
        let Some(unpacker) = self.shared.unpacker.as_ref().filter(|_| self.profile.unpack.archives) else {
            return Ok(first);
        };
        let before = self.profile.clone();
        let mut work = Work::new(&before);
        work.add(view, first, 0, String::new());
        if !work.closed.is_empty() && self.lane == Lane::Cheap {
            return Err(Halt::Dear);
        }
        while let Some(closed) = work.closed.pop() {
            self.take_apart(unpacker, closed, &mut work).await?;
            if self.is_over(&work) {
                break;
            }
        }
        self.profile = before;
        Ok(work.into_findings())
    }

    /// Takes one container apart. If the process dies of it, another one that has nothing else tries once more.
    async fn take_apart(
        &mut self,
        unpacker: &Arc<Unpacker>,
        closed: Closed,
        work: &mut Work,
    ) -> Result<(), Halt> {
        work.findings.merge(without_unsupported(&closed.findings));
        // Whoever waits for a process that unpacks must not keep one that scans: its owner may need it.
        self.lease = None;
        let (bytes_left, layers, others) = (work.bytes_left, self.layers, work.closed.len());
        let mut wanted = if self.is_suspect { Wanted::Isolated } else { Wanted::Any };
        let source = Arc::new(closed.source.clone());
        loop {
            let Opened::Died(obituary) = self.open(unpacker, (&closed, &source), wanted, work).await? else {
                return Ok(());
            };
            self.has_died(Some(obituary), source.len(), wanted);
            if wanted == Wanted::Isolated || !self.may_try_again() {
                self.is_proven |= wanted == Wanted::Isolated;
                work.findings.add(Verdict::Failed(FailedReason::Crash));
                return Ok(());
            }
            // It may have been something else that the process died of. The next one has nothing else, and begins
            // anew.
            self.shared.metrics.retries.inc();
            wanted = Wanted::Isolated;
            (work.bytes_left, self.layers) = (bytes_left, layers);
            work.closed.truncate(others);
        }
    }

    /// One try.
    async fn open(
        &mut self,
        unpacker: &Arc<Unpacker>,
        (closed, source): (&Closed, &Arc<Source>),
        wanted: Wanted,
        work: &mut Work,
    ) -> Result<Opened, Halt> {
        let Closed { container, depth, path, .. } = closed;
        let (container, depth) = (*container, *depth);
        let file = match for_worker(source, &[], &self.ticket).await {
            Ok(file) => file,
            Err(error) => {
                work.findings.merge(unreadable(&error));
                return Ok(Opened::Done);
            }
        };
        let limits = MemberLimits {
            max_member: self.profile.max_object_size,
            max_total: work.bytes_left,
            max_members: self.files_left(),
            time_ms: 0,
        };
        let mut opening = match unpacker.open(file, limits, wanted, self.deadline).await {
            Ok(opening) => opening,
            Err(reason) => {
                work.findings.add(Verdict::Failed(reason));
                return Ok(Opened::Done);
            }
        };
        loop {
            let begin = Instant::now();
            let step = if let Ok(step) = tokio::time::timeout(KEEP, opening.next()).await {
                step
            } else {
                self.lease = None;
                opening.next().await
            };
            self.unpacking += begin.elapsed();
            match step {
                Step::Member { file, len, name } => {
                    work.bytes_left = work.bytes_left.saturating_sub(len);
                    let member = match small(file, len) {
                        Ok(member) => member,
                        Err(error) => {
                            work.findings.merge(unreadable(&error));
                            return Ok(Opened::Done);
                        }
                    };
                    self.member(member, container, depth, member_path(path, container, &name), work).await?;
                    if self.is_over(work) {
                        return Ok(Opened::Done);
                    }
                }
                Step::Done(gaps) => {
                    for gap in gaps.iter() {
                        work.findings.add(verdict(gap, source.len(), self.profile.max_object_size));
                    }
                    if !gaps.is_empty() {
                        tracing::debug!(
                            container = container.as_str(),
                            ?gaps,
                            "Not all of a container was opened."
                        );
                    }
                    return Ok(Opened::Done);
                }
                Step::Died(obituary) => return Ok(Opened::Died(obituary)),
                Step::Lost(reason) => {
                    work.findings.add(Verdict::Failed(reason));
                    return Ok(Opened::Done);
                }
            }
        }
    }

    async fn member(
        &mut self,
        member: Source,
        container: Container,
        depth: u32,
        path: String,
        work: &mut Work,
    ) -> Result<(), Halt> {
        // A tar archive in a stream is one container with it.
        let head = match member.head(HEAD) {
            Ok(head) => head,
            Err(error) => {
                work.findings.merge(unreadable(&error));
                return Ok(());
            }
        };
        let joins = container.is_stream() && Container::of(&head) == Some(Container::Tar);
        let depth = if joins { depth } else { depth + 1 };
        let question = Question::about_member(self.lists, &member, self.deadline);
        if let Some(found) = listed(self.shared, question, &self.ticket).await {
            tracing::info!(
                member = path,
                "A hash list denies a member of a container, or it cannot be looked up."
            );
            work.findings.merge(found);
            return Ok(());
        }
        self.profile.max_depth = work.max_depth.saturating_sub(depth);
        self.profile.max_files = self.files_left();
        self.profile.max_total_size = work.bytes_left;
        let found = self.view(member.clone()).await?;
        if let Some(threat) = found.iter().find_map(Verdict::threat) {
            tracing::info!(member = path, %threat, "Something was found in a member of a container.");
        }
        work.add(member, found, depth, path);
        Ok(())
    }

    /// Whether the rest is not to be looked at: it would change nothing, or cost too many workers.
    fn is_over(&self, work: &Work) -> bool {
        self.deaths >= MAX_DEATHS || work.findings.iter().any(is_final)
    }

    /// How many more files the object may have.
    fn files_left(&self) -> u32 {
        self.max_files.saturating_sub(self.layers)
    }
}

// === impl Work ===

impl Work {
    fn new(profile: &ScanProfile) -> Self {
        Self {
            closed: Vec::new(),
            findings: Findings::clean(),
            max_depth: profile.max_depth,
            bytes_left: profile.max_total_size,
        }
    }

    /// Takes what was found, and notes what is to be opened.
    fn add(&mut self, source: Source, findings: Findings, depth: u32, path: String) {
        let is_closed = findings.iter().any(is_unsupported) && !findings.iter().any(is_final);
        let container = source.head(HEAD).ok().and_then(|head| Container::of(&head)).filter(|_| is_closed);
        match container {
            Some(_) if depth >= self.max_depth => {
                self.findings.merge(without_unsupported(&findings));
                self.findings.add(Verdict::NonScanned(NonScannedReason::Depth));
            }
            Some(container) => self.closed.push(Closed { source, container, depth, path, findings }),
            None => self.findings.merge(findings),
        }
    }

    fn into_findings(mut self) -> Findings {
        for closed in self.closed {
            self.findings.merge(closed.findings);
        }
        self.findings
    }
}

/// A small member is read at once: it lies in memory, and what is done with a file is done in another thread, which
/// takes longer.
fn small(file: File, len: u64) -> io::Result<Source> {
    let file = Source::File(Arc::new(file), len);
    Ok(if len <= SMALL { Source::Memory(file.read()?) } else { file })
}

/// What makes looking on needless, or useless.
fn is_final(verdict: &Verdict) -> bool {
    is_late(verdict) || matches!(verdict, Verdict::Infected(_))
}

fn is_unsupported(verdict: &Verdict) -> bool {
    *verdict == Verdict::NonScanned(NonScannedReason::Unsupported)
}

fn without_unsupported(findings: &Findings) -> Findings {
    let mut rest = Findings::clean();
    for verdict in findings.iter().filter(|verdict| !is_unsupported(verdict)) {
        rest.add(verdict.clone());
    }
    rest
}

/// What a gap says of a container of `len` bytes.
pub(super) fn verdict(gap: Gap, len: u64, max_member: u64) -> Verdict {
    Verdict::NonScanned(match gap {
        Gap::Encrypted => NonScannedReason::Encrypted,
        Gap::Unsupported => NonScannedReason::Unsupported,
        Gap::Count => NonScannedReason::Count,
        Gap::Size => judge::size_or_ratio(len, max_member),
        Gap::Malformed => NonScannedReason::Malformed,
        Gap::Time => return Verdict::Failed(FailedReason::Time),
        Gap::Memory => return Verdict::Failed(FailedReason::Memory),
        Gap::System => return Verdict::Failed(FailedReason::EngineError),
    })
}

/// How a member is called in the log: the names that lead to it, without what could make another line of it.
fn member_path(path: &str, container: Container, name: &[u8]) -> String {
    let mut longer = if path.is_empty() { container.as_str().to_owned() } else { path.to_owned() };
    let _ = write!(longer, "/{}", String::from_utf8_lossy(name));
    longer
        .chars()
        .map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char })
        .take(MAX_PATH)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use NonScannedReason::{Depth, Encrypted, Unsupported};
    use icapstan_model::ThreatName;
    use icapstan_unpack::Gaps;

    const RAR: &[u8] = b"Rar!\x1a\x07\x01\0";

    fn work(max_depth: u32) -> Work {
        Work::new(&ScanProfile { max_depth, ..ScanProfile::default() })
    }

    fn not(reason: NonScannedReason) -> Verdict {
        Verdict::NonScanned(reason)
    }

    fn source(bytes: &'static [u8]) -> Source {
        Source::Memory(bytes.into())
    }

    fn findings(verdicts: &[Verdict]) -> Findings {
        let mut findings = Findings::clean();
        for verdict in verdicts {
            findings.add(verdict.clone());
        }
        findings
    }

    #[test]
    fn only_what_is_a_known_container_and_not_opened_is_taken_apart() {
        let infected = Verdict::Infected(ThreatName::from("Worm"));
        for (bytes, found, is_closed) in [
            (RAR, &[not(Unsupported)][..], true),
            (RAR, &[not(Unsupported), not(Encrypted)], true),
            (RAR, &[Verdict::Clean], false),
            (b"SQLite format 3\0", &[not(Unsupported)], false),
            (RAR, &[not(Unsupported), infected], false),
            (RAR, &[not(Unsupported), Verdict::Failed(FailedReason::Time)], false),
        ] {
            let mut work = work(5);
            work.add(source(bytes), findings(found), 0, String::new());
            assert_eq!(!work.closed.is_empty(), is_closed, "{found:?}");
            // What nobody came to open stays what it was.
            assert_eq!(work.into_findings(), findings(found));
        }
    }

    #[test]
    fn what_lies_too_deep_is_not_opened_and_that_is_told() {
        let mut work = work(2);
        work.add(source(RAR), findings(&[not(Unsupported), not(Encrypted)]), 2, String::new());
        assert!(work.closed.is_empty());
        assert_eq!(work.into_findings(), findings(&[not(Encrypted), not(Depth)]));
    }

    #[test]
    fn every_gap_is_a_finding() {
        let mut all = Gaps::default();
        for gap in Gap::ALL {
            assert_ne!(verdict(gap, 10, 10), Verdict::Clean);
            all.add(gap);
        }
        assert_eq!(all.iter().count(), Gap::ALL.len());
        assert_eq!(verdict(Gap::Size, 10, 10_000), not(NonScannedReason::Ratio));
        assert_eq!(verdict(Gap::Size, 200, 10_000), not(NonScannedReason::Size));
    }

    #[test]
    fn names_of_members_make_no_lines() {
        assert_eq!(member_path("", Container::Rar, b"a\nb"), "rar/a\u{fffd}b");
        assert_eq!(member_path("rar/x.zip", Container::Zip, b"c"), "rar/x.zip/c");
        assert_eq!(member_path("", Container::Rar, &[b'n'; 999]).chars().count(), MAX_PATH);
    }
}
