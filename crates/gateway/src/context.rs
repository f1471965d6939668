//! From heads to what a scan is told.

use icapstan_icap_server::proto::{HttpHead, Method, RequestHead};
use icapstan_model::{Mode, ScanContext, ScanProfile};
use std::sync::Arc;

/// The way an object travels, by the method.
pub(crate) fn mode(head: &RequestHead) -> Mode {
    if head.method() == Method::Respmod { Mode::Respmod } else { Mode::Reqmod }
}

/// The head that the body belongs to.
fn body_head(head: &RequestHead) -> Option<HttpHead<'_>> {
    match mode(head) {
        Mode::Reqmod => head.http_request(),
        Mode::Respmod => head.http_response(),
    }
}

/// How long the message says that its body is. It may be wrong.
pub(crate) fn claimed_len(head: &RequestHead) -> Option<u64> {
    body_head(head)?.content_length()
}

/// Whether the head names a transfer coding: then a length beside it means nothing.
pub(crate) fn is_chunked(head: &RequestHead) -> bool {
    body_head(head).is_some_and(|head| head.value("transfer-encoding").is_some())
}

/// The content codings that the message names, and the transfer codings behind them but for `chunked`, which ICAP's
/// own chunks have replaced: what else stands there, the body has still (RFC 9112 section 7), and clients undo it.
pub(crate) fn content_encoding(head: &RequestHead) -> String {
    let mut codings = texts(head, "content-encoding");
    for line in texts(head, "transfer-encoding") {
        let names = line.split(',').map(|coding| coding.split(';').next().unwrap_or_default().trim());
        let left = names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("chunked"));
        codings.extend(left.map(ToOwned::to_owned));
    }
    codings.join(", ")
}

/// Whether the body is a piece of something.
pub(crate) fn is_partial(head: &RequestHead) -> bool {
    body_head(head).is_some_and(|head| head.status() == Some(206) || head.value("content-range").is_some())
}

/// What the head says that the body is.
pub(crate) fn content_types(head: &RequestHead) -> Vec<String> {
    texts(head, "content-type")
}

/// The values of a field of the head that the body belongs to.
fn texts(head: &RequestHead, name: &str) -> Vec<String> {
    let values = body_head(head).into_iter().flat_map(|head| head.values(name));
    values.map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// What a scan is told besides the bytes.
pub(crate) fn scan_context(head: &RequestHead, profile: &Arc<ScanProfile>) -> ScanContext {
    ScanContext {
        mode: mode(head),
        content_encoding: content_encoding(head),
        content_types: content_types(head),
        partial: is_partial(head),
        profile: Arc::clone(profile),
        trace: None,
    }
}
