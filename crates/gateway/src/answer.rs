//! Answers: the message as it came, or a page in its place.

use crate::detection::Detection;
use crate::metrics::Shortage;
use crate::partial::Out;
use crate::record;
use crate::store::Store;
use crate::transaction::Transaction;
use icapstan_api::{RedirectUrl, Template};
use icapstan_icap_server::proto::{HttpHead, Parts, Status, without_hop_by_hop};
use icapstan_icap_server::{Body, Exchange, ExchangeError, Io, Reply, Share};
use icapstan_model::{Findings, Mode, Verdict};
use icapstan_policy::{Action, BlockPage, DecidedBy, Decision, PageContext, Wishes};
use std::borrow::Cow;

/// What policy wants done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'p> {
    Pass,
    /// Something else goes out in the message's place.
    Block(Replacement<'p>),
}

/// What goes out in a message's place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Replacement<'p> {
    /// And what decided so.
    Page(Template, DecidedBy),
    Redirect(&'p RedirectUrl),
}

// === impl Outcome ===

impl<'p> Outcome<'p> {
    pub(crate) fn of(decision: &Decision<'p>) -> Self {
        match decision.action {
            Action::Pass => Self::Pass,
            Action::Block(template) => Self::Block(Replacement::Page(template, decision.by)),
            Action::Redirect(url) => Self::Block(Replacement::Redirect(url)),
        }
    }
}

/// Gives the message back: by 204 where that is legal, else byte for byte. `body` and then `rest`
/// hold what of the body has been received; what is still to come is passed through.
pub(crate) async fn pass<I: Io>(
    transaction: &mut Transaction<'_>,
    exchange: &mut Exchange<'_, I>,
    findings: &Findings,
    body: Option<(&Store, Out)>,
    rest: &[u8],
) -> Result<(), ExchangeError> {
    let here = body.map_or(0, |(store, _)| store.len()) + rest.len() as u64;
    // With fewer there is no reason to let it through.
    let left = transaction.skip.map_or(0, |skip| skip.least.saturating_sub(here));
    if let Some((store, Out::Body(sent))) = body {
        if exchange.rights().trailers {
            exchange.set_trailer(&[("X-Icapstan-Reason", &told_reason(findings))]);
        }
        return complete(exchange, Some(store), sent, rest, left).await;
    }
    let store = body.map(|(store, _)| store);
    let (service, istag) = (transaction.service, transaction.istag);
    let reason = reason_text(findings);
    let mut fields = transaction.notes(Some(reason.as_str()).filter(|_| !findings.is_clean()));
    fields.extend(transaction.added.icap());
    let fields = &fields[..];
    if service.allow_no_content && exchange.rights().no_content && !is_changed(transaction) {
        finish_sending(exchange, left).await?;
        let reply = Reply { status: Status::NO_CONTENT, istag: &istag, fields, parts: Parts::Nothing };
        return exchange.answer(reply, &[]).await;
    }
    if service.allow_partial_content && exchange.rights().partial_content && transaction.head.has_body() {
        finish_sending(exchange, left).await?;
        let head = unchanged_head(transaction);
        let parts = unchanged_parts(transaction, head.as_deref());
        exchange.begin(Reply { status: Status::PARTIAL_CONTENT, istag: &istag, fields, parts });
        return exchange.finish(Status::PARTIAL_CONTENT, Some(0)).await;
    }
    let mut preview = Vec::new();
    let mut memory = None;
    if store.is_none() && transaction.head.preview().is_some() {
        let memory = memory.insert(Share::new(&transaction.gateway.store.memory));
        // The decoder bounds it.
        while let Body::Data(data) = exchange.next().await? {
            preview.extend_from_slice(data);
            if !memory.grow_to(preview.capacity() as u64) {
                return transaction.refuse(exchange, Shortage::Memory).await;
            }
        }
    }
    let head = unchanged_head(transaction);
    let parts = unchanged_parts(transaction, head.as_deref());
    let in_memory = store.map_or(Some(&preview[..]), Store::in_memory);
    if let Some(bytes) = in_memory.filter(|_| exchange.body_ended() && rest.is_empty()) {
        return exchange.answer(Reply { status: Status::OK, istag: &istag, fields, parts }, bytes).await;
    }
    if exchange.is_undecided() {
        exchange.proceed().await?;
    }
    begin_unchanged(transaction, exchange, fields);
    exchange.chunk(&preview).await?;
    complete(exchange, store, 0, rest, left).await
}

/// Begins to give the message back.
pub(crate) fn begin_unchanged<I: Io>(
    transaction: &Transaction<'_>,
    exchange: &mut Exchange<'_, I>,
    fields: &[(&str, &str)],
) {
    let head = unchanged_head(transaction);
    let parts = unchanged_parts(transaction, head.as_deref());
    exchange.begin(Reply { status: Status::OK, istag: &transaction.istag, fields, parts });
}

/// Sends what is left of a body of which `sent` bytes are out. If fewer than `left` bytes
/// are still to come, the answer is cut.
async fn complete<I: Io>(
    exchange: &mut Exchange<'_, I>,
    store: Option<&Store>,
    sent: u64,
    rest: &[u8],
    left: u64,
) -> Result<(), ExchangeError> {
    if let Some(store) = store {
        store.send(exchange, sent).await?;
    }
    exchange.chunk(rest).await?;
    exchange.relay_at_least(Status::OK, left).await
}

