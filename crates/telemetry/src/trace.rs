//! What transactions take their time for, told as spans.
//!
//! ```text
//!  heads ─▶ Tracer::begin ─▶ Span, or nothing ─▶ children ─▶ dropped = ended ─▶ bounded queue ─▶ whoever exports
//! ```
//!
//! A span that is not told is `None` in a box: making, describing and ending it is one branch.

mod ids;
mod sampling;
mod span;
#[cfg(test)]
mod tests;

use icapstan_model::TraceContext;
use ids::Ids;
use prometheus::{IntCounter, Registry};
use sampling::{Rate, Ratio};
use std::fmt;
use std::sync::Arc;
use std::sync::LazyLock;
use std::time::{Instant, SystemTime};
use tokio::sync::mpsc::{self, Receiver, Sender};

pub use span::{FinishedSpan, Span, SpanKind, SpanValue};

/// How many spans wait for whoever exports them. With what each holds at most some 8 MiB.
const MAX_WAITING: usize = 4096;

/// There is one tracer in a process, so there is one count.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::new(
        "icapstan_trace_spans_dropped_total",
        "Spans that were not exported: too many waited, or the collector did not take them.",
    )
    .expect("the name is a valid one")
});

/// The same.
static EXPORTED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::new("icapstan_trace_spans_exported_total", "Spans that the collector took.")
        .expect("the name is a valid one")
});

/// Decides which transactions are told, and makes their spans. Clones are the same tracer.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Shared>>);

/// Which transactions are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// This share of those that belong to no trace yet, from 0 to 1.
    pub ratio: f64,
    /// Whether those are told whose parent is, and no others of those that have a parent.
    pub follow_parent: bool,
    /// So many a second of those at most. Others are told by `ratio`, as if their parent had said nothing.
    pub followed_per_second: u32,
}

/// The ended spans of a tracer, for whoever exports them.
#[derive(Debug)]
pub struct SpanSource {
    queue: Receiver<FinishedSpan>,
}

/// Where a transaction stands in its trace.
#[derive(Debug, Default)]
pub struct Begun {
    /// Its span, if it is told.
    pub span: Span,
    /// Its trace, if it has one: it is told, or its client said which trace it belongs to.
    pub trace: Option<TraceContext>,
}

/// What spans share.
struct Shared {
    ids: Ids,
    ratio: Ratio,
    follow_parent: bool,
    followed: Rate,
    queue: Sender<FinishedSpan>,
    /// Times are told of the calendar and measured by the clock that never goes back.
    started: (SystemTime, Instant),
}

/// Registers `icapstan_trace_spans_exported_total` and `icapstan_trace_spans_dropped_total`, which count from
/// the start of the process.
pub fn register_trace_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(EXPORTED.clone()))?;
    registry.register(Box::new(DROPPED.clone()))
}

// === impl Tracer ===

impl Tracer {
    /// A tracer that tells nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// A tracer, and where its spans come out.
    pub fn new(sampling: Sampling) -> (Self, SpanSource) {
        Self::with_room(sampling, MAX_WAITING)
    }

    fn with_room(sampling: Sampling, room: usize) -> (Self, SpanSource) {
        let (queue, waiting) = mpsc::channel(room);
        let now = Instant::now();
        let shared = Shared {
            ids: Ids::new(),
            ratio: Ratio::new(sampling.ratio),
            follow_parent: sampling.follow_parent,
            followed: Rate::new(sampling.followed_per_second, now),
            queue,
            started: (SystemTime::now(), now),
        };
        (Self(Some(Arc::new(shared))), SpanSource { queue: waiting })
    }

    /// Whether anything is told at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a transaction. `parent` is asked for what its client says only if that counts.
    pub fn begin(&self, name: &'static str, parent: impl FnOnce() -> Option<TraceContext>) -> Begun {
        let Some(shared) = &self.0 else { return Begun::default() };
        let parent = parent();
        let random = shared.ids.next();
        if !shared.tells(parent, random) {
            return Begun {
                span: Span::none(),
                trace: parent.map(|it| TraceContext { sampled: false, ..it }),
            };
        }
        let trace_id = parent.map_or_else(|| shared.ids.trace(random), |parent| parent.trace_id);
        let span = Span::open(shared, trace_id, parent.map(|parent| parent.span_id), name, SpanKind::Server);
        let trace = span.context();
        Begun { span, trace }
    }

    /// A part of `parent`, which may be of another process. Nothing if that is not told.
    pub fn child(&self, parent: Option<TraceContext>, name: &'static str) -> Span {
        match (&self.0, parent) {
            (Some(shared), Some(TraceContext { trace_id, span_id, sampled: true })) => {
                Span::open(shared, trace_id, Some(span_id), name, SpanKind::Internal)
            }
            _ => Span::none(),
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn tells(&self, parent: Option<TraceContext>, random: u64) -> bool {
        match parent.filter(|_| self.follow_parent) {
            Some(TraceContext { sampled: false, .. }) => false,
            Some(_) if self.followed.takes(Instant::now()) => true,
            // Not by the trace's own id, which the client has chosen.
            _ => self.ratio.takes(random),
        }
    }

    fn time(&self, at: Instant) -> SystemTime {
        self.started.0 + at.saturating_duration_since(self.started.1)
    }

    /// Never waits.
    fn send(&self, span: FinishedSpan) {
        if self.queue.try_send(span).is_err() {
            DROPPED.inc();
        }
    }
}

// === impl SpanSource ===

impl SpanSource {
    /// Waits for spans and adds at most `most` to `batch`. False if there will be no more.
    pub async fn take(&mut self, batch: &mut Vec<FinishedSpan>, most: usize) -> bool {
        self.queue.recv_many(batch, most).await > 0
    }

    /// Adds what is here to `batch`, at most `most`.
    pub fn take_waiting(&mut self, batch: &mut Vec<FinishedSpan>, most: usize) {
        for _ in 0..most {
            match self.queue.try_recv() {
                Ok(span) => batch.push(span),
                Err(_) => return,
            }
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Counts spans that the collector took.
    pub fn exported(&self, count: usize) {
        EXPORTED.inc_by(count as u64);
    }

    /// Counts spans that nobody took.
    pub fn lost(&self, count: usize) {
        DROPPED.inc_by(count as u64);
    }
}

impl Drop for SpanSource {
    fn drop(&mut self) {
        self.queue.close();
        self.lost(self.queue.len());
    }
}
