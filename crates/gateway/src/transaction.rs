//! One REQMOD or RESPMOD from its heads to its answer.

use crate::added::Added;
use crate::answer::{Outcome, block, pass};
use crate::client::Client;
use crate::context;
use crate::event::{self, Decided};
use crate::facts::Message;
use crate::gateway::Gateway;
use crate::metrics::{Phase, Shortage};
use crate::partial::{Out, Partial};
use crate::quarantine;
use crate::record;
use crate::reputation;
use crate::sample::Sample;
use crate::services::{Pinned, Service};
use crate::skip::{Here, Skip};
use crate::store::{Store, StoreError};
use crate::trace;
use crate::url_lists::Looked;
use icapstan_api::BodySize;
use icapstan_icap_server::proto::{Parts, RequestHead};
use icapstan_icap_server::{Body, Exchange, ExchangeError, Io, Reply, Share};
use icapstan_model::{
    Epoch, FailedReason, Findings, GenerationId, IsTag, Mode, NonScannedReason, Reason, Refusal, ScanReport,
    TraceContext, Verdict,
};
use icapstan_policy::Action;
use icapstan_telemetry::Span;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};
use tracing::error;

/// What one transaction works with.
pub(crate) struct Transaction<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) service: &'a Service,
    pub(crate) head: &'a RequestHead,
    /// What is known of the ICAP client besides its address.
    pub(crate) client: Client,
    pub(crate) mode: Mode,
    pub(crate) istag: IsTag,
    /// The signatures that the tag stands for.
    pub(crate) generation: Option<GenerationId>,
    /// Pinned until there is a verdict; a long answer must not keep old signatures in memory.
    pub(crate) epoch: Option<Arc<Epoch>>,
    /// When those signatures were made.
    pub(crate) released: Option<SystemTime>,
    /// Given when something is told about it.
    id: OnceLock<u64>,
    pub(crate) conclusion: Conclusion,
    /// The URL and the lists that it is looked up in, where it is.
    pub(crate) looked: Option<Looked>,
    /// Why its body is not scanned, if a rule says so.
    pub(crate) skip: Option<Skip>,
    /// What is told of it, if anything is.
    pub(crate) span: Span,
    /// The trace that it belongs to, if it does to one.
    pub(crate) trace: Option<TraceContext>,
    /// What rules add to the answer.
    pub(crate) added: Added,
    /// Why it is not known what a service says of the URL, where one was asked.
    pub(crate) unanswered: Option<&'static str>,
    /// What was found of the URL, until it is put to what is found of the body.
    of_url: Option<Findings>,
}

/// What the access log says of a transaction. Words are empty while there is nothing to say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conclusion {
    pub(crate) verdict: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) action: &'static str,
    /// Whose scan it was, if not its own.
    pub(crate) cache: &'static str,
}

/// How the reception of a body ended.
enum Received {
    /// All of it is stored.
    Whole,
    /// It will not be stored, for this reason. A piece was received that the store did not take.
    Part(Verdict, Rest),
    /// The policy leaves it out. The same piece is here.
    Skipped(Skip, Rest),
    /// There is no room.
    Spent,
    /// It would not be scanned in time, so the rest is not asked for.
    Refused(Refusal),
    /// What is here is enough to block it.
    Threat(ScanReport),
}

/// A piece of a body behind what is stored of it.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    _memory: Option<Share>,
}

/// The store takes at least this much, so that a preview always fits. Larger than any preview.
const PREVIEW_ROOM: u64 = 64 * 1024;

// === impl Transaction ===