/// Until its body is out, or its preview, a client may not look for an answer. If fewer than `left` bytes
/// are still to come, there is none.
async fn finish_sending<I: Io>(exchange: &mut Exchange<'_, I>, left: u64) -> Result<(), ExchangeError> {
    let mut passed = 0;
    while !exchange.body_ended() && !exchange.is_undecided() {
        if let Body::Data(data) = exchange.next().await? {
            passed += data.len() as u64;
        }
    }
    if exchange.body_ended() && passed < left { Err(ExchangeError::Aborted) } else { Ok(()) }
}

fn unchanged_parts<'a>(transaction: &Transaction<'_>, head: Option<&'a [u8]>) -> Parts<'a> {
    let body = transaction.head.has_body();
    match (head, transaction.mode) {
        (Some(head), Mode::Reqmod) => Parts::Request { head, body },
        (Some(head), Mode::Respmod) => Parts::Response { head, body },
        (None, mode) if body => Parts::Body { response: mode == Mode::Respmod },
        (None, _) => Parts::Nothing,
    }
}

/// Whether what goes on is not what came: a rule adds fields to a head that there is.
fn is_changed(transaction: &Transaction<'_>) -> bool {
    transaction.added.changes_http() && message_head(transaction).is_some()
}

/// Puts a page, or the way to another, in the message's place.
pub(crate) async fn block<I: Io>(
    transaction: &Transaction<'_>,
    exchange: &mut Exchange<'_, I>,
    findings: &Findings,
    verdict: &Verdict,
    replacement: Replacement<'_>,
) -> Result<(), ExchangeError> {
    let Transaction { istag, service, head, .. } = transaction;
    let request = head.http_request();
    // Then nothing that was found is why.
    let reason = if findings.is_clean() { "rule".to_owned() } else { reason_text(findings) };
    let context = PageContext {
        verdict,
        url: &record::url(transaction).unwrap_or_default(),
        client: &record::client(transaction, exchange.peer()),
        user: &transaction.service.shared.identity.user(head).unwrap_or_default(),
        transaction: &record::id(transaction),
        trace: &record::trace(transaction),
        time: &httpdate::fmt_http_date(std::time::SystemTime::now()),
        service: &service.id,
    };
    let page = match replacement {
        Replacement::Page(template, by) => {
            let rule = record::rule(transaction, by);
            transaction.service.shared.templates.page(template, &wishes(request), &context, &rule)
        }
        Replacement::Redirect(url) => BlockPage::redirect(url, &context, &reason),
    };
    let detection = Detection::of(verdict, context.url, transaction.released, &service.shared.detection);
    let mut fields: Vec<_> = detection.iter().flat_map(Detection::fields).collect();
    fields.push(("X-Response-Info", "Blocked"));
    fields.extend(transaction.notes(Some(&reason)));
    fields.extend(transaction.added.icap());
    let page = BlockPage { head: transaction.added.complete(page.head), ..page };
    let is_head = request.is_some_and(|request| request.method() == b"HEAD");
    let body = !is_head && !page.body.is_empty();
    let parts = Parts::Response { head: &page.head, body };
    let reply = Reply { status: Status::OK, istag, fields: &fields, parts };
    exchange.answer(reply, if body { &page.body } else { &[] }).await
}

/// What the request asks the answer to be like. A response that comes without its request asks nothing.
fn wishes(request: Option<HttpHead<'_>>) -> Wishes {
    let values = |name| request.into_iter().flat_map(move |request| request.values(name));
    Wishes::new(values("accept"), values("accept-language"))
}

/// The head of the message that goes on, as it came.
fn message_head<'a>(transaction: &Transaction<'a>) -> Option<HttpHead<'a>> {
    match transaction.mode {
        Mode::Reqmod => transaction.head.http_request(),
        Mode::Respmod => transaction.head.http_response(),
    }
}

/// The head to give back; as it came unless it has fields of one connection, or a rule adds some.
fn unchanged_head<'a>(transaction: &Transaction<'a>) -> Option<Cow<'a, [u8]>> {
    let head = message_head(transaction)?;
    let plain = without_hop_by_hop(head).map_or(Cow::Borrowed(head.as_bytes()), Cow::Owned);
    let added = &transaction.added;
    Some(if added.changes_http() { Cow::Owned(added.put(&plain)) } else { plain })
}

/// The same, of what is clean too.
fn told_reason(findings: &Findings) -> String {
    if findings.is_clean() { "clean".to_owned() } else { reason_text(findings) }
}

/// All findings in the words of `X-Icapstan-Reason`: `detect`, `non-scanned/size` ...
pub(crate) fn reason_text(findings: &Findings) -> String {
    let mut text = String::new();
    for finding in findings {
        let word = match finding.reason() {
            Some(reason) => format!("{}/{}", finding.kind(), reason),
            None => finding.kind().to_string(),
        };
        if text.split(", ").any(|known| known == word) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&word);
    }
    text
}
