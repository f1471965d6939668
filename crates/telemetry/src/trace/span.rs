//! One piece of work, from its begin to its end.

use super::Shared;
use icapstan_model::TraceContext;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// No span has more attributes.
const MAX_ATTRIBUTES: usize = 24;
/// No text of an attribute is longer, in bytes.
const MAX_TEXT: usize = 128;

/// A span under way, or nothing. Ends when it is dropped. What is said of it is to be of a closed set or of the
/// settings: nothing that a message brings belongs here.
#[derive(Default)]
pub struct Span(Option<Box<Open>>);

struct Open {
    shared: Arc<Shared>,
    begin: Instant,
    end: Option<Instant>,
    told: FinishedSpan,
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSpan {
    /// The trace that it is of.
    pub trace_id: [u8; 16],
    /// Its own id.
    pub span_id: [u8; 8],
    /// What it is a part of.
    pub parent: Option<[u8; 8]>,
    /// What was done.
    pub name: &'static str,
    /// For whom.
    pub kind: SpanKind,
    /// When that began.
    pub begin: SystemTime,
    /// When it ended.
    pub end: SystemTime,
    /// What is to be said of it.
    pub attributes: Vec<(&'static str, SpanValue)>,
    /// Why it failed, if it did.
    pub error: Option<&'static str>,
}

/// For whom something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// For a client.
    Server,
    /// As a part of something else.
    Internal,
}

/// What is said in an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanValue {
    /// A word of a closed set.
    Word(&'static str),
    /// A name from the settings.
    Name(Box<str>),
    /// A number.
    Number(u64),
}

// === impl Span ===

impl Span {
    /// A span that is not told.
    pub const fn none() -> Self {
        Self(None)
    }

    pub(super) fn open(
        shared: &Arc<Shared>,
        trace_id: [u8; 16],
        parent: Option<[u8; 8]>,
        name: &'static str,
        kind: SpanKind,
    ) -> Self {
        let now = Instant::now();
        let time = shared.time(now);
        let told = FinishedSpan {
            trace_id,
            span_id: shared.ids.span(),
            parent,
            name,
            kind,
            begin: time,
            end: time,
            attributes: Vec::with_capacity(8),
            error: None,
        };
        Self(Some(Box::new(Open { shared: Arc::clone(shared), begin: now, end: None, told })))
    }

    /// Whether it is told.
    pub fn is_told(&self) -> bool {
        self.0.is_some()
    }

    /// What its parts are begun with, here or elsewhere.
    pub fn context(&self) -> Option<TraceContext> {
        let FinishedSpan { trace_id, span_id, .. } = self.0.as_ref()?.told;
        Some(TraceContext { trace_id, span_id, sampled: true })
    }

    /// A part of it.
    #[must_use]
    pub fn child(&self, name: &'static str) -> Self {
        let Some(open) = &self.0 else { return Self::none() };
        let FinishedSpan { trace_id, span_id, .. } = open.told;
        Self::open(&open.shared, trace_id, Some(span_id), name, SpanKind::Internal)
    }

    /// Says a word of a closed set. An empty one is nothing.
    pub fn word(&mut self, key: &'static str, word: &'static str) {
        if !word.is_empty() {
            self.say(key, || SpanValue::Word(word));
        }
    }

    /// Says a name from the settings, of which 128 bytes at most are kept.
    pub fn name(&mut self, key: &'static str, name: &str) {
        self.say(key, || SpanValue::Name(name[..name.floor_char_boundary(MAX_TEXT)].into()));
    }

    /// Says a number.
    pub fn number(&mut self, key: &'static str, number: u64) {
        self.say(key, || SpanValue::Number(number));
    }

    /// Says how long something took, in microseconds.
    pub fn micros(&mut self, key: &'static str, time: Duration) {
        self.number(key, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// It did not do what it should; `cause` is a word of a closed set.
    pub fn fail(&mut self, cause: &'static str) {
        if let Some(open) = &mut self.0 {
            open.told.error = Some(cause);
        }
    }

    /// It began then.
    pub fn began_at(&mut self, at: Instant) {
        if let Some(open) = &mut self.0 {
            open.begin = at;
            open.told.begin = open.shared.time(at);
        }
    }

    /// It ended then, whenever it is dropped.
    pub fn ended_at(&mut self, at: Instant) {
        if let Some(open) = &mut self.0 {
            open.end = Some(at);
        }
    }

    /// Ends it now.
    pub fn end(self) {
        drop(self);
    }

    fn say(&mut self, key: &'static str, value: impl FnOnce() -> SpanValue) {
        if let Some(open) = self.0.as_mut().filter(|open| open.told.attributes.len() < MAX_ATTRIBUTES) {
            open.told.attributes.push((key, value()));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(open) = self.0.take() else { return };
        let Open { shared, begin, end, mut told } = *open;
        told.end = shared.time(end.unwrap_or_else(Instant::now).max(begin));
        shared.send(told);
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Span").field(&self.0.as_ref().map(|open| open.told.name)).finish()
    }
}
