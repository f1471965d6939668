//! What is told of where a transaction takes its time. Nothing that a message brings is in it: only words of
//! closed sets, numbers, and names from the settings.

use crate::transaction::{Conclusion, Transaction};
use icapstan_icap_server::proto::RequestHead;
use icapstan_icap_server::{Exchange, ExchangeError, Io};
use icapstan_model::{Findings, Mode, Refusal, ScanReport, TraceContext, Verdict, VerdictKind};
use icapstan_telemetry::{Begun, Span, Tracer};

/// The field that names a trace (W3C Trace Context).
const FIELD: &str = "traceparent";

/// Begins what is told of a request, if that is to be told.
pub(crate) fn begin(tracer: &Tracer, head: &RequestHead, mode: Mode) -> Begun {
    let name = match mode {
        Mode::Reqmod => "icap REQMOD",
        Mode::Respmod => "icap RESPMOD",
    };
    tracer.begin(name, || parent(head))
}

/// What the ICAP client says, else what the HTTP client does. Of several that say different things nobody knows
/// which one counts.
fn parent(head: &RequestHead) -> Option<TraceContext> {
    let mut own = head.fields(FIELD);
    if let Some(value) = own.next() {
        return only(value, own);
    }
    let mut encapsulated = head.http_request()?.values(FIELD);
    only(encapsulated.next()?, encapsulated)
}

fn only<'v>(first: &[u8], mut others: impl Iterator<Item = &'v [u8]>) -> Option<TraceContext> {
    if others.next().is_some() { None } else { TraceContext::parse(first.trim_ascii()).ok() }
}

/// Says of a scan what came of it.
pub(crate) fn scanned(span: &mut Span, outcome: &Result<ScanReport, Refusal>) {
    if !span.is_told() {
        return;
    }
    match outcome {
        Ok(report) => {
            found(span, &report.findings);
            span.word("icapstan.cache", report.origin.as_str());
            span.micros("icapstan.scan.wait_us", report.waited);
            span.micros("icapstan.scan.engine_us", report.engine);
        }
        Err(Refusal::QueueFull) => span.fail("queue-full"),
        Err(Refusal::Hopeless) => span.fail("hopeless"),
    }
}

/// Says what was found, without the names of threats, which may come from elsewhere.
pub(crate) fn found(span: &mut Span, findings: &Findings) {
    span.word("icapstan.verdict", findings.kind().as_str());
    span.word(
        "icapstan.reason",
        findings.iter().find_map(Verdict::reason).map_or("", |reason| reason.as_str()),
    );
}

/// Says what became of the transaction.
pub(crate) fn end<I: Io>(
    transaction: &mut Transaction<'_>,
    exchange: &Exchange<'_, I>,
    served: Result<(), ExchangeError>,
) {
    if !transaction.span.is_told() {
        return;
    }
    let id = crate::record::id(transaction);
    let Conclusion { verdict, reason, action, cache } = transaction.conclusion;
    let (service, traffic) = (transaction.service, exchange.traffic());
    let span = &mut transaction.span;
    span.word("network.protocol.name", "icap");
    span.word("icapstan.mode", transaction.mode.as_str());
    span.name("icapstan.service", &service.id);
    span.name("icapstan.policy", service.policy.name());
    span.name("icapstan.transaction", &id);
    span.word("icapstan.verdict", verdict);
    span.word("icapstan.reason", reason);
    span.word("icapstan.action", action);
    span.word("icapstan.cache", cache);
    span.number("icapstan.icap.status", exchange.status(served).map_or(0, |status| status.0.into()));
    span.number("icapstan.received_bytes", traffic.received);
    span.number("icapstan.sent_bytes", traffic.sent);
    if let Err(error) = served {
        span.fail(cause(error));
    } else if verdict == VerdictKind::Failed.as_str() {
        span.fail(reason);
    }
}

fn cause(error: ExchangeError) -> &'static str {
    match error {
        ExchangeError::Decode(_) => "malformed",
        ExchangeError::ReadTimeout => "read-timeout",
        ExchangeError::WriteTimeout => "write-timeout",
        ExchangeError::Gone => "gone",
        ExchangeError::Spent => "memory",
        ExchangeError::Aborted => "aborted",
    }
}
