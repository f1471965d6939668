//! What goes on for a client while its body has no verdict: bytes ahead of it, and the scan.

use crate::answer::begin_unchanged;
use crate::context;
use crate::metrics::Phase;
use crate::partial::{Out, Partial, Wake};
use crate::store::Store;
use crate::trace;
use crate::transaction::Transaction;
use bytes::Bytes;
use icapstan_icap_server::{Exchange, ExchangeError, Io, Share};
use icapstan_model::{Content, FailedReason, Object, Origin, Refusal, ScanContext, ScanReport, Verdict};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::time::sleep_until;
use tracing::error;

/// How much of what has come is looked at before the first of it goes out, in bytes.
const SO_FAR: u64 = 1 << 20;

// === impl Transaction ===

impl Transaction<'_> {
    /// Sends what is due by now. What has come so far is looked at before the first of it goes out, which is
    /// the last chance to show a page: if it is malware by itself, nothing is sent.
    pub(crate) async fn send_ahead<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        store: &Store,
        partial: &mut Partial<'_>,
        wake: Wake,
    ) -> Result<Option<ScanReport>, ExchangeError> {
        let Some(wanted) = partial.due(wake, store).await? else { return Ok(None) };
        if partial.out == Out::Nothing
            && let Some(report) = self.threat_so_far(exchange.peer(), store).await?
        {
            return Ok(Some(report));
        }
        self.release(exchange, store, partial, wanted).await?;
        Ok(None)
    }

    /// Whether what has come so far, up to [`SO_FAR`], is malware by itself that policy blocks. What it would
    /// let pass is not concluded from a part.
    async fn threat_so_far(
        &self,
        peer: SocketAddr,
        store: &Store,
    ) -> Result<Option<ScanReport>, ExchangeError> {
        /// The user is waiting.
        const PATIENCE: Duration = Duration::from_secs(1);
        let Some(epoch) = &self.epoch else { return Ok(None) };
        let len = store.len().min(SO_FAR);
        let mut copy = Share::new(&self.gateway.store.memory);
        if !copy.grow_to(len) {
            return Ok(None);
        }
        let object = Object { len, content: Content::Memory(Bytes::from(store.front(len).await?)) };
        let mut span = self.span.child("scan what has come");
        span.number("icapstan.body_bytes", len);
        let context = ScanContext {
            partial: true,
            trace: span.context().or(self.trace),
            ..context::scan_context(self.head, self.service.policy.profile())
        };
        let scanned = self.gateway.port.scan(object, context, epoch, Instant::now() + PATIENCE).await;
        trace::scanned(&mut span, &scanned);
        span.end();
        let Ok(report) = scanned else { return Ok(None) };
        let is_threat = matches!(report.findings.strongest(), Verdict::Infected(_));
        Ok((is_threat && self.blocks(peer, &report.findings)).then_some(report))
    }

    /// Sends the heads, and body bytes until there are `wanted` out.
    async fn release<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        store: &Store,
        partial: &mut Partial<'_>,
        wanted: u64,
    ) -> Result<(), ExchangeError> {
        let sent = match partial.out {
            Out::Nothing => {
                self.gateway.metrics.released();
                let mut fields = self.notes(Some("undecided"));
                if exchange.rights().trailers {
                    fields.extend([("Allow", "trailers"), ("Trailer", "X-Icapstan-Reason")]);
                }
                begin_unchanged(self, exchange, &fields);
                0
            }
            Out::Body(sent) => sent,
        };
        let wanted = wanted.min(store.len());
        // Counted before: what cannot be sent wholly may be out in part.
        partial.out = Out::Body(wanted);
        store.send_part(exchange, sent, wanted.saturating_sub(sent)).await?;
        exchange.flush().await
    }

    /// Scans the whole body. Meanwhile the client gets what partial mode gives it.
    pub(crate) async fn scan<I: Io>(
        &self,
        exchange: &mut Exchange<'_, I>,
        store: &mut Store,
        partial: &mut Partial<'_>,
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
        let mut span = self.span.child("scan");
        span.number("icapstan.body_bytes", object.len);
        let trace = span.context().or(self.trace);
        let context = ScanContext { trace, ..context::scan_context(self.head, profile) };
        let mut scan = pin!(self.gateway.port.scan(object, context, epoch, deadline));
        let report = loop {
            let due = partial.chunk_due(store);
            tokio::select! {
                biased;
                report = &mut scan => break report,
                () = exchange.gone() => return Err(ExchangeError::Gone),
                () = sleep_until(due.unwrap_or(deadline).into()), if due.is_some() => {}
            }
            let Some(due) = due else { continue };
            let wanted = partial.due(Wake::Chunk(due), store).await?;
            let Some(wanted) = wanted else { continue };
            let mut report = None;
            let mut sending = pin!(self.release(exchange, store, partial, wanted));
            // A client that reads slowly must not hold the scan up.
            loop {
                tokio::select! {
                    sent = &mut sending => break sent?,
                    done = &mut scan, if report.is_none() => report = Some(done),
                }
            }
            if let Some(report) = report {
                break report;
            }
        };
        trace::scanned(&mut span, &report);
        span.end();
        // What was found before took no time now, and would hide how long scans take.
        if let Ok(report) = report.as_ref()
            && report.origin == Origin::Scan
        {
            self.gateway.metrics.took(Phase::Wait, report.waited);
            self.gateway.metrics.took(Phase::Engine, report.engine);
        }
        Ok(report)
    }
}
