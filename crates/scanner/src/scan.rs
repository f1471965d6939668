//! One object from hand-over to report.

mod before;
mod left;
mod members;

use icapstan_clamav_wire::layers::{self, Kind};
use icapstan_clamav_wire::{Limits, Options, Reply, Request};
use icapstan_hashes::Lists;
use icapstan_model::{
    Content, FailedReason, Findings, GenerationId, HeuristicLevel, NonScannedReason, Object, Origin, Refusal,
    ScanContext, ScanProfile, ScanReport, Sha256, ThreatName, Verdict,
};
use icapstan_telemetry::Span;
use icapstan_unpack::Container;
use memchr::memmem;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::breaker::{Class, Turn};
use crate::engine::{Called, Engine, Lease, NoWorker, Wanted};
use crate::judge::{self, Call};
use crate::listed::{self, Listed, Question};
use crate::metrics::{Metrics, RuleMatch};
use crate::obituary::{Case, Obituary};
use crate::poison::{Mark, Subject};
use crate::queue::{Lane, Ticket};
use crate::sealed::Source;
use crate::shared::Shared;
use crate::views::{COVER, HARMLESS_LEN, HEAD, Views};
use crate::yara;

pub(crate) use left::Left;

/// Up to this size, work on bytes in memory is done where the caller runs; beyond, in a thread of its own.
const INLINE_COPY: u64 = 1 << 20;
/// The same for decoding, which takes longer and yields more.
const INLINE_DECODE: u64 = 8 << 10;
/// Objects up to this size that are nothing to be unpacked are cheap.
const CHEAP_LEN: u64 = 64 << 10;
/// What takes longer is not cheap, whatever it looks like. Twenty times what the largest text takes.
const CHEAP_TIME: Duration = Duration::from_millis(250);
/// Another worker is asked this often if the object was not to blame.
const MAX_TRIES: u32 = 3;
/// So many workers may die of one object, whatever it is made of.
const MAX_DEATHS: u32 = 3;
/// Who was busy with an object for this much of all its time would be so again.
const MOST_OF_TIME: f64 = 0.8;

/// So many leases and calls of one object are told in traces.
const MAX_CALL_SPANS: u32 = 32;

/// What is to be scanned.
pub(crate) struct Task {
    pub(crate) object: Object,
    pub(crate) context: ScanContext,
    /// Signatures and hash lists together.
    pub(crate) generation: GenerationId,
    pub(crate) deadline: Instant,
    /// A worker has died while it had an equal object.
    pub(crate) is_suspect: bool,
    /// What is told of it, if anything is.
    pub(crate) span: Span,
}

/// One object under way.
struct Session<'a> {
    shared: &'a Arc<Shared>,
    engine: &'a Arc<dyn Engine>,
    span: &'a Span,
    /// So many more of its parts may be told.
    spans_left: u32,
    ticket: Arc<Ticket>,
    /// Of the view under scan: what it may still cost.
    profile: ScanProfile,
    task: &'a Task,
    lists: &'a Arc<Lists>,
    lane: Lane,
    deadline: Instant,
    is_suspect: bool,
    turn: Option<Turn>,
    /// Workers that died of it.
    deaths: u32,
    /// One that had nothing else to do died of it.
    is_proven: bool,
    /// What came of it is known.
    is_over: bool,
    /// Bytes that a worker was given last.
    given: u64,
    lease: Option<Box<dyn Lease>>,
    /// When the first engine call began.
    begun: Option<Instant>,
    /// In engine calls.
    spent: Duration,
    /// Waiting for what is taken out of containers.
    unpacking: Duration,
    /// How many files an object may have, and how many the engine saw until now.
    max_files: u32,
    layers: u32,
}

/// Tells work in another thread that nobody waits for it any more.
#[derive(Default)]
struct Cancel(Arc<AtomicBool>);

/// Why a scan did not come to a report.
enum Halt {
    /// It was not begun.
    Refused(Refusal),
    /// It is not as cheap as it looked.
    Dear,
}

