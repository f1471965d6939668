//! One REQMOD or RESPMOD from its heads to its answer.

use crate::answer::{Outcome, block, pass};
use crate::context;
use crate::gateway::Gateway;
use crate::metrics::Phase;
use crate::record;
use crate::services::Service;
use crate::store::{Store, StoreError};
use icapstan_icap_server::proto::{Parts, RequestHead, Status};
use icapstan_icap_server::{Body, Exchange, ExchangeError, Io, Reply};
use icapstan_model::{
    Epoch, FailedReason, Findings, IsTag, Mode, NonScannedReason, Refusal, ScanReport, Verdict,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::error;

/// What one transaction works with.
pub(crate) struct Transaction<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) service: &'a Service,
    pub(crate) head: &'a RequestHead,
    pub(crate) mode: Mode,
    pub(crate) id: u64,
    pub(crate) istag: IsTag,
    /// Pinned: as long as the transaction lives, so do these signatures.
    pub(crate) epoch: Option<Arc<Epoch>>,
}

/// How the reception of a body ended.
enum Received {
    /// All of it is stored.
    Whole,
    /// It will not be stored, for this reason. A piece was received that the store did not take.
    Part(Verdict, Vec<u8>),
    /// There is no room.
    Spent,
}

/// What a service says that is told not to look.
const SKIPPED: Verdict = Verdict::NonScanned(NonScannedReason::Skipped);

/// The store takes at least this much, so that a preview always fits. Larger than any preview.
const PREVIEW_ROOM: u64 = 64 * 1024;

// === impl Transaction ===

impl<'a> Transaction<'a> {
    pub(crate) fn new(gateway: &'a Gateway, service: &'a Service, head: &'a RequestHead) -> Self {
        let epoch = gateway.port.epoch();
        let istag = service.istag(epoch.as_ref().map(|epoch| &epoch.signatures.id));
        Self { gateway, service, head, mode: context::mode(head), id: gateway.next_id(), istag, epoch }
    }

    pub(crate) async fn run<I: Io>(&self, exchange: &mut Exchange<'_, I>) -> Result<(), ExchangeError> {
        if !self.service.scope.content() {
            return self.conclude(exchange, &ScanReport::unscanned(SKIPPED.into()), None, &[]).await;
        }
        if !self.head.has_body() {
            return self.conclude(exchange, &ScanReport::unscanned(Findings::clean()), None, &[]).await;
        }
        let started = Instant::now();
        let limit = self.service.policy.profile().max_object_size.max(PREVIEW_ROOM);
        let claimed = context::claimed_len(self.head);
        let Ok(mut store) = Store::new(&self.gateway.store, limit, claimed) else {
            return self.refuse(exchange, Status::UNAVAILABLE, "memory").await;
        };
        let received = self.receive(exchange, &mut store, claimed).await?;
        self.gateway.metrics.took(Phase::Receive, started.elapsed());
        match received {
            Received::Spent => self.refuse(exchange, Status::UNAVAILABLE, "memory").await,
            Received::Part(verdict, rest) => {
                self.conclude(exchange, &ScanReport::unscanned(verdict.into()), Some(store), &rest).await
            }
            Received::Whole => match self.scan(exchange, &mut store).await? {
                Ok(report) => self.conclude(exchange, &report, Some(store), &[]).await,
                Err(Refusal::QueueFull) => self.refuse(exchange, Status::SERVER_ERROR, "queue-full").await,
                Err(Refusal::Hopeless) => self.refuse(exchange, Status::SERVER_ERROR, "hopeless").await,
            },
        }
    }

    /// Stores the body, up to its end or to where it is clear that it will not be scanned.
    async fn receive<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        store: &mut Store,
        claimed: Option<u64>,
    ) -> Result<Received, ExchangeError> {
        const TOO_LARGE: Verdict = Verdict::NonScanned(NonScannedReason::Size);
        let limit = self.service.policy.profile().max_object_size;
        loop {
            match exchange.next().await? {
                Body::Data(data) => match store.push(data).await {
                    Ok(()) => {}
                    Err(StoreError::TooLarge) => return Ok(Received::Part(TOO_LARGE, data.to_vec())),
                    Err(StoreError::Spent) => return Ok(Received::Spent),
                    Err(StoreError::Io(error)) => {
                        error!(%error, "A spool file cannot be written.");
                        let failed = Verdict::Failed(FailedReason::TempSpace);
                        return Ok(Received::Part(failed, data.to_vec()));
                    }
                },
                Body::PreviewEnd if store.len() > limit || claimed.is_some_and(|len| len > limit) => {
                    return Ok(Received::Part(TOO_LARGE, Vec::new()));
                }
                Body::PreviewEnd => exchange.proceed().await?,
                Body::End => return Ok(Received::Whole),
            }
        }
    }

    async fn scan<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        store: &mut Store,
    ) -> Result<Result<ScanReport, Refusal>, ExchangeError> {
        let failed = |reason| Ok(Ok(ScanReport::unscanned(Verdict::Failed(reason).into())));
        let Some(epoch) = &self.epoch else { return failed(FailedReason::NoScanner) };
        let profile = self.service.policy.profile();
        let deadline = Instant::now() + profile.timeout;
        let object = match store.object().await {
            Ok(object) => object,
            Err(error) => {
                error!(%error, "A spool file cannot be written.");
                return failed(FailedReason::TempSpace);
            }
        };
        let context = context::scan_context(self.head, profile);
        let scan = self.gateway.port.scan(object, context, epoch, deadline);
        let report = tokio::select! {
            biased;
            report = scan => report,
            () = exchange.gone() => return Err(ExchangeError::Gone),
        };
        if let Ok(report) = &report {
            self.gateway.metrics.took(Phase::Wait, report.waited);
            self.gateway.metrics.took(Phase::Engine, report.engine);
        }
        Ok(report)
    }

    /// Asks the policy and answers. `rest` is what was received behind what the store holds.
    async fn conclude<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        report: &ScanReport,
        store: Option<Store>,
        rest: &[u8],
    ) -> Result<(), ExchangeError> {
        let started = Instant::now();
        let findings = &report.findings;
        let decision = self.service.policy.decide(self.mode, findings);
        let outcome = Outcome::of(&decision);
        self.gateway.metrics.decided(self.mode, findings, matches!(outcome, Outcome::Block(_)));
        self.gateway.show_budgets();
        // What the administrator has told a service to pass is no news.
        if decision.log || !(findings.is_clean() || *findings.strongest() == SKIPPED) {
            record::decision(self, report, &decision, exchange.peer(), store.as_ref().map(Store::len));
        }
        let answered = match outcome {
            Outcome::Pass => pass(self, exchange, findings, store.as_ref(), rest).await,
            Outcome::Block(template) => block(self, exchange, findings, decision.verdict, template).await,
        };
        self.gateway.metrics.took(Phase::Answer, started.elapsed());
        answered
    }

    /// Turns the request down for want of room.
    async fn refuse<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        status: Status,
        cause: &'static str,
    ) -> Result<(), ExchangeError> {
        self.gateway.metrics.refused(cause);
        let fields = [("X-Icapstan-Reason", cause)];
        let reply = Reply { status, istag: &self.istag, fields: &fields, parts: Parts::Nothing };
        exchange.answer(reply, &[]).await
    }
}

/// Makes reports of what no engine saw.
trait Unscanned {
    fn unscanned(findings: Findings) -> Self;
}

impl Unscanned for ScanReport {
    fn unscanned(findings: Findings) -> Self {
        Self { findings, sha256: None, waited: Duration::ZERO, engine: Duration::ZERO }
    }
}
