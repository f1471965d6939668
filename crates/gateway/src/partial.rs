//! What clients get of a body before its verdict, and when.
//!
//! ```text
//!  first byte ── delay ──▶ heads, a chunk ── 1 s ──▶ a chunk ── 1 s ──▶ ... verdict ──▶ the rest at full speed
//!                                                                             └─ blocked: the connection is cut
//! ```
//!
//! Never more than one chunk a second, never the last bytes of what has come, and nothing of what does harm
//! before it is whole. Besides, what a client that has stalled needs to go on: see [`Stall`].

use crate::context;
use crate::sample::{ENCODED, Sample};
use crate::services::Service;
use crate::stall::Stall;
use crate::store::Store;
use icapstan_api::PartialSettings;
use icapstan_icap_server::ExchangeError;
use icapstan_icap_server::proto::RequestHead;
use icapstan_model::Mode;
use std::time::{Duration, Instant};

/// Between two chunks.
const PACE: Duration = Duration::from_secs(1);

/// What is out of the answer before there is a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    /// Nothing: every answer is possible.
    Nothing,
    /// The heads and so many bytes of the body: it can be completed, or cut.
    Body(u64),
}

/// Sends the beginning of one body.
#[derive(Debug)]
pub(crate) struct Partial<'t> {
    pub(crate) out: Out,
    head: &'t RequestHead,
    stall: Stall,
    trickle: Option<Trickle<'t>>,
}

/// A chunk a second.
#[derive(Debug)]
struct Trickle<'t> {
    settings: &'t PartialSettings,
    /// When the next chunk may go out; `None` before the first byte has come.
    next: Option<Instant>,
    /// The type was looked at, and may be seen.
    is_harmless: bool,
}

/// Something is to be sent at this time, unless the body goes on before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A chunk is due.
    Chunk(Instant),
    /// The client may have stalled.
    Stall(Instant),
}

// === impl Partial ===

impl<'t> Partial<'t> {
    pub(crate) fn new(mode: Mode, head: &'t RequestHead, service: &'t Service) -> Self {
        let settings = service.policy.partial();
        // Without a response head nothing could be begun.
        let is_download = mode == Mode::Respmod && head.http_response().is_some();
        let is_on = is_download && service.begins_early && settings.enabled && !declares_harm(head, settings);
        let trickle = is_on.then_some(Trickle { settings, next: None, is_harmless: false });
        Self { out: Out::Nothing, head, stall: Stall::new(is_download), trickle }
    }

    /// A piece of the body has come.
    pub(crate) fn came(&mut self) {
        if let Some(Trickle { settings, next: next @ None, .. }) = &mut self.trickle {
            *next = Some(Instant::now() + settings.delay);
        }
    }

    /// When something is to be sent of what is stored, while more of the body may come.
    pub(crate) fn wake(&self, store: &Store) -> Option<Wake> {
        let chunk = self.chunk_due(store);
        let Some(patience) = self.stall.patience(store) else { return chunk.map(Wake::Chunk) };
        let stall = Instant::now() + patience;
        Some(chunk.filter(|chunk| *chunk <= stall).map_or(Wake::Stall(stall), Wake::Chunk))
    }

    /// When the next chunk is to be sent; `None`: there is nothing to send.
    pub(crate) fn chunk_due(&self, store: &Store) -> Option<Instant> {
        let Trickle { settings, next, .. } = self.trickle.as_ref()?;
        (self.sent() + settings.tail.bytes() < store.len()).then_some(*next)?
    }

    /// How many bytes are to be out now that it is time; `None`: nothing is sent.
    pub(crate) async fn due(&mut self, wake: Wake, store: &Store) -> Result<Option<u64>, ExchangeError> {
        if let Wake::Stall(_) = wake {
            return Ok(Some(self.stall.release().max(self.sent())));
        }
        let sent = self.sent();
        let Some(trickle) = &mut self.trickle else { return Ok(None) };
        trickle.next = Some(Instant::now() + PACE);
        if !trickle.is_harmless {
            let sample = Sample::of(self.head, store, false).await?.strict();
            match sample.media_type(self.head) {
                Some(told) if trickle.settings.keeps_back(told) => {
                    self.trickle = None;
                    return Ok(None);
                }
                Some(_) => trickle.is_harmless = true,
                None => {
                    // Before that, more of it may tell.
                    if store.len() >= ENCODED as u64 {
                        self.trickle = None;
                    }
                    return Ok(None);
                }
            }
        }
        let most = store.len().saturating_sub(trickle.settings.tail.bytes());
        Ok(Some((sent + trickle.settings.chunk_size.bytes()).min(most)).filter(|wanted| *wanted > sent))
    }

    fn sent(&self) -> u64 {
        match self.out {
            Out::Nothing => 0,
            Out::Body(sent) => sent,
        }
    }
}

/// Whether browsers, which believe `Content-Type`, would take it for what does harm before it is whole.
fn declares_harm(head: &RequestHead, settings: &PartialSettings) -> bool {
    let types = context::content_types(head);
    types.iter().flat_map(|value| value.split(',')).any(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        settings.keeps_back(&essence)
    })
}

// === impl Wake ===

impl Wake {
    /// It is time, whether or not the body goes on.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Chunk(at) if at <= Instant::now())
    }

    pub(crate) fn at(self) -> Instant {
        match self {
            Self::Chunk(at) | Self::Stall(at) => at,
        }
    }
}