/// What one try to scan a view led to.
enum Outcome {
    Findings(Findings),
    /// The worker was lost before it was given the object. Without another one the reason is this.
    Innocent(FailedReason),
    /// The worker died while it had the object.
    Suspect,
}

/// Those that an object of `len` bytes or more may wait in.
pub(crate) fn lanes(len: u64) -> &'static [Lane] {
    if len > CHEAP_LEN { &[Lane::Dear] } else { &[Lane::Cheap, Lane::Dear] }
}

/// Scans one object. Tells too what is to be remembered of it.
pub(crate) async fn scan(
    shared: &Arc<Shared>,
    engine: &Arc<dyn Engine>,
    lists: &Arc<Lists>,
    task: &Task,
) -> Result<(ScanReport, Option<Mark>), Refusal> {
    let handed_over = Instant::now();
    let plain = Views::are_plain(&task.object, &task.context);
    let mut lane = lane(&task.object, plain);
    loop {
        match attempt(shared, engine, lists, (task, plain), lane, handed_over).await {
            Ok(done) => return Ok(done),
            Err(Halt::Refused(refusal)) => return Err(refusal),
            // Its first bytes did not tell what it costs. From here on it waits with others of its sort,
            // and holds up no cheap ones.
            Err(Halt::Dear) => lane = Lane::Dear,
        }
    }
}

/// Scans one object in one lane.
async fn attempt(
    shared: &Arc<Shared>,
    engine: &Arc<dyn Engine>,
    lists: &Arc<Lists>,
    (task, plain): (&Task, bool),
    lane: Lane,
    handed_over: Instant,
) -> Result<(ScanReport, Option<Mark>), Halt> {
    let Task { object, context, generation: _, deadline, is_suspect, span } = task;
    let (deadline, is_suspect) = (*deadline, *is_suspect);
    let mut findings = Findings::clean();
    if context.partial {
        findings.add(Verdict::NonScanned(NonScannedReason::PartialContent));
    }
    let harmless = object.len <= HARMLESS_LEN && plain;
    let too_large = object.len > context.profile.max_object_size;
    if too_large {
        findings.add(Verdict::NonScanned(NonScannedReason::Size));
    }
    if harmless || too_large {
        return Ok((ScanReport::unscanned(findings), None));
    }

    // Before all else: who waits for that has nothing that others could use.
    let waiting = span.child("wait in queue");
    let turn = shared.breaker.admit(object, deadline).await?;
    let ticket = engine.queue().enter(lane, deadline).await?;
    waiting.end();
    let mut decoding = if plain { Span::none() } else { span.child("decode") };
    let source = Source::new(&object.content, object.len);
    let views = if plain {
        Ok(Views { sources: vec![source], findings: Findings::clean() })
    } else if object.len <= INLINE_DECODE {
        Views::of(source, context, deadline, Arc::default())
    } else {
        let context = context.clone();
        in_thread(&ticket, move |cancelled| Views::of(source, &context, deadline, cancelled)).await
    };
    decoding.number("icapstan.scan.views", views.as_ref().map_or(0, |views| views.sources.len() as u64));
    decoding.end();
    let mut session = Session {
        shared,
        engine,
        span,
        spans_left: MAX_CALL_SPANS,
        ticket: ticket.clone(),
        profile: (*context.profile).clone(),
        task,
        lists,
        lane,
        deadline,
        is_suspect,
        turn,
        deaths: 0,
        is_proven: false,
        is_over: false,
        given: 0,
        lease: None,
        begun: None,
        spent: Duration::ZERO,
        unpacking: Duration::ZERO,
        max_files: context.profile.max_files,
        layers: 0,
    };
    match views {
        Ok(views) => {
            // Time that finding the views took is time that the scan took.
            let is_over = views.findings.iter().any(is_late);
            let question = Question::new(lists, object, context, &views, deadline).filter(|_| !is_over);
            let looking = question.as_ref().map_or_else(Span::none, |_| span.child("look up digest"));
            let listed = listed(shared, question, &ticket).await;
            looking.end();
            findings.merge(views.findings);
            let views = match listed {
                Some(known) => {
                    findings.merge(known);
                    Vec::new()
                }
                None if is_over => Vec::new(),
                None => views.sources,
            };
            for view in views {
                let found = session.whole(view).await?;
                let out_of_time = found.iter().any(is_late);
                findings.merge(found);
                if out_of_time || session.deaths >= MAX_DEATHS {
                    break;
                }
            }
        }
        Err(error) => {
            tracing::error!(%error, "An object cannot be read.");
            findings.add(Verdict::Failed(FailedReason::EngineError));
        }
    }
    session.is_over = true;
    let (begun, spent, mark) = (session.begun, session.spent, session.mark(&findings));
    drop(session);
    if let Some(begun) = begun {
        ticket.served(begun.elapsed());
        shared.metrics.began_after(begun.saturating_duration_since(handed_over));
    }

    let is_threat = findings.iter().any(|verdict| verdict.threat().is_some());
    let sha256 = if is_threat { digest(object.clone(), &ticket).await } else { None };
    drop(ticket);
    let waited = begun.unwrap_or_else(Instant::now).saturating_duration_since(handed_over);
    Ok((ScanReport { findings, sha256, waited, engine: spent, origin: Origin::Scan, decided_by: None }, mark))
}

