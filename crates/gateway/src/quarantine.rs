//! Hands infected objects to the quarantine.

use crate::record;
use crate::store::Store;
use crate::transaction::Transaction;
use icapstan_icap_server::proto::HttpHead;
use icapstan_model::{Mode, Reason, ScanReport, Verdict};
use icapstan_quarantine::{Candidate, Id, Metadata};
use std::net::SocketAddr;

/// The fields that say what the content of a message is.
const FIELDS: [&str; 6] = [
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-range",
    "content-language",
    "last-modified",
];
/// So many lines of them are kept, each cut here, in characters.
const MAX_LINES: usize = 16;
const MAX_LINE: usize = 512;

/// Offers the body if it is one that is to be kept. It stays where it is, and its part of the budgets is taken until it
/// is written. What was found of the URL alone says nothing of the body, so `report` is to be that of the scan.
pub(crate) async fn keep(
    transaction: &Transaction<'_>,
    report: &ScanReport,
    store: Option<&mut Store>,
    is_whole: bool,
    peer: SocketAddr,
) -> Option<Id> {
    let quarantine = &transaction.gateway.quarantine;
    let store = store.filter(|store| store.len() > 0)?;
    if !quarantine.wants(&report.findings) || !transaction.service.policy.quarantine() {
        return None;
    }
    let Ok(object) = store.object().await else {
        quarantine.unreadable();
        return None;
    };
    let metadata = metadata(transaction, report, is_whole, peer);
    quarantine.offer(Candidate { object, metadata, hold: Some(Box::new(store.hold())) })
}

fn metadata(
    transaction: &Transaction<'_>,
    report: &ScanReport,
    is_whole: bool,
    peer: SocketAddr,
) -> Metadata {
    let (head, service) = (transaction.head, transaction.service);
    let (request, response) = (head.http_request(), head.http_response());
    let reason = report.findings.iter().find_map(Verdict::reason);
    let threats = report.findings.iter().filter_map(Verdict::threat);
    Metadata {
        transaction: record::id(transaction),
        service: service.id.to_string(),
        mode: transaction.mode.as_str().to_owned(),
        policy: service.policy.name().to_owned(),
        verdict: report.findings.kind().to_string(),
        reason: reason.map_or("", Reason::as_str).to_owned(),
        threats: threats.map(ToString::to_string).collect(),
        url: record::url(transaction).unwrap_or_default(),
        method: request.map(|request| text(request.method())).unwrap_or_default(),
        status: response.and_then(|response| response.status()),
        client: record::client(transaction, peer),
        peer: peer.to_string(),
        user: service.shared.identity.user(head).unwrap_or_default(),
        generation: transaction.generation.map(|id| id.to_string()).unwrap_or_default(),
        headers: match transaction.mode {
            Mode::Reqmod => request.map(fields),
            Mode::Respmod => response.map(fields),
        }
        .unwrap_or_default(),
        complete: is_whole,
        sha256: report.sha256.map(|digest| digest.to_string()).unwrap_or_default(),
        ..Metadata::default()
    }
}

fn fields(head: HttpHead<'_>) -> Vec<(String, String)> {
    let lines =
        FIELDS.iter().flat_map(|name| head.values(name).map(|value| ((*name).to_owned(), text(value))));
    lines.take(MAX_LINES).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(MAX_LINE).collect()
}
