//! The security event of a decision.

use crate::identity;
use crate::record;
use crate::transaction::Transaction;
use crate::url;
use crate::url_lists::Looked;
use icapstan_api::BodySize;
use icapstan_events::{Event, EventAction, EventKind, Text};
use icapstan_hooks::Call;
use icapstan_model::{Findings, ScanReport, Verdict, VerdictKind};
use icapstan_policy::{Action, DecidedBy, Decision, Met};
use icapstan_quarantine::Id;
use std::net::SocketAddr;
use std::sync::Arc;

/// What was decided, and about what.
pub(crate) struct Decided<'t> {
    pub(crate) report: &'t ScanReport,
    pub(crate) decision: &'t Decision<'t>,
    pub(crate) peer: SocketAddr,
    pub(crate) size: BodySize,
    /// Part of the message is out, so that the rest is cut off and no page goes out.
    pub(crate) is_cut: bool,
    /// What the object is called in the quarantine, if it was taken there.
    pub(crate) kept: Option<&'t Id>,
}

/// Tells the sinks, if any wants to know.
pub(crate) fn tell(transaction: &Transaction<'_>, decided: &Decided<'_>) {
    let events = &transaction.gateway.events;
    let kind = kind(&decided.report.findings, decided.decision);
    if events.wants(kind) {
        events.send(event(transaction, kind, decided));
    }
}

/// Calls the hooks of the rules that were `met`.
pub(crate) fn call(transaction: &Transaction<'_>, decided: &Decided<'_>, met: &[Met<'_>]) {
    let mut shared = None;
    for met in met {
        for hook in &met.rule.hooks {
            let event = shared.get_or_insert_with(|| {
                let kind = kind(&decided.report.findings, decided.decision);
                Arc::new(event(transaction, kind, decided))
            });
            transaction.gateway.hooks.send(Call {
                hook: hook.clone(),
                event: Arc::clone(event),
                verdict: met.verdict.clone(),
                rule: Text::name(record::rule(transaction, DecidedBy::Rule(met.index))),
            });
        }
    }
}

/// What it is to those who watch.
fn kind(findings: &Findings, decision: &Decision<'_>) -> EventKind {
    let is_blocked = decision.action != Action::Pass;
    match findings.kind() {
        VerdictKind::Detect | VerdictKind::Phishing | VerdictKind::Macro => EventKind::Detection,
        // Whatever was found, it would be blocked without that too.
        _ if is_blocked && *decision.verdict == Verdict::Clean => EventKind::Block,
        VerdictKind::Failed => EventKind::Failure,
        VerdictKind::NonScanned => EventKind::NotScanned,
        VerdictKind::Clean => EventKind::Pass,
    }
}

fn said(transaction: &Transaction<'_>, kind: EventKind) -> Text {
    match (kind, record::skip(transaction)) {
        (EventKind::NotScanned, name) if !name.is_empty() => {
            Text::message(format!("An object was not looked at, since the policy leaves it out ({name})."))
        }
        _ => Text::message(message(kind)),
    }
}

fn message(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Detection => "A threat, a deceptive link or active content was found.",
        EventKind::Block => "The rules do not let this message through.",
        EventKind::Failure => "The scan of an object broke.",
        EventKind::Pass => "A rule speaks of a clean message.",
        _ => "An object was not, or not wholly, looked at.",
    }
}

fn event(transaction: &Transaction<'_>, kind: EventKind, decided: &Decided<'_>) -> Event {
    let Decided { report, decision, peer, size, is_cut, kept } = decided;
    let (head, identity) = (transaction.head, &transaction.service.shared.identity);
    let (request, looked) = (head.http_request(), transaction.looked.as_ref());
    let categories = looked.map(|looked| looked.categories().join(", ")).unwrap_or_default();
    Event {
        transaction: Some(transaction.id()),
        trace: transaction.trace.map(|trace| trace.trace_id),
        service: Some(Text::name(&*transaction.service.id)),
        mode: Some(transaction.mode),
        verdict: Some(report.findings.kind()),
        reason: report.findings.iter().find_map(Verdict::reason),
        threats: report.findings.iter().filter_map(Verdict::threat).cloned().collect(),
        action: Some(match decision.action {
            Action::Pass => EventAction::Pass,
            _ if *is_cut => EventAction::Abort,
            Action::Block(_) => EventAction::Block,
            Action::Redirect(_) => EventAction::Redirect,
        }),
        rule: Some(Text::name(record::rule(transaction, decision.by))),
        url: request.map(|request| Text::url(url::of(request))),
        client: identity.client(head),
        peer: Some(*peer),
        user: identity.user(head).map(Text::name),
        groups: identity::groups(head).into_iter().map(Text::name).collect(),
        method: request.map(|request| Text::name(request.method())),
        status: head.http_response().and_then(|response| response.status()),
        size: match size {
            BodySize::Whole(size) => Some(*size),
            BodySize::AtLeast(_) => None,
        },
        sha256: report.sha256,
        quarantine: kept.map(|id| Text::name(id.as_str())),
        list: looked.and_then(Looked::list).map(|name| Text::name(name.as_bytes())),
        category: Some(Text::name(categories)),
        signatures: transaction.generation,
        istag: Some(transaction.istag),
        ..Event::new(kind, said(transaction, kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_model::{FailedReason, NonScannedReason};
    use icapstan_policy::TemplateId;

    #[test]
    fn threats_come_first_and_what_passes_clean_has_a_kind_of_its_own() {
        let infected = Verdict::Infected("X".into());
        let (size, broken) =
            (Verdict::NonScanned(NonScannedReason::Size), Verdict::Failed(FailedReason::Crash));
        let (pass, block) = (Action::Pass, Action::Block(TemplateId::Refused));
        for (found, action, by, expected) in [
            (&[&infected, &broken][..], pass, &infected, EventKind::Detection),
            (&[&Verdict::Macro("X".into()), &size], block, &size, EventKind::Detection),
            (&[&size], block, &Verdict::Clean, EventKind::Block),
            (&[], block, &Verdict::Clean, EventKind::Block),
            (&[&size, &broken], block, &size, EventKind::Failure),
            (&[&size], block, &size, EventKind::NotScanned),
            (&[&size], pass, &size, EventKind::NotScanned),
            // A rule that only logs, or has hooks.
            (&[], pass, &Verdict::Clean, EventKind::Pass),
        ] {
            let mut findings = Findings::clean();
            for verdict in found {
                findings.add((*verdict).clone());
            }
            let decision = Decision { action, log: true, verdict: by, by: DecidedBy::Default };
            assert_eq!(kind(&findings, &decision), expected, "{findings:?} {action:?}");
        }
    }
}