/// What hash lists say of it; `None` if it is to be scanned.
async fn listed(shared: &Shared, question: Option<Question>, ticket: &Arc<Ticket>) -> Option<Findings> {
    let question = question?;
    let answer = if question.is_small() {
        question.answer(&AtomicBool::new(false))
    } else {
        in_thread(ticket, move |cancelled| question.answer(&cancelled)).await
    };
    match answer {
        Ok(Listed::No) => None,
        Ok(Listed::Denied(found)) => {
            shared.metrics.listed(found.list.info.kind);
            Some(Verdict::Infected(ThreatName::from(&*found.name)).into())
        }
        Ok(Listed::Allowed(found)) => {
            shared.metrics.listed(found.list.info.kind);
            let list = &*found.list.info.name;
            tracing::info!(list, digest = %found.digest, "A hash list allows an object, which is not scanned.");
            Some(Findings::clean())
        }
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Some(Verdict::Failed(FailedReason::Time).into())
        }
        Err(error) => Some(unreadable(&error)),
    }
}

// === impl Task ===

impl Task {
    /// What it is remembered by.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { object: &self.object, context: &self.context, generation: self.generation }
    }
}

// === impl Session ===

impl Session<'_> {
    /// Scans one view. A refusal only as long as nothing was begun.
    async fn view(&mut self, view: Source) -> Result<Findings, Halt> {
        let mut known = Findings::clean();
        let head = match view.head(HEAD) {
            Ok(head) => head,
            Err(error) => return Ok(unreadable(&error)),
        };
        let cover = if layers::classify(b"", &head) == Kind::Ignored {
            known.add(Verdict::NonScanned(NonScannedReason::Unsupported));
            COVER
        } else {
            &[]
        };
        if !self.engine.tells_what_it_leaves_closed()
            && Container::of(&head).is_some_and(Container::is_foreign)
        {
            known.add(Verdict::NonScanned(NonScannedReason::Unsupported));
        }
        let view = Arc::new(view);
        match self.before(&view, &head).await {
            Ok(found) => known.merge(found),
            Err(error) => return Ok(unreadable(&error)),
        }
        // What its directory says is beyond the limit whatever lies in it, so that to open it is in vain.
        let is_open = self.profile.unpack.archives && !known.iter().any(is_count);
        let opens = std::mem::replace(&mut self.profile.unpack.archives, is_open);
        let found = self.asked(&view, cover).await;
        self.profile.unpack.archives = opens;
        known.merge(if is_open == opens { found? } else { without_skipped(&found?) });
        Ok(known)
    }

    /// What an engine says of one view. Others are asked if who is asked is lost.
    async fn asked(&mut self, view: &Arc<Source>, cover: &'static [u8]) -> Result<Findings, Halt> {
        let mut wanted = if self.is_suspect { Wanted::Isolated } else { Wanted::Any };
        for tried in 1.. {
            let file = match for_worker(view, cover, &self.ticket).await {
                Ok(file) => file,
                Err(error) => return Ok(unreadable(&error)),
            };
            match self.call(file, view.len() + cover.len() as u64, wanted).await? {
                Outcome::Findings(findings) => return Ok(findings),
                Outcome::Innocent(reason) if tried >= MAX_TRIES => return Ok(Verdict::Failed(reason).into()),
                Outcome::Suspect if wanted == Wanted::Isolated || !self.may_try_again() => {
                    self.is_proven |= wanted == Wanted::Isolated;
                    return Ok(Verdict::Failed(FailedReason::Crash).into());
                }
                // It may have been something else that the worker died of. The next one has nothing else.
                Outcome::Suspect => {
                    wanted = Wanted::Isolated;
                    self.shared.metrics.retries.inc();
                }
                Outcome::Innocent(_) => self.shared.metrics.retries.inc(),
            }
        }
        Ok(Verdict::Failed(FailedReason::EngineError).into())
    }

    /// While workers crash too often each object has one of them.
    fn may_try_again(&self) -> bool {
        self.deaths < MAX_DEATHS && !self.shared.breaker.is_open()
    }

    /// What is to be remembered.
    fn mark(&self, findings: &Findings) -> Option<Mark> {
        let busy = self.spent + self.unpacking;
        let was_busy = || busy >= self.profile.timeout.mul_f64(MOST_OF_TIME);
        if self.is_proven {
            Some(Mark::Poison)
        } else if self.deaths > 0 {
            Some(if findings.iter().any(has_failed) { Mark::Suspect } else { Mark::Innocent })
        } else if findings.iter().any(is_late) && was_busy() {
            Some(Mark::Poison)
        } else {
            (self.is_suspect && !findings.iter().any(has_failed)).then_some(Mark::Innocent)
        }
    }

    /// A part of what is told, unless there are so many already that nobody would look at them.
    fn part(&mut self, name: &'static str) -> Span {
        match self.spans_left.checked_sub(1) {
            Some(left) => {
                self.spans_left = left;
                self.span.child(name)
            }
            None => Span::none(),
        }
    }

    /// Takes note of a death, and tells of it.
    fn has_died(&mut self, obituary: Option<Obituary>, given: u64, wanted: Wanted) {
        self.deaths += 1;
        let class = Class::of(&self.task.object);
        self.shared.breaker.crashed(class, self.turn.as_ref(), &self.shared.runtime);
        let Some(obituary) = obituary else { return };
        self.shared.tell(Case {
            obituary,
            generation: self.engine.signatures().id.to_string(),
            object: Source::new(&self.task.object.content, self.task.object.len),
            kind: class.map_or("", |class| class.kind),
            given,
            isolated: wanted == Wanted::Isolated,
        });
    }

    /// One try.
    async fn call(&mut self, file: OwnedFd, len: u64, wanted: Wanted) -> Result<Outcome, Halt> {
        let failed = |reason| Ok(Outcome::failed(reason));
        if self.lease.as_ref().is_none_or(|lease| wanted == Wanted::Isolated && !lease.is_isolated()) {
            // What it has now is given back first: others may want it, or there is no other one.
            self.lease = None;
            let waiting = self.part("wait for worker");
            let leased = Arc::clone(self.engine).lease(self.lane, wanted, self.deadline).await;
            waiting.end();
            match leased {
                Ok(mut lease) => {
                    lease.keep(self.turn.clone());
                    self.lease = Some(lease);
                }
                Err(NoWorker::Late) if self.begun.is_none() => return Err(Refusal::Hopeless.into()),
                Err(NoWorker::Late) => return failed(FailedReason::Time),
                Err(NoWorker::None) => return failed(FailedReason::NoScanner),
            }
        }
        let begin = Instant::now();
        if self.deadline <= begin {
            return if self.begun.is_none() {
                Err(Refusal::Hopeless.into())
            } else {
                failed(FailedReason::Time)
            };
        }
        let deadline = match self.lane {
            Lane::Cheap => self.deadline.min(begin + CHEAP_TIME),
            Lane::Dear => self.deadline,
        };
        let left = deadline.saturating_duration_since(begin);
        self.begun.get_or_insert(begin);
        self.given = len;
        let mut calling = self.part("engine call");
        let Some(lease) = &mut self.lease else { return failed(FailedReason::NoScanner) };
        calling.number("icapstan.scan.bytes", len);
        let called = lease.call(file.as_fd(), request(&self.profile, self.lists, len, left), deadline).await;
        let took = begin.elapsed();
        self.spent += took;
        self.shared.metrics.engine_call(took);
        if !matches!(called, Called::Replied(..)) {
            calling.fail("no-reply");
        }
        calling.end();
        let mut doubtful = false;
        let outcome = match called {
            Called::Replied(reply, files) => {
                self.layers = self.layers.saturating_add(reply.layers);
                let call = Call {
                    len,
                    max_layer: self.profile.max_object_size,
                    max_total: self.profile.max_total_size,
                    test_only: self.engine.signatures().test_only,
                };
                let mut findings = judge::judge(&reply, &call);
                tell_rules(&reply, &self.shared.metrics);
                if let Some(found) = listed::inside(self.lists, &files) {
                    self.shared.metrics.listed(found.list.info.kind);
                    findings.add(Verdict::Infected(ThreatName::from(&*found.name)));
                }
                doubtful = findings.iter().any(is_doubtful);
                if doubtful {
                    let message = String::from_utf8_lossy(&reply.message);
                    tracing::warn!(code = reply.code, flags = reply.flags.0, %message, "The engine reported a fault.");
                }
                Outcome::Findings(findings)
            }
            Called::NotBegun => Outcome::Innocent(FailedReason::Crash),
            Called::Lost => Outcome::failed(FailedReason::Crash),
            // Its folder was lost, and with it the worker; another one has a folder of its own.
            Called::NoRoom if !lease.is_usable() => Outcome::Innocent(FailedReason::TempSpace),
            Called::NoRoom | Called::TempShare => Outcome::failed(FailedReason::TempSpace),
            Called::Died(obituary) => {
                self.lease = None;
                self.has_died(obituary, len, wanted);
                return Ok(Outcome::Suspect);
            }
            Called::Protocol => Outcome::failed(FailedReason::EngineError),
            Called::Deadline => Outcome::failed(FailedReason::Time),
        };
        let is_late = matches!(&outcome, Outcome::Findings(findings) if findings.iter().any(is_late));
        if is_late && deadline < self.deadline {
            return Err(Halt::Dear);
        }
        if doubtful {
            lease.doubt();
        }
        if doubtful || !lease.is_usable() {
            self.lease = None;
        }
        Ok(outcome)
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Nobody waits for it any more. What its workers die of is to be known all the same.
        let left = || Left::new(self.shared, self.engine, self.task, self.turn.clone(), self.given);
        if self.deaths > 0 {
            let mark = if self.is_proven { Mark::Poison } else { Mark::Suspect };
            self.shared.runtime.spawn(left().remember(mark));
        }
        if let Some(lease) = self.lease.as_mut().filter(|lease| lease.is_busy()) {
            lease.leave(Left::new(self.shared, self.engine, self.task, self.turn.clone(), self.given));
        }
    }
}