impl<'a> Transaction<'a> {
    pub(crate) fn new(gateway: &'a Gateway, service: &'a Service, head: &'a RequestHead) -> Self {
        // Only what is scanned needs the signatures themselves.
        let is_scanned = service.scope.content() && head.has_body();
        let (epoch, generation, istag) = if let Some(Pinned { epoch, istag }) = &service.pinned {
            // All of it from the one service, whatever comes into use meanwhile.
            (is_scanned.then(|| Arc::clone(epoch)), Some(epoch.signatures.id), *istag)
        } else {
            let epoch = if is_scanned { gateway.port.epoch() } else { None };
            let generation = match &epoch {
                Some(epoch) => Some(epoch.signatures.id),
                None => gateway.port.generation(),
            };
            let istag = service.istag(generation.as_ref());
            (epoch, generation, istag)
        };
        Self {
            gateway,
            service,
            head,
            client: Client::default(),
            mode: context::mode(head),
            istag,
            generation,
            released: epoch.as_ref().and_then(|epoch| epoch.signatures.released),
            epoch,
            id: OnceLock::new(),
            conclusion: Conclusion::default(),
            looked: None,
            skip: None,
            span: Span::none(),
            trace: None,
            added: Added::default(),
            unanswered: None,
            of_url: None,
        }
    }

    /// To find it in logs by.
    pub(crate) fn id(&self) -> u64 {
        *self.id.get_or_init(|| self.gateway.next_id())
    }

    pub(crate) async fn run<I: Io>(&mut self, exchange: &mut Exchange<'_, I>) -> Result<(), ExchangeError> {
        let is_looked_up = self.service.url_lists.is_some();
        let mut checking = if is_looked_up { self.span.child("check URL") } else { Span::none() };
        self.looked = self.look();
        if !self.service.scope.content() && self.looked.is_none() {
            // The administrator has decided; no rule is asked.
            checking.end();
            self.epoch = None;
            let skipped = Findings::from(Verdict::NonScanned(NonScannedReason::Skipped));
            self.decided(&skipped, false);
            self.ask_for_all();
            return pass(self, exchange, &skipped, None, &[]).await;
        }
        // Only what this policy blocks for is a reason not to look again: what another service, or a rule
        // about a body that is not here yet, made of it says nothing of this message.
        if let Some(verdict) =
            self.known_verdict().filter(|verdict| self.blocks(exchange.peer(), &verdict.clone().into()))
        {
            checking.end();
            return self.conclude(exchange, &ScanReport::unscanned(verdict.into()), None, &[]).await;
        }
        if let Some(piece) = self.blocked_piece(exchange.peer()) {
            checking.end();
            return self.conclude(exchange, &ScanReport::unscanned(piece), None, &[]).await;
        }
        let mut of_url = self.looked.as_ref().map_or_else(Findings::clean, Looked::findings);
        reputation::consult(self, &mut of_url).await;
        if self.looked.is_some() {
            self.gateway.metrics.looked_up(&of_url);
        }
        trace::found(&mut checking, &of_url);
        checking.end();
        let is_decided = !self.service.scope.content() || !self.head.has_body();
        if is_decided || self.blocks(exchange.peer(), &of_url) {
            return self.conclude(exchange, &ScanReport::unscanned(of_url), None, &[]).await;
        }
        self.of_url = Some(of_url).filter(|findings| !findings.is_clean());
        let started = Instant::now();
        let limit = self.service.policy.profile().max_object_size.max(PREVIEW_ROOM);
        // Beside another framing a length means nothing (RFC 9112 section 6.3).
        let claimed = context::claimed_len(self.head).filter(|_| !context::is_chunked(self.head));
        let Ok(mut store) = Store::new(&self.gateway.store, limit, claimed) else {
            return self.refuse(exchange, Shortage::Memory).await;
        };
        let mut receiving = self.span.child("receive body");
        let mut partial = Partial::new(self.mode, self.head, self.service);
        let received = self.receive(exchange, &mut store, &mut partial, claimed).await?;
        let ended = exchange.body_ended();
        let received = self.leave_out(exchange.peer(), &store, ended, claimed, received).await?;
        self.gateway.metrics.took(Phase::Receive, started.elapsed());
        receiving.number("icapstan.body_bytes", store.len());
        receiving.end();
        let out = partial.out;
        match received {
            Received::Threat(report) => self.conclude(exchange, &report, Some((store, out)), &[]).await,
            Received::Spent if out != Out::Nothing => Err(ExchangeError::Aborted),
            Received::Spent => self.refuse(exchange, Shortage::Memory).await,
            Received::Refused(refusal) => self.refuse(exchange, refusal.into()).await,
            Received::Skipped(skip, rest) => {
                self.gateway.metrics.skips.inc(&self.service.policy.skips()[skip.index].name);
                self.skip = Some(skip);
                let excluded = Verdict::NonScanned(NonScannedReason::Excluded);
                let report = ScanReport::unscanned(excluded.into());
                self.conclude(exchange, &report, Some((store, out)), &rest.bytes).await
            }
            Received::Part(verdict, rest) => {
                let report = ScanReport::unscanned(verdict.into());
                self.conclude(exchange, &report, Some((store, out)), &rest.bytes).await
            }
            Received::Whole => match self.scan(exchange, &mut store, &mut partial).await? {
                Ok(report) => self.conclude(exchange, &report, Some((store, partial.out)), &[]).await,
                Err(_) if partial.out != Out::Nothing => Err(ExchangeError::Aborted),
                Err(refusal) => self.refuse(exchange, refusal.into()).await,
            },
        }
    }

