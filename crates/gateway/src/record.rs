//! The lines of logs: of a decision, and of each transaction.

use crate::answer::reason_text;
use crate::event::Decided;
use crate::transaction::{Conclusion, Transaction};
use crate::url;
use icapstan_icap_server::{Exchange, ExchangeError, Io};
use icapstan_model::ThreatName;
use icapstan_policy::{Action, DecidedBy};
use icapstan_telemetry::{AccessLog, AccessRecord, AccessUrl};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tracing::info;

/// The transaction's id as logs and pages show it.
pub(crate) fn id(transaction: &Transaction<'_>) -> String {
    format!("{:016x}", transaction.id())
}

/// The trace that it belongs to, for those who look for it there; empty without one.
pub(crate) fn trace(transaction: &Transaction<'_>) -> String {
    transaction.trace.map(|trace| trace.trace_text()).unwrap_or_default()
}

/// The URL that the message is about, if it says; for people.
pub(crate) fn url(transaction: &Transaction<'_>) -> Option<String> {
    transaction.head.http_request().map(url::shown)
}

/// The address of the user's machine, or of the ICAP client if that tells no other.
pub(crate) fn client(transaction: &Transaction<'_>, peer: SocketAddr) -> String {
    transaction.service.shared.identity.client(transaction.head).unwrap_or_else(|| peer.ip()).to_string()
}

/// Writes one line for what was found and what was done about it.
pub(crate) fn decision(transaction: &Transaction<'_>, decided: &Decided<'_>, size: Option<u64>) {
    let Decided { report, decision, peer, kept, .. } = *decided;
    let threats: Vec<_> =
        report.findings.iter().filter_map(|finding| finding.threat()).map(ThreatName::as_str).collect();
    info!(
        transaction = id(transaction),
        trace = transaction.trace.map(|trace| trace.trace_text()),
        mode = transaction.mode.as_str(),
        service = &*transaction.service.id,
        verdict = report.findings.kind().as_str(),
        reason = reason_text(&report.findings),
        threat = threats.join(", "),
        action = match decision.action {
            Action::Pass => "pass",
            Action::Block(_) => "block",
            Action::Redirect(_) => "redirect",
        },
        cache = report.origin.as_str(),
        rule = rule(transaction, decision.by),
        skip = skip(transaction),
        url = url(transaction).unwrap_or_default(),
        client = client(transaction, peer),
        peer = %peer,
        peer_certificate = transaction.client.certificate(),
        peer_user = transaction.client.user(),
        user = transaction.service.shared.identity.user(transaction.head).unwrap_or_default(),
        size = size.unwrap_or(0),
        quarantine = kept.map_or("", |id| id.as_str()),
        sha256 = report.sha256.map(|digest| digest.to_string()).unwrap_or_default(),
        generation = transaction.generation.map(|id| id.to_string()).unwrap_or_default(),
        istag = transaction.istag.as_str(),
        "{}",
        if report.findings.is_clean() { "A rule spoke of a clean object." } else { "An object was not found clean." }
    );
}

/// What decided: a rule by its name, else by its place.
pub(crate) fn rule(transaction: &Transaction<'_>, by: DecidedBy) -> String {
    match by {
        DecidedBy::Default => String::new(),
        DecidedBy::Rule(index) => {
            let name = transaction.service.policy.rule_name(index);
            name.map_or_else(|| format!("rules[{index}]"), str::to_owned)
        }
    }
}

/// What of the policy left the body out.
pub(crate) fn skip<'t>(transaction: &Transaction<'t>) -> &'t str {
    transaction.skip.map_or("", |skip| &transaction.service.policy.skips()[skip.index].name)
}

/// Writes the line of the access log, if there is one.
pub(crate) fn access<I: Io>(
    transaction: &Transaction<'_>,
    log: &AccessLog,
    exchange: &Exchange<'_, I>,
    served: Result<(), ExchangeError>,
    started: Instant,
) {
    let Conclusion { verdict, reason, action, cache } = transaction.conclusion;
    let (duration, traffic) = (started.elapsed(), exchange.traffic());
    let now = SystemTime::now();
    log.write(AccessRecord {
        time: now.checked_sub(duration).unwrap_or(now),
        transaction: transaction.id(),
        trace: transaction.trace.map(|trace| trace.trace_id),
        peer: exchange.peer(),
        peer_certificate: transaction.client.certificate().into(),
        peer_user: transaction.client.user().into(),
        client: transaction.service.shared.identity.client(transaction.head),
        method: transaction.head.method().as_str(),
        service: Arc::clone(&transaction.service.id),
        status: exchange.status(served).map_or(0, |status| status.0),
        verdict,
        reason,
        action,
        cache,
        received: traffic.received,
        sent: traffic.sent,
        duration,
        url: url(transaction).map(|url| AccessUrl::of(&url)),
    });
}