// === impl Halt ===

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

// === impl Cancel ===

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

// === impl Outcome ===

impl Outcome {
    fn failed(reason: FailedReason) -> Self {
        Self::Findings(Verdict::Failed(reason).into())
    }
}

/// Counts matches of YARA rules, and logs those that are to be told of.
fn tell_rules(reply: &Reply, metrics: &Metrics) {
    let detected = reply.names.iter().filter(|name| yara::is_rule(name)).count();
    metrics.rules_matched(RuleMatch::Detect, detected);
    metrics.rules_matched(RuleMatch::Log, reply.noted.len());
    for rule in &reply.noted {
        let rule = String::from_utf8_lossy(rule);
        tracing::info!(%rule, "An object matches a YARA rule that detects nothing and is told of.");
    }
}

fn is_late(verdict: &Verdict) -> bool {
    *verdict == Verdict::Failed(FailedReason::Time)
}

fn is_count(verdict: &Verdict) -> bool {
    *verdict == Verdict::NonScanned(NonScannedReason::Count)
}

/// Of what was not opened for a reason that is told beside.
fn without_skipped(findings: &Findings) -> Findings {
    let mut rest = Findings::clean();
    for verdict in
        findings.iter().filter(|verdict| **verdict != Verdict::NonScanned(NonScannedReason::Skipped))
    {
        rest.add(verdict.clone());
    }
    rest
}