    /// Reads the URL, if there is somewhere to look it up.
    fn look(&self) -> Option<Looked> {
        let lists = self.service.url_lists.as_ref()?;
        lists.look(self.head, self.gateway.reputation.is_some())
    }

    /// What is told of it beside the message: a reason, if there is one.
    pub(crate) fn notes<'f>(&self, reason: Option<&'f str>) -> Vec<(&'static str, &'f str)> {
        let reason = reason.map(|reason| ("X-Icapstan-Reason", reason));
        let unanswered = self.unanswered.map(|word| (reputation::FIELD, word));
        reason.into_iter().chain(unanswered).collect()
    }

    /// Stores the body, up to its end or to where it is clear that it will not be scanned.
    async fn receive<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        store: &mut Store,
        partial: &mut Partial<'_>,
        claimed: Option<u64>,
    ) -> Result<Received, ExchangeError> {
        const TOO_LARGE: Verdict = Verdict::NonScanned(NonScannedReason::Size);
        let limit = self.service.policy.profile().max_object_size;
        // Until the preview is over the client may wait for 100, which has no place in an answer.
        let mut previewing = self.head.preview().is_some();
        loop {
            let next = match partial.wake(store).filter(|_| !previewing) {
                None => exchange.next().await?,
                Some(wake) => {
                    let next = if wake.is_over() { None } else { exchange.next_by(wake.at()).await? };
                    let Some(next) = next else {
                        match self.send_ahead(exchange, store, partial, wake).await? {
                            Some(report) => return Ok(Received::Threat(report)),
                            None => continue,
                        }
                    };
                    next
                }
            };
            match next {
                Body::Data(data) => match store.push(data).await {
                    Ok(()) => partial.came(),
                    Err(StoreError::TooLarge) => {
                        store.settle().await;
                        return Ok(self.part(TOO_LARGE, data));
                    }
                    Err(StoreError::Spent) => return Ok(Received::Spent),
                    Err(StoreError::Io(error)) => {
                        error!(%error, "A spool file cannot be written.");
                        let failed = Verdict::Failed(FailedReason::TempSpace);
                        return Ok(self.part(failed, data));
                    }
                },
                Body::PreviewEnd if store.len() > limit || claimed.is_some_and(|len| len > limit) => {
                    return Ok(Received::Part(TOO_LARGE, Rest::default()));
                }
                Body::PreviewEnd => {
                    if let Some(skip) = self
                        .leaves_out(exchange.peer(), store, Here { more: 0, ended: false, claimed })
                        .await?
                    {
                        return Ok(Received::Skipped(skip, Rest::default()));
                    }
                    if let Some(refusal) = self.refusal_ahead(store, claimed) {
                        return Ok(Received::Refused(refusal));
                    }
                    previewing = false;
                    exchange.proceed().await?;
                }
                Body::End => return Ok(Received::Whole),
            }
        }
    }

    /// Why a body, of which more is to come, would not be scanned in time. Asking for the rest of it
    /// would only add to the load.
    fn refusal_ahead(&self, store: &Store, claimed: Option<u64>) -> Option<Refusal> {
        let len = claimed.unwrap_or_default().max(store.len());
        self.gateway.port.refusal(self.epoch.as_ref()?, len, self.service.policy.profile().timeout)
    }

    /// Whether what has been received is left out, now that more of it is not asked for.
    async fn leave_out(
        &self,
        peer: SocketAddr,
        store: &Store,
        ended: bool,
        claimed: Option<u64>,
        received: Received,
    ) -> Result<Received, ExchangeError> {
        let more = match &received {
            Received::Whole => 0,
            Received::Part(Verdict::NonScanned(_), rest) => rest.bytes.len(),
            _ => return Ok(received),
        };
        let Some(skip) = self.leaves_out(peer, store, Here { more, ended, claimed }).await? else {
            return Ok(received);
        };
        Ok(match received {
            Received::Part(_, rest) => Received::Skipped(skip, rest),
            _ => Received::Skipped(skip, Rest::default()),
        })
    }

    /// Keeps `data`, which the store did not take, until it can be sent.
    fn part(&self, verdict: Verdict, data: &[u8]) -> Received {
        let mut memory = Share::new(&self.gateway.store.memory);
        if !memory.grow_to(data.len() as u64) {
            return Received::Spent;
        }
        Received::Part(verdict, Rest { bytes: data.to_vec(), _memory: Some(memory) })
    }

    /// Whether the message is blocked whatever its body is.
    pub(crate) fn blocks(&self, peer: SocketAddr, findings: &Findings) -> bool {
        if findings.is_clean() {
            return false;
        }
        let message = self.message(peer, BodySize::AtLeast(0));
        self.service.policy.decide(self.mode, findings, &message).action != Action::Pass
    }

    /// What rules may ask for.
    pub(crate) fn message(&self, peer: SocketAddr, size: BodySize) -> Message<'_> {
        let service = self.service;
        let identity = &service.shared.identity;
        let mut message = Message::new(&service.path, self.head, peer, size, identity, self.looked.as_ref());
        message.certificate = self.client.names();
        message
    }

    /// Asks the policy and answers. `rest` is what was received behind what the store holds.
    async fn conclude<I: Io>(
        &mut self,
        exchange: &mut Exchange<'_, I>,
        report: &ScanReport,
        body: Option<(Store, Out)>,
        rest: &[u8],
    ) -> Result<(), ExchangeError> {
        let started = Instant::now();
        let answering = self.span.child("decide and answer");
        let mut body = body;
        let is_whole = exchange.body_ended() && rest.is_empty();
        let kept =
            quarantine::keep(self, report, body.as_mut().map(|body| &mut body.0), is_whole, exchange.peer())
                .await;
        let body = body.as_ref().map(|(store, out)| (store, *out));
        let mut report = Cow::Borrowed(report);
        let of_url = self.of_url.take();
        if let Some(of_url) = &of_url {
            report.to_mut().findings.merge(of_url.clone());
        }
        let report = &*report;
        self.conclusion.cache = report.origin.as_str();
        let findings = &report.findings;
        let size = match (&body, exchange.body_ended()) {
            (Some((store, _)), true) if rest.is_empty() => BodySize::Whole(store.len()),
            (None, true) => BodySize::Whole(0),
            (body, _) => BodySize::AtLeast(body.map_or(0, |(store, _)| store.len()) + rest.len() as u64),
        };
        let service = self.service;
        let mut message = self.message(exchange.peer(), size);
        if service.policy.asks_for_types()
            && let Some((store, _)) = body
        {
            message.sample = Some(Sample::of(self.head, store, matches!(size, BodySize::Whole(_))).await?);
        }
        let decision = service.policy.decide(self.mode, findings, &message);
        let met = service.policy.met(self.mode, findings, &message, &decision);
        drop(message);
        self.added = Added::new(self, &met);
        self.ask_for_all();
        let outcome = Outcome::of(&decision);
        self.decided(findings, matches!(outcome, Outcome::Block(_)));
        let (BodySize::Whole(here) | BodySize::AtLeast(here)) = size;
        self.gateway.metrics.judged(findings, here);
        let is_begun = matches!(body, Some((_, Out::Body(_))));
        let peer = exchange.peer();
        let decided =
            Decided { report, decision: &decision, peer, size, is_cut: is_begun, kept: kept.as_ref() };
        if decision.log {
            record::decision(self, &decided, body.map(|(store, _)| store.len()));
            event::tell(self, &decided);
        }
        event::call(self, &decided, &met);
        self.epoch = None;
        let answered = match outcome {
            Outcome::Pass => pass(self, exchange, findings, body, rest).await,
            Outcome::Block(_) if is_begun => {
                let is_of_body =
                    of_url.is_none_or(|of_url| of_url.iter().all(|finding| finding != decision.verdict));
                self.remember(decision.verdict, is_of_body);
                Err(ExchangeError::Aborted)
            }
            Outcome::Block(replacement) => {
                block(self, exchange, findings, decision.verdict, replacement).await
            }
        };
        self.gateway.metrics.took(Phase::Answer, started.elapsed());
        answering.end();
        answered
    }

    fn decided(&mut self, findings: &Findings, blocked: bool) {
        self.gateway.metrics.decided(self.mode, findings, blocked);
        self.conclusion = Conclusion {
            verdict: findings.kind().as_str(),
            reason: findings.iter().find_map(Verdict::reason).map_or("", Reason::as_str),
            action: if blocked { "block" } else { "pass" },
            ..self.conclusion
        };
    }

    /// What these signatures said of this URL before, when it was too late for a page.
    fn known_verdict(&self) -> Option<Verdict> {
        if !self.gateway.blocked.any() {
            return None;
        }
        self.gateway.blocked.get(&self.service.tenant, &self.get_url()?, self.generation)
    }

    /// The next request for this URL is to get the page for which it is too late now, if it was a threat:
    /// failures may be over by then, and URLs are looked up anew each time.
    fn remember(&self, verdict: &Verdict, is_of_body: bool) {
        self.gateway.metrics.cut();
        if let (true, Some(_), Some(generation)) = (is_of_body, verdict.threat(), self.generation)
            && let Some(url) = self.get_url()
        {
            self.gateway.blocked.detected(&self.service.tenant, &url, verdict, Some(generation));
        }
    }

    /// The URL of a GET, as it is remembered. Other methods with the same URL may mean anything.
    fn get_url(&self) -> Option<String> {
        crate::url::exact(self.head.http_request().filter(|request| request.method() == b"GET")?)
    }

    /// Turns the request down for want of room.
    pub(crate) async fn refuse<I: Io>(
        &mut self,
        exchange: &mut Exchange<'_, I>,
        cause: Shortage,
    ) -> Result<(), ExchangeError> {
        self.gateway.metrics.refused(cause);
        self.conclusion = Conclusion { action: "refuse", reason: cause.as_str(), ..self.conclusion };
        let fields = [("X-Icapstan-Reason", cause.as_str())];
        let status = cause.status(exchange.refusals());
        let reply = Reply { status, istag: &self.istag, fields: &fields, parts: Parts::Nothing };
        exchange.answer(reply, &[]).await
    }
}
