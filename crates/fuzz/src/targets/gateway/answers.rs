//! What the gateway should answer.

use super::found;
use crate::expect::{Piece, Stop, Talk, bare};
use crate::hop;
use crate::strict::Answer;
use crate::targets::page;
use icapstan_api::{IcapService, ScanScope};
use icapstan_icap_server::proto::{Method, RequestHead};
use icapstan_model::{FailedReason, Findings, Mode, NonScannedReason, Verdict};
use icapstan_policy::{Action, NoFacts, Policy};

/// One request to a service.
pub(super) struct Asked<'a> {
    pub(super) service: &'a IcapService,
    pub(super) policy: &'a Policy,
    pub(super) head: &'a RequestHead,
    pub(super) tag: String,
    pub(super) loaded: bool,
}

impl Asked<'_> {
    pub(super) fn serve(&self, talk: &mut Talk<'_>) -> Result<(), Stop> {
        if matches!(self.service.scan, ScanScope::None | ScanScope::Url) {
            let skipped = Findings::from(Verdict::NonScanned(NonScannedReason::Skipped));
            return self.pass(talk, &skipped, None);
        }
        if !self.head.has_body() {
            return self.conclude(talk, &Findings::clean(), None);
        }
        let limit = self.policy.profile().max_object_size;
        let claimed = match self.head.method() {
            Method::Respmod => self.head.http_response(),
            _ => self.head.http_request(),
        };
        let claimed = claimed.and_then(|head| head.content_length()).unwrap_or(0);
        let mut body = Vec::new();
        loop {
            match talk.next()? {
                Piece::Data(data) => body.extend_from_slice(data),
                Piece::PreviewEnd if claimed.max(body.len() as u64) > limit => {
                    let large = Findings::from(Verdict::NonScanned(NonScannedReason::Size));
                    return self.conclude(talk, &large, Some(&body));
                }
                Piece::PreviewEnd => talk.proceed(),
                Piece::End => break,
            }
        }
        let scanned = if self.loaded {
            found(&body)
        } else {
            Ok(Findings::from(Verdict::Failed(FailedReason::NoScanner)))
        };
        if let Ok(findings) = scanned {
            return self.conclude(talk, &findings, Some(&body));
        }
        let check = |answer: &Answer| {
            bare(answer);
            assert!(answer.get("X-Icapstan-Reason").is_some());
        };
        talk.answer(500, self.tag.clone(), Box::new(check));
        Ok(())
    }

    fn conclude(&self, talk: &mut Talk<'_>, findings: &Findings, body: Option<&[u8]>) -> Result<(), Stop> {
        let mode = if self.head.method() == Method::Respmod { Mode::Respmod } else { Mode::Reqmod };
        let decision = self.policy.decide(mode, findings, &NoFacts);
        if decision.action == Action::Pass {
            return self.pass(talk, findings, body);
        }
        let has_page = self.head.http_request().is_none_or(|request| request.method() != b"HEAD");
        let threat = decision.verdict.threat().map(|name| name.as_str().to_owned());
        let reasons = reasons(findings);
        let check = move |answer: &Answer| {
            assert_eq!(answer.get("X-Virus-ID"), threat.as_deref());
            assert_eq!(answer.get("X-Infection-Found").is_some(), threat.is_some());
            assert_eq!(answer.get("X-Response-Info"), Some("Blocked"));
            assert_eq!(answer.get("X-Icapstan-Reason"), Some(reasons.as_str()));
            let head = String::from_utf8(answer.res_hdr.clone().expect("a page has a head")).expect("ASCII");
            assert!(answer.req_hdr.is_none() && head.starts_with("HTTP/1.1 403 "));
            assert_eq!(answer.body.is_some(), has_page);
            if let Some(body) = &answer.body {
                page::inert(body);
                assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())));
            }
        };
        talk.answer(200, self.tag.clone(), Box::new(check));
        Ok(())
    }

    /// `received` is what was kept of the body for a scan.
    fn pass(&self, talk: &mut Talk<'_>, findings: &Findings, received: Option<&[u8]>) -> Result<(), Stop> {
        let rights = talk.rights(self.head);
        let reason = (!findings.is_clean()).then(|| reasons(findings));
        if self.service.allow204 && rights.no_content {
            finish(talk)?;
            let check = move |answer: &Answer| {
                bare(answer);
                assert_eq!(answer.get("X-Icapstan-Reason"), reason.as_deref());
            };
            talk.answer(204, self.tag.clone(), Box::new(check));
            return Ok(());
        }
        let (mut status, mut original) = (200, None);
        let mut body = received.unwrap_or_default().to_vec();
        if self.service.allow206 && rights.partial_content && self.head.has_body() {
            finish(talk)?;
            (status, original) = (206, Some(0));
            body.clear();
        } else {
            // A preview is read before the answer begins, the rest while it goes out.
            if received.is_none() && self.head.preview().is_some() {
                while let Piece::Data(data) = talk.next()? {
                    body.extend_from_slice(data);
                }
            }
            if talk.is_undecided() {
                talk.proceed();
            }
            if !talk.body_ended() {
                talk.begin();
            }
            while let Piece::Data(data) = talk.next()? {
                body.extend_from_slice(data);
            }
        }
        let has_body = self.head.has_body();
        let head = |head: Option<icapstan_icap_server::proto::HttpHead<'_>>| {
            head.map(|head| hop::stripped(head.as_bytes()))
        };
        let (req_hdr, res_hdr) = match self.head.method() {
            Method::Respmod => (None, head(self.head.http_response())),
            _ => (head(self.head.http_request()), None),
        };
        let check = move |answer: &Answer| {
            assert_eq!((&answer.req_hdr, &answer.res_hdr), (&req_hdr, &res_hdr));
            assert!(answer.body == has_body.then(|| body.clone()), "{:?} is not {body:?}", answer.body);
            assert_eq!(answer.original, original);
            assert_eq!(answer.get("X-Icapstan-Reason"), reason.as_deref());
        };
        talk.finish(status, self.tag.clone(), Box::new(check));
        Ok(())
    }
}

/// Up to the end of the body, or of the preview.
fn finish(talk: &mut Talk<'_>) -> Result<(), Stop> {
    while let Piece::Data(_) = talk.next()? {}
    Ok(())
}

/// The words of all findings, each once.
fn reasons(findings: &Findings) -> String {
    let mut words: Vec<String> = Vec::new();
    for finding in findings {
        let word = match finding.reason() {
            Some(reason) => format!("{}/{reason}", finding.kind()),
            None => finding.kind().to_string(),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}