fn has_failed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(_))
}

/// What the engine was not able to do may be its own fault.
fn is_doubtful(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Failed(FailedReason::EngineError | FailedReason::TempSpace | FailedReason::Memory)
    )
}

fn request(profile: &ScanProfile, lists: &Lists, len: u64, left: Duration) -> Request {
    let mut options = listed::options(lists);
    for (wanted, option) in [
        (profile.unpack.packed, Options::PACKED),
        (profile.unpack.archives, Options::ARCHIVES),
        (profile.unpack.mail || profile.unpack.mail_databases, Options::MAIL),
        (profile.heuristics >= HeuristicLevel::Shallow, Options::HEURISTICS),
        (profile.heuristics >= HeuristicLevel::Medium, Options::PARTITIONS),
        (profile.heuristics >= HeuristicLevel::Detail, Options::BROKEN),
        (profile.phishing, Options::PHISHING),
        (profile.macros, Options::MACROS),
    ] {
        if wanted {
            options = options.with(option);
        }
    }
    // The engine should give up by itself before it is killed.
    let time = left.mul_f64(0.9);
    Request {
        id: 0,
        options,
        limits: Limits {
            time_ms: u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1),
            file_size: profile.max_object_size.max(len).max(1),
            scan_size: profile.max_total_size.max(len).max(1),
            files: profile.max_files.max(1),
            depth: profile.max_depth.max(1),
        },
    }
}

