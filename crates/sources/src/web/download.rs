//! A file from a server into the store.

use super::{Answer, Ask, Web, refusal};
use crate::{Credential, Limits, SourceError};
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use icapstan_artifacts::{PourError, StoreError, Writer, blocking, content_range, pour_into};
use rustls::ClientConfig;
use std::sync::Arc;
use url::Url;

/// What is to be fetched.
pub(crate) struct Download<'a> {
    pub(crate) name: &'a str,
    pub(crate) url: &'a Url,
    pub(crate) credentials: &'a [Credential],
    pub(crate) tls: &'a Arc<ClientConfig>,
    pub(crate) limits: &'a Limits,
    /// How many bytes it may have.
    pub(crate) max_bytes: u64,
    /// What its server called it when we had it.
    pub(crate) known: Option<Known>,
    /// Whether it is the same for ever, so that a part of it fits to any other.
    pub(crate) is_fixed: bool,
}

/// What a server calls a state of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// What came of it.
pub(crate) enum Downloaded {
    NotModified,
    Done(Box<Writer>, Known),
}

impl Web {
    /// Fetches a file. A transfer that is cut goes on where it was, if the server can do so.
    pub(crate) async fn download(
        &self,
        download: &Download<'_>,
        writer: Writer,
    ) -> Result<Downloaded, SourceError> {
        let mut slot = Some(writer);
        let mut state = Known::default();
        let mut left = download.limits.resumes;
        loop {
            let offset = slot.as_ref().map_or(0, Writer::written);
            let answer = self.get(&download.ask(offset, &state)).await?;
            let status = answer.response.status().as_u16();
            match (status, offset) {
                (304, 0) if download.known.is_some() => return Ok(Downloaded::NotModified),
                (200, _) => {
                    state = known(answer.response.headers());
                    if offset > 0 {
                        slot = Some(restarted(slot, download.name).await?);
                    }
                }
                (206, 1..) => part(&answer, offset)?,
                // What we had is not a part of what it has.
                (416, 1..) if left > 0 => {
                    left -= 1;
                    slot = Some(restarted(slot, download.name).await?);
                    continue;
                }
                (206, 0) => return Err(odd(&answer, "a part, of which nobody asked")),
                _ => return Err(refusal(&answer.host, status, download.name)),
            }
            check(&answer, download, slot.as_ref().map_or(0, Writer::written))?;
            let Answer { response, driver, .. } = answer;
            let poured = pour_into(response.into_body(), &mut slot, download.limits.pace).await;
            drop(driver);
            match poured {
                Ok(()) => {
                    let writer = slot.ok_or(SourceError::Stopped)?;
                    return Ok(Downloaded::Done(Box::new(writer), state));
                }
                Err(PourError::Store(StoreError::TooLarge(limit))) => {
                    return Err(SourceError::TooLarge { name: download.name.to_owned(), limit });
                }
                Err(source) => {
                    let is_of_peer =
                        matches!(source, PourError::Cut(_) | PourError::Idle(_) | PourError::Slow(_));
                    let has_more = slot.as_ref().is_some_and(|writer| writer.written() > offset);
                    let is_same = download.is_fixed || state.strong().is_some();
                    if left == 0 || !is_of_peer || !has_more || !is_same {
                        return Err(SourceError::Body { name: download.name.to_owned(), source });
                    }
                    left -= 1;
                }
            }
        }
    }
}

// === impl Download ===

impl<'a> Download<'a> {
    fn ask(&self, offset: u64, state: &Known) -> Ask<'a> {
        let mut fields = Vec::new();
        let mut add = |name: HeaderName, value: Option<&str>| {
            fields
                .extend(value.and_then(|value| HeaderValue::try_from(value).ok()).map(|value| (name, value)));
        };
        if offset > 0 {
            add(RANGE, Some(&format!("bytes={offset}-")));
            add(IF_RANGE, state.strong());
        } else if let Some(known) = &self.known {
            add(IF_NONE_MATCH, known.etag.as_deref());
            // Where there is both, the first one counts (RFC 9110 section 13.1.3).
            add(IF_MODIFIED_SINCE, known.last_modified.as_deref());
        }
        Ask { url: self.url, fields, credentials: self.credentials, tls: self.tls, limits: self.limits }
    }
}

// === impl Known ===

impl Known {
    /// Longer ones are not kept.
    const MAX_LEN: usize = 256;

    /// The tag, if it is one for these very bytes.
    fn strong(&self) -> Option<&str> {
        self.etag.as_deref().filter(|tag| tag.starts_with('"'))
    }

    pub(crate) fn is_some(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }
}

fn known(headers: &HeaderMap) -> Known {
    let field = |name| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= Known::MAX_LEN).then(|| value.to_owned())
    };
    Known { etag: field(ETAG), last_modified: field(LAST_MODIFIED) }
}

async fn restarted(slot: Option<Writer>, name: &str) -> Result<Writer, SourceError> {
    let mut writer = slot.ok_or(SourceError::Stopped)?;
    let done = blocking(move || writer.restart().map(|()| writer)).await.ok_or(SourceError::Stopped)?;
    done.map_err(|source| SourceError::Store { name: name.to_owned(), source })
}

fn odd(answer: &Answer, what: &str) -> SourceError {
    SourceError::Answer { host: answer.host.clone(), what: what.to_owned() }
}

/// Whether it is the rest.
fn part(answer: &Answer, offset: u64) -> Result<(), SourceError> {
    let range = answer.response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    match range.and_then(content_range) {
        Some((first, last, total)) if first == offset && last + 1 == total => Ok(()),
        _ => Err(odd(answer, "another part than was asked for")),
    }
}

/// What can be known before the body comes. `so_far` is there already.
fn check(answer: &Answer, download: &Download<'_>, so_far: u64) -> Result<(), SourceError> {
    let headers = answer.response.headers();
    let is_coded =
        headers.get(CONTENT_ENCODING).is_some_and(|coding| !coding.is_empty() && coding != "identity");
    if is_coded {
        let what = "its server compresses it on the way, although it was asked not to";
        return Err(SourceError::Format { name: download.name.to_owned(), what });
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = download.max_bytes;
    if length.is_some_and(|length| length > limit.saturating_sub(so_far)) {
        return Err(SourceError::TooLarge { name: download.name.to_owned(), limit });
    }
    Ok(())
}