fn lane(object: &Object, plain: bool) -> Lane {
    match &object.content {
        Content::Memory(bytes) if plain && object.len <= CHEAP_LEN && !is_container(bytes) => Lane::Cheap,
        _ => Lane::Dear,
    }
}

/// Whether there is something to unpack. Decides the lane alone: a wrong answer costs time or order,
/// never a verdict.
fn is_container(bytes: &[u8]) -> bool {
    const MAGIC: [&[u8]; 16] = [
        b"PK",
        b"\x1f\x8b",
        b"\x1f\x9d",
        b"BZh",
        b"\xfd7zXZ",
        b"7z\xbc\xaf",
        b"Rar!",
        b"MSCF",
        b"ITSF",
        b"\xd0\xcf\x11\xe0",
        b"%PDF",
        b"MZ",
        b"\x7fELF",
        b"{\\rtf",
        b"\x60\xea",
        b"070707",
    ];
    // libclamav opens these behind anything else, and the parts of a mail wherever it says that it is one.
    const ANYWHERE: [&[u8]; 8] = [
        b"PK\x03\x04",
        b"Rar!\x1a\x07",
        b"7z\xbc\xaf\x27\x1c",
        b"MSCF\0\0\0\0",
        b"%PDF-",
        b"ransfer-Encoding",
        b"ransfer-encoding",
        b"RANSFER-ENCODING",
    ];
    MAGIC.iter().any(|magic| bytes.starts_with(magic))
        || Container::of(bytes).is_some()
        || ANYWHERE.iter().any(|magic| memmem::find(bytes, magic).is_some())
}

async fn for_worker(view: &Arc<Source>, cover: &'static [u8], ticket: &Arc<Ticket>) -> io::Result<OwnedFd> {
    match &**view {
        Source::Memory(bytes) if bytes.len() as u64 <= INLINE_COPY => view.for_worker(cover),
        _ => {
            let view = view.clone();
            in_thread(ticket, move |_| view.for_worker(cover)).await
        }
    }
}

/// The ticket is held until the work has ended, even if nobody waits for that any more: what goes on
/// beyond a scan that was cancelled still counts as under way. The flag that it gets is set then.
async fn in_thread<T: Send + 'static>(
    ticket: &Arc<Ticket>,
    work: impl FnOnce(Arc<AtomicBool>) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (ticket, cancel) = (ticket.clone(), Cancel::default());
    let cancelled = cancel.0.clone();
    let work = move || {
        let result = work(cancelled);
        drop(ticket);
        result
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn unreadable(error: &io::Error) -> Findings {
    tracing::error!(%error, "An object cannot be handed to the engine.");
    let no_memory = error.kind() == io::ErrorKind::OutOfMemory || error.kind() == io::ErrorKind::StorageFull;
    Verdict::Failed(if no_memory { FailedReason::Memory } else { FailedReason::EngineError }).into()
}

/// Of the object as it came. An object that cannot be read any more has none.
async fn digest(object: Object, ticket: &Arc<Ticket>) -> Option<Sha256> {
    match object.content {
        Content::Memory(bytes) if object.len <= INLINE_COPY => Some(Sha256::of(&bytes)),
        content => {
            let source = Source::new(&content, object.len);
            in_thread(ticket, move |_| Ok(Sha256::of(&source.read()?))).await.ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Queue;
    use prometheus::IntGauge;
    use std::sync::mpsc;

    #[tokio::test]
    async fn work_whose_scan_is_cancelled_is_told_and_counts_as_under_way_until_it_ends() {
        let queue = Queue::new(1, 0, 1, 1, IntGauge::new("w", "w").unwrap());
        let minute = Instant::now() + Duration::from_mins(1);
        let ticket = queue.enter(Lane::Dear, minute).await.unwrap();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let (let_end, may_end) = mpsc::channel::<()>();
        let (told, is_told) = tokio::sync::oneshot::channel();
        let scan = tokio::spawn(async move {
            in_thread(&ticket, move |cancelled| {
                begun.send(()).unwrap();
                while !cancelled.load(Ordering::Relaxed) && Instant::now() < minute {
                    std::thread::sleep(Duration::from_millis(1));
                }
                told.send(cancelled.load(Ordering::Relaxed)).unwrap();
                may_end.recv().map_err(io::Error::other)
            })
            .await
        });
        begins.await.unwrap();
        scan.abort();
        assert!(scan.await.unwrap_err().is_cancelled());
        assert!(is_told.await.unwrap(), "long before the deadline");
        let soon = Instant::now() + Duration::from_millis(50);
        assert_eq!(queue.enter(Lane::Dear, soon).await.unwrap_err(), Refusal::Hopeless);
        let_end.send(()).unwrap();
        queue.enter(Lane::Dear, minute).await.unwrap();
    }

    #[test]
    fn the_engine_gives_up_before_it_is_killed_and_no_limit_is_ever_none() {
        let zero = ScanProfile { max_total_size: 0, max_depth: 0, max_files: 0, ..ScanProfile::default() };
        let request = request(&zero, &Lists::NONE, 10, Duration::from_secs(10));
        assert_eq!(request.limits.time_ms, 9000);
        assert!(request.limits.scan_size >= 10 && request.limits.files > 0 && request.limits.depth > 0);
        let none = super::request(&zero, &Lists::NONE, 10, Duration::from_nanos(1));
        assert_eq!(none.limits.time_ms, 1);
    }

    #[test]
    fn small_plain_objects_are_cheap_and_whatever_can_be_unpacked_is_not() {
        static LARGE: [u8; 80_000] = [0; 80_000];
        let object =
            |bytes: &'static [u8]| Object { content: Content::Memory(bytes.into()), len: bytes.len() as u64 };
        assert_eq!(lane(&object(b"some text"), true), Lane::Cheap);
        assert_eq!(lane(&object(b"some text"), false), Lane::Dear);
        assert_eq!(lane(&object(b"PK\x03\x04"), true), Lane::Dear);
        assert_eq!(lane(&object(b"some text\nPK\x03\x04"), true), Lane::Dear);
        assert_eq!(lane(&object(b"From: a\nContent-Transfer-Encoding: base64\n\nUEsD"), true), Lane::Dear);
        assert_eq!(lane(&object(&LARGE), true), Lane::Dear);
    }
}
